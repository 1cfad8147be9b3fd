//! Unified limits, from which services read their quotas. The enforcement model is flat.

use serde_json::Value;

use super::{
    Filters, admin_only,
    body::{self, Body},
    catalog::{find_region, find_service},
    missing, not_allowed,
};
use crate::{
    db::{
        Conn, DbResult,
        identity::{
            domains,
            limits::{self, Limit},
            projects,
        },
    },
    identity::builtin::{Builtin, context::Token, new_id},
    model::error::{Error, Result},
};

/// Limits of one request at most.
const AT_ONCE_MAX: usize = 1000;

impl Builtin {
    /// Limits that pass the filters `service_id`, `region_id`, `resource_name`, `project_id` and `domain_id`:
    /// registered ones for anybody, others for their own project, for services and for those who read all.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn limit_list(&self, token: &Token, registered: bool, filters: &Filters) -> Result<Vec<Limit>> {
        let mut rows = self.read("identity_limits", limits::list).await?;
        rows.retain(|limit| {
            limit.is_registered() == registered
                && may_read(token, limit)
                && filters.matches("service_id", Some(&limit.service_id))
                && filters.matches("region_id", limit.region_id.as_deref())
                && filters.matches("resource_name", Some(&limit.resource_name))
                && filters.matches("project_id", limit.project_id.as_deref())
                && filters.matches("domain_id", limit.domain_id.as_deref())
        });
        Ok(rows)
    }

    /// One limit.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn limit_show(&self, token: &Token, registered: bool, id: &str) -> Result<Limit> {
        let id = id.to_owned();
        let row = self.read("identity_limit", move |conn| find(conn, registered, &id)).await?;
        if may_read(token, &row) { Ok(row) } else { Err(not_allowed()) }
    }

    /// Creates limits, all or none.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`] for what they refer to, [`Error::Conflict`].
    pub async fn limit_create(&self, token: &Token, registered: bool, bodies: &Value) -> Result<Vec<Limit>> {
        admin_only(token)?;
        let list = bodies.as_array().filter(|list| !list.is_empty() && list.len() <= AT_ONCE_MAX);
        let list = list.ok_or_else(|| Error::invalid("The body must be a list of limits."))?;
        let mut rows = Vec::new();
        for limit in list {
            let body = limit.as_object().ok_or_else(|| Error::invalid("A limit must be an object."))?;
            rows.push(parse(body, registered)?);
        }
        self.change("identity_limit_create", move |conn| {
            let mut all = limits::list(conn)?;
            for row in &rows {
                check(conn, row, &all)?;
                limits::insert(conn, row)?;
                all.push(row.clone());
            }
            Ok(rows.clone())
        })
        .await
    }

    /// Changes value and description of a limit, and of a registered one what it is for.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`].
    pub async fn limit_update(
        &self,
        token: &Token,
        registered: bool,
        id: &str,
        body: &Body,
    ) -> Result<Limit> {
        admin_only(token)?;
        let (id, body) = (id.to_owned(), body.clone());
        self.change("identity_limit_update", move |conn| {
            let mut row = find(conn, registered, &id)?;
            row.limit_value = value(&body, registered)?.unwrap_or(row.limit_value);
            row.description = body::nullable(&body, "description")?.unwrap_or(row.description);
            if registered {
                row.service_id = body::name(&body, "service_id")?.unwrap_or(row.service_id);
                row.resource_name = body::name(&body, "resource_name")?.unwrap_or(row.resource_name);
                if body.contains_key("region_id") {
                    row.region_id = body::name(&body, "region_id")?;
                }
            }
            let mut others = limits::list(conn)?;
            others.retain(|other| other.id != row.id);
            check(conn, &row, &others)?;
            limits::save(conn, &row)?;
            Ok(row)
        })
        .await
    }

    /// Removes a limit.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`] also for a registered limit while others refine it.
    pub async fn limit_delete(&self, token: &Token, registered: bool, id: &str) -> Result<()> {
        admin_only(token)?;
        let id = id.to_owned();
        self.change("identity_limit_delete", move |conn| {
            let row = find(conn, registered, &id)?;
            let refined = |other: &Limit| !other.is_registered() && same_resource(other, &row);
            if registered && limits::list(conn)?.iter().any(refined) {
                return Err(Error::forbidden("There are limits of projects or domains for it.").into());
            }
            limits::remove(conn, &id)
        })
        .await
    }
}

fn may_read(token: &Token, limit: &Limit) -> bool {
    limit.is_registered()
        || token.reads_all()
        || token.is_service()
        || (limit.project_id.is_some() && limit.project_id.as_deref() == token.project_id())
        || (limit.domain_id.is_some() && limit.domain_id.as_deref() == token.domain_id())
}

fn find(conn: &mut Conn, registered: bool, id: &str) -> DbResult<Limit> {
    let row = limits::find(conn, id)?.filter(|limit| limit.is_registered() == registered);
    Ok(row.ok_or_else(|| missing("limit", id))?)
}

fn value(body: &Body, registered: bool) -> Result<Option<i64>> {
    let key = if registered { "default_limit" } else { "resource_limit" };
    let Some(value) = body.get(key) else { return Ok(None) };
    let value = value.as_i64().filter(|value| (-1..=i64::from(i32::MAX)).contains(value));
    value.map(Some).ok_or_else(|| Error::invalid(format!("{key:?} must be a number from -1 to 2147483647.")))
}

fn parse(body: &Body, registered: bool) -> Result<Limit> {
    let row = Limit {
        id: new_id(),
        service_id: body::required(body, "service_id")?,
        region_id: body::name(body, "region_id")?,
        resource_name: body::required(body, "resource_name")?,
        limit_value: value(body, registered)?
            .ok_or_else(|| Error::invalid("The limit's value is missing."))?,
        description: body::text(body, "description")?,
        project_id: if registered { None } else { body::name(body, "project_id")? },
        domain_id: if registered { None } else { body::name(body, "domain_id")? },
    };
    if !registered && row.project_id.is_some() == row.domain_id.is_some() {
        return Err(Error::invalid("A limit is for either a project or a domain."));
    }
    Ok(row)
}

fn same_resource(one: &Limit, other: &Limit) -> bool {
    one.service_id == other.service_id
        && one.region_id == other.region_id
        && one.resource_name == other.resource_name
}

fn check(conn: &mut Conn, row: &Limit, others: &[Limit]) -> DbResult<()> {
    find_service(conn, &row.service_id)?;
    if let Some(id) = &row.region_id {
        find_region(conn, id)?;
    }
    if let Some(id) = &row.project_id {
        projects::find(conn, id)?.ok_or_else(|| missing("project", id))?;
    }
    if let Some(id) = &row.domain_id {
        domains::find(conn, id)?.ok_or_else(|| missing("domain", id))?;
    }
    let twin = |other: &Limit| {
        same_resource(other, row) && other.project_id == row.project_id && other.domain_id == row.domain_id
    };
    if others.iter().any(twin) {
        return Err(Error::conflict("There is such a limit already.").into());
    }
    let refines = |other: &Limit| other.is_registered() && same_resource(other, row);
    if !row.is_registered() && !others.iter().any(refines) {
        return Err(Error::NotFound("There is no registered limit for this resource.".to_owned()).into());
    }
    Ok(())
}

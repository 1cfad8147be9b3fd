//! Projects.

use serde_json::Value;

use super::{
    Filters, admin_only,
    body::{self, Body},
    domain_of_scope, missing, readers_only, taken,
};
use crate::{
    db::{
        Conn, DbResult,
        identity::{
            domains,
            projects::{self, Project},
        },
    },
    identity::builtin::{Builtin, context::Token, new_id, revoke},
    model::error::{Error, Result},
};

const KNOWN: &[&str] = &["name", "description", "enabled", "domain_id", "parent_id"];
/// Projects below one another at most; Keystone's `max_project_tree_depth`.
const DEPTH_MAX: usize = 5;

impl Builtin {
    /// Projects that pass the filters `name`, `domain_id`, `parent_id`, `enabled`, `is_domain` and `tags`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless the token reads all.
    pub async fn project_list(&self, token: &Token, filters: &Filters) -> Result<Vec<Project>> {
        readers_only(token)?;
        if filters.flag("is_domain") == Some(true) {
            return Ok(Vec::new());
        }
        let wanted = filters.clone();
        let list = move |conn: &mut Conn| {
            projects::list(conn, wanted.get("domain_id"), wanted.get("name"), wanted.get("parent_id"))
        };
        let mut rows = self.read("identity_projects", list).await?;
        rows.retain(|p| filters.admits("enabled", p.enabled) && has_tags(p, filters.get("tags")));
        Ok(rows)
    }

    /// One project: one on which the user has a role, or any for those who read all.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn project_show(&self, token: &Token, id: &str) -> Result<Project> {
        if token.project_id() != Some(id) && !token.reads_all() {
            let reach = self.reach(&token.user.id).await?;
            let own = reach.projects.into_iter().find(|project| project.id == id);
            return own.ok_or_else(super::not_allowed);
        }
        let wanted = id.to_owned();
        let row = self.read("identity_project", move |conn| projects::find(conn, &wanted)).await?;
        row.ok_or_else(|| missing("project", id))
    }

    /// Makes a project, in the domain of the token's scope unless the body names another.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`] for domain or parent, [`Error::Conflict`].
    pub async fn project_create(&self, token: &Token, body: &Body) -> Result<Project> {
        admin_only(token)?;
        if body::flag(body, "is_domain")? == Some(true) {
            return Err(Error::invalid("Create a domain with POST /v3/domains."));
        }
        let domain_id = body::name(body, "domain_id")?;
        let parent_id = body::name(body, "parent_id")?;
        let default_domain_id = domain_of_scope(token);
        let mut row = Project {
            id: new_id(),
            name: body::required(body, "name")?,
            domain_id: String::new(),
            parent_id: String::new(),
            description: body::text(body, "description")?.unwrap_or_default(),
            enabled: body::flag(body, "enabled")?.unwrap_or(true),
            extra: body::extra(body, KNOWN, "{}")?,
        };
        (row.domain_id, row.parent_id) = self
            .read("identity_project_place", move |conn| {
                place(conn, domain_id.as_deref(), parent_id.as_deref(), &default_domain_id)
            })
            .await?;
        self.change("identity_project_create", move |conn| {
            projects::insert(conn, &row).map_err(|e| taken(e, "project", &row.name))?;
            Ok(row.clone())
        })
        .await
    }

    /// Changes a project. Disabling it ends the tokens for it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn project_update(&self, token: &Token, id: &str, body: &Body) -> Result<Project> {
        admin_only(token)?;
        let (id, body) = (id.to_owned(), body.clone());
        let clock = self.db.clock.clone();
        self.change("identity_project_update", move |conn| {
            let mut row = projects::find(conn, &id)?.ok_or_else(|| missing("project", &id))?;
            let was_enabled = row.enabled;
            body::unchanged(&body, "domain_id", &row.domain_id)?;
            body::unchanged(&body, "parent_id", &row.parent_id)?;
            row.name = body::name(&body, "name")?.unwrap_or(row.name);
            row.description = body::text(&body, "description")?.unwrap_or(row.description);
            row.enabled = body::flag(&body, "enabled")?.unwrap_or(row.enabled);
            row.extra = body::extra(&body, KNOWN, &row.extra)?;
            projects::save(conn, &row).map_err(|e| taken(e, "project", &row.name))?;
            if was_enabled && !row.enabled {
                revoke::project(conn, &id, clock.now())?;
            }
            Ok(row)
        })
        .await
    }

    /// Removes a project with the roles and application credentials on it. Its images stay as they are.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] also while there are projects below it.
    pub async fn project_delete(&self, token: &Token, id: &str) -> Result<()> {
        admin_only(token)?;
        let id = id.to_owned();
        let clock = self.db.clock.clone();
        self.change("identity_project_delete", move |conn| {
            projects::find(conn, &id)?.ok_or_else(|| missing("project", &id))?;
            if !projects::list(conn, None, None, Some(&id))?.is_empty() {
                return Err(Error::forbidden("There are projects below this one.").into());
            }
            revoke::project(conn, &id, clock.now())?;
            projects::remove(conn, &id)
        })
        .await
    }
}

fn has_tags(project: &Project, wanted: Option<&str>) -> bool {
    let Some(wanted) = wanted else { return true };
    let extra: Body = serde_json::from_str(&project.extra).unwrap_or_default();
    let tags = extra.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
    wanted.split(',').all(|wanted| tags.iter().any(|tag| tag.as_str() == Some(wanted)))
}

/// Domain and parent of a new project.
fn place(
    conn: &mut Conn,
    domain_id: Option<&str>,
    parent_id: Option<&str>,
    default_domain_id: &str,
) -> DbResult<(String, String)> {
    let parent = match parent_id {
        None => None,
        Some(id) => match projects::find(conn, id)? {
            Some(parent) => Some(parent),
            None if domains::find(conn, id)?.is_some() => {
                if domain_id.is_some_and(|domain_id| domain_id != id) {
                    return Err(Error::invalid("parent_id is in another domain.").into());
                }
                return Ok((id.to_owned(), id.to_owned()));
            }
            None => return Err(missing("project", id).into()),
        },
    };
    let Some(parent) = parent else {
        let id = domain_id.unwrap_or(default_domain_id);
        domains::find(conn, id)?.ok_or_else(|| missing("domain", id))?;
        return Ok((id.to_owned(), id.to_owned()));
    };
    if domain_id.is_some_and(|id| id != parent.domain_id) {
        return Err(Error::invalid("parent_id is in another domain.").into());
    }
    let mut above = Some(parent.clone());
    let mut depth = 1;
    while let Some(project) = above {
        depth += 1;
        if depth > DEPTH_MAX {
            return Err(Error::forbidden(format!("Projects may be {DEPTH_MAX} deep at most.")).into());
        }
        above = projects::find(conn, &project.parent_id)?;
    }
    Ok((parent.domain_id, parent.id))
}

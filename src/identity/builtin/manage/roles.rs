//! Roles and implied roles.

use super::{
    Filters, admin_only,
    body::{self, Body},
    missing, readers_only, taken,
};
use crate::{
    db::{
        Conn, DbResult,
        identity::roles::{self, Role},
    },
    identity::builtin::{Builtin, context::Token, new_id},
    model::error::{Error, Result},
};

const KNOWN: &[&str] = &["name", "description", "domain_id"];

impl Builtin {
    /// Roles that match the filter `name`. There are no domain roles.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless the token reads all.
    pub async fn role_list(&self, token: &Token, filters: &Filters) -> Result<Vec<Role>> {
        readers_only(token)?;
        let mut rows = self.read("identity_roles", roles::list).await?;
        rows.retain(|r| filters.get("domain_id").is_none() && filters.matches("name", Some(&r.name)));
        Ok(rows)
    }

    /// One role.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn role_show(&self, token: &Token, id: &str) -> Result<Role> {
        readers_only(token)?;
        let id = id.to_owned();
        self.read("identity_role", move |conn| find(conn, &id)).await
    }

    /// Makes a role.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`] also for a role of one domain, [`Error::Conflict`].
    pub async fn role_create(&self, token: &Token, body: &Body) -> Result<Role> {
        admin_only(token)?;
        if body::text(body, "domain_id")?.is_some() {
            return Err(Error::invalid("Roles of one domain are not supported; leave domain_id out."));
        }
        let row = Role {
            id: new_id(),
            name: body::required(body, "name")?,
            description: body::text(body, "description")?,
            extra: body::extra(body, KNOWN, "{}")?,
        };
        self.change("identity_role_create", move |conn| {
            roles::insert(conn, &row).map_err(|e| taken(e, "role", &row.name))?;
            Ok(row.clone())
        })
        .await
    }

    /// Changes a role.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn role_update(&self, token: &Token, id: &str, body: &Body) -> Result<Role> {
        admin_only(token)?;
        let (id, body) = (id.to_owned(), body.clone());
        self.change("identity_role_update", move |conn| {
            let mut row = find(conn, &id)?;
            row.name = body::name(&body, "name")?.unwrap_or(row.name);
            row.description = body::nullable(&body, "description")?.unwrap_or(row.description);
            row.extra = body::extra(&body, KNOWN, &row.extra)?;
            roles::save(conn, &row).map_err(|e| taken(e, "role", &row.name))?;
            Ok(row)
        })
        .await
    }

    /// Deletes a role and all its assignments.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn role_delete(&self, token: &Token, id: &str) -> Result<()> {
        admin_only(token)?;
        let id = id.to_owned();
        self.change("identity_role_delete", move |conn| {
            find(conn, &id)?;
            roles::remove(conn, &id)
        })
        .await
    }

    /// Each role that implies others directly, with those; `prior` narrows it to one, which must exist.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn role_inferences(
        &self,
        token: &Token,
        prior: Option<&str>,
    ) -> Result<Vec<(Role, Vec<Role>)>> {
        readers_only(token)?;
        let prior = prior.map(str::to_owned);
        self.read("identity_role_inferences", move |conn| {
            if let Some(id) = &prior {
                find(conn, id)?;
            }
            let implied = roles::implications(conn)?;
            let all = roles::list(conn)?;
            let of = |role: &Role| -> Vec<Role> {
                let is_implied = |other: &Role| implied.iter().any(|(p, i)| *p == role.id && *i == other.id);
                all.iter().filter(|other| is_implied(other)).cloned().collect()
            };
            let wanted = all.iter().filter(|role| prior.as_ref().is_none_or(|id| *id == role.id));
            let pairs = wanted.map(|role| (role.clone(), of(role)));
            Ok(pairs.filter(|(_, implied)| prior.is_some() || !implied.is_empty()).collect())
        })
        .await
    }

    /// One pair of a prior role and one that it implies.
    ///
    /// # Errors
    /// [`Error::NotFound`] also when it does not imply it, [`Error::Forbidden`].
    pub async fn role_inference(&self, token: &Token, prior: &str, implied: &str) -> Result<(Role, Role)> {
        let pairs = self.role_inferences(token, Some(prior)).await?;
        let found = pairs.into_iter().find_map(|(role, others)| {
            others.into_iter().find(|other| other.id == implied).map(|other| (role, other))
        });
        found.ok_or_else(|| missing("implied role", implied))
    }

    /// Makes one role imply another; nothing changes when it does already.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] also when the implied role is `admin`.
    pub async fn role_imply(&self, token: &Token, prior: &str, implied: &str) -> Result<(Role, Role)> {
        admin_only(token)?;
        let (prior, implied) = (prior.to_owned(), implied.to_owned());
        self.change("identity_role_imply", move |conn| {
            let pair = (find(conn, &prior)?, find(conn, &implied)?);
            if pair.1.name.eq_ignore_ascii_case("admin") || prior == implied {
                return Err(Error::forbidden("This role cannot be implied by another.").into());
            }
            if !roles::implications(conn)?.iter().any(|(p, i)| *p == prior && *i == implied) {
                roles::imply(conn, &prior, &implied)?;
            }
            Ok(pair)
        })
        .await
    }

    /// Ends an implication.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none, [`Error::Forbidden`].
    pub async fn role_stop_implying(&self, token: &Token, prior: &str, implied: &str) -> Result<()> {
        admin_only(token)?;
        let (prior, implied) = (prior.to_owned(), implied.to_owned());
        self.change("identity_role_stop_implying", move |conn| {
            if roles::stop_implying(conn, &prior, &implied)? {
                return Ok(());
            }
            Err(missing("implied role", &implied).into())
        })
        .await
    }
}

fn find(conn: &mut Conn, id: &str) -> DbResult<Role> {
    Ok(roles::find(conn, id)?.ok_or_else(|| missing("role", id))?)
}

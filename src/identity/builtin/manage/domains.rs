//! Domains.

use super::{
    Filters, admin_only,
    body::{self, Body},
    missing, not_allowed, readers_only, taken,
};
use crate::{
    db::identity::{
        assignments,
        domains::{self, Domain},
        projects, users,
    },
    identity::builtin::{
        Builtin, DEFAULT_DOMAIN_ID,
        context::{Scope, Token},
        new_id, revoke,
    },
    model::error::{Error, Result},
};

const KNOWN: &[&str] = &["name", "description", "enabled"];

impl Builtin {
    /// Domains that pass the filters `name` and `enabled`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless the token reads all.
    pub async fn domain_list(&self, token: &Token, filters: &Filters) -> Result<Vec<Domain>> {
        readers_only(token)?;
        let mut rows = self.read("identity_domains", domains::list).await?;
        rows.retain(|d| filters.admits("enabled", d.enabled) && filters.matches("name", Some(&d.name)));
        Ok(rows)
    }

    /// One domain: the token's own, or any for those who read all.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn domain_show(&self, token: &Token, id: &str) -> Result<Domain> {
        let of_scope = match &token.scope {
            Scope::Domain(domain) | Scope::Project { domain, .. } => domain.id == id,
            Scope::Unscoped | Scope::System => false,
        };
        if !of_scope && token.user.domain_id != id {
            readers_only(token)?;
        }
        let wanted = id.to_owned();
        let row = self.read("identity_domain", move |conn| domains::find(conn, &wanted)).await?;
        row.ok_or_else(|| missing("domain", id))
    }

    /// Makes a domain.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`] when the name is taken.
    pub async fn domain_create(&self, token: &Token, body: &Body) -> Result<Domain> {
        admin_only(token)?;
        let row = Domain {
            id: new_id(),
            name: body::required(body, "name")?,
            description: body::text(body, "description")?.unwrap_or_default(),
            enabled: body::flag(body, "enabled")?.unwrap_or(true),
            extra: body::extra(body, KNOWN, "{}")?,
        };
        self.change("identity_domain_create", move |conn| {
            domains::insert(conn, &row).map_err(|e| taken(e, "domain", &row.name))?;
            Ok(row.clone())
        })
        .await
    }

    /// Changes a domain. Disabling it ends the tokens of its users and projects.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn domain_update(&self, token: &Token, id: &str, body: &Body) -> Result<Domain> {
        admin_only(token)?;
        let (id, body) = (id.to_owned(), body.clone());
        let clock = self.db.clock.clone();
        self.change("identity_domain_update", move |conn| {
            let mut row = domains::find(conn, &id)?.ok_or_else(|| missing("domain", &id))?;
            let was_enabled = row.enabled;
            row.name = body::name(&body, "name")?.unwrap_or(row.name);
            row.description = body::text(&body, "description")?.unwrap_or(row.description);
            row.enabled = body::flag(&body, "enabled")?.unwrap_or(row.enabled);
            row.extra = body::extra(&body, KNOWN, &row.extra)?;
            domains::save(conn, &row).map_err(|e| taken(e, "domain", &row.name))?;
            if was_enabled && !row.enabled {
                revoke::domain(conn, &id, clock.now())?;
            }
            Ok(row)
        })
        .await
    }

    /// Removes a domain with its users and projects. It must be disabled first.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Forbidden`] also for an enabled domain and for the default one.
    pub async fn domain_delete(&self, token: &Token, id: &str) -> Result<()> {
        admin_only(token)?;
        let id = id.to_owned();
        let clock = self.db.clock.clone();
        self.change("identity_domain_delete", move |conn| {
            let row = domains::find(conn, &id)?.ok_or_else(|| missing("domain", &id))?;
            if id == DEFAULT_DOMAIN_ID {
                return Err(not_allowed().into());
            }
            if row.enabled {
                return Err(Error::forbidden("A domain must be disabled before it is deleted.").into());
            }
            revoke::domain(conn, &id, clock.now())?;
            assignments::remove_scope(conn, "domain", &id)?;
            // A list has a longest length; what is beyond it comes with the next turn.
            loop {
                let users = users::list(conn, Some(&id), None)?;
                let projects = projects::list(conn, Some(&id), None, None)?;
                if users.is_empty() && projects.is_empty() {
                    break;
                }
                for user in &users {
                    users::remove(conn, &user.id)?;
                }
                for project in &projects {
                    projects::remove(conn, &project.id)?;
                }
            }
            domains::remove(conn, &id)
        })
        .await
    }
}

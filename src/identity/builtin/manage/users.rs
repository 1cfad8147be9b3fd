//! Users and their passwords.

use std::net::IpAddr;

use super::{
    Filters, admin_only,
    body::{self, Body},
    domain_of_scope, missing, not_allowed, readers_only, taken,
};
use crate::{
    db::{
        Conn,
        identity::{
            domains,
            projects::Project,
            users::{self, User},
        },
    },
    identity::builtin::{
        Builtin, context::Token, new_id, password::PASSWORD_BYTES_MAX, request::OwnedRef, revoke,
        turns::Visitor,
    },
    model::error::{Error, Result},
};

const KNOWN: &[&str] =
    &["name", "enabled", "domain_id", "default_project_id", "password", "original_password", "password_hash"];

impl Builtin {
    /// Users that pass the filters `name`, `domain_id` and `enabled`.
    ///
    /// # Errors
    /// [`Error::Forbidden`] unless the token reads all.
    pub async fn user_list(&self, token: &Token, filters: &Filters) -> Result<Vec<User>> {
        readers_only(token)?;
        let wanted = filters.clone();
        let list = move |conn: &mut Conn| users::list(conn, wanted.get("domain_id"), wanted.get("name"));
        let mut rows = self.read("identity_users", list).await?;
        rows.retain(|user| filters.admits("enabled", user.enabled));
        Ok(rows)
    }

    /// One user: oneself, or anybody for those who read all.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn user_show(&self, token: &Token, id: &str) -> Result<User> {
        if token.user.id != id {
            readers_only(token)?;
        }
        let wanted = id.to_owned();
        let row = self.read("identity_user", move |conn| users::find(conn, &wanted)).await?;
        row.ok_or_else(|| missing("user", id))
    }

    /// Makes a user, in the domain of the token's scope unless the body names another.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::Invalid`], [`Error::NotFound`] for the domain, [`Error::Conflict`].
    pub async fn user_create(&self, token: &Token, body: &Body) -> Result<User> {
        admin_only(token)?;
        let mut row = User {
            id: new_id(),
            name: body::required(body, "name")?,
            domain_id: body::name(body, "domain_id")?.unwrap_or_else(|| domain_of_scope(token)),
            default_project_id: body::name(body, "default_project_id")?,
            enabled: body::flag(body, "enabled")?.unwrap_or(true),
            password_hash: None,
            extra: body::extra(body, KNOWN, "{}")?,
        };
        row.password_hash = self.hash_of(token, body).await?;
        self.change("identity_user_create", move |conn| {
            domains::find(conn, &row.domain_id)?.ok_or_else(|| missing("domain", &row.domain_id))?;
            users::insert(conn, &row).map_err(|e| taken(e, "user", &row.name))?;
            Ok(row.clone())
        })
        .await
    }

    /// Changes a user. A new password, or being disabled, ends the user's tokens.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Invalid`], [`Error::Conflict`].
    pub async fn user_update(&self, token: &Token, id: &str, body: &Body) -> Result<User> {
        admin_only(token)?;
        let hash = self.hash_of(token, body).await?;
        let (id, body) = (id.to_owned(), body.clone());
        let clock = self.db.clock.clone();
        self.change("identity_user_update", move |conn| {
            let mut row = users::find(conn, &id)?.ok_or_else(|| missing("user", &id))?;
            let was_enabled = row.enabled;
            body::unchanged(&body, "domain_id", &row.domain_id)?;
            row.name = body::name(&body, "name")?.unwrap_or(row.name);
            row.enabled = body::flag(&body, "enabled")?.unwrap_or(row.enabled);
            if body.contains_key("default_project_id") {
                row.default_project_id = body::name(&body, "default_project_id")?;
            }
            row.extra = body::extra(&body, KNOWN, &row.extra)?;
            row.password_hash = hash.clone().or(row.password_hash);
            users::save(conn, &row).map_err(|e| taken(e, "user", &row.name))?;
            if hash.is_some() || (was_enabled && !row.enabled) {
                revoke::user(conn, &id, clock.now())?;
            }
            Ok(row)
        })
        .await
    }

    /// Removes a user with all roles, application credentials and tokens.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn user_delete(&self, token: &Token, id: &str) -> Result<()> {
        admin_only(token)?;
        let id = id.to_owned();
        let clock = self.db.clock.clone();
        self.change("identity_user_delete", move |conn| {
            users::find(conn, &id)?.ok_or_else(|| missing("user", &id))?;
            revoke::user(conn, &id, clock.now())?;
            users::remove(conn, &id)
        })
        .await
    }

    /// Changes one's own password, proven by the old one; no token is needed
    /// (`keystone/api/users.py: UserChangePasswordResource`). Ends all tokens of the user.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the old password is wrong, [`Error::Invalid`].
    pub async fn user_change_password(&self, id: &str, body: &Body, address: Option<IpAddr>) -> Result<()> {
        let old = body::text(body, "original_password")?
            .ok_or_else(|| Error::invalid("\"original_password\" is missing."))?;
        let new = new_password(body)?.ok_or_else(|| Error::invalid("\"password\" is missing."))?;
        let user_id =
            self.prove_password(OwnedRef::Id(id.to_owned()), old, address).await.map_err(|r| r.error)?;
        let hash = self.hasher.hash(Visitor::proven(&user_id), new).await?;
        let clock = self.db.clock.clone();
        self.change("identity_user_password", move |conn| {
            let mut row = users::find(conn, &user_id)?
                .filter(|user| user.enabled)
                .ok_or_else(|| Error::Unauthenticated("The user is gone.".to_owned()))?;
            row.password_hash = Some(hash.clone());
            users::save(conn, &row)?;
            revoke::user(conn, &user_id, clock.now())
        })
        .await
    }

    /// The projects that a user may scope to; for himself, and for those who read all.
    ///
    /// # Errors
    /// [`Error::Forbidden`], [`Error::NotFound`].
    pub async fn user_projects(&self, token: &Token, id: &str) -> Result<Vec<Project>> {
        self.user_show(token, id).await?;
        Ok(self.reach(id).await?.projects)
    }

    /// Whether the token may read a user's private data: groups, credentials and the like.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for others than himself and those who read all.
    pub fn user_private(&self, token: &Token, id: &str) -> Result<()> {
        if token.user.id == id || token.reads_all() { Ok(()) } else { Err(not_allowed()) }
    }

    async fn hash_of(&self, token: &Token, body: &Body) -> Result<Option<String>> {
        match new_password(body)? {
            None => Ok(None),
            Some(password) => self.hasher.hash(Visitor::proven(&token.user.id), password).await.map(Some),
        }
    }
}

/// The password that a user is to have.
fn new_password(body: &Body) -> Result<Option<String>> {
    let password = body::text(body, "password")?;
    if password.as_ref().is_some_and(|password| !(1..=PASSWORD_BYTES_MAX).contains(&password.len())) {
        return Err(Error::invalid(format!("A password must have 1 to {PASSWORD_BYTES_MAX} bytes.")));
    }
    Ok(password)
}

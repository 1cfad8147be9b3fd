//! Application credentials and their access rules.

use serde_json::{Value, json};

use super::{
    admin_only,
    body::{self, Body},
    missing, not_allowed, taken,
};
use crate::{
    db::{
        Conn, DbResult,
        identity::{
            app_credentials::{self, AppCredential},
            roles::{self, Role},
        },
    },
    identity::builtin::{Builtin, context::Token, new_id, password, turns::Visitor},
    model::{
        error::{Error, Result},
        time::Timestamp,
    },
};

/// Access rules of one credential at most.
const RULES_MAX: usize = 100;

/// A newly created credential: the only time its secret is known.
pub struct NewCredential {
    /// The row.
    pub row: AppCredential,
    /// The roles that it carries.
    pub roles: Vec<Role>,
    /// The secret.
    pub secret: String,
}

impl Builtin {
    /// Credentials of a user, each with its roles, for himself and for those who read all.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn credential_list(
        &self,
        token: &Token,
        user_id: &str,
        name: Option<&str>,
    ) -> Result<Vec<(AppCredential, Vec<Role>)>> {
        self.user_private(token, user_id)?;
        let (user_id, name) = (user_id.to_owned(), name.map(str::to_owned));
        self.read("identity_app_credentials", move |conn| {
            let mut rows = app_credentials::list(conn, &user_id)?;
            rows.retain(|row| name.as_ref().is_none_or(|name| row.name == *name));
            rows.into_iter().map(|row| with_roles(conn, row)).collect()
        })
        .await
    }

    /// One credential of a user.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn credential_show(
        &self,
        token: &Token,
        user_id: &str,
        id: &str,
    ) -> Result<(AppCredential, Vec<Role>)> {
        self.user_private(token, user_id)?;
        let (user_id, id) = (user_id.to_owned(), id.to_owned());
        self.read("identity_app_credential", move |conn| {
            let row = find(conn, &user_id, &id)?;
            with_roles(conn, row)
        })
        .await
    }

    /// Makes a credential for the token's own user and project. It carries the token's roles unless the body names
    /// some of them. Its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for other users, for tokens of restricted credentials, and beyond the limit;
    /// [`Error::Invalid`], also without a project; [`Error::Conflict`].
    pub async fn credential_create(
        &self,
        token: &Token,
        user_id: &str,
        body: &Body,
    ) -> Result<NewCredential> {
        if token.user.id != user_id {
            return Err(not_allowed());
        }
        unrestricted_only(token)?;
        let project_id = token.project_id().ok_or_else(|| {
            Error::invalid("An application credential needs a token that is scoped to a project.")
        })?;
        let secret = match body::text(body, "secret")? {
            Some(secret) if secret.is_empty() || secret.len() > password::PASSWORD_BYTES_MAX => {
                return Err(Error::invalid("\"secret\" is empty or too long."));
            }
            Some(secret) => secret,
            None => password::random_secret(),
        };
        let now = self.db.clock.now();
        let carried = wanted_roles(token, body)?;
        let mut row = AppCredential {
            id: new_id(),
            name: body::required(body, "name")?,
            user_id: user_id.to_owned(),
            project_id: project_id.to_owned(),
            description: body::text(body, "description")?,
            secret_hash: String::new(),
            expires_at: expiry(token, body, now)?,
            unrestricted: body::flag(body, "unrestricted")?.unwrap_or(false),
            access_rules: access_rules(token, body)?,
            created_at: now.0,
        };
        row.secret_hash = self.hasher.hash(Visitor::proven(&token.user.id), secret.clone()).await?;
        let most = self.settings.app_credentials_max;
        let (inserted, role_ids) = (row.clone(), carried.iter().map(|r| r.id.clone()).collect::<Vec<_>>());
        self.change("identity_app_credential_create", move |conn| {
            if app_credentials::count(conn, &inserted.user_id)? >= most {
                return Err(Error::forbidden(format!("A user may have {most} of these at most.")).into());
            }
            app_credentials::insert(conn, &inserted)
                .map_err(|e| taken(e, "application credential", &inserted.name))?;
            role_ids.iter().try_for_each(|role| app_credentials::add_role(conn, &inserted.id, role))
        })
        .await?;
        Ok(NewCredential { row, roles: carried, secret })
    }

    /// Removes a credential and ends its tokens.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn credential_delete(&self, token: &Token, user_id: &str, id: &str) -> Result<()> {
        if token.user.id != user_id {
            admin_only(token)?;
        }
        unrestricted_only(token)?;
        let (user_id, id) = (user_id.to_owned(), id.to_owned());
        self.change("identity_app_credential_delete", move |conn| {
            find(conn, &user_id, &id)?;
            app_credentials::remove(conn, &id)
        })
        .await
    }

    /// The access rules of all credentials of a user, as JSON objects with `id`, `service`, `method` and `path`.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub async fn access_rule_list(&self, token: &Token, user_id: &str) -> Result<Vec<Value>> {
        let rows = self.credential_list(token, user_id, None).await?;
        let rules = rows.into_iter().filter_map(|(row, _)| row.access_rules);
        let parsed = rules.filter_map(|text| serde_json::from_str::<Vec<Value>>(&text).ok());
        Ok(parsed.flatten().collect())
    }

    /// One access rule of a user.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn access_rule_show(&self, token: &Token, user_id: &str, id: &str) -> Result<Value> {
        let rules = self.access_rule_list(token, user_id).await?;
        let rule = rules.into_iter().find(|rule| rule.get("id").and_then(Value::as_str) == Some(id));
        rule.ok_or_else(|| missing("access rule", id))
    }
}

fn find(conn: &mut Conn, user_id: &str, id: &str) -> DbResult<AppCredential> {
    let row = app_credentials::find(conn, id)?.filter(|row| row.user_id == user_id);
    Ok(row.ok_or_else(|| missing("application credential", id))?)
}

fn with_roles(conn: &mut Conn, row: AppCredential) -> DbResult<(AppCredential, Vec<Role>)> {
    let mut carried = Vec::new();
    for id in app_credentials::role_ids(conn, &row.id)? {
        carried.extend(roles::find(conn, &id)?);
    }
    Ok((row, carried))
}

/// A leaked credential must not be able to make itself immortal.
fn unrestricted_only(token: &Token) -> Result<()> {
    match &token.app_credential {
        Some(credential) if !credential.unrestricted => Err(not_allowed()),
        _ => Ok(()),
    }
}

fn wanted_roles(token: &Token, body: &Body) -> Result<Vec<Role>> {
    let wanted = match body.get("roles") {
        None | Some(Value::Null) => return Ok(token.roles.clone()),
        Some(Value::Array(wanted)) if wanted.is_empty() => return Ok(token.roles.clone()),
        Some(Value::Array(wanted)) => wanted,
        Some(_) => return Err(Error::invalid("\"roles\" must be a list of roles.")),
    };
    let mut carried: Vec<Role> = Vec::new();
    for role in wanted {
        let is = |key: &str, value: &str| role.get(key).and_then(Value::as_str) == Some(value);
        let own = token.roles.iter().find(|own| is("id", &own.id) || is("name", &own.name));
        let own = own.ok_or_else(|| {
            Error::invalid("An application credential carries only roles that its owner has on the project.")
        })?;
        if !carried.contains(own) {
            carried.push(own.clone());
        }
    }
    Ok(carried)
}

/// What a credential makes lives no longer than itself.
fn expiry(token: &Token, body: &Body, now: Timestamp) -> Result<Option<i64>> {
    let limit = token.app_credential.as_ref().and_then(|credential| credential.expires_at);
    let Some(text) = body::text(body, "expires_at")? else { return Ok(limit) };
    let expiry = Timestamp::parse_iso(&text)
        .ok_or_else(|| Error::invalid("\"expires_at\" must be a time such as 2030-12-31T23:59:59."))?;
    if expiry <= now {
        return Err(Error::invalid("\"expires_at\" has passed already."));
    }
    Ok(Some(limit.map_or(expiry.0, |limit| limit.min(expiry.0))))
}

fn access_rules(token: &Token, body: &Body) -> Result<Option<String>> {
    // Rules narrow what a credential may do; what it makes is narrowed likewise.
    let inherited = token.app_credential.as_ref().and_then(|credential| credential.access_rules.clone());
    let rules = match body.get("access_rules") {
        None | Some(Value::Null) => return Ok(inherited),
        Some(Value::Array(rules)) if rules.len() <= RULES_MAX => rules,
        Some(_) => {
            return Err(Error::invalid(format!(
                "\"access_rules\" must be a list of {RULES_MAX} rules at most."
            )));
        }
    };
    if inherited.is_some() {
        return Err(Error::forbidden("The credential's own access rules cannot be replaced."));
    }
    let mut kept = Vec::new();
    for rule in rules {
        let rule = rule.as_object().ok_or_else(|| Error::invalid("An access rule must be an object."))?;
        let (service, method, path) = (
            body::required(rule, "service")?,
            body::required(rule, "method")?,
            body::required(rule, "path")?,
        );
        let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
        if !methods.contains(&method.as_str()) || !path.starts_with(['/', '*']) {
            return Err(Error::invalid("An access rule needs an HTTP method and a path."));
        }
        kept.push(json!({"id": new_id(), "service": service, "method": method, "path": path}));
    }
    Ok(Some(Value::Array(kept).to_string()))
}

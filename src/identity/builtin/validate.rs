//! Validates the text of a token and produces its context and the [`Caller`] of an image request.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use async_trait::async_trait;
use openssl::sha::sha256;
use serde_json::Value;

use super::{
    Builtin,
    context::{self, Scope, Token},
    token::{self, Claims, Verdict},
};
use crate::{
    db::{Conn, DbResult, identity::projects},
    identity::{Credentials, Identity, IdentityError},
    model::{
        caller::Caller,
        error::{Error, Result},
        time::Timestamp,
    },
};

/// The type of the service whose requests [`Identity::authenticate`] is asked about.
const SERVICE_TYPE: &str = "image";

impl Builtin {
    /// The context of a token; `None` if it is not valid. With `allow_expired` a recently expired token is valid.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn validate(&self, text: &str, allow_expired: bool) -> Result<Option<Arc<Token>>> {
        let now = self.db.clock.now();
        let digest = sha256(text.as_bytes());
        // Taken before anything is read: what is read later can only be newer.
        let generation = self.generation.load(Ordering::SeqCst);
        if let Some((_, token)) = self.cache.get(&digest).filter(|(then, _)| *then == generation) {
            return Ok(self.is_in_time(&token.claims, allow_expired, now).then_some(token));
        }
        let Some(claims) = self.believed(text, now).await? else { return Ok(None) };
        if !self.is_in_time(&claims, allow_expired, now) {
            return Ok(None);
        }
        let found = self.read("identity_token", move |conn| context::load(conn, &claims, now)).await?;
        let Some(token) = found.map(Arc::new) else { return Ok(None) };
        self.cache.insert(digest, (generation, Arc::clone(&token)));
        Ok(Some(token))
    }

    async fn believed(&self, text: &str, now: Timestamp) -> Result<Option<Box<Claims>>> {
        match token::verify(&self.keys, text) {
            Verdict::Ours(claims) => Ok(Some(claims)),
            Verdict::Foreign => Ok(None),
            Verdict::UnknownKey => {
                if !self.keys.may_look_again(now) {
                    return Ok(None);
                }
                self.reload_keys().await?;
                match token::verify(&self.keys, text) {
                    Verdict::Ours(claims) => Ok(Some(claims)),
                    Verdict::UnknownKey | Verdict::Foreign => Ok(None),
                }
            }
        }
    }

    /// The lifetime configured now bounds older tokens too, so that a revocation that is forgotten after it can
    /// concern none of them.
    fn is_in_time(&self, claims: &Claims, allow_expired: bool, now: Timestamp) -> bool {
        let latest = claims.iat.saturating_add(self.settings.token_expiration_seconds);
        let mut until = Timestamp::default().plus_seconds(claims.exp.min(latest));
        if allow_expired {
            until = until.plus_seconds(self.settings.allow_expired_window_seconds);
        }
        now < until
    }
}

fn refused(text: &str) -> IdentityError {
    IdentityError::Unauthenticated(text.to_owned())
}

fn unavailable(error: Error) -> IdentityError {
    tracing::error!(%error, "the built-in identity failed");
    IdentityError::Unavailable("The identity service is not available; try again.".to_owned())
}

#[async_trait]
impl Identity for Builtin {
    async fn authenticate(&self, credentials: &Credentials) -> std::result::Result<Caller, IdentityError> {
        let text = credentials.token.as_deref().ok_or_else(|| refused("no token was sent"))?;
        let service = match credentials.service_token.as_deref() {
            None => None,
            Some(text) => {
                let token = self.validate(text, false).await.map_err(unavailable)?;
                let accepted = &self.settings.service_token_roles;
                let token = token.filter(|token| accepted.iter().any(|role| token.has_role(role)));
                Some(token.ok_or_else(|| refused("the service token is not valid"))?)
            }
        };
        // A service may finish what its user began before the token expired.
        let token = self.validate(text, service.is_some()).await.map_err(unavailable)?;
        let token = token.ok_or_else(|| refused("the token is not valid"))?;
        if service.is_none() && !token.allows(SERVICE_TYPE, &credentials.method, &credentials.path) {
            return Err(refused("the application credential does not allow this request"));
        }
        Ok(caller(&token, service.as_deref()))
    }

    async fn catalog(&self, token: &str, base_url: &str) -> std::result::Result<Value, IdentityError> {
        let token = self.validate(token, false).await.map_err(unavailable)?;
        let token = token.ok_or_else(|| refused("the token is not valid"))?;
        self.catalog_of(&token, base_url).await.map_err(unavailable)
    }

    async fn project_names(&self, ids: Vec<String>) -> HashMap<String, String> {
        let read =
            move |conn: &mut Conn| -> DbResult<Vec<projects::Project>> { projects::list_by_ids(conn, &ids) };
        match self.db.read_one("identity.project_names", read).await {
            Ok(found) => found.into_iter().map(|project| (project.id, project.name)).collect(),
            Err(error) => {
                tracing::warn!(%error, "the names of projects could not be read");
                HashMap::new()
            }
        }
    }

    fn challenge(&self, base_url: &str) -> Option<String> {
        Some(format!("Keystone uri=\"{base_url}{}/v3\"", self.settings.prefix))
    }
}

fn caller(token: &Token, service: Option<&Token>) -> Caller {
    let mut caller = Caller {
        user_id: Some(token.user.id.clone()),
        user_name: Some(token.user.name.clone()),
        user_domain_id: Some(token.user.domain_id.clone()),
        roles: token.roles.iter().map(|role| role.name.to_lowercase()).collect(),
        is_admin_project: true,
        ..Caller::default()
    };
    match &token.scope {
        Scope::Unscoped => {}
        Scope::Project { project, .. } => {
            caller.project_id = Some(project.id.clone());
            caller.project_domain_id = Some(project.domain_id.clone());
        }
        Scope::Domain(domain) => caller.domain_id = Some(domain.id.clone()),
        Scope::System => caller.system_scope = Some("all".to_owned()),
    }
    if let Some(service) = service {
        caller.service_user_id = Some(service.user.id.clone());
        caller.service_user_domain_id = Some(service.user.domain_id.clone());
        caller.service_roles = service.roles.iter().map(|role| role.name.clone()).collect();
        if let Scope::Project { project, .. } = &service.scope {
            caller.service_project_id = Some(project.id.clone());
            caller.service_project_domain_id = Some(project.domain_id.clone());
        }
    }
    caller
}

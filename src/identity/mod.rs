//! Authentication: turns a token into a [`Caller`], with a real Keystone or the built-in one.

mod access_rules;
pub mod builtin;
pub mod keystone;
pub mod limits;

use std::collections::HashMap;

use async_trait::async_trait;

use crate::model::caller::Caller;

/// Tokens of one request, taken from its headers and not yet believed.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// `X-Auth-Token`, white space trimmed.
    pub token: Option<String>,
    /// `X-Service-Token`.
    pub service_token: Option<String>,
    /// HTTP method of the request, for access rules of application credentials.
    pub method: String,
    /// Path of the request as the client wrote it, for access rules.
    pub path: String,
}

/// Why a request has no identity.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentityError {
    /// Missing, unknown, expired or revoked token, or one that does not allow this request: 401.
    #[error("{0}")]
    Unauthenticated(String),
    /// The identity service cannot be asked now: 503.
    #[error("{0}")]
    Unavailable(String),
}

/// Establishes who is calling.
#[async_trait]
pub trait Identity: Send + Sync {
    /// Validates the tokens. `is_admin`, `read_only` and `request_id` of the answer are left for the caller of
    /// this function to fill.
    ///
    /// # Errors
    /// [`IdentityError`], as its variants say.
    async fn authenticate(&self, credentials: &Credentials) -> Result<Caller, IdentityError>;

    /// The catalogue of services that comes with a token, as in `GET /v3/auth/catalog`: a list. `base_url` is the one
    /// under which the client reached us.
    ///
    /// # Errors
    /// [`IdentityError`]; also when this provider has no catalogue.
    async fn catalog(&self, token: &str, base_url: &str) -> Result<serde_json::Value, IdentityError> {
        let _ = (token, base_url);
        Err(IdentityError::Unavailable("This identity service has no catalogue of other regions.".to_owned()))
    }

    /// The names of projects by their ids, as far as they are known or found out within seconds. It never fails: a project
    /// whose name is not known is left out.
    async fn project_names(&self, ids: Vec<String>) -> HashMap<String, String> {
        let _ = ids;
        HashMap::new()
    }

    /// What a 401 says in `WWW-Authenticate`, given the base URL under which the client reached us.
    fn challenge(&self, base_url: &str) -> Option<String>;
}

/// No identity service at all: every caller is an admin without a project
/// (`glance/api/middleware/context.py: UnauthenticatedContextMiddleware`).
#[derive(Debug)]
pub struct Unauthenticated;

#[async_trait]
impl Identity for Unauthenticated {
    async fn authenticate(&self, _: &Credentials) -> Result<Caller, IdentityError> {
        Ok(Caller { is_admin: true, is_admin_project: true, ..Caller::default() })
    }

    fn challenge(&self, _: &str) -> Option<String> {
        None
    }
}

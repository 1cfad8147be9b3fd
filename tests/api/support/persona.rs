//! Who calls in tests: a token spells out the caller that it stands for.

use std::collections::HashMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use vitrine::{
    identity::{Credentials, Identity, IdentityError},
    model::caller::Caller,
};

/// A caller, as its token says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Persona {
    pub user: String,
    pub project: Option<String>,
    pub system: Option<String>,
    pub roles: Vec<String>,
}

impl Persona {
    /// A user of `project` with exactly these roles; real tokens spell out the roles that others imply.
    pub fn with_roles(project: &str, roles: &[&str]) -> Self {
        Self {
            user: format!("{project}-user"),
            project: Some(project.to_owned()),
            system: None,
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        }
    }

    /// An admin of the whole system, without a project.
    pub fn system() -> Self {
        Self { project: None, system: Some("all".to_owned()), ..Self::with_roles("system", ADMIN) }
    }

    /// The text of `X-Auth-Token`.
    pub fn token(&self) -> String {
        serde_json::to_string(self).unwrap()
    }
}

/// Roles of an admin's token.
pub const ADMIN: &[&str] = &["admin", "manager", "member", "reader"];
/// Roles of a member's token.
pub const MEMBER: &[&str] = &["member", "reader"];
/// Roles of a reader's token.
pub const READER: &[&str] = &["reader"];

/// Believes every token that can be read.
#[derive(Debug)]
pub struct TestIdentity;

#[async_trait]
impl Identity for TestIdentity {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Caller, IdentityError> {
        let unknown = || IdentityError::Unauthenticated("the token is unknown".to_owned());
        if credentials.token.as_deref() == Some("identity-is-away") {
            return Err(IdentityError::Unavailable("the identity service is away".to_owned()));
        }
        let persona: Persona =
            credentials.token.as_deref().and_then(|t| serde_json::from_str(t).ok()).ok_or_else(unknown)?;
        Ok(Caller {
            user_id: Some(persona.user),
            project_id: persona.project,
            system_scope: persona.system,
            roles: persona.roles,
            is_admin_project: true,
            ..Caller::default()
        })
    }

    /// Knows every project but `nameless`, by a name that a spreadsheet would take for a formula.
    async fn project_names(&self, ids: Vec<String>) -> HashMap<String, String> {
        let known = ids.into_iter().filter(|id| id != "nameless");
        known.map(|id| (id.clone(), format!("={id}"))).collect()
    }

    fn challenge(&self, base_url: &str) -> Option<String> {
        Some(format!("Keystone uri=\"{base_url}/identity\""))
    }
}

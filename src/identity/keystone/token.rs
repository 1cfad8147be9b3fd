//! Keystone's description of a token, and the [`Caller`] made from it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, de};

use crate::identity::access_rules::AccessRule;
use crate::model::caller::Caller;

/// A token that Keystone vouched for. Only what a request needs is kept, so that many fit in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    user: Entity,
    project: Option<Entity>,
    domain_id: Option<String>,
    is_system: bool,
    is_admin_project: bool,
    /// In their original case.
    roles: Vec<String>,
    expires_at: DateTime<Utc>,
    /// `None`: any request is allowed; an empty list: none is.
    access_rules: Option<Vec<AccessRule>>,
    /// Whether our own service type is in the token's catalog.
    is_service_in_catalog: bool,
}

/// A user or a project, with the domain that owns it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
struct Entity {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    domain: Option<Reference>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
struct Reference {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Envelope {
    token: Body,
}

#[derive(Deserialize)]
struct Body {
    user: Entity,
    #[serde(deserialize_with = "time")]
    expires_at: DateTime<Utc>,
    project: Option<Entity>,
    domain: Option<Reference>,
    system: Option<System>,
    roles: Option<Vec<Reference>>,
    is_admin_project: Option<bool>,
    application_credential: Option<ApplicationCredential>,
    catalog: Option<Vec<Service>>,
}

#[derive(Deserialize)]
struct System {
    #[serde(default)]
    all: bool,
}

#[derive(Deserialize)]
struct ApplicationCredential {
    access_rules: Option<Vec<AccessRule>>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(rename = "type")]
    kind: String,
}

/// Reads a time as Keystone writes it, `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
pub(super) fn time<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(from)?;
    Ok(DateTime::parse_from_rfc3339(&text).map_err(de::Error::custom)?.to_utc())
}

impl Token {
    /// Reads the body of `GET /v3/auth/tokens`. `service_type` is our own type in the catalog.
    ///
    /// # Errors
    /// The text is no such body.
    pub(super) fn parse(body: &[u8], service_type: Option<&str>) -> Result<Token, serde_json::Error> {
        let Envelope { token } = serde_json::from_slice(body)?;
        let is_ours = |service: &Service| Some(service.kind.as_str()) == service_type;
        Ok(Token {
            user: token.user,
            project: token.project,
            domain_id: token.domain.and_then(|domain| domain.id),
            is_system: token.system.is_some_and(|system| system.all),
            is_admin_project: token.is_admin_project.unwrap_or(true),
            roles: token.roles.into_iter().flatten().filter_map(|role| role.name).collect(),
            expires_at: token.expires_at,
            access_rules: token.application_credential.and_then(|credential| credential.access_rules),
            is_service_in_catalog: token.catalog.is_some_and(|services| services.iter().any(is_ours)),
        })
    }

    /// Whether the token's life is over at `now`; its last moment is not part of it.
    pub(super) fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at <= now
    }

    /// Whether the token carries one of `roles` (compared exactly, as service roles are).
    pub(super) fn has_any_role(&self, roles: &[String]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }

    /// Why the token may not be used for this request, if so. `from_service` says that a service vouches for
    /// the request, which then is a step of something that was allowed before
    /// (`keystonemiddleware/auth_token/__init__.py: validate_allowed_request`).
    pub(super) fn refusal(
        &self,
        service_type: Option<&str>,
        method: &str,
        path: &str,
        from_service: bool,
    ) -> Option<&'static str> {
        let rules = self.access_rules.as_ref()?;
        let Some(service_type) = service_type else {
            return Some(
                "The token's access rules cannot be checked: [keystone_authtoken] service_type is not set.",
            );
        };
        if !self.is_service_in_catalog {
            return Some("The token has access rules, and its catalog does not list this service.");
        }
        if from_service || rules.iter().any(|rule| rule.allows(service_type, method, path)) {
            return None;
        }
        Some("The access rules of the application credential do not allow this request.")
    }

    /// The caller of a request that brought this token, with the service that sent it on
    /// (`glance/api/middleware/context.py: ContextMiddleware`).
    pub(super) fn caller(&self, service: Option<&Token>) -> Caller {
        Caller {
            user_id: Some(self.user.id.clone()),
            user_name: self.user.name.clone(),
            user_domain_id: self.user.domain_id(),
            project_id: self.project.as_ref().map(|project| project.id.clone()),
            project_domain_id: self.project.as_ref().and_then(Entity::domain_id),
            domain_id: self.domain_id.clone(),
            system_scope: self.is_system.then(|| "all".to_owned()),
            roles: self.roles.iter().map(|role| role.to_lowercase()).collect(),
            service_user_id: service.map(|token| token.user.id.clone()),
            service_user_domain_id: service.and_then(|token| token.user.domain_id()),
            service_project_id: service.and_then(|token| Some(token.project.as_ref()?.id.clone())),
            service_project_domain_id: service.and_then(|token| token.project.as_ref()?.domain_id()),
            service_roles: service.map(|token| token.roles.clone()).unwrap_or_default(),
            is_admin_project: self.is_admin_project,
            ..Caller::default()
        }
    }

    /// About how many bytes the token occupies in memory.
    pub(super) fn size_bytes(&self) -> usize {
        let entities = std::iter::once(&self.user).chain(&self.project).map(Entity::size_bytes);
        let rules = self.access_rules.iter().flatten().map(AccessRule::size_bytes);
        let roles = self.roles.iter().map(|role| size_of::<String>() + role.len());
        size_of::<Token>() + entities.sum::<usize>() + rules.sum::<usize>() + roles.sum::<usize>()
    }
}

impl Entity {
    fn domain_id(&self) -> Option<String> {
        self.domain.as_ref()?.id.clone()
    }

    fn size_bytes(&self) -> usize {
        let domain = self.domain.iter().flat_map(|domain| [&domain.id, &domain.name]);
        let texts = domain.chain([&self.name]).flatten().map(String::len);
        self.id.len() + texts.sum::<usize>()
    }
}

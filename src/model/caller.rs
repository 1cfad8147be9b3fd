//! The caller: the identity that a validated token gives to a request.

use std::{fmt, sync::Arc};

/// The role of services that act for others (Glance's `service_api`).
const SERVICE_ROLE: &str = "service";

/// A caller's token; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// The token with this text.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// Its text, for the header of a request in the caller's name.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The caller of one request, as identity established it.
///
/// Mirrors Glance's `RequestContext` (`glance/context.py`) together with oslo.context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// User id, absent for anonymous callers.
    pub user_id: Option<String>,
    /// User name, for logs and task records.
    pub user_name: Option<String>,
    /// Id of the domain that owns the user.
    pub user_domain_id: Option<String>,
    /// Project the token is scoped to; the owner of what the caller creates.
    pub project_id: Option<String>,
    /// Id of the domain that owns the project.
    pub project_domain_id: Option<String>,
    /// Domain the token is scoped to.
    pub domain_id: Option<String>,
    /// `all` for a system-scoped token.
    pub system_scope: Option<String>,
    /// Role names, lower-cased as Glance does (`glance/api/middleware/context.py`).
    pub roles: Vec<String>,
    /// User of the service token, when one was sent and is valid.
    pub service_user_id: Option<String>,
    /// Domain of the service user.
    pub service_user_domain_id: Option<String>,
    /// Project of the service token.
    pub service_project_id: Option<String>,
    /// Domain of the service token's project.
    pub service_project_domain_id: Option<String>,
    /// Role names of the service token, in their original case.
    pub service_roles: Vec<String>,
    /// False only if the token says that its project is not the admin project.
    pub is_admin_project: bool,
    /// Outcome of policy rule `context_is_admin`; opens the database's visibility rules.
    pub is_admin: bool,
    /// True for anonymous callers: every mutating call is refused with 403.
    pub read_only: bool,
    /// The token, for stores that write in the caller's name and for the key manager; background work has none.
    pub token: Option<Token>,
    /// `req-…` id of the request, echoed in `x-openstack-request-id`.
    pub request_id: String,
}

impl Caller {
    /// The project that owns what this caller creates; Glance's `RequestContext.owner`.
    pub fn owner(&self) -> Option<&str> {
        self.project_id.as_deref()
    }

    /// The party whose fair share the caller uses: its project; callers without a project count individually, anonymous
    /// ones together.
    pub fn party(&self) -> &str {
        self.project_id.as_deref().or(self.user_id.as_deref()).unwrap_or_default()
    }

    /// Whether a service asks, or vouches for the one who does.
    pub fn serves(&self) -> bool {
        self.has_role(SERVICE_ROLE)
            || self.service_roles.iter().any(|role| role.eq_ignore_ascii_case(SERVICE_ROLE))
    }

    /// Whether the token carries `role` (compared in lower case).
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| r.eq_ignore_ascii_case(role))
    }
}

//! The current meaning of a token: its user, scope and roles, as the database has them now.

use std::collections::{BTreeMap, BTreeSet};

use super::token::Claims;
use crate::{
    db::{
        Conn, DbResult,
        identity::{
            app_credentials::{self, AppCredential},
            assignments,
            domains::{self, Domain},
            projects::{self, Project},
            revocations::{self, Marks},
            roles::{self, Role},
            users::{self, User},
        },
    },
    identity::access_rules::AccessRule,
    model::time::Timestamp,
};

/// The scope of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Only to find out what else there is.
    Unscoped,
    /// One project.
    Project {
        /// The project.
        project: Project,
        /// The domain that owns it.
        domain: Domain,
    },
    /// One domain.
    Domain(Domain),
    /// The whole deployment.
    System,
}

/// A valid token and its context.
#[derive(Clone, Debug)]
pub struct Token {
    /// Its claims.
    pub claims: Claims,
    /// The user.
    pub user: User,
    /// The user's domain.
    pub user_domain: Domain,
    /// Where the roles hold.
    pub scope: Scope,
    /// Roles on the scope, implied ones included, by name. Empty exactly when unscoped.
    pub roles: Vec<Role>,
    /// The application credential that it came from.
    pub app_credential: Option<AppCredential>,
}

impl Token {
    /// Whether the token carries a role (names compare without regard to case).
    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.name.eq_ignore_ascii_case(name))
    }

    /// Whether it may change everything (Keystone's rule `admin_required`).
    pub fn is_admin(&self) -> bool {
        self.has_role("admin")
    }

    /// Whether it may read everything: admins, and readers of the whole system.
    pub fn reads_all(&self) -> bool {
        self.is_admin() || (self.scope == Scope::System && self.has_role("reader"))
    }

    /// Whether it is one of a service's own.
    pub fn is_service(&self) -> bool {
        self.has_role("service")
    }

    /// Whether the access rules of its application credential, if it has any, allow a request to the service of
    /// type `service`. `path` is the request's, without a query.
    pub fn allows(&self, service: &str, method: &str, path: &str) -> bool {
        let credential = self.app_credential.as_ref();
        let Some(rules) = credential.and_then(|credential| credential.access_rules.as_deref()) else {
            return true;
        };
        // Rules that cannot be read allow nothing.
        let rules: Vec<AccessRule> = serde_json::from_str(rules).unwrap_or_default();
        rules.iter().any(|rule| rule.allows(service, method, path))
    }

    /// Id of the project that it is scoped to.
    pub fn project_id(&self) -> Option<&str> {
        match &self.scope {
            Scope::Project { project, .. } => Some(&project.id),
            _ => None,
        }
    }

    /// Id of the domain that it is scoped to.
    pub fn domain_id(&self) -> Option<&str> {
        match &self.scope {
            Scope::Domain(domain) => Some(&domain.id),
            _ => None,
        }
    }
}

/// Loads the context of the claims. `None` if they are not valid (user, project or domain deleted or disabled, no role
/// there, credential deleted or expired, revoked).
///
/// # Errors
/// Only the database's own.
pub fn load(conn: &mut Conn, claims: &Claims, now: Timestamp) -> DbResult<Option<Token>> {
    let Some(user) = users::find(conn, &claims.sub)?.filter(|user| user.enabled) else { return Ok(None) };
    let Some(user_domain) = enabled_domain(conn, &user.domain_id)? else { return Ok(None) };
    let Some(scope) = load_scope(conn, claims)? else { return Ok(None) };
    let mut app_credential = None;
    let mut role_ids = match &scope {
        Scope::Unscoped => BTreeSet::new(),
        Scope::Project { project, .. } => effective_role_ids(conn, &user.id, "project", &project.id)?,
        Scope::Domain(domain) => effective_role_ids(conn, &user.id, "domain", &domain.id)?,
        Scope::System => effective_role_ids(conn, &user.id, "system", "all")?,
    };
    if let Some(id) = &claims.openstack_app_cred_id {
        let Some(credential) = usable_credential(conn, id, claims, now)? else { return Ok(None) };
        // What the user lost since, the credential lost too.
        let carried = app_credentials::role_ids(conn, id)?;
        let carried = expand(conn, carried)?;
        role_ids.retain(|id| carried.contains(id));
        app_credential = Some(credential);
    }
    if role_ids.is_empty() && scope != Scope::Unscoped {
        return Ok(None);
    }
    let roles = if role_ids.is_empty() { Vec::new() } else { roles::list(conn)? };
    let roles = roles.into_iter().filter(|role| role_ids.contains(&role.id)).collect();
    let token = Token { claims: claims.clone(), user, user_domain, scope, roles, app_credential };
    let revoked = revocations::is_revoked(conn, &marks(&token))?;
    Ok((!revoked).then_some(token))
}

fn marks(token: &Token) -> Marks {
    let mut domain_ids = vec![token.user_domain.id.clone()];
    match &token.scope {
        Scope::Project { domain, .. } | Scope::Domain(domain) => domain_ids.push(domain.id.clone()),
        Scope::Unscoped | Scope::System => {}
    }
    Marks {
        audit_id: token.claims.audit_id().to_owned(),
        audit_chain_id: token.claims.audit_chain_id().to_owned(),
        user_id: token.user.id.clone(),
        project_id: token.project_id().map(str::to_owned),
        domain_ids,
        issued_at: token.claims.issued_at(),
        login_at: token.claims.login_at(),
    }
}

fn enabled_domain(conn: &mut Conn, id: &str) -> DbResult<Option<Domain>> {
    Ok(domains::find(conn, id)?.filter(|domain| domain.enabled))
}

fn load_scope(conn: &mut Conn, claims: &Claims) -> DbResult<Option<Scope>> {
    if let Some(id) = &claims.openstack_project_id {
        let Some(project) = projects::find(conn, id)?.filter(|project| project.enabled) else {
            return Ok(None);
        };
        let domain = enabled_domain(conn, &project.domain_id)?;
        return Ok(domain.map(|domain| Scope::Project { project, domain }));
    }
    if let Some(id) = &claims.openstack_domain_id {
        return Ok(enabled_domain(conn, id)?.map(Scope::Domain));
    }
    match claims.openstack_system.as_deref() {
        None => Ok(Some(Scope::Unscoped)),
        Some("all") => Ok(Some(Scope::System)),
        Some(_) => Ok(None),
    }
}

fn usable_credential(
    conn: &mut Conn,
    id: &str,
    claims: &Claims,
    now: Timestamp,
) -> DbResult<Option<AppCredential>> {
    Ok(app_credentials::find(conn, id)?.filter(|credential| {
        credential.user_id == claims.sub
            && Some(&credential.project_id) == claims.openstack_project_id.as_ref()
            && credential.expires_at.is_none_or(|expiry| expiry > now.0)
    }))
}

/// Ids of the roles that a user has on a scope, implied ones included.
///
/// # Errors
/// Only the database's own.
pub fn effective_role_ids(
    conn: &mut Conn,
    user_id: &str,
    scope_kind: &str,
    scope_id: &str,
) -> DbResult<BTreeSet<String>> {
    let direct = assignments::role_ids(conn, user_id, scope_kind, scope_id)?;
    if direct.is_empty() {
        return Ok(BTreeSet::new());
    }
    expand(conn, direct)
}

/// The roles and all that they imply, by ids.
///
/// # Errors
/// Only the database's own.
pub fn expand(conn: &mut Conn, role_ids: Vec<String>) -> DbResult<BTreeSet<String>> {
    let mut implied: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (prior, role) in roles::implications(conn)? {
        implied.entry(prior).or_default().push(role);
    }
    let mut all = BTreeSet::new();
    let mut open = role_ids;
    while let Some(id) = open.pop() {
        if let Some(more) = implied.get(&id).filter(|_| !all.contains(&id)) {
            open.extend(more.iter().cloned());
        }
        all.insert(id);
    }
    Ok(all)
}

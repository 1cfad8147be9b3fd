//! Logging in and rescoping: checks credentials and issues a token.

use std::{net::IpAddr, sync::Arc};

use super::{
    Builtin, LoginRefusal,
    context::{self, Token},
    request::{CredentialRef, DomainRef, LoginRequest, OwnedRef, Proof, WantedScope},
    throttle::Attempt,
    token::{self, Claims},
    turns::Visitor,
};
use crate::{
    db::{
        Conn, DbResult,
        identity::{
            app_credentials::{self, AppCredential},
            domains, projects,
            users::{self, User},
        },
    },
    model::time::Timestamp,
};

/// What the proofs of one login have established so far.
#[derive(Default)]
struct Proven {
    user_id: Option<String>,
    methods: Vec<String>,
    credential: Option<AppCredential>,
    parent: Option<Arc<Token>>,
}

impl Builtin {
    /// Checks the proofs of a login and issues a token. `address` is the client's, for the throttle.
    ///
    /// # Errors
    /// 401 with one and the same text for everything that is wrong with user, proof or scope; 429 when there were too
    /// many failures before, or too many log in at once.
    pub async fn login(
        &self,
        request: LoginRequest,
        address: Option<IpAddr>,
    ) -> Result<(String, Arc<Token>), LoginRefusal> {
        let LoginRequest { proofs, scope } = request;
        let mut proven = Proven::default();
        for proof in proofs {
            let user_id = match proof {
                Proof::Password(user, password) => {
                    self.check_password(user, password, address, &mut proven).await?
                }
                Proof::Token(text) => self.check_parent(&text, &mut proven).await?,
                Proof::AppCredential(credential, secret) => {
                    self.check_credential(credential, secret, address, &mut proven).await?
                }
            };
            if proven.user_id.get_or_insert_with(|| user_id.clone()) != &user_id {
                return Err(LoginRefusal::wrong());
            }
        }
        let user_id = proven.user_id.take().ok_or_else(LoginRefusal::wrong)?;
        let now = self.db.clock.now();
        let claims = self.new_claims(user_id, &proven, now);
        let scope = match (&proven.credential, &proven.parent, scope) {
            (Some(credential), _, _) => WantedScope::Project(OwnedRef::Id(credential.project_id.clone())),
            // Rescoping to nothing in particular keeps no scope but that of a credential.
            (None, Some(parent), wanted) if parent.app_credential.is_some() => {
                return self.same_scope(parent, wanted, claims).await;
            }
            (None, _, wanted) => wanted,
        };
        let found = self
            .db
            .read("identity_login", move |conn| with_scope(conn, &claims, &scope, now))
            .await
            .map_err(crate::model::error::Error::from)?;
        self.issue(found)
    }

    fn issue(&self, found: Option<Token>) -> Result<(String, Arc<Token>), LoginRefusal> {
        let token = found.ok_or_else(LoginRefusal::wrong)?;
        let text = token::sign(&self.keys, &token.claims)?;
        Ok((text, Arc::new(token)))
    }

    /// A token of an application credential may be renewed, but leads to no other project.
    async fn same_scope(
        &self,
        parent: &Arc<Token>,
        wanted: WantedScope,
        mut claims: Claims,
    ) -> Result<(String, Arc<Token>), LoginRefusal> {
        let own = parent.project_id().map(str::to_owned);
        let allowed = match &wanted {
            WantedScope::Default => true,
            WantedScope::Project(OwnedRef::Id(id)) => Some(id) == own.as_ref(),
            WantedScope::Project(_)
            | WantedScope::Unscoped
            | WantedScope::Domain(_)
            | WantedScope::System => false,
        };
        if !allowed {
            return Err(LoginRefusal::wrong());
        }
        claims.openstack_project_id = own;
        claims.openstack_app_cred_id = parent.claims.openstack_app_cred_id.clone();
        let now = self.db.clock.now();
        let found = self.db.read("identity_login", move |conn| context::load(conn, &claims, now)).await;
        self.issue(found.map_err(crate::model::error::Error::from)?)
    }

    fn new_claims(&self, sub: String, proven: &Proven, now: Timestamp) -> Claims {
        let mut methods = proven.methods.clone();
        let mut audit_ids = vec![token::new_audit_id()];
        let iat = now.0.div_euclid(1_000_000);
        let mut exp = iat.saturating_add(self.settings.token_expiration_seconds);
        if let Some(parent) = &proven.parent {
            methods.extend(parent.claims.openstack_methods.iter().filter(|m| *m != "token").cloned());
            audit_ids.push(parent.claims.audit_chain_id().to_owned());
            exp = parent.claims.exp;
        }
        let mut seen = Vec::new();
        methods.retain(|method| {
            !seen.contains(method) && {
                seen.push(method.clone());
                true
            }
        });
        Claims {
            sub,
            iat,
            exp,
            vitrine_issued_at: now.0,
            vitrine_login_at: proven.parent.as_ref().map(|parent| parent.claims.login_at().0),
            openstack_methods: methods,
            openstack_audit_ids: audit_ids,
            openstack_project_id: None,
            openstack_domain_id: None,
            openstack_system: None,
            openstack_app_cred_id: proven.credential.as_ref().map(|credential| credential.id.clone()),
        }
    }

    async fn check_password(
        &self,
        user: OwnedRef,
        password: String,
        address: Option<IpAddr>,
        proven: &mut Proven,
    ) -> Result<String, LoginRefusal> {
        let user_id = self.prove_password(user, password, address).await?;
        proven.methods.push("password".to_owned());
        Ok(user_id)
    }

    /// Checks a password and returns the user's id. Does not check whether the user is enabled.
    ///
    /// # Errors
    /// 401; 429 when there were too many failures before, or too many log in at once.
    pub(super) async fn prove_password(
        &self,
        user: OwnedRef,
        password: String,
        address: Option<IpAddr>,
    ) -> Result<String, LoginRefusal> {
        let visitor = self.visitor(attempt_of("password", &user, address), address)?;
        let found = self.read("identity_user", move |conn| find_user(conn, &user)).await?;
        let hash = found.as_ref().and_then(|user| user.password_hash.clone());
        let same = self.hasher.matches(visitor, password, hash).await?;
        self.conclude(visitor.attempt, same)?;
        found.map(|user| user.id).ok_or_else(LoginRefusal::wrong)
    }

    async fn check_credential(
        &self,
        credential: CredentialRef,
        secret: String,
        address: Option<IpAddr>,
        proven: &mut Proven,
    ) -> Result<String, LoginRefusal> {
        let attempt = match &credential {
            CredentialRef::Id(id) => Attempt::new(&["application_credential", id], address),
            CredentialRef::Name(name, user) => {
                let parts = parts_of(user);
                let mut parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                parts.extend(["application_credential", name]);
                Attempt::new(&parts, address)
            }
        };
        let visitor = self.visitor(attempt, address)?;
        let find = move |conn: &mut Conn| match &credential {
            CredentialRef::Id(id) => app_credentials::find(conn, id),
            CredentialRef::Name(name, user) => match find_user(conn, user)? {
                Some(user) => app_credentials::find_by_name(conn, &user.id, name),
                None => Ok(None),
            },
        };
        let found = self.read("identity_app_credential", find).await?;
        let hash = found.as_ref().map(|credential| credential.secret_hash.clone());
        let same = self.hasher.matches(visitor, secret, hash).await?;
        self.conclude(visitor.attempt, same)?;
        let found = found.ok_or_else(LoginRefusal::wrong)?;
        proven.methods.push("application_credential".to_owned());
        let user_id = found.user_id.clone();
        proven.credential = Some(found);
        Ok(user_id)
    }

    /// One who may try, and how well known he is.
    fn visitor(&self, attempt: Attempt, address: Option<IpAddr>) -> Result<Visitor, LoginRefusal> {
        self.throttle.admit(&attempt)?;
        Ok(Visitor { attempt, address: Attempt::new(&[], address), known: self.throttle.knows(&attempt) })
    }

    fn conclude(&self, attempt: Attempt, same: bool) -> Result<(), LoginRefusal> {
        if !same {
            self.throttle.failed(attempt);
            return Err(LoginRefusal::wrong());
        }
        self.throttle.admit(&attempt)?;
        self.throttle.succeeded(&attempt);
        Ok(())
    }

    async fn check_parent(&self, text: &str, proven: &mut Proven) -> Result<String, LoginRefusal> {
        let parent = self.validate(text, false).await?.ok_or_else(LoginRefusal::wrong)?;
        proven.methods.push("token".to_owned());
        let user_id = parent.user.id.clone();
        proven.parent = Some(parent);
        Ok(user_id)
    }
}

fn parts_of(user: &OwnedRef) -> Vec<String> {
    match user {
        OwnedRef::Id(id) => vec!["id".to_owned(), id.clone()],
        OwnedRef::Name(name, DomainRef::Id(domain)) => vec!["name".to_owned(), domain.clone(), name.clone()],
        OwnedRef::Name(name, DomainRef::Name(domain)) => {
            vec!["domain name".to_owned(), domain.clone(), name.clone()]
        }
    }
}

fn attempt_of(method: &str, user: &OwnedRef, address: Option<IpAddr>) -> Attempt {
    let parts = parts_of(user);
    let mut parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    parts.push(method);
    Attempt::new(&parts, address)
}

fn domain_id(conn: &mut Conn, domain: &DomainRef) -> DbResult<Option<String>> {
    match domain {
        DomainRef::Id(id) => Ok(Some(id.clone())),
        DomainRef::Name(name) => Ok(domains::find_by_name(conn, name)?.map(|domain| domain.id)),
    }
}

fn find_user(conn: &mut Conn, user: &OwnedRef) -> DbResult<Option<User>> {
    match user {
        OwnedRef::Id(id) => users::find(conn, id),
        OwnedRef::Name(name, domain) => match domain_id(conn, domain)? {
            Some(domain_id) => users::find_by_name(conn, &domain_id, name),
            None => Ok(None),
        },
    }
}

/// The claims with the wanted scope, when the user has a role there.
fn with_scope(
    conn: &mut Conn,
    claims: &Claims,
    scope: &WantedScope,
    now: Timestamp,
) -> DbResult<Option<Token>> {
    let mut claims = claims.clone();
    match scope {
        WantedScope::Unscoped => {}
        WantedScope::Default => {
            let user = users::find(conn, &claims.sub)?;
            if let Some(project_id) = user.and_then(|user| user.default_project_id) {
                let scoped = Claims { openstack_project_id: Some(project_id), ..claims.clone() };
                if let Some(token) = context::load(conn, &scoped, now)? {
                    return Ok(Some(token));
                }
            }
        }
        WantedScope::Project(OwnedRef::Id(id)) => claims.openstack_project_id = Some(id.clone()),
        WantedScope::Project(OwnedRef::Name(name, domain)) => {
            let Some(domain_id) = domain_id(conn, domain)? else { return Ok(None) };
            let Some(project) = projects::find_by_name(conn, &domain_id, name)? else { return Ok(None) };
            claims.openstack_project_id = Some(project.id);
        }
        WantedScope::Domain(domain) => {
            let Some(id) = domain_id(conn, domain)? else { return Ok(None) };
            claims.openstack_domain_id = Some(id);
        }
        WantedScope::System => claims.openstack_system = Some("all".to_owned()),
    }
    context::load(conn, &claims, now)
}

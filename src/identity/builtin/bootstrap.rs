//! The first start: a domain, roles, projects, two users and the catalog, all in one transaction.

use super::{
    BASE_URL_MARK, Builtin, DEFAULT_DOMAIN_ID, Settings, new_id,
    password::{Hasher, random_secret},
    turns::Visitor,
};
use crate::{
    db::{
        Conn, Db, DbError, DbResult,
        identity::{
            assignments::{self, Assignment},
            catalog::{
                endpoints::{self, Endpoint},
                regions::{self, Region},
                services::{self, Service},
            },
            domains::{self, Domain},
            projects::{self, Project},
            roles::{self, Role},
            users::{self, User},
        },
    },
    model::error::{Error, Result},
};

/// The passwords that the first start made; they are in no other place but as hashes.
#[derive(Clone)]
pub struct Passwords {
    /// Of user `admin`: role admin on project `admin` and on the system.
    pub admin: String,
    /// Of user `demo`: role member on project `demo`.
    pub demo: String,
}

/// Each role implies the next one.
const CHAIN: [&str; 4] = ["admin", "manager", "member", "reader"];

/// Roles beside them: of services; of those who may change every image of their project; of those who may have data
/// fetched from other networks where few may (`[vitrine] profile = hardened`).
const OTHERS: [&str; 3] = ["service", "image_admin", "image_import_admin"];

impl Builtin {
    /// Creates what a first start needs and returns its passwords; `None` if everything exists already, or another node
    /// is creating it.
    ///
    /// `keep` receives the passwords before anything is saved, so that a crash does not lose them. If it fails nothing
    /// is saved, and the next start tries again. It is called only by the node whose passwords are saved.
    ///
    /// # Errors
    /// What `keep` answers, as [`Error::Internal`]; the database's own.
    pub async fn bootstrap(
        &self,
        keep: impl Fn(&Passwords) -> std::result::Result<(), String> + Send + 'static,
    ) -> Result<Option<Passwords>> {
        let found = self.read("identity_bootstrapped", |conn| domains::find(conn, DEFAULT_DOMAIN_ID)).await?;
        if found.is_some() {
            return Ok(None);
        }
        let passwords = Passwords { admin: random_secret(), demo: random_secret() };
        let admin_hash = self.hasher.hash(Visitor::proven("bootstrap"), passwords.admin.clone()).await?;
        let demo_hash = self.hasher.hash(Visitor::proven("bootstrap"), passwords.demo.clone()).await?;
        let (settings, kept) = (self.settings.clone(), passwords.clone());
        let made = self.db.write("identity_bootstrap", move |conn| {
            // The first row holds up the others who want to make it, until this transaction has ended.
            domains::insert(conn, &default_domain())?;
            keep(&kept).map_err(|e| Error::internal("keep the first passwords", e))?;
            fill(conn, &settings, &admin_hash, &demo_hash)
        });
        match made.await {
            Ok(()) => Ok(Some(passwords)),
            Err(DbError::Duplicate(_)) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Gives a user of the default domain a new password, for one who has lost it. Ends their tokens.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such user.
    pub async fn reset_password(&self, user_name: &str, password: String) -> Result<()> {
        let hash = self.hasher.hash(Visitor::proven("bootstrap"), password).await?;
        let name = user_name.to_owned();
        let clock = self.db.clock.clone();
        self.change("identity_reset_password", move |conn| {
            let user = users::find_by_name(conn, DEFAULT_DOMAIN_ID, &name)?;
            let Some(mut user) = user else {
                return Err(Error::NotFound(format!("There is no user {name:?}.")).into());
            };
            user.password_hash = Some(hash.clone());
            users::save(conn, &user)?;
            super::revoke::user(conn, &user.id, clock.now())
        })
        .await
    }
}

/// Whether a user of the default domain has this password, as far as that is known without a login.
///
/// # Errors
/// The database's own; [`Error::Internal`] when it cannot be computed.
pub async fn has_password(db: &Db, user_name: &str, password: String) -> Result<bool> {
    let name = user_name.to_owned();
    let user =
        db.read("identity_users.find", move |conn| users::find_by_name(conn, DEFAULT_DOMAIN_ID, &name));
    let Some(user) = user.await? else { return Ok(false) };
    Hasher::new(1)?.matches(Visitor::proven("bootstrap"), password, user.password_hash).await
}

fn default_domain() -> Domain {
    Domain {
        id: DEFAULT_DOMAIN_ID.to_owned(),
        name: "Default".to_owned(),
        description: "The default domain".to_owned(),
        enabled: true,
        extra: "{}".to_owned(),
    }
}

fn fill(conn: &mut Conn, settings: &Settings, admin_hash: &str, demo_hash: &str) -> DbResult<()> {
    let chain = CHAIN.map(role);
    for role in &chain {
        roles::insert(conn, role)?;
    }
    for pair in chain.windows(2) {
        if let [prior, implied] = pair {
            roles::imply(conn, &prior.id, &implied.id)?;
        }
    }
    let [admin_role, _, member_role, _] = &chain;
    let [service, image_admin, import_admin] = OTHERS.map(role);
    for other in [&service, &image_admin, &import_admin] {
        roles::insert(conn, other)?;
    }
    roles::imply(conn, &image_admin.id, &member_role.id)?;

    let admin_project = project(conn, "admin", "Administration")?;
    let demo_project = project(conn, "demo", "A first project")?;
    project(conn, "service", "Users of services")?;
    let admin = user(conn, "admin", admin_hash, &admin_project)?;
    let demo = user(conn, "demo", demo_hash, &demo_project)?;
    for (user_id, scope_kind, scope_id, role) in [
        (&admin, "project", admin_project.as_str(), admin_role),
        (&admin, "system", "all", admin_role),
        (&demo, "project", demo_project.as_str(), member_role),
    ] {
        let row = Assignment {
            user_id: user_id.clone(),
            scope_kind: scope_kind.to_owned(),
            scope_id: scope_id.to_owned(),
            role_id: role.id.clone(),
        };
        assignments::grant(conn, &row)?;
    }
    catalog(conn, settings)
}

fn role(name: &str) -> Role {
    Role { id: new_id(), name: name.to_owned(), description: None, extra: "{}".to_owned() }
}

fn project(conn: &mut Conn, name: &str, description: &str) -> DbResult<String> {
    let project = Project {
        id: new_id(),
        name: name.to_owned(),
        domain_id: DEFAULT_DOMAIN_ID.to_owned(),
        parent_id: DEFAULT_DOMAIN_ID.to_owned(),
        description: description.to_owned(),
        enabled: true,
        extra: "{}".to_owned(),
    };
    projects::insert(conn, &project)?;
    Ok(project.id)
}

fn user(conn: &mut Conn, name: &str, hash: &str, default_project_id: &str) -> DbResult<String> {
    let user = User {
        id: new_id(),
        name: name.to_owned(),
        domain_id: DEFAULT_DOMAIN_ID.to_owned(),
        default_project_id: Some(default_project_id.to_owned()),
        enabled: true,
        password_hash: Some(hash.to_owned()),
        extra: "{}".to_owned(),
    };
    users::insert(conn, &user)?;
    Ok(user.id)
}

fn catalog(conn: &mut Conn, settings: &Settings) -> DbResult<()> {
    let region = Region { id: settings.region.clone(), description: String::new(), parent_region_id: None };
    regions::insert(conn, &region)?;
    // The image URL has no version: clients append one, or discover it.
    for (kind, name, path) in
        [("identity", "keystone", format!("{}/v3", settings.prefix)), ("image", "glance", String::new())]
    {
        let service = Service {
            id: new_id(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            description: None,
            enabled: true,
            extra: "{}".to_owned(),
        };
        services::insert(conn, &service)?;
        for interface in ["public", "internal", "admin"] {
            let endpoint = Endpoint {
                id: new_id(),
                service_id: service.id.clone(),
                interface: interface.to_owned(),
                region_id: Some(region.id.clone()),
                url: format!("{BASE_URL_MARK}{path}"),
                enabled: true,
                extra: "{}".to_owned(),
            };
            endpoints::insert(conn, &endpoint)?;
        }
    }
    Ok(())
}

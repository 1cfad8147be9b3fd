//! The possible scopes of a user: the projects, domains and system that a token can be scoped to.

use crate::{
    db::identity::{
        assignments,
        domains::{self, Domain},
        projects::{self, Project},
    },
    identity::builtin::Builtin,
    model::error::Result,
};

/// The possible scopes of a user.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Enabled projects of enabled domains, by name.
    pub projects: Vec<Project>,
    /// Enabled domains.
    pub domains: Vec<Domain>,
    /// Whether system scope is open.
    pub system: bool,
}

impl Builtin {
    /// The possible scopes of a user. The caller of this function does the authorisation.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn reach(&self, user_id: &str) -> Result<Reach> {
        let user_id = user_id.to_owned();
        self.read("identity_reach", move |conn| {
            let enabled: Vec<Domain> = domains::list(conn)?.into_iter().filter(|d| d.enabled).collect();
            let project_ids = assignments::scope_ids(conn, &user_id, "project")?;
            let domain_ids = assignments::scope_ids(conn, &user_id, "domain")?;
            let projects = projects::list_by_ids(conn, &project_ids)?
                .into_iter()
                .filter(|p| p.enabled && enabled.iter().any(|d| d.id == p.domain_id))
                .collect();
            Ok(Reach {
                projects,
                domains: enabled.into_iter().filter(|d| domain_ids.contains(&d.id)).collect(),
                system: !assignments::role_ids(conn, &user_id, "system", "all")?.is_empty(),
            })
        })
        .await
    }
}

//! Granting and revoking roles, and the list of assignments.

use std::collections::{BTreeMap, HashMap};

use super::{Filters, admin_only, missing, readers_only};
use crate::{
    db::{
        Conn, DbResult,
        identity::{
            assignments::{self, Assignment, Filter},
            domains::{self, Domain},
            projects, roles, users,
        },
    },
    identity::builtin::{Builtin, context, context::Token, rows::Role},
    model::error::Result,
};

/// On what a role is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A project, by id.
    Project(String),
    /// A domain, by id.
    Domain(String),
    /// The whole system.
    System,
}

impl Target {
    fn kind(&self) -> &'static str {
        match self {
            Self::Project(_) => "project",
            Self::Domain(_) => "domain",
            Self::System => "system",
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Project(id) | Self::Domain(id) => id,
            Self::System => "all",
        }
    }
}

/// One line of the list of assignments.
#[derive(Clone, Debug)]
pub struct AssignmentRow {
    /// The assignment.
    pub assignment: Assignment,
    /// For an implied role: the role that implies it.
    pub prior_role_id: Option<String>,
    /// Names, if requested.
    pub names: Option<AssignmentNames>,
}

/// The names behind the ids of an assignment.
#[derive(Clone, Debug)]
pub struct AssignmentNames {
    /// Of the user.
    pub user: String,
    /// The user's domain: id and name.
    pub user_domain: (String, String),
    /// Of the role.
    pub role: String,
    /// Of the project or domain; empty for the system.
    pub scope: String,
    /// The project's domain: id and name.
    pub scope_domain: Option<(String, String)>,
}

impl Builtin {
    /// The roles that a user has directly on a target.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::model::error::Error::NotFound) for user or target, and when not allowed.
    pub async fn grant_list(&self, token: &Token, target: &Target, user_id: &str) -> Result<Vec<Role>> {
        readers_only(token)?;
        let (target, user_id) = (target.clone(), user_id.to_owned());
        self.read("identity_grants", move |conn| {
            check(conn, &target, &user_id, None)?;
            let ids = assignments::role_ids(conn, &user_id, target.kind(), target.id())?;
            Ok(roles::list(conn)?.into_iter().filter(|role| ids.contains(&role.id)).collect())
        })
        .await
    }

    /// Succeeds when a user has a role directly on a target.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::model::error::Error::NotFound) when there is none, and when not allowed.
    pub async fn grant_check(
        &self,
        token: &Token,
        target: &Target,
        user_id: &str,
        role_id: &str,
    ) -> Result<()> {
        readers_only(token)?;
        let row = row(target, user_id, role_id);
        let found = self.read("identity_grant", move |conn| assignments::exists(conn, &row)).await?;
        if found { Ok(()) } else { Err(missing("role assignment with role", role_id)) }
    }

    /// Gives a user a role on a target.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::model::error::Error::NotFound) for any of the three, and when not allowed.
    pub async fn grant_create(
        &self,
        token: &Token,
        target: &Target,
        user_id: &str,
        role_id: &str,
    ) -> Result<()> {
        admin_only(token)?;
        let (target, row) = (target.clone(), row(target, user_id, role_id));
        self.change("identity_grant_create", move |conn| {
            check(conn, &target, &row.user_id, Some(&row.role_id))?;
            assignments::grant(conn, &row)
        })
        .await
    }

    /// Takes a role on a target from a user. His tokens lose it at once.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::model::error::Error::NotFound) when there is none, and when not allowed.
    pub async fn grant_delete(
        &self,
        token: &Token,
        target: &Target,
        user_id: &str,
        role_id: &str,
    ) -> Result<()> {
        admin_only(token)?;
        let row = row(target, user_id, role_id);
        self.change("identity_grant_delete", move |conn| {
            if assignments::revoke(conn, &row)? {
                return Ok(());
            }
            Err(missing("role assignment with role", &row.role_id).into())
        })
        .await
    }

    /// The list of assignments. Filters: `user.id`, `group.id`, `role.id`, `scope.project.id`, `scope.domain.id`,
    /// `scope.system`; `effective` adds implied roles, `include_names` adds names.
    ///
    /// # Errors
    /// Forbidden unless the token reads all.
    pub async fn assignment_list(&self, token: &Token, filters: &Filters) -> Result<Vec<AssignmentRow>> {
        readers_only(token)?;
        // There are no groups and no inherited roles, so nobody has a role through one.
        if filters.get("group.id").is_some() || filters.get("scope.OS-INHERIT:inherited_to").is_some() {
            return Ok(Vec::new());
        }
        let effective = filters.flag("effective").unwrap_or(false);
        let with_names = filters.flag("include_names").unwrap_or(false);
        let role_id = filters.get("role.id").map(str::to_owned);
        let (scope_kind, scope_id) = if let Some(id) = filters.get("scope.project.id") {
            (Some("project"), Some(id))
        } else if let Some(id) = filters.get("scope.domain.id") {
            (Some("domain"), Some(id))
        } else if filters.get("scope.system").is_some() {
            (Some("system"), None)
        } else {
            (None, None)
        };
        let filter = Filter {
            user_id: filters.get("user.id").map(str::to_owned),
            role_id: role_id.clone().filter(|_| !effective),
            scope_kind: scope_kind.map(str::to_owned),
            scope_id: scope_id.map(str::to_owned),
        };
        self.read("identity_assignments", move |conn| {
            let direct = assignments::list(conn, &filter)?;
            let mut rows =
                if effective { expand(conn, direct)? } else { direct.into_iter().map(plain).collect() };
            rows.retain(|row| role_id.as_ref().is_none_or(|id| row.assignment.role_id == *id));
            if with_names {
                add_names(conn, &mut rows)?;
            }
            Ok(rows)
        })
        .await
    }
}

fn row(target: &Target, user_id: &str, role_id: &str) -> Assignment {
    Assignment {
        user_id: user_id.to_owned(),
        scope_kind: target.kind().to_owned(),
        scope_id: target.id().to_owned(),
        role_id: role_id.to_owned(),
    }
}

fn plain(assignment: Assignment) -> AssignmentRow {
    AssignmentRow { assignment, prior_role_id: None, names: None }
}

fn check(conn: &mut Conn, target: &Target, user_id: &str, role_id: Option<&str>) -> DbResult<()> {
    users::find(conn, user_id)?.ok_or_else(|| missing("user", user_id))?;
    if let Some(id) = role_id {
        roles::find(conn, id)?.ok_or_else(|| missing("role", id))?;
    }
    match target {
        Target::Project(id) => drop(projects::find(conn, id)?.ok_or_else(|| missing("project", id))?),
        Target::Domain(id) => drop(domains::find(conn, id)?.ok_or_else(|| missing("domain", id))?),
        Target::System => {}
    }
    Ok(())
}

/// Direct assignments, and those that follow by implied roles; each once.
fn expand(conn: &mut Conn, direct: Vec<Assignment>) -> DbResult<Vec<AssignmentRow>> {
    let mut all: BTreeMap<Assignment, Option<String>> = BTreeMap::new();
    let mut known: HashMap<String, Vec<String>> = HashMap::new();
    for assignment in &direct {
        if !known.contains_key(&assignment.role_id) {
            let implied = context::expand(conn, vec![assignment.role_id.clone()])?;
            known.insert(assignment.role_id.clone(), implied.into_iter().collect());
        }
        for role_id in known.get(&assignment.role_id).into_iter().flatten() {
            let prior = (*role_id != assignment.role_id).then(|| assignment.role_id.clone());
            all.entry(Assignment { role_id: role_id.clone(), ..assignment.clone() }).or_insert(prior);
        }
    }
    for assignment in direct {
        all.insert(assignment, None);
    }
    let rows = all.into_iter().map(|(assignment, prior_role_id)| AssignmentRow {
        assignment,
        prior_role_id,
        names: None,
    });
    Ok(rows.collect())
}

fn add_names(conn: &mut Conn, rows: &mut [AssignmentRow]) -> DbResult<()> {
    let of = |domain: Option<&Domain>| domain.map(|d| (d.id.clone(), d.name.clone())).unwrap_or_default();
    let domains: HashMap<String, Domain> =
        domains::list(conn)?.into_iter().map(|domain| (domain.id.clone(), domain)).collect();
    let roles: HashMap<String, String> =
        roles::list(conn)?.into_iter().map(|role| (role.id, role.name)).collect();
    let mut users: HashMap<String, (String, String)> = HashMap::new();
    let mut projects: HashMap<String, (String, String)> = HashMap::new();
    for row in rows {
        let Assignment { user_id, scope_kind, scope_id, role_id } = &row.assignment;
        if !users.contains_key(user_id)
            && let Some(user) = users::find(conn, user_id)?
        {
            users.insert(user_id.clone(), (user.name, user.domain_id));
        }
        if scope_kind == "project"
            && !projects.contains_key(scope_id)
            && let Some(project) = projects::find(conn, scope_id)?
        {
            projects.insert(scope_id.clone(), (project.name, project.domain_id));
        }
        let (user, user_domain_id) = users.get(user_id).cloned().unwrap_or_default();
        let (scope, scope_domain) = match scope_kind.as_str() {
            "project" => {
                let (name, domain_id) = projects.get(scope_id).cloned().unwrap_or_default();
                (name, Some(of(domains.get(&domain_id))))
            }
            "domain" => (of(domains.get(scope_id)).1, None),
            _ => (String::new(), None),
        };
        row.names = Some(AssignmentNames {
            user,
            user_domain: of(domains.get(&user_domain_id)),
            role: roles.get(role_id).cloned().unwrap_or_default(),
            scope,
            scope_domain,
        });
    }
    Ok(())
}

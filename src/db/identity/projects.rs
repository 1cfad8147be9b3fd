//! Projects, the owners of images.

use diesel::{prelude::*, sql_types::Bool};

use super::{LIST_ROWS_MAX, app_credentials, assignments, keyed_rows};
use crate::db::{
    Conn, DbResult,
    schema::{identity_app_credentials, identity_limits, identity_projects, identity_users},
};

/// One row of `identity_projects`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = identity_projects)]
#[diesel(treat_none_as_null = true)]
pub struct Project {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique within the domain.
    pub name: String,
    /// The domain that owns the project.
    pub domain_id: String,
    /// The project above this one, or the domain's id.
    pub parent_id: String,
    /// Free text.
    pub description: String,
    /// Nobody gets a token for a disabled project.
    pub enabled: bool,
    /// JSON object of further attributes, `tags` and `options` among them.
    pub extra: String,
}

keyed_rows!(identity_projects, Project);

/// The project of this name in a domain.
///
/// # Errors
/// Only the database's own.
pub fn find_by_name(conn: &mut Conn, domain_id: &str, name: &str) -> DbResult<Option<Project>> {
    Ok(identity_projects::table
        .filter(identity_projects::domain_id.eq(domain_id))
        .filter(identity_projects::name.eq(name))
        .select(Project::as_select())
        .first(conn)
        .optional()?)
}

/// Projects by name, one more than [`LIST_ROWS_MAX`] at most; `None` filters nothing.
///
/// # Errors
/// Only the database's own.
pub fn list(
    conn: &mut Conn,
    domain_id: Option<&str>,
    name: Option<&str>,
    parent_id: Option<&str>,
) -> DbResult<Vec<Project>> {
    let any = |filter: Option<&str>| filter.is_none().into_sql::<Bool>();
    Ok(identity_projects::table
        .filter(identity_projects::domain_id.eq(domain_id.unwrap_or_default()).or(any(domain_id)))
        .filter(identity_projects::name.eq(name.unwrap_or_default()).or(any(name)))
        .filter(identity_projects::parent_id.eq(parent_id.unwrap_or_default()).or(any(parent_id)))
        .order((identity_projects::name, identity_projects::id))
        .limit(LIST_ROWS_MAX + 1)
        .select(Project::as_select())
        .load(conn)?)
}

/// The projects with these ids, by name.
///
/// # Errors
/// Only the database's own.
pub fn list_by_ids(conn: &mut Conn, ids: &[String]) -> DbResult<Vec<Project>> {
    let mut found: Vec<Project> = Vec::new();
    for some in ids.chunks(500) {
        found.extend(
            identity_projects::table
                .filter(identity_projects::id.eq_any(some))
                .select(Project::as_select())
                .load(conn)?,
        );
    }
    found.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(found)
}

/// Removes a project with the roles, application credentials and limits on it.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
    assignments::remove_scope(conn, "project", id)?;
    let credentials: Vec<String> = identity_app_credentials::table
        .filter(identity_app_credentials::project_id.eq(id))
        .select(identity_app_credentials::id)
        .load(conn)?;
    for credential in &credentials {
        app_credentials::remove(conn, credential)?;
    }
    diesel::delete(identity_limits::table.filter(identity_limits::project_id.eq(id))).execute(conn)?;
    diesel::update(identity_users::table.filter(identity_users::default_project_id.eq(id)))
        .set(identity_users::default_project_id.eq(None::<String>))
        .execute(conn)?;
    diesel::delete(identity_projects::table.filter(identity_projects::id.eq(id))).execute(conn)?;
    Ok(())
}

//! Role assignments on projects, domains and the whole system.

use diesel::{prelude::*, sql_types::Bool};

use super::LIST_ROWS_MAX;
use crate::db::{Conn, DbResult, schema::identity_assignments};

/// One row of `identity_assignments`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Queryable, Selectable, Insertable)]
#[diesel(table_name = identity_assignments)]
pub struct Assignment {
    /// The user.
    pub user_id: String,
    /// `project`, `domain` or `system`.
    pub scope_kind: String,
    /// Id of the project or domain; `all` for the system.
    pub scope_id: String,
    /// The role.
    pub role_id: String,
}

/// The filter of a list of assignments; `None` filters nothing.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Assignments of this user.
    pub user_id: Option<String>,
    /// Assignments of this role.
    pub role_id: Option<String>,
    /// `project`, `domain` or `system`.
    pub scope_kind: Option<String>,
    /// On this project or domain.
    pub scope_id: Option<String>,
}

/// Assignments in a stable order, one more than [`LIST_ROWS_MAX`] at most.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, filter: &Filter) -> DbResult<Vec<Assignment>> {
    use identity_assignments::{role_id, scope_id, scope_kind, user_id};
    fn text(filter: &Option<String>) -> &str {
        filter.as_deref().unwrap_or_default()
    }
    let any = |filter: &Option<String>| filter.is_none().into_sql::<Bool>();
    Ok(identity_assignments::table
        .filter(user_id.eq(text(&filter.user_id)).or(any(&filter.user_id)))
        .filter(role_id.eq(text(&filter.role_id)).or(any(&filter.role_id)))
        .filter(scope_kind.eq(text(&filter.scope_kind)).or(any(&filter.scope_kind)))
        .filter(scope_id.eq(text(&filter.scope_id)).or(any(&filter.scope_id)))
        .order((user_id, scope_kind, scope_id, role_id))
        .limit(LIST_ROWS_MAX + 1)
        .select(Assignment::as_select())
        .load(conn)?)
}

/// Ids of the roles that a user has directly on one scope.
///
/// # Errors
/// Only the database's own.
pub fn role_ids(conn: &mut Conn, user_id: &str, scope_kind: &str, scope_id: &str) -> DbResult<Vec<String>> {
    Ok(identity_assignments::table
        .filter(identity_assignments::user_id.eq(user_id))
        .filter(identity_assignments::scope_kind.eq(scope_kind))
        .filter(identity_assignments::scope_id.eq(scope_id))
        .order(identity_assignments::role_id)
        .select(identity_assignments::role_id)
        .load(conn)?)
}

/// Ids of the scopes of one kind on which a user has any role.
///
/// # Errors
/// Only the database's own.
pub fn scope_ids(conn: &mut Conn, user_id: &str, scope_kind: &str) -> DbResult<Vec<String>> {
    Ok(identity_assignments::table
        .filter(identity_assignments::user_id.eq(user_id))
        .filter(identity_assignments::scope_kind.eq(scope_kind))
        .select(identity_assignments::scope_id)
        .distinct()
        .load(conn)?)
}

/// Whether a user has this role directly on this scope.
///
/// # Errors
/// Only the database's own.
pub fn exists(conn: &mut Conn, row: &Assignment) -> DbResult<bool> {
    Ok(role_ids(conn, &row.user_id, &row.scope_kind, &row.scope_id)?.contains(&row.role_id))
}

/// Grants a role; nothing changes if the user has it already.
///
/// # Errors
/// Only the database's own.
pub fn grant(conn: &mut Conn, row: &Assignment) -> DbResult<()> {
    if !exists(conn, row)? {
        diesel::insert_into(identity_assignments::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Revokes a role; returns whether the user had it.
///
/// # Errors
/// Only the database's own.
pub fn revoke(conn: &mut Conn, row: &Assignment) -> DbResult<bool> {
    let gone = diesel::delete(
        identity_assignments::table
            .filter(identity_assignments::user_id.eq(&row.user_id))
            .filter(identity_assignments::scope_kind.eq(&row.scope_kind))
            .filter(identity_assignments::scope_id.eq(&row.scope_id))
            .filter(identity_assignments::role_id.eq(&row.role_id)),
    )
    .execute(conn)?;
    Ok(gone == 1)
}

/// Takes all roles on one scope away from everybody.
///
/// # Errors
/// Only the database's own.
pub fn remove_scope(conn: &mut Conn, scope_kind: &str, scope_id: &str) -> DbResult<()> {
    diesel::delete(
        identity_assignments::table
            .filter(identity_assignments::scope_kind.eq(scope_kind))
            .filter(identity_assignments::scope_id.eq(scope_id)),
    )
    .execute(conn)?;
    Ok(())
}

//! Roles and implied roles.

use diesel::prelude::*;

use super::{LIST_ROWS_MAX, keyed_rows};
use crate::db::{
    Conn, DbResult,
    schema::{identity_app_credential_roles, identity_assignments, identity_implied_roles, identity_roles},
};

/// One row of `identity_roles`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = identity_roles)]
#[diesel(treat_none_as_null = true)]
pub struct Role {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique.
    pub name: String,
    /// Free text.
    pub description: Option<String>,
    /// JSON object of further attributes.
    pub extra: String,
}

keyed_rows!(identity_roles, Role);

/// All roles by name, one more than [`LIST_ROWS_MAX`] at most.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn) -> DbResult<Vec<Role>> {
    Ok(identity_roles::table
        .order(identity_roles::name)
        .limit(LIST_ROWS_MAX + 1)
        .select(Role::as_select())
        .load(conn)?)
}

/// Deletes a role and all its assignments.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(identity_assignments::table.filter(identity_assignments::role_id.eq(id))).execute(conn)?;
    diesel::delete(
        identity_app_credential_roles::table.filter(identity_app_credential_roles::role_id.eq(id)),
    )
    .execute(conn)?;
    diesel::delete(identity_implied_roles::table.filter(
        identity_implied_roles::prior_role_id.eq(id).or(identity_implied_roles::implied_role_id.eq(id)),
    ))
    .execute(conn)?;
    diesel::delete(identity_roles::table.filter(identity_roles::id.eq(id))).execute(conn)?;
    Ok(())
}

/// Every pair (prior role, implied role), by ids.
///
/// # Errors
/// Only the database's own.
pub fn implications(conn: &mut Conn) -> DbResult<Vec<(String, String)>> {
    Ok(identity_implied_roles::table
        .order((identity_implied_roles::prior_role_id, identity_implied_roles::implied_role_id))
        .select((identity_implied_roles::prior_role_id, identity_implied_roles::implied_role_id))
        .load(conn)?)
}

/// Makes one role imply another.
///
/// # Errors
/// [`DbError::Duplicate`](crate::db::DbError::Duplicate) when it does already.
pub fn imply(conn: &mut Conn, prior: &str, implied: &str) -> DbResult<()> {
    diesel::insert_into(identity_implied_roles::table)
        .values((
            identity_implied_roles::prior_role_id.eq(prior),
            identity_implied_roles::implied_role_id.eq(implied),
        ))
        .execute(conn)?;
    Ok(())
}

/// Ends an implication; returns whether there was one.
///
/// # Errors
/// Only the database's own.
pub fn stop_implying(conn: &mut Conn, prior: &str, implied: &str) -> DbResult<bool> {
    let gone = diesel::delete(
        identity_implied_roles::table
            .filter(identity_implied_roles::prior_role_id.eq(prior))
            .filter(identity_implied_roles::implied_role_id.eq(implied)),
    )
    .execute(conn)?;
    Ok(gone == 1)
}

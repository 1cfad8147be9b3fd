//! Users and their password hashes.

use diesel::{prelude::*, sql_types::Bool};

use super::{LIST_ROWS_MAX, app_credentials, keyed_rows};
use crate::db::{
    Conn, DbResult,
    schema::{identity_app_credentials, identity_assignments, identity_users},
};

/// One row of `identity_users`.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = identity_users)]
#[diesel(treat_none_as_null = true)]
pub struct User {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique within the domain.
    pub name: String,
    /// The domain that owns the user.
    pub domain_id: String,
    /// Project of a login that names no scope.
    pub default_project_id: Option<String>,
    /// A disabled user cannot log in.
    pub enabled: bool,
    /// PHC string; a user without one cannot log in by password.
    pub password_hash: Option<String>,
    /// JSON object of further attributes, `email`, `description` and `options` among them.
    pub extra: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

keyed_rows!(identity_users, User);

/// The user of this name in a domain.
///
/// # Errors
/// Only the database's own.
pub fn find_by_name(conn: &mut Conn, domain_id: &str, name: &str) -> DbResult<Option<User>> {
    Ok(identity_users::table
        .filter(identity_users::domain_id.eq(domain_id))
        .filter(identity_users::name.eq(name))
        .select(User::as_select())
        .first(conn)
        .optional()?)
}

/// Users by name, one more than [`LIST_ROWS_MAX`] at most; `None` filters nothing.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, domain_id: Option<&str>, name: Option<&str>) -> DbResult<Vec<User>> {
    let any = |filter: Option<&str>| filter.is_none().into_sql::<Bool>();
    Ok(identity_users::table
        .filter(identity_users::domain_id.eq(domain_id.unwrap_or_default()).or(any(domain_id)))
        .filter(identity_users::name.eq(name.unwrap_or_default()).or(any(name)))
        .order((identity_users::name, identity_users::id))
        .limit(LIST_ROWS_MAX + 1)
        .select(User::as_select())
        .load(conn)?)
}

/// Removes a user with all roles and application credentials.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(identity_assignments::table.filter(identity_assignments::user_id.eq(id))).execute(conn)?;
    let credentials: Vec<String> = identity_app_credentials::table
        .filter(identity_app_credentials::user_id.eq(id))
        .select(identity_app_credentials::id)
        .load(conn)?;
    for credential in &credentials {
        app_credentials::remove(conn, credential)?;
    }
    diesel::delete(identity_users::table.filter(identity_users::id.eq(id))).execute(conn)?;
    Ok(())
}

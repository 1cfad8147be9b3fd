//! Application credentials and the roles that each carries.

use diesel::prelude::*;

use super::keyed_rows;
use crate::db::{
    Conn, DbResult,
    schema::{identity_app_credential_roles, identity_app_credentials},
};

/// One row of `identity_app_credentials`.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = identity_app_credentials)]
#[diesel(treat_none_as_null = true)]
pub struct AppCredential {
    /// 32 hexadecimal digits.
    pub id: String,
    /// Unique for the user.
    pub name: String,
    /// The user.
    pub user_id: String,
    /// The one project that it is good for.
    pub project_id: String,
    /// Free text.
    pub description: Option<String>,
    /// PHC string.
    pub secret_hash: String,
    /// Microseconds since 1970 UTC; `None` never expires.
    pub expires_at: Option<i64>,
    /// Whether its tokens may manage application credentials.
    pub unrestricted: bool,
    /// JSON array of access rules; `None` allows every request.
    pub access_rules: Option<String>,
    /// Microseconds since 1970 UTC.
    pub created_at: i64,
}

impl std::fmt::Debug for AppCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppCredential").field("id", &self.id).finish_non_exhaustive()
    }
}

keyed_rows!(identity_app_credentials, AppCredential);

/// The credential of this name of a user.
///
/// # Errors
/// Only the database's own.
pub fn find_by_name(conn: &mut Conn, user_id: &str, name: &str) -> DbResult<Option<AppCredential>> {
    Ok(identity_app_credentials::table
        .filter(identity_app_credentials::user_id.eq(user_id))
        .filter(identity_app_credentials::name.eq(name))
        .select(AppCredential::as_select())
        .first(conn)
        .optional()?)
}

/// The credentials of a user, by name.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, user_id: &str) -> DbResult<Vec<AppCredential>> {
    Ok(identity_app_credentials::table
        .filter(identity_app_credentials::user_id.eq(user_id))
        .order(identity_app_credentials::name)
        .select(AppCredential::as_select())
        .load(conn)?)
}

/// Number of credentials of a user.
///
/// # Errors
/// Only the database's own.
pub fn count(conn: &mut Conn, user_id: &str) -> DbResult<i64> {
    Ok(identity_app_credentials::table
        .filter(identity_app_credentials::user_id.eq(user_id))
        .count()
        .get_result(conn)?)
}

/// Ids of the roles that a credential carries.
///
/// # Errors
/// Only the database's own.
pub fn role_ids(conn: &mut Conn, id: &str) -> DbResult<Vec<String>> {
    Ok(identity_app_credential_roles::table
        .filter(identity_app_credential_roles::app_credential_id.eq(id))
        .order(identity_app_credential_roles::role_id)
        .select(identity_app_credential_roles::role_id)
        .load(conn)?)
}

/// Lets a credential carry a role.
///
/// # Errors
/// Only the database's own.
pub fn add_role(conn: &mut Conn, id: &str, role_id: &str) -> DbResult<()> {
    diesel::insert_into(identity_app_credential_roles::table)
        .values((
            identity_app_credential_roles::app_credential_id.eq(id),
            identity_app_credential_roles::role_id.eq(role_id),
        ))
        .execute(conn)?;
    Ok(())
}

/// Removes a credential and ends its tokens.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(
        identity_app_credential_roles::table.filter(identity_app_credential_roles::app_credential_id.eq(id)),
    )
    .execute(conn)?;
    diesel::delete(identity_app_credentials::table.filter(identity_app_credentials::id.eq(id)))
        .execute(conn)?;
    Ok(())
}

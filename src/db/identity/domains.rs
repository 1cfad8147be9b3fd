//! Domains: the outermost owners of projects and users.

use diesel::prelude::*;

use super::{LIST_ROWS_MAX, keyed_rows};
use crate::db::{Conn, DbResult, schema::identity_domains};

/// One row of `identity_domains`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = identity_domains)]
#[diesel(treat_none_as_null = true)]
pub struct Domain {
    /// `default`, or 32 hexadecimal digits.
    pub id: String,
    /// Unique.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Nobody of a disabled domain may log in, nor use its projects.
    pub enabled: bool,
    /// JSON object of further attributes.
    pub extra: String,
}

keyed_rows!(identity_domains, Domain);

/// The domain of this name.
///
/// # Errors
/// Only the database's own.
pub fn find_by_name(conn: &mut Conn, name: &str) -> DbResult<Option<Domain>> {
    Ok(identity_domains::table
        .filter(identity_domains::name.eq(name))
        .select(Domain::as_select())
        .first(conn)
        .optional()?)
}

/// All domains by name, one more than [`LIST_ROWS_MAX`] at most.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn) -> DbResult<Vec<Domain>> {
    Ok(identity_domains::table
        .order(identity_domains::name)
        .limit(LIST_ROWS_MAX + 1)
        .select(Domain::as_select())
        .load(conn)?)
}

/// Removes a domain that nothing refers to any more.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(identity_domains::table.filter(identity_domains::id.eq(id))).execute(conn)?;
    Ok(())
}

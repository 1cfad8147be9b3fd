//! Unified limits: registered ones (defaults) and those of one project or domain.

use diesel::prelude::*;

use super::{LIST_ROWS_MAX, keyed_rows};
use crate::db::{
    Conn, DbResult,
    schema::{identity_limits, identity_services},
};

/// One row of `identity_limits`.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = identity_limits)]
#[diesel(treat_none_as_null = true)]
pub struct Limit {
    /// 32 hexadecimal digits.
    pub id: String,
    /// The service that enforces it.
    pub service_id: String,
    /// The region that it is for; `None` is all.
    pub region_id: Option<String>,
    /// `image_count_total` …
    pub resource_name: String,
    /// The limit, in the unit that the service gives the resource; -1 is unlimited.
    pub limit_value: i64,
    /// Free text.
    pub description: Option<String>,
    /// The project that it is for; a registered limit has neither project nor domain.
    pub project_id: Option<String>,
    /// The domain that it is for.
    pub domain_id: Option<String>,
}

impl Limit {
    /// Whether this is the default for everybody.
    pub fn is_registered(&self) -> bool {
        self.project_id.is_none() && self.domain_id.is_none()
    }
}

keyed_rows!(identity_limits, Limit);

/// All limits of both kinds, one more than [`LIST_ROWS_MAX`] at most.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn) -> DbResult<Vec<Limit>> {
    Ok(identity_limits::table
        .order(identity_limits::id)
        .limit(LIST_ROWS_MAX + 1)
        .select(Limit::as_select())
        .load(conn)?)
}

/// The limits of services of a type in a region: registered ones, and those of one project.
///
/// # Errors
/// Only the database's own.
pub fn of_project(conn: &mut Conn, kind: &str, region: &str, project: Option<&str>) -> DbResult<Vec<Limit>> {
    let services = identity_services::table.filter(identity_services::kind.eq(kind));
    Ok(identity_limits::table
        .filter(identity_limits::service_id.eq_any(services.select(identity_services::id)))
        .filter(identity_limits::region_id.is_null().or(identity_limits::region_id.eq(region)))
        .filter(identity_limits::domain_id.is_null())
        .filter(identity_limits::project_id.is_null().or(identity_limits::project_id.eq(project)))
        .select(Limit::as_select())
        .load(conn)?)
}

/// Removes a limit.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(identity_limits::table.filter(identity_limits::id.eq(id))).execute(conn)?;
    Ok(())
}

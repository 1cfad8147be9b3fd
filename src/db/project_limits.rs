//! Limits of single projects, and their usage.

use diesel::prelude::*;

use super::{
    Conn, DbError, DbResult,
    schema::{images, project_limits},
};
use crate::model::{
    image::Visibility,
    limits::{Limits, Usage},
    time::Timestamp,
};

/// The limits of a project, if it has any of its own.
///
/// # Errors
/// Only the database's own, and limits that cannot be read.
pub fn find(conn: &mut Conn, project: &str) -> DbResult<Option<Limits>> {
    let text: Option<String> =
        project_limits::table.find(project).select(project_limits::limits).first(conn).optional()?;
    let read = |text: String| serde_json::from_str(&text);
    text.map(read).transpose().map_err(|e| DbError::Other(format!("the limits of {project}: {e}")))
}

/// Sets the limits of a project, replacing the previous ones.
///
/// # Errors
/// [`DbError::Retry`] when others do so at the same time.
pub fn put(conn: &mut Conn, project: &str, limits: &Limits, now: Timestamp) -> DbResult<()> {
    remove(conn, project)?;
    let text = serde_json::to_string(limits).map_err(|e| DbError::Other(format!("limits: {e}")))?;
    let row = (
        project_limits::project_id.eq(project),
        project_limits::limits.eq(text),
        project_limits::updated_at.eq(now.0),
    );
    match diesel::insert_into(project_limits::table).values(row).execute(conn).map_err(DbError::from) {
        Err(DbError::Duplicate(_)) => Err(DbError::Retry("the limits were set meanwhile".to_owned())),
        other => other.map(drop),
    }
}

/// Deletes the limits of a project. Returns whether there were any.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, project: &str) -> DbResult<bool> {
    Ok(diesel::delete(project_limits::table.find(project)).execute(conn)? > 0)
}

/// The usage of a project.
///
/// # Errors
/// Only the database's own.
pub fn usage(conn: &mut Conn, project: &str) -> DbResult<Usage> {
    let own = images::table.filter(images::deleted.eq(false)).filter(images::owner.eq(project));
    let all: i64 = own.count().get_result(conn)?;
    let private: i64 =
        own.filter(images::visibility.eq(Visibility::Private.as_str())).count().get_result(conn)?;
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(Usage { images: count(all), private_images: count(private) })
}

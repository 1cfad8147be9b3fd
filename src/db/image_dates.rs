//! Pending actions on images by their dates.

use diesel::prelude::*;

use super::{Conn, DbResult, schema::image_dates};
use crate::model::{lifecycle::Act, time::Timestamp};

/// One act that is to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The image.
    pub image_id: String,
    /// The action.
    pub act: Act,
}

/// Records when an action is due, replacing the previous entry.
///
/// # Errors
/// Only the database's own.
pub fn put(conn: &mut Conn, image_id: &str, act: Act, due: Timestamp) -> DbResult<()> {
    remove(conn, image_id, act)?;
    let row = (
        image_dates::image_id.eq(image_id),
        image_dates::act.eq(act.as_str()),
        image_dates::due_at.eq(due.0),
    );
    diesel::insert_into(image_dates::table).values(row).execute(conn)?;
    Ok(())
}

/// Deletes an action that is done or cancelled. Returns whether it was pending.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, image_id: &str, act: Act) -> DbResult<bool> {
    let row = image_dates::table
        .filter(image_dates::image_id.eq(image_id))
        .filter(image_dates::act.eq(act.as_str()));
    Ok(diesel::delete(row).execute(conn)? > 0)
}

/// Forgets everything about an image.
///
/// # Errors
/// Only the database's own.
pub fn forget(conn: &mut Conn, image_id: &str) -> DbResult<()> {
    diesel::delete(image_dates::table.filter(image_dates::image_id.eq(image_id))).execute(conn)?;
    Ok(())
}

/// Whether an action is due.
///
/// # Errors
/// Only the database's own.
pub fn is_due(conn: &mut Conn, due: &Due, now: Timestamp) -> DbResult<bool> {
    let row = image_dates::table
        .filter(image_dates::image_id.eq(&due.image_id))
        .filter(image_dates::act.eq(due.act.as_str()))
        .filter(image_dates::due_at.le(now.0));
    Ok(row.select(image_dates::image_id).first::<String>(conn).optional()?.is_some())
}

/// The due actions, earliest first, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn due(conn: &mut Conn, now: Timestamp, count: i64) -> DbResult<Vec<Due>> {
    let rows: Vec<(String, String)> = image_dates::table
        .filter(image_dates::due_at.le(now.0))
        .order((image_dates::due_at, image_dates::image_id, image_dates::act))
        .limit(count)
        .select((image_dates::image_id, image_dates::act))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .filter_map(|(image_id, act)| Some(Due { image_id, act: Act::parse(&act)? }))
        .collect())
}

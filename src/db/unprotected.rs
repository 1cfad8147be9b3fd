//! When images ceased to be protected, where that delays their deletion.

use diesel::prelude::*;

use super::{Conn, DbResult, schema::unprotected_images};
use crate::model::time::Timestamp;

/// Notes when an image, of which nothing is noted, ceased to be protected.
///
/// # Errors
/// Only the database's own.
pub fn put(conn: &mut Conn, image_id: &str, since: Timestamp) -> DbResult<()> {
    let row = (unprotected_images::image_id.eq(image_id), unprotected_images::since.eq(since.0));
    diesel::insert_into(unprotected_images::table).values(row).execute(conn)?;
    Ok(())
}

/// When it did; `None` if nothing is noted.
///
/// # Errors
/// Only the database's own.
pub fn since(conn: &mut Conn, image_id: &str) -> DbResult<Option<Timestamp>> {
    let row = unprotected_images::table.find(image_id).select(unprotected_images::since);
    Ok(row.first(conn).optional()?.map(Timestamp))
}

/// Forgets it.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, image_id: &str) -> DbResult<()> {
    diesel::delete(unprotected_images::table.find(image_id)).execute(conn)?;
    Ok(())
}

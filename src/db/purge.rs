//! Deletes old rows of removed memberships when an operator asks for it. Rows of images are purged in `images.rs`,
//! which keeps their ids.

use diesel::prelude::*;

use super::{
    Conn, DbResult,
    schema::{image_members, purged_images},
};
use crate::model::time::Timestamp;

/// Drops memberships that were taken back before a time, the oldest first, `count` at most. Returns how many went.
///
/// # Errors
/// Only the database's own.
pub fn members(conn: &mut Conn, before: Timestamp, count: i64) -> DbResult<usize> {
    let found: Vec<(String, String)> = image_members::table
        .filter(image_members::deleted.eq(true))
        .filter(image_members::updated_at.lt(before.0))
        .order((image_members::updated_at, image_members::image_id, image_members::member))
        .select((image_members::image_id, image_members::member))
        .limit(count)
        .load(conn)?;
    let mut dropped = 0_usize;
    for (image, member) in found {
        let row = image_members::table
            .filter(image_members::image_id.eq(image))
            .filter(image_members::member.eq(member))
            .filter(image_members::deleted.eq(true));
        dropped = dropped.saturating_add(diesel::delete(row).execute(conn)?);
    }
    Ok(dropped)
}

/// Whether an image of this id was there once and its row was dropped.
///
/// # Errors
/// Only the database's own.
pub fn is_purged(conn: &mut Conn, id: &str) -> DbResult<bool> {
    let found: Option<String> = purged_images::table
        .filter(purged_images::id.eq(id))
        .select(purged_images::id)
        .first(conn)
        .optional()?;
    Ok(found.is_some())
}

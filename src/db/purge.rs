//! Rows that only tell of what was there once, dropped when an operator asks for it: memberships that were taken back,
//! jobs whose time is over, and the tombstones of images, of which the ids remain for ever.

use diesel::prelude::*;

use super::{
    Conn, DbResult, jobs,
    schema::{blobs, image_members, images, purged_images},
};
use crate::model::time::Timestamp;

/// Drops memberships that were taken back before a time, the oldest first, `count` at most. Answers how many went.
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

/// Drops jobs that expired before a time, `count` at most. Answers how many went.
///
/// # Errors
/// Only the database's own.
pub fn tasks(conn: &mut Conn, before: Timestamp, count: i64) -> DbResult<usize> {
    jobs::delete_expired(conn, before, count)
}

/// Drops the rows of images that were deleted before a time and have no data any more, the oldest first, `count` at most.
/// Their ids are kept apart, so that nobody gives one to other data (OSSN-0075). Answers how many went.
///
/// # Errors
/// Only the database's own.
pub fn images(conn: &mut Conn, before: Timestamp, count: i64, now: Timestamp) -> DbResult<usize> {
    let ids: Vec<String> = images::table
        .filter(images::deleted.eq(true))
        .filter(images::deleted_at.lt(before.0))
        .filter(diesel::dsl::not(diesel::dsl::exists(blobs::table.filter(blobs::image_id.eq(images::id)))))
        .order((images::deleted_at, images::id))
        .select(images::id)
        .limit(count)
        .load(conn)?;
    let mut dropped = 0_usize;
    for id in &ids {
        // Another purge may have been faster.
        if diesel::delete(images::table.filter(images::id.eq(id))).execute(conn)? == 1 {
            diesel::insert_into(purged_images::table)
                .values((purged_images::id.eq(id), purged_images::purged_at.eq(now.0)))
                .execute(conn)?;
            dropped = dropped.saturating_add(1);
        }
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

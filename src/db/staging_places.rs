//! Staging folders, and when a node that can reach one last reported it. Finds data staged in folders that no node
//! reaches any more.

use diesel::prelude::*;

use super::{
    Conn, DbResult,
    blobs::{BlobRow, STAGING_PREFIX},
    schema::{blobs, jobs, staging_places},
};
use crate::model::{
    blob::{Blob, BlobState},
    job::JobStatus,
    time::Timestamp,
};

/// Records that a node reaches the folder `id`.
///
/// # Errors
/// Only the database's own.
pub fn renew(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<()> {
    let row = staging_places::table.filter(staging_places::id.eq(id));
    let renewed = diesel::update(row).set(staging_places::seen_at.eq(now.0)).execute(conn)?;
    if renewed == 0 {
        enter(conn, id, now)?;
    }
    Ok(())
}

fn enter(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<()> {
    let row = (staging_places::id.eq(id), staging_places::seen_at.eq(now.0));
    diesel::insert_into(staging_places::table).values(row).execute(conn)?;
    Ok(())
}

/// Inserts folders that blobs name and that have no row, as if they were reached now: an earlier version, or a backup,
/// left them. Reads every blob. Returns how many there were.
///
/// # Errors
/// Only the database's own.
pub fn enter_unknown(conn: &mut Conn, now: Timestamp) -> DbResult<usize> {
    let known: Vec<String> = staging_places::table.select(staging_places::id).load(conn)?;
    let unknown: Vec<String> = blobs::table
        .filter(blobs::store.like(format!("{STAGING_PREFIX}%")))
        .filter(blobs::store.ne_all(known))
        .select(blobs::store)
        .distinct()
        .load(conn)?;
    unknown.iter().try_for_each(|id| enter(conn, id, now))?;
    Ok(unknown.len())
}

/// Folders that nobody has reached since `limit`, up to `count`, less `own`.
///
/// # Errors
/// Only the database's own.
pub fn lost(conn: &mut Conn, own: &str, limit: Timestamp, count: i64) -> DbResult<Vec<String>> {
    Ok(staging_places::table
        .filter(staging_places::id.ne(own))
        .filter(staging_places::seen_at.lt(limit.0))
        .order(staging_places::seen_at)
        .limit(count)
        .select(staging_places::id)
        .load(conn)?)
}

/// Whether that is still so.
///
/// # Errors
/// Only the database's own.
pub fn is_lost(conn: &mut Conn, id: &str, limit: Timestamp) -> DbResult<bool> {
    let row = staging_places::table.filter(staging_places::id.eq(id));
    let seen: Option<i64> = row.select(staging_places::seen_at).first(conn).optional()?;
    Ok(seen.is_some_and(|seen| seen < limit.0))
}

/// Lets any node run the unfinished jobs that are bound to a folder. Returns how many there were.
///
/// # Errors
/// Only the database's own.
pub fn free_jobs(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<usize> {
    let open = [JobStatus::Pending.as_str(), JobStatus::Processing.as_str()];
    let waiting = jobs::table.filter(jobs::affinity.eq(id)).filter(jobs::status.eq_any(open));
    Ok(diesel::update(waiting.filter(jobs::lease_until.lt(now.0)))
        .set(jobs::affinity.eq(None::<String>))
        .execute(conn)?)
}

/// The staged data of an image, complete and waiting for its import. What has arrived of an open upload in parts is not.
///
/// # Errors
/// Only the database's own.
pub fn staged_of(conn: &mut Conn, image_id: &str) -> DbResult<Option<Blob>> {
    if super::uploads::of_image(conn, image_id)?.is_some() {
        return Ok(None);
    }
    let row: Option<BlobRow> = blobs::table
        .filter(blobs::image_id.eq(image_id))
        .filter(blobs::state.eq(BlobState::Live.as_str()))
        .filter(blobs::store.like(format!("{STAGING_PREFIX}%")))
        .order((blobs::created_at.desc(), blobs::id))
        .select(BlobRow::as_select())
        .first(conn)
        .optional()?;
    row.map(BlobRow::into_blob).transpose()
}

/// Complete data in a folder, after the blob `after`, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn staged_in(conn: &mut Conn, id: &str, after: &str, count: i64) -> DbResult<Vec<Blob>> {
    let rows: Vec<BlobRow> = blobs::table
        .filter(blobs::store.eq(id))
        .filter(blobs::state.eq(BlobState::Live.as_str()))
        .filter(blobs::id.gt(after))
        .order(blobs::id)
        .limit(count)
        .select(BlobRow::as_select())
        .load(conn)?;
    rows.into_iter().map(BlobRow::into_blob).collect()
}

/// Deletes the doomed blobs in an unreachable folder, and the folder's row once nothing refers to it. If the folder
/// returns, its files have no rows and are deleted by the clean-up.
///
/// # Errors
/// Only the database's own.
pub fn forget(conn: &mut Conn, id: &str, now: Timestamp) -> DbResult<()> {
    let here = blobs::table.filter(blobs::store.eq(id));
    let doomed = here.filter(blobs::state.eq(BlobState::Doomed.as_str()));
    diesel::delete(doomed.filter(blobs::lease_until.lt(now.0))).execute(conn)?;
    let blob: Option<String> = here.select(blobs::id).first(conn).optional()?;
    let open = [JobStatus::Pending.as_str(), JobStatus::Processing.as_str()];
    let waiting = jobs::table.filter(jobs::affinity.eq(id)).filter(jobs::status.eq_any(open));
    let job: Option<String> = waiting.select(jobs::id).first(conn).optional()?;
    if blob.is_none() && job.is_none() {
        diesel::delete(staging_places::table.filter(staging_places::id.eq(id))).execute(conn)?;
    }
    Ok(())
}

//! State transitions of blobs that also change an image, within a caller's transaction.

use crate::{
    db::{self, Conn, DbError, DbResult},
    image::change::{self, Door},
    model::{
        blob::Blob,
        clock::Clock,
        error::Error,
        event::Author,
        image::{Image, LOCK_PROPERTY},
        notice::Notices,
        status::Status,
        time::Timestamp,
    },
};

/// Abandoned blobs that one transaction takes back.
const BATCH: i64 = 100;

/// Inserts a blob that is about to be written. If its name is still used by the remains of an earlier blob that wait
/// for the reaper, it gets another one.
///
/// # Errors
/// Only the database's own.
pub fn enter(conn: &mut Conn, blob: &Blob, now: Timestamp) -> DbResult<Blob> {
    let mut blob = blob.clone();
    if blob.bears_the_name_of_its_image() && db::blobs::name_is_taken(conn, &blob.store, &blob.name)? {
        blob.name = blob.name_of_its_own();
    }
    db::blobs::insert(conn, &blob, now)?;
    Ok(blob)
}

/// Returns an image to `queued` from the status that the upload of a blob gives it: `saving`, or `uploading` for what a
/// client stages. Returns whether it was in that status. What a job writes is written for an image that the job brings
/// back.
fn return_to_queued(conn: &mut Conn, door: &Door, blob: &Blob) -> DbResult<bool> {
    if blob.is_of_a_job() {
        return Ok(false);
    }
    let is_staged = blob.store.starts_with(db::blobs::STAGING_PREFIX);
    let mut returned = false;
    let result = change::in_txn(conn, door, &blob.image_id, |_, image| {
        returned = image.status == Status::Saving || is_staged && image.status == Status::Uploading;
        let queued = Image { status: Status::Queued, size: None, virtual_size: None, ..image.clone() };
        Ok(returned.then_some(queued))
    });
    match result {
        Err(DbError::Domain(Error::ImageNotFound(_))) => Ok(false),
        other => other.map(|_| returned),
    }
}

/// Takes back what its holder was writing: dooms the blob, under the name that `blob` has, and returns its image to
/// `queued`. Returns false, and changes nothing, when the blob is not that holder's any more or has become live after
/// all. The lease continues until `until`, so that nobody else deletes the bytes meanwhile.
///
/// # Errors
/// Only the database's own.
pub fn give_up(conn: &mut Conn, door: &Door, blob: &Blob, until: Timestamp) -> DbResult<bool> {
    let was_ours = db::blobs::give_up(conn, blob, until, door.clock.now())?;
    if was_ours {
        return_to_queued(conn, door, blob)?;
    }
    Ok(was_ours)
}

/// Gives up staged data that nobody can reach any more: dooms it and returns its image to `queued`. Returns the owner
/// of the image; `None`, where nothing has to be done or a job that holds the image does it.
///
/// # Errors
/// Only the database's own.
pub fn give_up_staged(conn: &mut Conn, door: &Door, blob: &Blob) -> DbResult<Option<Option<String>>> {
    let holder = match db::images::find(conn, &blob.image_id)? {
        Some(image) => image.property(LOCK_PROPERTY).and_then(|property| property.value.clone()),
        None => None,
    };
    let holder = holder.map(|id| db::jobs::find(conn, &id)).transpose()?.flatten();
    if holder.is_some_and(|job| !job.status.is_final()) {
        return Ok(None);
    }
    let now = door.clock.now();
    db::blobs::doom(conn, &blob.id, now, now)?;
    if !return_to_queued(conn, door, blob)? {
        return Ok(None);
    }
    Ok(db::images::find(conn, &blob.image_id)?.map(|image| image.owner))
}

/// Dooms the blobs whose writer's lease ran out and returns their images to `queued`. Returns the ids of those images.
///
/// # Errors
/// Only the database's own.
pub fn doom_abandoned(conn: &mut Conn, clock: &Clock, notices: &Notices) -> DbResult<Vec<String>> {
    let door = Door::bare(Author::service(), clock, notices);
    let now = clock.now();
    let mut images_returned = Vec::new();
    for blob in db::blobs::abandoned(conn, now, BATCH)? {
        // Its writer may have come to its end meanwhile, on a database that lets both run.
        if !db::blobs::doom_abandoned(conn, &blob.id, now)? {
            continue;
        }
        if return_to_queued(conn, &door, &blob)? {
            images_returned.push(blob.image_id);
        }
    }
    Ok(images_returned)
}

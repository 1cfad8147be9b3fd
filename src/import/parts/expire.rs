//! Gives up uploads in parts whose time is over.

use super::super::Imports;
use crate::{
    db::{self, Conn, DbError, DbResult},
    image::change::{self, Door},
    model::{error::Error, event::Author, image::Image, status::Status, upload::Upload},
};

/// Uploads that one look finds at most.
const BATCH: i64 = 100;

/// Ends an upload, and returns its image to `queued` if there is one.
///
/// # Errors
/// Only the database's own.
pub(super) fn end(conn: &mut Conn, door: &Door, upload: &Upload) -> DbResult<()> {
    db::uploads::end(conn, &upload.id, door.clock.now())?;
    let result = change::in_txn(conn, door, &upload.image_id, |_, image| {
        let queued = Image { status: Status::Queued, size: None, virtual_size: None, ..image.clone() };
        Ok(matches!(image.status, Status::Saving | Status::Uploading).then_some(queued))
    });
    match result {
        Err(DbError::Domain(Error::ImageNotFound(_))) => Ok(()),
        other => other.map(drop),
    }
}

/// Ends the uploads of which nothing came for too long, and forgets those that something else has ended. Returns the ids
/// of those that were given up.
///
/// # Errors
/// Only the database's own.
pub async fn sweep(imports: &Imports) -> DbResult<Vec<String>> {
    let (db, now) = (&imports.images.db, imports.images.db.clock.now());
    let due = db.read("upload.due", move |conn| {
        Ok((db::uploads::expired(conn, now, BATCH)?, db::uploads::closed(conn, BATCH)?))
    });
    let (expired, closed) = due.await?;
    let mut ended = Vec::new();
    for id in expired {
        let (key, door) = (id.clone(), imports.images.door(Author::service()));
        if db.write("upload.expire", move |conn| give_up(conn, &door, &key)).await? {
            ended.push(id);
        }
    }
    if !closed.is_empty() {
        let forget = move |conn: &mut Conn| closed.iter().try_for_each(|id| db::uploads::forget(conn, id));
        db.write("upload.forget", forget).await?;
    }
    Ok(ended)
}

/// Gives up one, unless more came meanwhile or a job completes it.
fn give_up(conn: &mut Conn, door: &Door, id: &str) -> DbResult<bool> {
    let found = db::uploads::find(conn, id)?.filter(|upload| upload.expires_at < door.clock.now());
    let Some(upload) = found else { return Ok(false) };
    let job = upload.job_id.as_deref().map(|id| db::jobs::find(conn, id)).transpose()?.flatten();
    if job.is_some_and(|job| !job.status.is_final()) {
        return Ok(false);
    }
    end(conn, door, &upload).map(|()| true)
}

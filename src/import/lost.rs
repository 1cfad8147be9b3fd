//! Staged data of nodes that do not return: its images are queued again, and a task tells their owners.

use serde_json::json;

use super::{
    Imports,
    asked::{Asked, Method},
    job::ImageImport,
    plan::Input,
    staged::LOST,
    state::State,
};
use crate::{
    blob::ledger,
    db::{self, Conn, DbError, DbResult},
    image::change::Door,
    model::{
        blob::Blob,
        caller::Caller,
        event::Author,
        job::{Job, JobStatus},
        time::Timestamp,
    },
    work::queue::draft,
};

/// Folders that are looked at, and blobs that one transaction takes.
const BATCH: i64 = 100;

/// Gives up data staged in folders that no node has reached since `limit`; does nothing while nodes of a version that
/// does not report its folder may be running. Tasks about it are kept until `kept_until`. Returns the images that are
/// queued again, without those whose import a job will end.
///
/// # Errors
/// Only the database's.
pub async fn give_up(imports: &Imports, limit: Timestamp, kept_until: Timestamp) -> DbResult<Vec<String>> {
    let (db, own) = (&imports.images.db, imports.blobs.staging.id().to_owned());
    let places = db.read("staging.lost", move |conn| {
        let nodes = db::nodes::list(conn)?;
        if nodes.iter().any(|node| !node.tells_of_its_folder() && node.lease_until >= limit) {
            return Ok(Vec::new());
        }
        db::staging_places::lost(conn, &own, limit, BATCH)
    });
    let places = places.await?;
    let mut returned = Vec::new();
    for place in places {
        let mut after = String::new();
        loop {
            let (id, from, door) = (place.clone(), after.clone(), imports.images.door(Author::service()));
            let step = move |conn: &mut Conn| give_up_some(conn, &door, (&id, limit), &from, kept_until);
            let (images, last) = db.write("staging.give_up", step).await?;
            returned.extend(images);
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
    }
    if !returned.is_empty() {
        imports.queue.enqueued.notify_one();
    }
    Ok(returned)
}

/// One step: jobs that wait for the folder, some of its blobs, and at the end what is doomed there. Returns the images
/// and the last blob, if there may be more.
fn give_up_some(
    conn: &mut Conn,
    door: &Door,
    (place, limit): (&str, Timestamp),
    after: &str,
    kept_until: Timestamp,
) -> DbResult<(Vec<String>, Option<String>)> {
    let now = door.clock.now();
    // It may have come back meanwhile.
    if !db::staging_places::is_lost(conn, place, limit)? {
        return Ok((Vec::new(), None));
    }
    db::staging_places::free_jobs(conn, place, now)?;
    let blobs = db::staging_places::staged_in(conn, place, after, BATCH)?;
    let mut images = Vec::new();
    for blob in &blobs {
        if let Some(owner) = ledger::give_up_staged(conn, door, blob)? {
            db::jobs::insert(conn, &notice(blob, owner, now, kept_until)?)?;
            images.push(blob.image_id.clone());
        }
    }
    let last = blobs.last().map(|blob| blob.id.clone());
    if last.is_none() {
        db::staging_places::forget(conn, place, now)?;
    }
    Ok((images, last))
}

/// A task of the image that failed before it began: how its owner learns what has become of the data.
fn notice(blob: &Blob, owner: Option<String>, now: Timestamp, kept_until: Timestamp) -> DbResult<Job> {
    let caller = Caller { project_id: owner, ..Caller::default() };
    let input = Input {
        image_id: blob.image_id.clone(),
        import_req: Asked {
            body: json!({"method": {"name": "glance-direct"}}),
            method: Method::GlanceDirect,
            stores: None,
            all_stores: false,
            all_stores_must_succeed: true,
        },
        backend: Vec::new(),
    };
    let job = draft::<ImageImport>(&caller, &input, &State::default(), now).map_err(DbError::from)?;
    Ok(Job {
        status: JobStatus::Failure,
        image_id: Some(blob.image_id.clone()),
        request_id: None,
        message: format!("{LOST} The image is queued again; its data can be staged anew."),
        expires_at: Some(kept_until),
        ..job
    })
}

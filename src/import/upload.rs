//! `PUT /v2/images/{id}/file` into a store with another format than the image's: the data is received into the
//! staging folder, and a job converts and stores it. The image is `saving` until the job ends, as in any upload. The
//! client is answered when the data is safe, or slightly later if the job ends in that time.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{FAILED_IMPORT, Imports, asked::Asked, job::ImageImport, plan::Input, state::State, wish};
use crate::{
    access::{
        self,
        quota::{self, Allowance},
    },
    blob::{
        draft::Draft,
        facts::Facts,
        upload::{self, Admitted, Piece, Received, Request},
    },
    db::{self, DbError},
    image::{change, limits},
    model::{
        blob::Blob,
        caller::Caller,
        error::{Error, Result},
        event::Author,
        image::Image,
        job::{Job, JobStatus},
        status::Status,
        unified::Resource,
    },
    work::{
        endings::Ending,
        queue::{LOCK_PROPERTY, draft as new_job, enter},
    },
};

/// Receives the data of an image.
///
/// # Errors
/// As `spec` of the call; after any of them the image is as it was before.
pub async fn upload(
    imports: &Imports,
    caller: &Caller,
    id: &str,
    request: &Request,
    pieces: mpsc::Receiver<Piece>,
) -> Result<()> {
    let (blobs, staging) = (&imports.blobs, &imports.blobs.staging.store);
    access::mutating(caller)?;
    let (images, project) = (&imports.images, caller.project_id.as_deref());
    images.unified.check_bytes(&images.db, project, Resource::SizeTotal, request.declared_size).await?;
    let admitted = upload::admit(blobs, caller, id, request).await?;
    let wish = admitted.store.disk_format.as_deref();
    let Some(format) = wish::conversion(&admitted.image, wish) else {
        return upload::upload(blobs, &admitted, pieces).await;
    };
    let check = |facts: &Facts, _: &Image| facts.check_format();
    let job = upload::take(blobs, &admitted, (staging, None), pieces, check, async |draft, received| {
        check_room(imports, caller, format, &received).await?;
        hand_over(imports, &admitted, draft, received).await
    });
    let over = job.await?;
    imports.queue.enqueued.notify_one();
    wait(imports, &over, imports.settings.conversion_wait).await.map(drop)
}

/// Refuses what is known to become too large. What is not known yet, or is stored meanwhile, the job finds out.
async fn check_room(imports: &Imports, caller: &Caller, format: &str, received: &Received) -> Result<()> {
    let Some(size) = received.facts.virtual_size.filter(|_| format == "raw") else { return Ok(()) };
    let settings = &imports.images.settings;
    let cap = limits::of(&imports.images, received.image.owner.as_deref()).await?.size_cap();
    if size > cap {
        return Err(Error::TooLarge(format!("The disk of {size} bytes exceeds the maximum of {cap} bytes.")));
    }
    let allowance = Allowance::of(settings.user_storage_quota, caller.project_id.as_deref());
    quota::check_storage(&imports.images.db, allowance, received.facts.size, size).await
}

/// Makes the data that of a job, which holds the image: all in one transaction. Returns the end of the job.
async fn hand_over(
    imports: &Imports,
    admitted: &Admitted<'_>,
    draft: &mut Draft,
    received: Received,
) -> Result<Ending> {
    let Received { image, writer, facts } = received;
    upload::show(draft, writer).await?;
    let bytes = i64::try_from(facts.size).map_err(|e| Error::internal("upload", e))?;
    let blob = Blob { size: Some(bytes), ..draft.blob.clone() };
    let mut state = State { facts: Some(facts), ..State::default() };
    state.start_from(&blob);
    let backend = vec![imports.images.stores.multiple.then(|| admitted.store.id.clone())];
    let input = Input { image_id: image.id.clone(), import_req: Asked::upload(), backend };
    let job = new_job::<ImageImport>(admitted.caller, &input, &state, imports.images.db.clock.now())?;
    let job = Job { image_id: Some(image.id), affinity: Some(blob.store.clone()), ..job };
    let (over, door) =
        (imports.queue.endings.of(&job.id), imports.images.door(Author::from(admitted.caller)));
    let accept = move |conn: &mut db::Conn| {
        db::blobs::make_live(conn, &blob.id, &blob.holder, bytes, door.clock.now())?;
        change::in_txn(conn, &door, &blob.image_id, |_, before| {
            if before.status != Status::Saving {
                return Err(DbError::stale("image", &before.id));
            }
            let mut after = before.clone();
            after.set_property(LOCK_PROPERTY, Some(job.id.clone()));
            Ok(Some(after))
        })?;
        enter(conn, &door.notices, &job)
    };
    upload::ended(draft, imports.images.db.write_patiently("image.accept_upload", accept).await)?;
    Ok(over)
}

/// Waits for the end of the job, but not for long: the data is safe. This node says when it has ended it; now and then it
/// is looked whether another one has. Returns whether it is over.
///
/// # Errors
/// What the data was refused for, as a request that finds it says it ([`crate::work::fault::Fault`]); [`Error::Gone`] when
/// the image is gone, and [`Error::Unavailable`] when the data could not be stored.
pub(super) async fn wait(imports: &Imports, over: &Ending, patience: Duration) -> Result<bool> {
    let deadline = Instant::now() + patience;
    loop {
        let key = over.job.clone();
        let job = imports.images.db.read("job.find", move |conn| db::jobs::find(conn, &key)).await;
        // Without the database nobody can say more than that the data is safe.
        let Ok(Some(job)) = job else { return Ok(false) };
        match job.status {
            JobStatus::Success => return Ok(true),
            JobStatus::Failure => {
                told(imports, &job).await;
                let state: State = serde_json::from_value(job.state).unwrap_or_default();
                return Err(match state.fault {
                    Some(fault) => fault.error(job.message),
                    None if job.cancel_requested => Error::Gone(job.message),
                    None => Error::Unavailable(job.message),
                });
            }
            JobStatus::Pending | JobStatus::Processing => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        // Told or not, the row is what counts.
        let _ = timeout(imports.settings.conversion_look.min(left), over.told()).await;
    }
}

/// Takes back from the image what says that its job failed: whoever sent the data is told by the answer.
async fn told(imports: &Imports, job: &Job) {
    let Some(id) = &job.image_id else { return };
    let author = Author::from(job);
    let changed = imports.images.change_for(&author, id, |before: &Image| {
        let is_of_this = before.status == Status::Queued && before.property(LOCK_PROPERTY).is_none();
        let mut after = before.clone();
        after.remove_property(FAILED_IMPORT);
        Ok((is_of_this && after != *before).then_some(after))
    });
    match changed.await {
        Ok(_) | Err(Error::ImageNotFound(_)) => {}
        Err(error) => tracing::warn!(%error, image = id, "the image still says that its upload failed"),
    }
}

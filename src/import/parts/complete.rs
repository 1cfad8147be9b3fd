//! Completes an upload in parts: when everything has arrived, a job makes it the data of the image.

use serde_json::json;

use super::{
    super::{Imports, asked::Asked, job::ImageImport, plan::Input, signed, state::State, upload::wait},
    Found, MISSING_MAX, completing, find, no_upload,
};
use crate::{
    access,
    db::{self, Conn, DbResult},
    image::change::{self, Door},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        job::Job,
        status::Status,
        time::Timestamp,
        upload::{Piece, Upload},
    },
    work::queue::{LOCK_PROPERTY, draft, enter},
};

/// What has become of the request.
pub enum Completion {
    /// The image has its data.
    Done,
    /// This job is at it.
    Accepted(Box<Job>),
}

/// Completes an upload. An upload that a job completes already is told as that job.
///
/// # Errors
/// [`Error::Conflict`] when something is missing; what the data is refused for, as the end of an upload says it, if that
/// is found out soon. Data that is refused ends the upload; after [`Error::Unavailable`] it is as it was.
pub async fn complete(imports: &Imports, caller: &Caller, id: &str) -> Result<Completion> {
    access::mutating(caller)?;
    let Found { upload, pieces, image } = find(imports, caller, id).await?;
    access::owned(caller, &image)?;
    if let Some(id) = upload.job_id.clone() {
        let job = imports.images.db.read("job.find", move |conn| db::jobs::find(conn, &id)).await?;
        return job.map(|job| Completion::Accepted(Box::new(job))).ok_or_else(|| completing(&upload));
    }
    check_whole(&upload, &pieces)?;
    let job = new_job(imports, caller, &upload, &image).await?;
    let over = imports.queue.endings.of(&job.id);
    let (door, expires_at) = (imports.images.door_of(caller), upload.expires_at);
    let (key, entered) = (upload.id.clone(), job.clone());
    let start = move |conn: &mut Conn| hand_over(conn, &door, (&key, expires_at), &entered);
    imports.images.db.write("upload.complete", start).await?;
    imports.queue.enqueued.notify_one();
    if wait(imports, &over, imports.settings.completion_wait).await? {
        return Ok(Completion::Done);
    }
    let id = job.id.clone();
    let now = imports.images.db.read("job.find", move |conn| db::jobs::find(conn, &id)).await;
    Ok(Completion::Accepted(Box::new(now.ok().flatten().unwrap_or(job))))
}

fn check_whole(upload: &Upload, pieces: &[Piece]) -> Result<()> {
    let missing = upload.missing(pieces, MISSING_MAX);
    if missing.is_empty() {
        return Ok(());
    }
    let details = json!({"offset": Upload::offset(pieces), "missing": missing});
    Err(Error::conflict("Parts of the upload are missing.").because("incomplete", details))
}

async fn new_job(imports: &Imports, caller: &Caller, upload: &Upload, image: &Image) -> Result<Job> {
    let several = imports.images.stores.multiple;
    let backend = vec![upload.store.clone().filter(|_| several)];
    let input = Input { image_id: image.id.clone(), import_req: Asked::upload(), backend };
    let state = State {
        roles: caller.roles.clone(),
        signer: signed::signer(&imports.images, caller, image).await,
        upload: Some(upload.id.clone()),
        expected: upload.expected.clone(),
        stages: upload.store.is_none(),
        ..State::default()
    };
    let job = draft::<ImageImport>(caller, &input, &state, imports.images.db.clock.now())?;
    Ok(Job { image_id: Some(image.id.clone()), affinity: Some(upload.place.clone()), ..job })
}

/// Gives the upload and its image to the job.
fn hand_over(conn: &mut Conn, door: &Door, (id, expires_at): (&str, Timestamp), job: &Job) -> DbResult<()> {
    let upload = db::uploads::touch(conn, id, expires_at)?.ok_or_else(|| no_upload(id))?;
    if upload.job_id.is_some() {
        return Err(completing(&upload).into());
    }
    check_whole(&upload, &db::uploads::pieces(conn, id)?)?;
    db::uploads::set_job(conn, id, Some(&job.id))?;
    change::in_txn(conn, door, &upload.image_id, |_, before| {
        if !matches!(before.status, Status::Saving | Status::Uploading) {
            return Err(Error::conflict(format!("The image is {} now.", before.status)).into());
        }
        let mut after = before.clone();
        after.set_property(LOCK_PROPERTY, Some(job.id.clone()));
        Ok(Some(after))
    })?;
    enter(conn, &door.notices, job)
}

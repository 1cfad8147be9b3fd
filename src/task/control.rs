//! Cancelling and retrying jobs, for callers who may change their image.

use crate::{
    access, db,
    image::query,
    import::Imports,
    model::{
        caller::Caller,
        error::{Error, Result},
        job::{Job, JobKind},
    },
    reconcile::stores,
};

/// The job, if the caller may change what it works on.
async fn changeable(imports: &Imports, caller: &Caller, id: &str) -> Result<Job> {
    access::mutating(caller)?;
    let job = super::show(imports, caller, id, super::JOB).await?;
    if job.kind == JobKind::Reconciliation {
        stores::enforce(&imports.images, caller).await?;
    }
    if let Some(image) = &job.image_id {
        let image = query::find(&imports.images, caller, image).await?;
        imports.images.access.enforce(caller, "modify_image", &image).await?;
    }
    Ok(job)
}

/// Asks a job to stop. Its image returns to where the same call can be made again.
///
/// # Errors
/// [`Error::NotFound`] when there is none that the caller may see, [`Error::Forbidden`] without the right to change its
/// image, [`Error::Conflict`] when it is over.
pub async fn cancel(imports: &Imports, caller: &Caller, id: &str) -> Result<Job> {
    let job = changeable(imports, caller, id).await?;
    let key = job.id.clone();
    if !imports.images.db.write("job.cancel", move |conn| db::tasks::cancel(conn, &key)).await? {
        return Err(Error::conflict(format!(
            "Job {id} is {}: it cannot be stopped.",
            job.state_now().as_str()
        )));
    }
    imports.queue.enqueued.notify_one();
    super::show(imports, caller, id, super::JOB).await
}

/// Repeats a failed job; returns the new job.
///
/// # Errors
/// As [`cancel`], and [`Error::Conflict`] when it has not failed or its image is not where it was before.
pub async fn retry(imports: &Imports, caller: &Caller, id: &str) -> Result<Job> {
    let old = changeable(imports, caller, id).await?;
    let db = &imports.images.db;
    let (clock, notices) = (db.clock.clone(), db.notices.clone());
    let new = db.write("job.retry", move |conn| super::retry(conn, (&clock, &notices), &old)).await?;
    imports.queue.enqueued.notify_one();
    super::show(imports, caller, &new, super::JOB).await
}

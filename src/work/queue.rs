//! Jobs before and after they run: their rows, and the locks that they hold on images.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Notify;

use super::{durable::Durable, endings::Endings};
pub use crate::model::image::LOCK_PROPERTY;
use crate::{
    db::{self, Conn, Db, DbResult},
    image::{Images, change},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        job::{Job, JobKind, JobStatus, written},
        notice::{Notices, task as notice},
        status::Status,
        time::Timestamp,
    },
    telemetry,
};

/// The job queue. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    /// The database.
    pub db: Db,
    /// Tells the engine that there is a job, or room for one.
    pub enqueued: Arc<Notify>,
    /// How the engine announces the end of a job.
    pub endings: Endings,
}

/// A new job of a caller.
///
/// # Errors
/// [`Error::Internal`]
pub fn draft<D: Durable>(caller: &Caller, input: &D::Input, state: &D::State, now: Timestamp) -> Result<Job> {
    Ok(row(caller, D::KIND, (written(input)?, written(state)?), now))
}

/// The same of whatever kind, with input and state as rows keep them.
pub fn row(caller: &Caller, kind: JobKind, (input, state): (Value, Value), now: Timestamp) -> Job {
    Job {
        id: uuid::Uuid::new_v4().to_string(),
        kind,
        status: JobStatus::Pending,
        image_id: None,
        owner: caller.project_id.clone(),
        user_id: caller.user_id.clone(),
        request_id: Some(caller.request_id.clone()),
        traceparent: telemetry::place().map(|place| place.traceparent()),
        input,
        result: None,
        message: String::new(),
        state,
        bytes_done: 0,
        bytes_total: None,
        bytes_rate: None,
        attempts: 0,
        run_after: now,
        affinity: None,
        cancel_requested: false,
        lease_node: None,
        lease_until: Timestamp(0),
        expires_at: None,
        created_at: now,
        updated_at: now,
    }
}

/// Whether a job holds an image.
pub fn is_locked_by(image: &Image, job: &Job) -> bool {
    image.property(LOCK_PROPERTY).and_then(|p| p.value.as_deref()) == Some(job.id.as_str())
}

/// Enters a new job, within the transaction that makes it necessary.
///
/// # Errors
/// Only the database's own.
pub fn enter(conn: &mut Conn, notices: &Notices, job: &Job) -> DbResult<()> {
    db::jobs::insert(conn, job)?;
    let created = || [notice::of("task.create", job, job.created_at)];
    db::notices::tell(conn, (notices, &job.into()), job.created_at, created)
}

impl Queue {
    /// Leaves a job for any node.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn enqueue(&self, job: Job) -> Result<()> {
        let notices = self.db.notices.clone();
        self.db.write("job.insert", move |conn| enter(conn, &notices, &job)).await?;
        self.enqueued.notify_one();
        Ok(())
    }

    /// Gives an image to a job: the lock on the image and the job's row are one transaction.
    ///
    /// # Errors
    /// [`Error::Conflict`] when another job holds the image or its status is not `from` any more.
    pub async fn enqueue_for(&self, images: &Images, id: &str, from: Status, job: Job) -> Result<()> {
        let (key, door) = (id.to_owned(), images.door((&job).into()));
        let lock = move |conn: &mut Conn| {
            change::in_txn(conn, &door, &key, |conn, before| {
                // A lock that no open job holds is a leftover, and broken at once.
                let holder = before.property(LOCK_PROPERTY).and_then(|p| p.value.clone());
                let holder = holder.map(|id| db::jobs::find(conn, &id)).transpose()?.flatten();
                if holder.is_some_and(|holder| !holder.status.is_final()) {
                    return Err(Error::conflict(format!("Image {key} has active task.")).into());
                }
                if before.status != from {
                    return Err(Error::conflict(format!("Image {key} is {} now.", before.status)).into());
                }
                let mut after = before.clone();
                after.set_property(LOCK_PROPERTY, Some(job.id.clone()));
                Ok(Some(after))
            })?;
            enter(conn, &door.notices, &job)
        };
        self.db.write("image.lock_for_job", lock).await?;
        self.enqueued.notify_one();
        Ok(())
    }
}

/// The message of a task: the recorded one, or the progress.
pub fn message(job: &Job) -> String {
    if job.status.is_final() || !job.message.is_empty() {
        return job.message.clone();
    }
    progress(job.bytes_done, job.bytes_total)
}

/// The progress in bytes, with the total if it is known; begins as in Glance, and is empty before the first byte.
pub fn progress(done: i64, total: Option<i64>) -> String {
    match (done, total) {
        (0, _) => String::new(),
        (done, None) => format!("Copied {} MiB", done >> 20),
        (done, Some(total)) => format!(
            "Copied {} of {} MiB ({} %)",
            done >> 20,
            total >> 20,
            done.saturating_mul(100).checked_div(total).unwrap_or(0)
        ),
    }
}

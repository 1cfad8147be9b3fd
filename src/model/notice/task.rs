//! What notifications say of tasks: neither input nor result nor message, which may have secrets.

use serde_json::json;

use super::told::{Notice, Priority};
use crate::model::{
    job::{Job, JobStatus},
    time::Timestamp,
};

/// An event of a task. One that is not over seems to expire now, as Glance has it. Events of a task that works on an
/// image are in line with those of the image.
pub fn of(kind: &'static str, job: &Job, now: Timestamp) -> Notice {
    let payload = json!({
        "id": job.id,
        "type": job.kind.task_type(),
        "status": job.status.as_str(),
        "result": null,
        "owner": job.owner,
        "message": null,
        "expires_at": job.expires_at.unwrap_or(now).isotime(),
        "created_at": job.created_at.isotime(),
        "updated_at": job.updated_at.isotime(),
        "deleted": false,
        "deleted_at": null,
    });
    let subject = job.image_id.as_ref().filter(|id| id.len() <= 36).unwrap_or(&job.id).clone();
    Notice { kind, priority: Priority::Info, subject, target: job.id.clone(), payload }
}

/// That an executor has done with a task. Glance tells it of the task as it was when it was handed over.
pub fn run(job: &Job, now: Timestamp) -> Notice {
    let before =
        Job { status: JobStatus::Pending, updated_at: job.created_at, expires_at: None, ..job.clone() };
    of("task.run", &before, now)
}

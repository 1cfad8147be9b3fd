//! Tasks: jobs as Glance's `/v2/tasks` and `/v2/images/{id}/tasks` show them (`glance/api/v2/tasks.py`).

pub mod control;
pub mod kinds;

use serde_json::{Map, Value};

use crate::{
    access,
    db::{self, Conn, DbError, DbResult},
    image::{
        change::{self, Door},
        query,
    },
    import::Imports,
    model::{
        caller::Caller,
        clock::Clock,
        error::{Error, Result},
        event::Author,
        job::{Job, JobStatus},
        list::PageLimits,
        notice::Notices,
        task_list::TaskQuery,
    },
    policy::Empty,
    work::{
        durable::Again,
        queue::{LOCK_PROPERTY, enter, row},
    },
};

/// What the Image API calls durable work.
pub const TASK: &str = "task";
/// What the extensions call it.
pub const JOB: &str = "job";

/// A page of a list.
#[derive(Debug)]
pub struct TaskPage {
    /// The tasks that the caller may see, in order.
    pub tasks: Vec<Job>,
    /// Where the next page starts, if there may be one.
    pub next_marker: Option<String>,
}

/// Whether the caller may use the tasks API at all; checked before anything else.
///
/// # Errors
/// [`Error::Forbidden`] without the right.
pub async fn enforce(imports: &Imports, caller: &Caller) -> Result<()> {
    if imports.images.access.allowed(caller, "tasks_api_access", &Empty).await? {
        Ok(())
    } else {
        Err(access::refused("tasks_api_access"))
    }
}

/// The project to which a caller's view is limited; `None` is no limit.
fn limited_to(caller: &Caller) -> Option<String> {
    (!caller.is_admin).then(|| caller.project_id.clone().unwrap_or_default())
}

fn is_visible(caller: &Caller, job: &Job) -> bool {
    caller.is_admin || job.owner.is_none() || job.owner == caller.project_id
}

/// Lists tasks, as the caller calls them.
///
/// # Errors
/// [`Error::Invalid`] for an unknown marker.
pub async fn list(imports: &Imports, caller: &Caller, query: TaskQuery, noun: &str) -> Result<TaskPage> {
    let limit = query.limit;
    let after = match query.marker.clone() {
        None => None,
        Some(marker) => {
            let found = find(imports, &marker).await?.filter(|job| is_visible(caller, job));
            let unknown = || Error::invalid(format!("Invalid marker: no {noun} has the id {marker}"));
            Some(found.ok_or_else(unknown)?)
        }
    };
    let (project, now) = (limited_to(caller), imports.images.db.clock.now());
    let tasks = imports
        .images
        .db
        .read("task.list", move |conn| db::tasks::list(conn, &query, project.as_deref(), after.as_ref(), now))
        .await?;
    let full = limit > 0 && tasks.len() as u64 == u64::from(limit);
    let next_marker = tasks.last().filter(|_| full).map(|job| job.id.clone());
    Ok(TaskPage { tasks, next_marker })
}

async fn find(imports: &Imports, id: &str) -> Result<Option<Job>> {
    let id = id.to_owned();
    Ok(imports.images.db.read("task.find", move |conn| db::jobs::find(conn, &id)).await?)
}

/// Shows one task, as the caller calls it.
///
/// # Errors
/// [`Error::NotFound`] when there is none that the caller may see.
pub async fn show(imports: &Imports, caller: &Caller, id: &str, noun: &str) -> Result<Job> {
    let found = find(imports, id).await?.filter(|job| is_visible(caller, job));
    found.ok_or_else(|| Error::NotFound(format!("No {noun} found with ID {id}")))
}

/// The tasks of an image, oldest first.
///
/// # Errors
/// [`Error::ImageNotFound`] when the caller may not see the image.
pub async fn list_of_image(imports: &Imports, caller: &Caller, image_id: &str) -> Result<Vec<Job>> {
    let image = query::show(&imports.images, caller, image_id).await?;
    let now = imports.images.db.clock.now();
    let jobs = imports
        .images
        .db
        .read("task.list_of_image", move |conn| db::jobs::list_of_image(conn, &image.id, now))
        .await?;
    Ok(jobs.into_iter().filter(|job| is_visible(caller, job)).collect())
}

/// Creates a task from the body of `POST /v2/tasks`.
///
/// # Errors
/// [`Error::Invalid`] when the body is not a task, or names a source that may not be fetched from.
pub async fn create(imports: &Imports, caller: &Caller, body: &Map<String, Value>) -> Result<Job> {
    access::mutating(caller)?;
    let kind = body.get("type").ok_or_else(|| Error::invalid("The member \"type\" is missing."))?;
    let found = kinds::public().find(|row| kind.as_str() == Some(row.kind.as_str()));
    let found = found.and_then(|row| Some((row.kind, row.accept?)));
    let (kind, accept) = found.ok_or_else(|| {
        let kinds: Vec<&str> = kinds::public().map(|row| row.kind.as_str()).collect();
        Error::invalid(format!(
            "type must be {}; tasks of other types come from the calls of the images API that they are for.",
            kinds.join(" or ")
        ))
    })?;
    let input = body.get("input").ok_or_else(|| Error::invalid("The member \"input\" is missing."))?;
    let input = input.as_object().ok_or_else(|| Error::invalid("input must be an object."))?;
    for name in ["message", "owner", "status"] {
        if body.get(name).is_some_and(|value| !value.is_string()) {
            return Err(Error::invalid(format!("{name} must be a text.")));
        }
    }
    let contents = accept(imports, caller, input).await?;
    let image_id = input.get("image_id").and_then(Value::as_str).map(str::to_owned);
    let job = Job { image_id, ..row(caller, kind, contents, imports.images.db.clock.now()) };
    imports.queue.enqueue(job.clone()).await?;
    Ok(job)
}

/// The query of `vitrine jobs list`.
///
/// # Errors
/// [`Error::Invalid`] for a status that does not exist.
pub fn query_of_operator(status: Option<String>, limit: u32) -> Result<TaskQuery> {
    let pairs: Vec<_> = status.map(|status| ("status".to_owned(), status)).into_iter().collect();
    TaskQuery::parse(&pairs, PageLimits { default: limit, max: limit })
}

/// Repeats a failed job; returns the id of the new job.
///
/// # Errors
/// [`Error::Conflict`] when the job has not failed, or its image is not where it was before.
pub fn retry(conn: &mut Conn, (clock, notices): (&Clock, &Notices), old: &Job) -> DbResult<String> {
    let conflict = |text: String| DbError::Domain(Error::conflict(text));
    if old.status != JobStatus::Failure {
        return Err(conflict(format!(
            "Job {} is {}; only failed ones are repeated.",
            old.id,
            old.status.as_str()
        )));
    }
    let caller = Caller {
        user_id: old.user_id.clone(),
        project_id: old.owner.clone(),
        request_id: old.request_id.clone().unwrap_or_default(),
        ..Caller::default()
    };
    let id = old.image_id.clone().unwrap_or_default();
    let Again { from, state, affinity } = kinds::of(old.kind)?.retry(conn, old)?;
    let job = row(&caller, old.kind, (old.input.clone(), state), clock.now());
    let job = Job { image_id: Some(id.clone()), affinity, ..job };
    let door = Door::bare(Author::from(old), clock, notices);
    change::in_txn(conn, &door, &id, |_, before| {
        if before.property(LOCK_PROPERTY).is_some() {
            return Err(conflict(format!("Image {id} has an active job.")));
        }
        if before.status != from {
            return Err(conflict(format!("Image {id} is {}; it would have to be {from}.", before.status)));
        }
        let mut after = before.clone();
        after.set_property(LOCK_PROPERTY, Some(job.id.clone()));
        Ok(Some(after))
    })?;
    enter(conn, notices, &job)?;
    Ok(job.id)
}

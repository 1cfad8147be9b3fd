//! Tasks: jobs as Glance's `/v2/tasks` and `/v2/images/{id}/tasks` show them (`glance/api/v2/tasks.py`).

use serde_json::{Map, Value, json};

use crate::{
    app::App,
    db::{self, Conn, DbError, DbResult},
    image::{access, query, system::LOCK_PROPERTY},
    import::{request, uri},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        job::{Job, JobKind, JobStatus},
        list::PageLimits,
        status::Status,
        task_list::TaskQuery,
        time::Timestamp,
    },
    policy::Empty,
};

/// A page of a list.
#[derive(Debug)]
pub struct TaskPage {
    /// The tasks that the caller may see, in order.
    pub tasks: Vec<Job>,
    /// Where the next page starts, if there may be one.
    pub next_marker: Option<String>,
}

/// Whether the caller may use the tasks API at all; asked before anything else.
///
/// # Errors
/// [`Error::Forbidden`] without the right.
pub async fn enforce(app: &App, caller: &Caller) -> Result<()> {
    if access::allowed(app, caller, "tasks_api_access", &Empty).await? {
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

/// Lists tasks.
///
/// # Errors
/// [`Error::Invalid`] for an unknown marker.
pub async fn list(app: &App, caller: &Caller, query: TaskQuery) -> Result<TaskPage> {
    let limit = query.limit;
    let after = match query.marker.clone() {
        None => None,
        Some(marker) => {
            let found = find(app, &marker).await?.filter(|job| is_visible(caller, job));
            let unknown = || Error::invalid(format!("Invalid marker: no task has the id {marker}"));
            Some(found.ok_or_else(unknown)?)
        }
    };
    let (project, now) = (limited_to(caller), Timestamp::now());
    let tasks = app
        .db
        .read("task.list", move |conn| db::tasks::list(conn, &query, project.as_deref(), after.as_ref(), now))
        .await?;
    let full = limit > 0 && tasks.len() as u64 == u64::from(limit);
    let next_marker = tasks.last().filter(|_| full).map(|job| job.id.clone());
    Ok(TaskPage { tasks, next_marker })
}

async fn find(app: &App, id: &str) -> Result<Option<Job>> {
    let id = id.to_owned();
    Ok(app.db.read("task.find", move |conn| db::jobs::find(conn, &id)).await?)
}

/// Shows one task.
///
/// # Errors
/// [`Error::NotFound`] when there is none that the caller may see.
pub async fn show(app: &App, caller: &Caller, id: &str) -> Result<Job> {
    let found = find(app, id).await?.filter(|job| is_visible(caller, job));
    found.ok_or_else(|| Error::NotFound(format!("No task found with ID {id}")))
}

/// The tasks of an image, newest first.
///
/// # Errors
/// [`Error::ImageNotFound`] when the caller may not see the image.
pub async fn list_of_image(app: &App, caller: &Caller, image_id: &str) -> Result<Vec<Job>> {
    let image = query::show(app, caller, image_id).await?;
    let now = Timestamp::now();
    let jobs =
        app.db.read("task.list_of_image", move |conn| db::jobs::list_of_image(conn, &image.id, now)).await?;
    Ok(jobs.into_iter().filter(|job| is_visible(caller, job)).collect())
}

/// Creates a task from the body of `POST /v2/tasks`.
///
/// # Errors
/// [`Error::Invalid`] when the body is not a task, or names a source that may not be fetched from.
pub async fn create(app: &App, caller: &Caller, body: &Map<String, Value>) -> Result<Job> {
    access::mutating(caller)?;
    let kind = body.get("type").ok_or_else(|| Error::invalid("The member \"type\" is missing."))?;
    let kind = kind.as_str().and_then(JobKind::parse).ok_or_else(|| {
        let kinds: Vec<&str> = JobKind::ALL.iter().map(|k| k.as_str()).collect();
        Error::invalid(format!("type must be one of {}.", kinds.join(", ")))
    })?;
    let input = body.get("input").ok_or_else(|| Error::invalid("The member \"input\" is missing."))?;
    let input = input.as_object().ok_or_else(|| Error::invalid("input must be an object."))?;
    for name in ["message", "owner", "status"] {
        if body.get(name).is_some_and(|value| !value.is_string()) {
            return Err(Error::invalid(format!("{name} must be a text.")));
        }
    }
    if kind == JobKind::Import {
        let source = input.get("import_from").and_then(Value::as_str).unwrap_or_default();
        if !(source.starts_with("http://") || source.starts_with("https://")) {
            return Err(Error::invalid("import_from must be a URL that begins with http:// or https://."));
        }
        uri::check(&app.imports.filter, source).map_err(|refusal| Error::invalid(refusal.to_string()))?;
        let container =
            input.get("image_properties").and_then(|properties| properties.get("container_format"));
        if container.and_then(Value::as_str) == Some("ova") {
            return Err(Error::invalid(
                "Tasks do not take OVA archives apart; unpack the disk and import it with container_format bare.",
            ));
        }
    }
    let image_id = input.get("image_id").and_then(Value::as_str).map(str::to_owned);
    let job = Job {
        image_id,
        state: json!({ "roles": caller.roles }),
        ..draft(caller, kind, Value::Object(input.clone()))
    };
    let row = job.clone();
    app.db.write("task.create", move |conn| db::jobs::insert(conn, &row)).await?;
    app.enqueued.notify_one();
    Ok(job)
}

/// A job that a caller asks for, not begun.
pub fn draft(caller: &Caller, kind: JobKind, input: Value) -> Job {
    let now = Timestamp::now();
    Job {
        id: uuid::Uuid::new_v4().to_string(),
        kind,
        status: JobStatus::Pending,
        image_id: None,
        owner: caller.project_id.clone(),
        user_id: caller.user_id.clone(),
        request_id: Some(caller.request_id.clone()),
        input,
        result: None,
        message: String::new(),
        state: json!({}),
        bytes_done: 0,
        bytes_total: None,
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

/// The message of a task: what was recorded, or how far the bytes have come.
pub fn message(job: &Job) -> String {
    if job.status.is_final() || !job.message.is_empty() {
        return job.message.clone();
    }
    progress(job.bytes_done, job.bytes_total)
}

/// How far so many bytes have come, of so many if known; begins as in Glance, and is empty before the first byte.
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

/// What `vitrine jobs list` asks for.
///
/// # Errors
/// [`Error::Invalid`] for a status that does not exist.
pub fn query_of_operator(status: Option<String>, limit: u32) -> Result<TaskQuery> {
    let pairs: Vec<_> = status.map(|status| ("status".to_owned(), status)).into_iter().collect();
    TaskQuery::parse(&pairs, PageLimits { default: limit, max: limit })
}

/// Asks anew for what a failed job was to do; answers the id of the new job.
///
/// # Errors
/// [`Error::Conflict`] when the job has not failed, or its image is not where it was before.
pub fn retry(conn: &mut Conn, old: &Job) -> DbResult<String> {
    let conflict = |text: String| DbError::Domain(Error::conflict(text));
    if old.status != JobStatus::Failure {
        return Err(conflict(format!(
            "Job {} is {}; only failed ones are repeated.",
            old.id,
            old.status.as_str()
        )));
    }
    if old.kind == JobKind::Import {
        return Err(conflict("The image of this task is gone; create a new task.".to_owned()));
    }
    let id = old.image_id.clone().unwrap_or_default();
    let before = db::images::find(conn, &id)?.ok_or_else(|| conflict(format!("Image {id} is gone.")))?;
    if before.property(LOCK_PROPERTY).is_some() {
        return Err(conflict(format!("Image {id} has an active task.")));
    }
    let (from, state, affinity) = match old.kind {
        JobKind::ImageImport => request::again(conn, old)?,
        _ => (Status::Queued, json!({}), None),
    };
    if before.status != from {
        return Err(conflict(format!("Image {id} is {}; it would have to be {from}.", before.status)));
    }
    let caller = Caller {
        user_id: old.user_id.clone(),
        project_id: old.owner.clone(),
        request_id: old.request_id.clone().unwrap_or_default(),
        ..Caller::default()
    };
    let job = Job { image_id: Some(id), state, affinity, ..draft(&caller, old.kind, old.input.clone()) };
    let mut after = Image { updated_at: Timestamp::now(), ..before.clone() };
    after.set_property(LOCK_PROPERTY, Some(job.id.clone()));
    db::images::save(conn, &before, &after)?;
    db::jobs::insert(conn, &job)?;
    Ok(job.id)
}

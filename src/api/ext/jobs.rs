//! `/ext/v1/jobs`: background jobs with their progress; the same rows as Glance's tasks, for everybody who may see
//! them.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web::Path};
use serde_json::{Value, json};

use super::page::{Asked, link_after};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, NoBody, Shared},
        origin::own_url,
        query::pairs,
    },
    model::{
        caller::Caller,
        error::{Error, Result},
        job::{Job, JobKind, JobState},
        list::Direction,
        task_list::{SORT_KEYS, TaskQuery},
    },
    task as domain,
    task::control,
    work::queue::message,
};

const PATH: &str = "/ext/v1/jobs";

/// A job as its project sees it; which node works on it is for administrators.
pub fn view(caller: &Caller, job: &Job) -> Value {
    let (state, total) = (job.state_now(), job.bytes_total.filter(|total| *total > 0));
    let percent = total.map(|total| job.bytes_done.clamp(0, total).saturating_mul(100) / total);
    let failed = matches!(state, JobState::Failed | JobState::Cancelled);
    let reason = if state == JobState::Cancelled { "cancelled" } else { "failed" };
    let (rate, eta) = job.pace_now();
    let steps = domain::kinds::of(job.kind).map(|kind| kind.steps(job)).unwrap_or_default();
    let mut view = json!({
        "id": job.id,
        "type": job.kind.as_str(),
        "image_id": job.image_id,
        "project_id": job.owner,
        "user_id": job.user_id,
        "request_id": job.request_id,
        "state": state.as_str(),
        "message": message(job),
        "step": steps.now,
        "steps": steps.all,
        "progress": {
            "bytes": job.bytes_done,
            "total": job.bytes_total,
            "percent": percent,
            "rate": rate,
            "eta": eta,
        },
        "attempt": job.attempts,
        "cancelling": job.cancel_requested && !job.status.is_final(),
        "error": failed.then(|| json!({"reason": reason, "message": job.message})),
        "created_at": job.created_at.isotime(),
        "updated_at": job.updated_at.isotime(),
        "expires_at": job.expires_at.map(|time| time.isotime()),
    });
    // What it was asked for tells of stores; whoever may ask for it is told.
    if matches!(job.kind, JobKind::Reconciliation | JobKind::Adoption)
        && let Some(view) = view.as_object_mut()
    {
        view.insert("result".to_owned(), json!(job.result));
    }
    if caller.is_admin
        && let Some(view) = view.as_object_mut()
    {
        view.insert("node".to_owned(), json!(job.lease_node));
        view.insert(
            "lease_until".to_owned(),
            json!((job.lease_until.0 > 0).then(|| job.lease_until.isotime())),
        );
    }
    view
}

/// `sort=key:direction`
fn sort_of(text: Option<&str>) -> Result<(&'static str, Direction)> {
    let Some(text) = text else { return Ok(("created_at", Direction::Desc)) };
    let (key, direction) = text.split_once(':').unwrap_or((text, "asc"));
    let key = SORT_KEYS.into_iter().find(|known| *known == key);
    let direction = match direction {
        "asc" => Some(Direction::Asc),
        "desc" => Some(Direction::Desc),
        _ => None,
    };
    let wrong = || {
        Error::invalid(format!(
            "sort must be one of {} with :asc or :desc, not {text:?}.",
            SORT_KEYS.join(", ")
        ))
    };
    key.zip(direction).ok_or_else(wrong)
}

fn query_of(asked: &Asked) -> Result<TaskQuery> {
    let mut filters = Vec::new();
    if let Some(state) = asked.get("state") {
        let state = JobState::parse(state).ok_or_else(|| {
            let known: Vec<&str> = JobState::ALL.iter().map(|state| state.as_str()).collect();
            Error::invalid(format!("state must be one of {}, not {state:?}.", known.join(", ")))
        })?;
        filters.push(("state", state.as_str().to_owned()));
    }
    if let Some(image) = asked.image_id()? {
        filters.push(("image_id", image.to_owned()));
    }
    let sort = sort_of(asked.get("sort"))?;
    Ok(TaskQuery { limit: asked.limit, marker: asked.marker.clone(), sort, filters })
}

/// Lists jobs.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &["image_id", "state", "sort"])?;
    let page = domain::list(&state.app.imports, &caller.0, query_of(&asked)?, domain::JOB).await?;
    let next = page.next_marker.as_deref().map(|marker| link_after(PATH, &asked, marker));
    let jobs: Vec<Value> = page.tasks.iter().map(|job| view(&caller.0, job)).collect();
    Ok(HttpResponse::Ok().json(json!({"jobs": jobs, "next": next})))
}

/// Shows a job.
pub async fn show(state: Shared, caller: Identified, id: Path<String>) -> ApiResult {
    let job = domain::show(&state.app.imports, &caller.0, &id, domain::JOB).await?;
    Ok(HttpResponse::Ok().json(json!({"job": view(&caller.0, &job)})))
}

/// Asks a job to stop.
pub async fn cancel(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    _: NoBody,
) -> ApiResult {
    let job = control::cancel(&state.app.imports, &caller.0, &id).await?;
    Ok(accepted(&state, &request, &caller.0, &job))
}

/// Repeats a failed job.
pub async fn retry(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    _: NoBody,
) -> ApiResult {
    let job = control::retry(&state.app.imports, &caller.0, &id).await?;
    Ok(accepted(&state, &request, &caller.0, &job))
}

/// The URL of a job.
pub fn place(state: &Shared, request: &HttpRequest, job: &Job) -> String {
    format!("{}{PATH}/{}", own_url(&state.settings, request), job.id)
}

/// The response to a request that started a job.
pub fn accepted(state: &Shared, request: &HttpRequest, caller: &Caller, job: &Job) -> HttpResponse {
    let place = place(state, request, job);
    HttpResponse::Accepted().insert_header((LOCATION, place)).json(json!({"job": view(caller, job)}))
}

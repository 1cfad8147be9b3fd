//! `/v2/tasks` and `GET /v2/images/{id}/tasks` (`glance/api/v2/tasks.py: ResponseSerializer`).

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{ALLOW, LOCATION},
    },
    web::{Path, ServiceConfig, delete as on_delete, get, post},
};
use serde_json::{Map, Value, json};

use super::{
    error::{ApiError, ApiResult},
    extract::{Identified, JsonBody, NoBody, Shared},
    origin::own_url,
    query::{link, pairs},
    resource::resource,
};
use crate::{
    model::{error::Error, job::Job, task_list::TaskQuery},
    task as domain,
    work::queue::message,
};

const PATH: &str = "/v2/tasks";

/// The routes of tasks.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(resource(PATH, "GET, POST").route(get().to(list)).route(post().to(create)))
        .service(
            resource("/v2/tasks/{id}", "GET, DELETE").route(get().to(show)).route(on_delete().to(delete)),
        )
        .service(resource("/v2/images/{id}/tasks", "").route(get().to(of_image)));
}

/// The members that lists show.
fn stub(job: &Job) -> Map<String, Value> {
    let mut view = Map::new();
    view.insert("id".to_owned(), json!(job.id));
    view.insert("type".to_owned(), json!(job.kind.task_type()));
    view.insert("status".to_owned(), json!(job.status.as_str()));
    view.insert("owner".to_owned(), json!(job.owner));
    if let Some(expires_at) = job.expires_at {
        view.insert("expires_at".to_owned(), json!(expires_at.isotime()));
    }
    view.insert("created_at".to_owned(), json!(job.created_at.isotime()));
    view.insert("updated_at".to_owned(), json!(job.updated_at.isotime()));
    view.insert("self".to_owned(), json!(format!("{PATH}/{}", job.id)));
    view.insert("schema".to_owned(), json!("/v2/schemas/task"));
    view
}

fn full(job: &Job) -> Value {
    let mut view = stub(job);
    view.insert("input".to_owned(), job.input.clone());
    view.insert("result".to_owned(), json!(job.result));
    view.insert("message".to_owned(), json!(message(job)));
    let texts = [("image_id", &job.image_id), ("request_id", &job.request_id), ("user_id", &job.user_id)];
    for (name, value) in texts {
        if let Some(value) = value.as_ref().filter(|v| !v.is_empty()) {
            view.insert(name.to_owned(), json!(value));
        }
    }
    Value::Object(view)
}

/// Lists tasks.
async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    domain::enforce(&state.app.imports, &caller.0).await?;
    let pairs = pairs(request.query_string())?;
    let page = domain::list(
        &state.app.imports,
        &caller.0,
        TaskQuery::parse(&pairs, state.settings.page)?,
        domain::TASK,
    )
    .await?;
    let mut body = Map::new();
    let tasks = page.tasks.iter().map(|job| Value::Object(stub(job))).collect();
    body.insert("tasks".to_owned(), Value::Array(tasks));
    body.insert("first".to_owned(), json!(link(PATH, &pairs, None)));
    body.insert("schema".to_owned(), json!("/v2/schemas/tasks"));
    if let Some(marker) = &page.next_marker {
        body.insert("next".to_owned(), json!(link(PATH, &pairs, Some(marker))));
    }
    Ok(HttpResponse::Ok().json(Value::Object(body)))
}

/// Creates a task. The right is asked for before the body is looked at.
async fn create(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    body: Result<JsonBody, ApiError>,
) -> ApiResult {
    domain::enforce(&state.app.imports, &caller.0).await?;
    let body = body?.small()?;
    let object = body.as_object().ok_or_else(|| Error::invalid("The request body must be a JSON object."))?;
    let job = domain::create(&state.app.imports, &caller.0, object).await?;
    let place = format!("{}{PATH}/{}", own_url(&state.settings, &request), job.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, place)).json(full(&job)))
}

/// Shows a task.
async fn show(state: Shared, caller: Identified, id: Path<String>) -> ApiResult {
    domain::enforce(&state.app.imports, &caller.0).await?;
    Ok(HttpResponse::Ok().json(full(&domain::show(&state.app.imports, &caller.0, &id, domain::TASK).await?)))
}

/// Refuses: tasks go by themselves.
async fn delete(state: Shared, caller: Identified) -> ApiResult {
    domain::enforce(&state.app.imports, &caller.0).await?;
    let text = "Tasks are not deleted by request: a finished task goes by itself when it expires.";
    Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, text).with_header(ALLOW, "GET".to_owned()))
}

/// Lists the tasks of an image, each as the reference's raw row.
async fn of_image(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    let jobs = domain::list_of_image(&state.app.imports, &caller.0, &id).await?;
    let rows: Vec<Value> = jobs
        .iter()
        .map(|job| {
            json!({
                "id": job.id,
                "type": job.kind.task_type(),
                "status": job.status.as_str(),
                "owner": job.owner,
                "expires_at": job.expires_at.map(|t| t.database_time()),
                "created_at": job.created_at.database_time(),
                "updated_at": job.updated_at.database_time(),
                "deleted_at": null,
                "deleted": false,
                "image_id": job.image_id,
                "request_id": job.request_id,
                "user_id": job.user_id,
                "input": job.input,
                "result": job.result,
                "message": message(job),
            })
        })
        .collect();
    Ok(HttpResponse::Ok().json(json!({ "tasks": rows })))
}

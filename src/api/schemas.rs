//! `/v2/schemas/…` (`glance/api/v2/schemas.py`).

use actix_web::{HttpResponse, http::StatusCode, web::Path};
use serde_json::{Map, Value, json};

use super::{
    error::{ApiError, ApiResult},
    extract::{Identified, NoBody, Shared},
};
use crate::model::error::Error;

const MEMBER: &str = include_str!("../../schema/member.json");
const TASK: &str = include_str!("../../schema/task.json");

/// One schema document.
pub async fn show(state: Shared, _caller: Identified, name: Path<String>, _: NoBody) -> ApiResult {
    let document = match name.as_str() {
        "image" => state.app.images.schema.document().clone(),
        "images" => collection("images", state.app.images.schema.document().clone(), true),
        "member" => member()?,
        "members" => collection("members", member()?, false),
        "task" => task()?,
        "tasks" => collection("tasks", task_stub()?, false),
        _ => return Err(ApiError::new(StatusCode::NOT_FOUND, "The resource could not be found.")),
    };
    Ok(HttpResponse::Ok().json(document))
}

fn member() -> Result<Value, Error> {
    serde_json::from_str(MEMBER).map_err(|e| Error::internal("schema", e))
}

fn task() -> Result<Value, Error> {
    serde_json::from_str(TASK).map_err(|e| Error::internal("schema", e))
}

/// What a list of tasks shows of each.
fn task_stub() -> Result<Value, Error> {
    let mut task = task()?;
    if let Some(properties) = task.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !matches!(name.as_str(), "input" | "result" | "message"));
    }
    Ok(task)
}

/// The schema of a list; `paged` lists have `first` and `next` (`glance/schema.py: CollectionSchema`).
fn collection(name: &str, item: Value, paged: bool) -> Value {
    let mut properties = Map::new();
    properties.insert(name.to_owned(), json!({"type": "array", "items": item}));
    let mut links = Vec::new();
    if paged {
        for rel in ["first", "next"] {
            properties.insert(rel.to_owned(), json!({"type": "string"}));
            links.push(json!({"rel": rel, "href": format!("{{{rel}}}")}));
        }
    }
    properties.insert("schema".to_owned(), json!({"type": "string"}));
    links.push(json!({"rel": "describedby", "href": "{schema}"}));
    json!({"name": name, "properties": properties, "links": links})
}

//! `GET /v2/info/usage` (`glance/api/v2/discovery.py: get_usage`).

use actix_web::{
    HttpResponse,
    web::{ServiceConfig, get},
};
use serde_json::{Map, Value, json};

use super::{
    error::ApiResult,
    extract::{Identified, NoBody, Shared},
    resource::resource,
};
use crate::model::unified::Resource;

/// The route of this file.
pub fn configure(config: &mut ServiceConfig) {
    config.service(resource("/v2/info/usage", "").route(get().to(show)));
}

/// What the caller's project uses of what the identity service limits, and its limits; nothing where it limits nothing.
async fn show(state: Shared, caller: Identified, _: NoBody) -> ApiResult {
    let images = &state.app.images;
    let usage = images.unified.usage(&images.db, caller.0.project_id.as_deref()).await?;
    let entry = |(resource, usage, limit): (Resource, u64, i64)| {
        (resource.name().to_owned(), json!({"usage": usage, "limit": limit}))
    };
    let usage: Map<String, Value> = usage.into_iter().map(entry).collect();
    Ok(HttpResponse::Ok().json(json!({ "usage": usage })))
}

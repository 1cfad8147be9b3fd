//! `GET /v2/info/usage` (`glance/api/v2/discovery.py: get_usage`).

use actix_web::{
    HttpResponse,
    web::{ServiceConfig, get},
};
use serde_json::json;

use super::{
    error::ApiResult,
    extract::{Identified, NoBody},
    resource::resource,
};

/// The route of this file.
pub fn configure(config: &mut ServiceConfig) {
    config.service(resource("/v2/info/usage", "").route(get().to(show)));
}

/// What the caller's project uses of what is limited in Keystone: nothing is, here.
async fn show(_caller: Identified, _: NoBody) -> ApiResult {
    Ok(HttpResponse::Ok().json(json!({ "usage": {} })))
}

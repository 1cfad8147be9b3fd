//! `GET /v2/images`

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::view;
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, Shared},
        query::{link, pairs},
    },
    image::query,
    model::list::ListQuery,
};

const PATH: &str = "/v2/images";

/// Lists images.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let pairs = pairs(request.query_string())?;
    let asked = ListQuery::parse(&pairs, state.settings.page)?;
    let page = query::list(&state.app.images, &caller.0, asked).await?;
    let images: Vec<Value> = page.images.iter().map(|i| view::image(&state, &caller.0, i)).collect();
    let mut body = Map::new();
    body.insert("images".to_owned(), Value::Array(images));
    body.insert("first".to_owned(), json!(link(PATH, &pairs, None)));
    body.insert("schema".to_owned(), json!("/v2/schemas/images"));
    if let Some(marker) = &page.next_marker {
        body.insert("next".to_owned(), json!(link(PATH, &pairs, Some(marker))));
    }
    Ok(HttpResponse::Ok().json(Value::Object(body)))
}

//! `GET /v2/images`

use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

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
    let images = page.images.iter().map(|image| view::image(&state, &caller.0, image)).collect();
    let next = page.next_marker.as_ref().map(|marker| link(PATH, &pairs, Some(marker)));
    let body = Body { images, first: link(PATH, &pairs, None), schema: "/v2/schemas/images", next };
    Ok(HttpResponse::Ok().json(body))
}

#[derive(Serialize)]
struct Body<'a> {
    images: Vec<view::View<'a>>,
    first: String,
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

//! `PATCH /v2/images/{id}`

use actix_web::{HttpResponse, web::Path};

use super::view;
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, PatchType, Shared},
    },
    image::update as domain,
    model::patch,
};

/// Changes an image.
pub async fn update(
    state: Shared,
    caller: Identified,
    dialect: PatchType,
    body: JsonBody,
    id: Path<String>,
) -> ApiResult {
    let operations = patch::parse(&body.0, dialect.0, &state.app.images.schema)?;
    let image = domain::update(&state.app.images, &caller.0, &id, &operations).await?;
    Ok(HttpResponse::Ok().json(view::image(&state, &caller.0, &image)))
}

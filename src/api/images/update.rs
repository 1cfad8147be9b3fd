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
    let images = &state.app.images;
    let (schema, operations_max) = (images.schema.clone(), images.settings.bounds.patch_operations);
    let operations = body.read(move |json| patch::parse(json, dialect.0, &schema, operations_max)).await?;
    let image = domain::update(images, &caller.0, &id, &operations).await?;
    Ok(HttpResponse::Ok().json(view::image(&state, &caller.0, &image)))
}

//! `GET /v2/images/{id}`

use actix_web::{HttpResponse, web::Path};

use super::view;
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, NoBody, Shared},
    },
    image::query,
};

/// Shows one image.
pub async fn show(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    let image = query::show(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::Ok().json(view::image(&state, &caller.0, &image)))
}

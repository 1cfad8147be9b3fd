//! `POST /v2/images/{id}/actions/…`

use actix_web::{HttpResponse, web::Path};

use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, NoBody, Shared},
    },
    image::actions as domain,
};

/// Takes an image's data out of use.
pub async fn deactivate(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::deactivate(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Puts it back into use.
pub async fn reactivate(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::reactivate(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

//! `DELETE /v2/images/{id}`

use actix_web::{HttpResponse, web::Path};

use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, NoBody, Shared},
    },
    cache::download::forget,
    image::delete as domain,
};

/// Deletes an image.
pub async fn delete(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::delete(&state.app.images, &caller.0, &id).await?;
    forget(&state.app.site, &id).await;
    Ok(HttpResponse::NoContent().finish())
}

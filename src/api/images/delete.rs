//! `DELETE /v2/images/{id}`

use actix_web::{HttpResponse, web::Path};

use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, NoBody, Shared},
    },
    image::delete as domain,
};

/// Deletes an image.
pub async fn delete(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::delete(&state.app, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

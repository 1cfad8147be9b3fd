//! `PUT` and `DELETE /v2/images/{id}/tags/{tag}`

use actix_web::{HttpResponse, web::Path};

use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, NoBody, Shared},
    },
    image::tags as domain,
};

/// Adds a tag.
pub async fn put(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (id, tag) = path.into_inner();
    domain::put(&state.app.images, &caller.0, &id, &tag).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Removes a tag.
pub async fn delete(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (id, tag) = path.into_inner();
    domain::delete(&state.app.images, &caller.0, &id, &tag).await?;
    Ok(HttpResponse::NoContent().finish())
}

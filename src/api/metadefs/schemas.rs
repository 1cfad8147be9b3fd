//! `GET /v2/schemas/metadefs/{name}`

use actix_web::{HttpResponse, http::StatusCode, web::Path};

use crate::{
    api::{
        error::{ApiError, ApiResult},
        extract::{Identified, NoBody},
    },
    model::metadef::schema,
};

/// One schema document.
pub async fn show(_caller: Identified, name: Path<String>, _: NoBody) -> ApiResult {
    match schema::document(&name)? {
        Some(document) => Ok(HttpResponse::Ok().json(document)),
        None => Err(ApiError::new(StatusCode::NOT_FOUND, "The resource could not be found.")),
    }
}

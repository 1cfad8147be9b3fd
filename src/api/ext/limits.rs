//! `/ext/v1/projects/{id}/limits`: the limits of a project.

use actix_web::{HttpResponse, web::Path};
use serde_json::json;

use super::body::project;
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
    },
    image::limits as domain,
    model::limits::Limits,
};

/// Shows what a project may have, and what it has.
pub async fn show(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    project(&id)?;
    let (limits, usage) = domain::show(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::Ok().json(json!({
        "limits": {
            "enabled": limits.enabled != Some(false),
            "sentence": limits.sentence,
            "image_count_total": limits.image_count_total,
            "private_images": limits.private_images,
            "create_rate": limits.create_rate,
            "image_size_cap": limits.image_size_cap,
            "max_virtual_size": limits.max_virtual_size,
            "max_properties": limits.max_properties,
            "max_tags": limits.max_tags,
            "max_members": limits.max_members,
            "max_locations": limits.max_locations,
        },
        "usage": {"image_count_total": usage.images, "private_images": usage.private_images},
    })))
}

/// Sets what it may have.
pub async fn put(state: Shared, caller: Identified, id: Path<String>, body: JsonBody) -> ApiResult {
    project(&id)?;
    let limits = Limits::parse(&body.small()?)?;
    domain::put(&state.app.images, &caller.0, &id, limits).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lets it have what the others may.
pub async fn remove(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    project(&id)?;
    domain::remove(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

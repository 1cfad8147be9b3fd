//! Retiring images, and the preview of a deletion.

use actix_web::{HttpResponse, web::Path};
use serde_json::{Map, Value, json};

use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, NoBody, Shared},
    },
    image::{
        consumers as domain,
        delete_preview::{self, InFamily},
    },
    model::consumer::InUse,
};

/// Retires an image.
pub async fn retire(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::retire(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Puts it back into use.
pub async fn unretire(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::unretire(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn family(family: &InFamily) -> Value {
    json!({
        "owner": family.owner,
        "name": family.name,
        "current": family.is_current,
        "current_afterwards": family.next,
    })
}

/// Says what DELETE would do.
pub async fn preview(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    let preview = delete_preview::preview(&state.app.images, &caller.0, &id).await?;
    let consumers: Map<String, Value> =
        preview.consumers.iter().map(|(kind, count)| (kind.as_str().to_owned(), json!(count))).collect();
    let action = match preview.refused {
        Some(_) => "refuse",
        None if !preview.is_used || preview.in_use == InUse::Allow => "delete",
        None => "retire",
    };
    Ok(HttpResponse::Ok().json(json!({
        "action": action,
        "reason": preview.refused,
        "consumers": consumers,
        "members": preview.members,
        "stores": preview.stores,
        "families": preview.family.iter().map(family).collect::<Vec<_>>(),
    })))
}

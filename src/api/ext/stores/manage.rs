//! Adds, changes and removes storages.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web::Path};
use serde_json::{Value, json};

use super::{PATH, store};
use crate::{
    api::{
        error::ApiResult,
        ext::page::is_dry,
        extract::{Identified, JsonBody, NoBody, Shared},
        origin::own_url,
    },
    model::consumer::InUse,
    reconcile::stores as known,
    storage::manage as domain,
};

/// What a storage would be.
fn planned(done: &domain::Done) -> Value {
    let storage = &done.storage;
    let terms = &storage.terms;
    json!({
        "dry_run": true,
        "store": {
            "id": storage.id,
            "type": storage.kind,
            "description": storage.description,
            "place": done.place,
            "weight": storage.weight,
            "read_only": terms.read_only,
            "managed": true,
            "hosts": terms.hosts,
            "zones": terms.zones,
            "roles": terms.roles,
            "in_use_delete": terms.in_use.map(InUse::as_str),
        },
    })
}

/// Adds a storage.
pub async fn add(state: Shared, caller: Identified, request: HttpRequest, body: JsonBody) -> ApiResult {
    let dry_run = is_dry(&request)?;
    let done = domain::add(&state.app.storages, &caller.0, &body.small()?, dry_run).await?;
    if dry_run {
        return Ok(HttpResponse::Ok().json(planned(&done)));
    }
    let id = &done.storage.id;
    let place = format!("{}{PATH}/{id}", own_url(&state.settings, &request));
    let known = known::show(&state.app.images, &caller.0, id).await?;
    Ok(HttpResponse::Created().insert_header((LOCATION, place)).json(json!({"store": store(&known)})))
}

/// Changes one.
pub async fn change(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    body: JsonBody,
) -> ApiResult {
    let dry_run = is_dry(&request)?;
    let done = domain::change(&state.app.storages, &caller.0, &id, &body.small()?, dry_run).await?;
    if dry_run {
        return Ok(HttpResponse::Ok().json(planned(&done)));
    }
    let known = known::show(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::Ok().json(json!({"store": store(&known)})))
}

/// Removes one.
pub async fn remove(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    _: NoBody,
) -> ApiResult {
    let dry_run = is_dry(&request)?;
    domain::remove(&state.app.storages, &caller.0, &id, dry_run).await?;
    match dry_run {
        true => Ok(HttpResponse::Ok().json(json!({"dry_run": true, "store": {"id": *id}}))),
        false => Ok(HttpResponse::NoContent().finish()),
    }
}

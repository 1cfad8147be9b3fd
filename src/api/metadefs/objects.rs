//! `/v2/metadefs/namespaces/{ns}/objects`

use actix_web::{HttpRequest, HttpResponse, web::Path};
use serde_json::{Value, json};

use super::view;
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
        query::pairs,
    },
    metadef::objects as domain,
    model::metadef::{input, list::check_object_query},
};

/// Lists the objects of a namespace.
pub async fn list(state: Shared, caller: Identified, ns: Path<String>, request: HttpRequest) -> ApiResult {
    check_object_query(&pairs(request.query_string())?)?;
    let objects = domain::list(&state.app.definitions, &caller.0, &ns).await?;
    let objects: Vec<Value> = objects.iter().map(|object| view::object(&ns, object, "")).collect();
    // Glance writes this link without the slash in front, and clients have it so.
    Ok(HttpResponse::Ok().json(json!({"objects": objects, "schema": "v2/schemas/metadefs/objects"})))
}

/// Adds an object.
pub async fn create(state: Shared, caller: Identified, ns: Path<String>, body: JsonBody) -> ApiResult {
    let given = body.read(|json| input::object(json, true)).await?;
    let object = domain::create(&state.app.definitions, &caller.0, &ns, given).await?;
    Ok(HttpResponse::Created().json(view::object(&ns, &object, "")))
}

/// Deletes every object of a namespace.
pub async fn remove_all(state: Shared, caller: Identified, ns: Path<String>) -> ApiResult {
    domain::delete_all(&state.app.definitions, &caller.0, &ns).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Shows an object.
pub async fn show(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (ns, name) = path.into_inner();
    let object = domain::show(&state.app.definitions, &caller.0, &ns, &name).await?;
    Ok(HttpResponse::Ok().json(view::object(&ns, &object, "")))
}

/// Replaces an object.
pub async fn update(
    state: Shared,
    caller: Identified,
    path: Path<(String, String)>,
    body: JsonBody,
) -> ApiResult {
    let (ns, name) = path.into_inner();
    let given = body.read(|json| input::object(json, false)).await?;
    let object = domain::update(&state.app.definitions, &caller.0, &ns, &name, given).await?;
    Ok(HttpResponse::Ok().json(view::object(&ns, &object, "")))
}

/// Deletes an object.
pub async fn remove(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (ns, name) = path.into_inner();
    domain::delete(&state.app.definitions, &caller.0, &ns, &name).await?;
    Ok(HttpResponse::NoContent().finish())
}

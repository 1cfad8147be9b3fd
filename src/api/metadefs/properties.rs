//! `/v2/metadefs/namespaces/{ns}/properties`

use actix_web::{HttpRequest, HttpResponse, web::Path};
use serde_json::json;

use super::{asked, view};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
        query::pairs,
    },
    metadef::properties as domain,
    model::metadef::input,
};

/// Lists the properties of a namespace by name.
pub async fn list(state: Shared, caller: Identified, ns: Path<String>, _: NoBody) -> ApiResult {
    let properties = domain::list(&state.app.definitions, &caller.0, &ns).await?;
    Ok(HttpResponse::Ok().json(json!({"properties": view::properties(&properties, "")})))
}

/// Adds a property.
pub async fn create(state: Shared, caller: Identified, ns: Path<String>, body: JsonBody) -> ApiResult {
    let given = body.read(input::property).await?;
    let property = domain::create(&state.app.definitions, &caller.0, &ns, given).await?;
    Ok(HttpResponse::Created().json(view::property(&property)))
}

/// Deletes every property of a namespace.
pub async fn remove_all(state: Shared, caller: Identified, ns: Path<String>) -> ApiResult {
    domain::delete_all(&state.app.definitions, &caller.0, &ns).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Shows a property, by the name that it has on a type of resource if one is named.
pub async fn show(
    state: Shared,
    caller: Identified,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> ApiResult {
    let (ns, name) = path.into_inner();
    let pairs = pairs(request.query_string())?;
    let property =
        domain::show(&state.app.definitions, &caller.0, &ns, &name, asked::resource_type(&pairs)).await?;
    Ok(HttpResponse::Ok().json(view::property(&property)))
}

/// Replaces a property.
pub async fn update(
    state: Shared,
    caller: Identified,
    path: Path<(String, String)>,
    body: JsonBody,
) -> ApiResult {
    let (ns, name) = path.into_inner();
    let given = body.read(input::property).await?;
    let property = domain::update(&state.app.definitions, &caller.0, &ns, &name, given).await?;
    Ok(HttpResponse::Ok().json(view::property(&property)))
}

/// Deletes a property.
pub async fn remove(state: Shared, caller: Identified, path: Path<(String, String)>) -> ApiResult {
    let (ns, name) = path.into_inner();
    domain::delete(&state.app.definitions, &caller.0, &ns, &name).await?;
    Ok(HttpResponse::NoContent().finish())
}

//! `/v2/metadefs/resource_types` and `/v2/metadefs/namespaces/{ns}/resource_types`

use actix_web::{HttpResponse, web::Path};
use serde_json::{Value, json};

use super::view;
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
    },
    metadef::resource_types as domain,
    model::metadef::input,
};

/// Lists every resource type.
pub async fn all(state: Shared, caller: Identified, _: NoBody) -> ApiResult {
    let types = domain::all(&state.app.definitions, &caller.0).await?;
    let types: Vec<Value> = types.iter().map(view::named).collect();
    Ok(HttpResponse::Ok().json(json!({"resource_types": types})))
}

/// Lists the associations of a namespace.
pub async fn list(state: Shared, caller: Identified, ns: Path<String>, _: NoBody) -> ApiResult {
    let held = domain::list(&state.app.definitions, &caller.0, &ns).await?;
    Ok(HttpResponse::Ok().json(json!({"resource_type_associations": view::associations(&held)})))
}

/// Associates a namespace with a resource type.
pub async fn associate(state: Shared, caller: Identified, ns: Path<String>, body: JsonBody) -> ApiResult {
    let given = input::association(&body.small()?)?;
    let association = domain::associate(&state.app.definitions, &caller.0, &ns, given).await?;
    Ok(HttpResponse::Created().json(view::association(&association)))
}

/// Ends an association.
pub async fn dissociate(
    state: Shared,
    caller: Identified,
    path: Path<(String, String)>,
    _: NoBody,
) -> ApiResult {
    let (ns, kind) = path.into_inner();
    domain::dissociate(&state.app.definitions, &caller.0, &ns, &kind).await?;
    Ok(HttpResponse::NoContent().finish())
}

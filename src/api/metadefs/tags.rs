//! `/v2/metadefs/namespaces/{ns}/tags`

use actix_web::{HttpRequest, HttpResponse, web::Path};
use serde_json::{Value, json};

use super::view;
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
        query::pairs,
    },
    metadef::tags as domain,
    model::metadef::{input, list::TagQuery},
};

/// Lists the tags of a namespace.
pub async fn list(state: Shared, caller: Identified, ns: Path<String>, request: HttpRequest) -> ApiResult {
    let asked = TagQuery::parse(&pairs(request.query_string())?)?;
    let tags = domain::list(&state.app.definitions, &caller.0, &ns, asked).await?;
    let tags: Vec<Value> = tags.iter().map(|tag| json!({"name": tag.value})).collect();
    Ok(HttpResponse::Ok().json(json!({"tags": tags})))
}

/// Whether `X-Openstack-Append` asks to keep the tags that there are; anything but a yes is a no.
fn append(request: &HttpRequest) -> bool {
    let header = request.headers().get("x-openstack-append").and_then(|value| value.to_str().ok());
    let text = header.unwrap_or_default().trim().to_ascii_lowercase();
    ["true", "1", "t", "y", "yes", "on"].contains(&text.as_str())
}

/// Adds many tags, or replaces all.
pub async fn create_many(
    state: Shared,
    caller: Identified,
    ns: Path<String>,
    request: HttpRequest,
    body: JsonBody,
) -> ApiResult {
    let names = body.read(input::tags).await?;
    let tags = domain::create_many(&state.app.definitions, &caller.0, &ns, names, append(&request)).await?;
    let tags: Vec<Value> = tags.iter().map(|name| json!({"name": name})).collect();
    Ok(HttpResponse::Created().json(json!({"tags": tags})))
}

/// Deletes every tag of a namespace.
pub async fn remove_all(state: Shared, caller: Identified, ns: Path<String>) -> ApiResult {
    domain::delete_all(&state.app.definitions, &caller.0, &ns).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Shows a tag.
pub async fn show(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (ns, name) = path.into_inner();
    let tag = domain::show(&state.app.definitions, &caller.0, &ns, &name).await?;
    Ok(HttpResponse::Ok().json(view::named(&tag)))
}

/// Adds a tag.
pub async fn create(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (ns, name) = path.into_inner();
    let tag = domain::create(&state.app.definitions, &caller.0, &ns, input::tag_in_path(&name)?).await?;
    Ok(HttpResponse::Created().json(view::named(&tag)))
}

/// Renames a tag.
pub async fn rename(
    state: Shared,
    caller: Identified,
    path: Path<(String, String)>,
    body: JsonBody,
) -> ApiResult {
    let (ns, name) = path.into_inner();
    let given = input::tag(&body.small()?)?;
    let tag = domain::rename(&state.app.definitions, &caller.0, &ns, &name, given).await?;
    Ok(HttpResponse::Ok().json(view::named(&tag)))
}

/// Deletes a tag.
pub async fn remove(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (ns, name) = path.into_inner();
    domain::delete(&state.app.definitions, &caller.0, &ns, &name).await?;
    Ok(HttpResponse::NoContent().finish())
}

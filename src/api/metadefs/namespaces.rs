//! `/v2/metadefs/namespaces`

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web::Path};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{asked, view};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
        origin::own_url,
        query::{link, pairs},
    },
    metadef::namespaces as domain,
    model::metadef::{input, list::NamespaceQuery},
};

const PATH: &str = "/v2/metadefs/namespaces";
/// What cannot stand in the path of a `Location`.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Lists namespaces.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let pairs = pairs(request.query_string())?;
    let asked = NamespaceQuery::parse(&pairs, state.settings.page)?;
    let page = domain::list(&state.app.definitions, &caller.0, asked).await?;
    let namespaces: Vec<Value> = page.namespaces.iter().map(|(n, held)| view::listed(n, held)).collect();
    let mut body = Map::new();
    body.insert("namespaces".to_owned(), Value::Array(namespaces));
    if let Some(marker) = &page.next_marker {
        body.insert("next".to_owned(), json!(link(PATH, &pairs, Some(marker))));
    }
    body.insert("schema".to_owned(), json!("/v2/schemas/metadefs/namespaces"));
    body.insert("first".to_owned(), json!(link(PATH, &pairs, None)));
    Ok(HttpResponse::Ok().json(Value::Object(body)))
}

/// Creates a namespace.
pub async fn create(state: Shared, caller: Identified, request: HttpRequest, body: JsonBody) -> ApiResult {
    let (given, contents) = body.read(input::new_namespace).await?;
    let (namespace, contents) = domain::create(&state.app.definitions, &caller.0, given, contents).await?;
    let name = utf8_percent_encode(&namespace.fields.namespace, NOT_IN_PATHS);
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("{}{PATH}/{name}", own_url(&state.settings, &request))))
        .json(view::created(&namespace, &contents)))
}

/// Shows a namespace with everything that it holds.
pub async fn show(
    state: Shared,
    caller: Identified,
    name: Path<String>,
    _: NoBody,
    request: HttpRequest,
) -> ApiResult {
    let pairs = pairs(request.query_string())?;
    let resource_type = asked::resource_type(&pairs);
    let (namespace, held, prefix) =
        domain::show(&state.app.definitions, &caller.0, &name, resource_type).await?;
    Ok(HttpResponse::Ok().json(view::whole(&namespace, &held, &prefix)))
}

/// Replaces what is said about a namespace.
pub async fn update(state: Shared, caller: Identified, name: Path<String>, body: JsonBody) -> ApiResult {
    let given = body.read(input::namespace).await?;
    let namespace = domain::update(&state.app.definitions, &caller.0, &name, given).await?;
    Ok(HttpResponse::Ok().json(view::namespace(&namespace)))
}

/// Deletes a namespace and everything that it holds.
pub async fn remove(state: Shared, caller: Identified, name: Path<String>, _: NoBody) -> ApiResult {
    domain::delete(&state.app.definitions, &caller.0, &name).await?;
    Ok(HttpResponse::NoContent().finish())
}

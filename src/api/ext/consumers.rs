//! `/ext/v1/images/{id}/consumers` and `/ext/v1/consumers`: the consumers of images, as services register them.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Path};
use serde_json::{Value, json};

use super::{
    body::{object, only, optional, word},
    page::{Asked, next_page, only as only_parameters},
};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared, has_body},
        query::pairs,
    },
    image::consumers as domain,
    model::{
        consumer::{Consumer, ConsumerKind},
        error::{Error, Result},
        image::{ID_CHARS_MAX, TEXT_CHARS_MAX},
        time::Timestamp,
    },
};

/// Consumers that one scope may have.
const SCOPE_MAX: usize = 2000;
/// Bytes of a marker: a type and an id.
const MARKER_MAX: usize = 272;

fn view(consumer: &Consumer) -> Value {
    json!({
        "image_id": consumer.image_id,
        "type": consumer.kind.as_str(),
        "id": consumer.id,
        "project_id": consumer.project_id,
        "region": consumer.region,
        "scope": consumer.scope,
        "since": consumer.since.isotime(),
        "last_seen": consumer.last_seen.isotime(),
    })
}

fn kind_of(text: &str) -> Result<ConsumerKind> {
    ConsumerKind::parse(text).ok_or_else(|| {
        let known: Vec<&str> = ConsumerKind::ALL.iter().map(|kind| kind.as_str()).collect();
        Error::invalid(format!("The type of a consumer is one of {}, not {text:?}.", known.join(", ")))
    })
}

/// Lists the consumers of an image that the caller may see.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest, id: Path<String>) -> ApiResult {
    let asked = Asked::parse_long(pairs(request.query_string())?, &[], MARKER_MAX)?;
    let after = match &asked.marker {
        None => None,
        Some(marker) => {
            let unknown = || Error::invalid(format!("Invalid marker: {marker:?} is not TYPE:ID."));
            let (kind, id) = marker.split_once(':').ok_or_else(unknown)?;
            Some((kind_of(kind)?, word("marker", id, TEXT_CHARS_MAX)?))
        }
    };
    let found = domain::list(&state.app.images, &caller.0, &id, after, asked.limit).await?;
    let path = format!("/ext/v1/images/{id}/consumers");
    let next = next_page(&path, &asked, &found, |last| format!("{}:{}", last.kind.as_str(), last.id));
    let consumers: Vec<Value> = found.iter().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({"consumers": consumers, "next": next})))
}

/// Tells of a consumer.
pub async fn put(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    path: Path<(String, String, String)>,
    body: Option<JsonBody>,
) -> ApiResult {
    let value = match body {
        Some(body) => body.small()?,
        None if has_body(&request) => return Err(Error::invalid("The body cannot be read as JSON.").into()),
        None => json!({}),
    };
    let (image_id, kind, id) = path.into_inner();
    let object = object(&value)?;
    only(object, &["project_id", "region", "scope", "allow_retired"])?;
    let allow_retired = match object.get("allow_retired") {
        None => false,
        Some(value) => {
            value.as_bool().ok_or_else(|| Error::invalid("allow_retired must be true or false."))?
        }
    };
    let now = state.app.images.db.clock.now();
    let consumer = Consumer {
        image_id,
        kind: kind_of(&kind)?,
        id: word("The id of a consumer", &id, TEXT_CHARS_MAX)?,
        project_id: optional(object, "project_id")?,
        region: optional(object, "region")?,
        scope: optional(object, "scope")?,
        since: now,
        last_seen: now,
    };
    let (stored, new) = domain::put(&state.app.images, &caller.0, consumer, allow_retired).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(json!({"consumer": view(&stored)})))
}

/// Removes a consumer.
pub async fn remove(
    state: Shared,
    caller: Identified,
    path: Path<(String, String, String)>,
    _: NoBody,
) -> ApiResult {
    let (image, kind, id) = path.into_inner();
    domain::remove(&state.app.images, &caller.0, &image, kind_of(&kind)?, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// One consumer in the list of a scope.
fn listed(value: &Value, scope: &str, now: Timestamp) -> Result<Consumer> {
    let object = object(value)?;
    only(object, &["image_id", "type", "id", "project_id", "region"])?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    Ok(Consumer {
        image_id: word("image_id", text("image_id"), ID_CHARS_MAX)?,
        kind: kind_of(text("type"))?,
        id: word("id", text("id"), TEXT_CHARS_MAX)?,
        project_id: optional(object, "project_id")?,
        region: optional(object, "region")?,
        scope: Some(scope.to_owned()),
        since: now,
        last_seen: now,
    })
}

/// Replaces all consumers of a scope.
pub async fn replace(state: Shared, caller: Identified, request: HttpRequest, body: JsonBody) -> ApiResult {
    let asked = pairs(request.query_string())?;
    let known = ["scope", "dry_run"];
    // It has no pages.
    only_parameters(&asked, &known)?;
    let asked = Asked::parse(asked, &known)?;
    let scope = asked.get("scope").ok_or_else(|| Error::invalid("The parameter scope is needed."))?;
    let dry_run = asked.flag("dry_run")?.unwrap_or(false);
    let (scope, now) = (word("scope", scope, TEXT_CHARS_MAX)?, state.app.images.db.clock.now());
    let told = scope.clone();
    let consumers = body
        .read(move |value| {
            let object = object(value)?;
            only(object, &["consumers"])?;
            let all = object.get("consumers").and_then(Value::as_array);
            let all = all.ok_or_else(|| Error::invalid("consumers must be an array."))?;
            if all.len() > SCOPE_MAX {
                return Err(Error::TooLarge(format!("A scope has {SCOPE_MAX} consumers at most.")));
            }
            all.iter().map(|value| listed(value, &told, now)).collect::<Result<Vec<_>>>()
        })
        .await?;
    let replaced = domain::replace(&state.app.images, &caller.0, scope, consumers, dry_run).await?;
    Ok(HttpResponse::Ok().json(json!({
        "kept": replaced.kept,
        "removed": replaced.removed,
        "unknown_images": replaced.unknown,
    })))
}

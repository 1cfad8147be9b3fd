//! `POST` and `GET /v2/images/{id}/locations`, `POST /v2/images/{id}/hash`

use actix_web::{HttpResponse, web::Path};
use serde_json::{Value, json};

use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
    },
    image::locations::{self as domain, ValidationData},
    location,
    model::error::{Error, Result},
};

const ALGORITHMS: [&str; 4] = ["sha1", "sha256", "sha512", "md5"];

/// Reads the body; the schema is not published (`glance/api/v2/images.py: get_location_schema`).
fn parse(body: &Value) -> Result<(String, ValidationData)> {
    let object = body.as_object().ok_or_else(|| Error::invalid("The request body must be a JSON object."))?;
    let url = object
        .get("url")
        .and_then(Value::as_str)
        .ok_or_else(|| Error::invalid("The body must have a member \"url\" that is a text."))?;
    let Some(data) = object.get("validation_data") else {
        return Ok((url.to_owned(), ValidationData::default()));
    };
    let data = data.as_object().ok_or_else(|| Error::invalid("validation_data must be an object."))?;
    if let Some(name) = data.keys().find(|k| !matches!(k.as_str(), "os_hash_algo" | "os_hash_value")) {
        return Err(Error::invalid(format!("The member {name:?} is not allowed in validation_data.")));
    }
    let (algorithm, value) = (data.get("os_hash_algo"), data.get("os_hash_value"));
    if algorithm.is_some() != value.is_some() {
        return Err(Error::invalid("os_hash_algo and os_hash_value go together."));
    }
    if algorithm.is_some_and(|a| !a.as_str().is_some_and(|a| ALGORITHMS.contains(&a))) {
        return Err(Error::invalid(format!("os_hash_algo must be one of {}.", ALGORITHMS.join(", "))));
    }
    if value.is_some_and(|v| v.as_str().is_none_or(|v| v.len() > 128)) {
        return Err(Error::invalid("os_hash_value must be a text of at most 128 characters."));
    }
    Ok((url.to_owned(), ValidationData::of(object.get("validation_data"))))
}

/// Starts adding a location.
pub async fn add(state: Shared, caller: Identified, id: Path<String>, body: JsonBody) -> ApiResult {
    let (url, validation) = parse(&body.small()?)?;
    let imports = &state.app.imports;
    let (queue, fetcher) = (&imports.queue, &imports.fetcher);
    location::add(&imports.images, queue, fetcher, &caller.0, &id, &url, &validation).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Lists the locations, for services.
pub async fn list(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    let locations = domain::list(&state.app.images, &caller.0, &id).await?;
    let list: Vec<Value> = locations.iter().map(|l| json!({"url": l.url, "metadata": l.metadata})).collect();
    Ok(HttpResponse::Ok().json(list))
}

/// The algorithm that the body of `POST …/hash` names, if it names one.
fn algorithm(body: &Value) -> Result<Option<&str>> {
    let object = body.as_object().ok_or_else(|| Error::invalid("The request body must be a JSON object."))?;
    if let Some(name) = object.keys().find(|name| name.as_str() != "os_hash_algo") {
        return Err(Error::invalid(format!("The member {name:?} is not allowed.")));
    }
    match object.get("os_hash_algo") {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        Some(_) => Err(Error::invalid("os_hash_algo must be a text.")),
    }
}

/// Starts finding the hashes that an image lacks.
pub async fn hash(state: Shared, caller: Identified, id: Path<String>, body: JsonBody) -> ApiResult {
    let body = body.small()?;
    let imports = &state.app.imports;
    location::hash::start(&imports.images, &imports.queue, &caller.0, &id, algorithm(&body)?).await?;
    Ok(HttpResponse::Accepted().finish())
}

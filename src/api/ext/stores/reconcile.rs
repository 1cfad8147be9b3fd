//! Requests for a reconciliation of a store, and for the adoption of an object as an image.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web::Path};
use serde_json::{Map, Value, json};

use super::{name_of, one_of};
use crate::{
    api::{
        error::ApiResult,
        ext::{body, jobs},
        extract::{Identified, JsonBody, Shared, has_body},
        images::view,
    },
    model::{
        error::{Error, Result},
        finding::ObjectState,
        image::ID_CHARS_MAX,
        new_image::NewImage,
    },
    reconcile::{
        adoption,
        job::{Input, Verify},
        stores as domain,
    },
};

/// The longest age that is understood, in seconds.
const AGE_MAX: i64 = 100 * 365 * 24 * 3600;

fn members<'a>(value: &'a Value, known: &[&str]) -> Result<&'a Map<String, Value>> {
    let object = body::object(value)?;
    body::only(object, known)?;
    Ok(object)
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::invalid(format!("{name} must be a text."))),
    }
}

/// `90s`, `30m`, `24h`, `7d`, in seconds.
fn age_of(text: &str) -> Result<i64> {
    let wrong = || Error::invalid(format!("older_than must be a number of s, m, h or d, not {text:?}."));
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number = text.get(..text.len().saturating_sub(1)).unwrap_or_default();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = number.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
    seconds.filter(|seconds| is_number && *seconds <= AGE_MAX).ok_or_else(wrong)
}

/// What a reconciliation is asked for.
fn input(store: &str, value: &Value) -> Result<Input> {
    let object = members(value, &["verify", "scope", "actions", "deactivate", "dry_run"])?;
    let nothing = json!({});
    let scope = members(object.get("scope").unwrap_or(&nothing), &["prefix", "image_id", "older_than"])?;
    let known = ["orphan", "stale-staging", "size-unknown", "missing", "size-mismatch", "hash-mismatch"];
    let actions = members(object.get("actions").unwrap_or(&nothing), &known)?;
    let does = |state: &str, action: &'static str| {
        let asked = text(actions, state)?.unwrap_or("report");
        one_of(state, asked, &[(false, "report"), (true, action)])
    };
    let mut quarantine = Vec::new();
    for state in [ObjectState::Orphan, ObjectState::StaleStaging] {
        if does(state.as_str(), "quarantine")? {
            quarantine.push(state);
        }
    }
    let (mut repair, mut mark) = (Vec::new(), Vec::new());
    for state in [ObjectState::Missing, ObjectState::SizeMismatch, ObjectState::HashMismatch] {
        let asked = text(actions, state.as_str())?.unwrap_or("report");
        match one_of(state.as_str(), asked, &[(0, "report"), (1, "repair"), (2, "mark")])? {
            1 => repair.push(state),
            2 => mark.push(state),
            _ => {}
        }
    }
    let deactivate = body::flag(object, "deactivate")?.unwrap_or(false);
    if deactivate && mark.is_empty() {
        return Err(Error::invalid("deactivate needs an action that marks images."));
    }
    let image_id = text(scope, "image_id")?.map(str::to_owned);
    if image_id.as_ref().is_some_and(|id| id.is_empty() || id.len() > ID_CHARS_MAX) {
        return Err(Error::invalid("image_id must be the id of an image."));
    }
    let dry_run = body::flag(object, "dry_run")?.unwrap_or(true);
    Ok(Input {
        store: store.to_owned(),
        verify: one_of("verify", text(object, "verify")?.unwrap_or("size"), &Verify::ALL)?,
        prefix: name_of("prefix", text(scope, "prefix")?.unwrap_or_default())?,
        image_id,
        older_than: text(scope, "older_than")?.map(age_of).transpose()?,
        quarantine,
        fix_sizes: does("size-unknown", "fix")?,
        repair,
        mark,
        deactivate,
        dry_run,
    })
}

/// Asks for a reconciliation.
pub async fn reconcile(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    body: Option<JsonBody>,
) -> ApiResult {
    let value = match body {
        Some(body) => body.small()?,
        None if has_body(&request) => return Err(Error::invalid("The body cannot be read as JSON.").into()),
        None => json!({}),
    };
    let (blobs, queue) = (&state.app.blobs, &state.app.imports.queue);
    let job = domain::reconcile(blobs, queue, &caller.0, input(&id, &value)?).await?;
    Ok(jobs::accepted(&state, &request, &caller.0, &job))
}

/// Makes an image of an object.
pub async fn adopt(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    body: JsonBody,
) -> ApiResult {
    let schema = state.app.images.schema.clone();
    let read = move |value: &Value| {
        let object = members(value, &["key", "image"])?;
        let key = text(object, "key")?.filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Error::invalid("key must be the name of an object."))?;
        let image = object.get("image").and_then(Value::as_object);
        let image = image.ok_or_else(|| Error::invalid("image must be an object."))?;
        Ok((name_of("key", key)?, NewImage::parse(image, &schema)?))
    };
    let (key, new) = body.read(read).await?;
    let (blobs, queue) = (&state.app.blobs, &state.app.imports.queue);
    let (image, job) = adoption::start(blobs, queue, &caller.0, (&id, &key), new).await?;
    let place = jobs::place(&state, &request, &job);
    Ok(HttpResponse::Accepted().insert_header((LOCATION, place)).json(json!({
        "job": jobs::view(&caller.0, &job),
        "image": view::image(&state, &caller.0, &image),
    })))
}

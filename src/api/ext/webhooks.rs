//! `/ext/v1/webhooks`: addresses to which events are sent.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web::Path};
use serde_json::{Value, json};

use super::page::{Asked, next_page};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
        origin::own_url,
        query::pairs,
    },
    model::{
        error::{Error, Result},
        webhook::Webhook,
    },
    notify::webhooks as domain,
};

const PATH: &str = "/ext/v1/webhooks";
/// Bytes of an address, and of a secret, at most; what is shorter than the least is guessed too easily.
const URL_MAX: usize = 2048;
const SECRET_MAX: usize = 255;
const SECRET_MIN: usize = 16;
/// Kinds of events that are named at most.
const EVENTS_MAX: usize = 32;

/// One of them, without its secret.
fn view(hook: &Webhook) -> Value {
    json!({
        "id": hook.id,
        "url": hook.url,
        "events": hook.events,
        "project_id": hook.owner,
        "all_projects": hook.project_id.is_none(),
        "delivered": hook.delivered,
        "given_up": hook.given_up,
        "attempts": hook.attempts,
        "failing_since": hook.failing_since.map(|time| time.isotime()),
        "last_error": hook.last_error,
        "next_try_at": hook.failing_since.map(|_| hook.run_after.isotime()),
        "created_at": hook.created_at.isotime(),
    })
}

fn asked(value: &Value) -> Result<domain::Asked> {
    let object = value.as_object().ok_or_else(|| Error::invalid("An object is expected."))?;
    let known = ["url", "events", "secret", "all_projects"];
    if let Some(name) = object.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(Error::invalid(format!("There is no member {name:?} here.")));
    }
    let url = object.get("url").and_then(Value::as_str).filter(|url| !url.is_empty() && url.len() <= URL_MAX);
    let url = url.ok_or_else(|| Error::invalid(format!("url must be a text of 1 to {URL_MAX} bytes.")))?;
    let events = match object.get("events") {
        None => Vec::new(),
        Some(Value::Array(list)) if list.len() <= EVENTS_MAX && list.iter().all(Value::is_string) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(_) => {
            return Err(Error::invalid(format!("events must be an array of up to {EVENTS_MAX} texts.")));
        }
    };
    let secret = match object.get("secret") {
        None => None,
        Some(Value::String(text)) if (SECRET_MIN..=SECRET_MAX).contains(&text.len()) => Some(text.clone()),
        Some(_) => {
            return Err(Error::invalid(format!(
                "secret must be a text of {SECRET_MIN} to {SECRET_MAX} bytes."
            )));
        }
    };
    let all_projects = match object.get("all_projects") {
        None => false,
        Some(value) => {
            value.as_bool().ok_or_else(|| Error::invalid("all_projects must be true or false."))?
        }
    };
    Ok(domain::Asked { url: url.to_owned(), events, secret, all_projects })
}

/// Makes one; the only answer that has its secret.
pub async fn create(state: Shared, caller: Identified, request: HttpRequest, body: JsonBody) -> ApiResult {
    let asked = asked(&body.small()?)?;
    let (hook, secret) = domain::create(&state.app.webhooks, &caller.0, asked).await?;
    let mut view = view(&hook);
    if let Some(object) = view.as_object_mut() {
        object.insert("secret".to_owned(), json!(secret));
    }
    let place = format!("{}{PATH}/{}", own_url(&state.settings, &request), hook.id);
    Ok(HttpResponse::Created().insert_header((LOCATION, place)).json(json!({"webhook": view})))
}

/// Lists those of the caller's project; all of them to administrators.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &[])?;
    let after = asked.marker.clone().unwrap_or_default();
    let found = domain::list(&state.app.webhooks, &caller.0, after, asked.limit).await?;
    let next = next_page(PATH, &asked, &found, |last| last.id.clone());
    let hooks: Vec<Value> = found.iter().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({"webhooks": hooks, "next": next})))
}

/// Shows one.
pub async fn show(state: Shared, caller: Identified, id: Path<String>) -> ApiResult {
    let hook = domain::show(&state.app.webhooks, &caller.0, &id).await?;
    Ok(HttpResponse::Ok().json(json!({"webhook": view(&hook)})))
}

/// Removes one.
pub async fn delete(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::delete(&state.app.webhooks, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

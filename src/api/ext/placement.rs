//! `/ext/v1/placement-rules`: into which store an image goes whose client names none.

use actix_web::{HttpRequest, HttpResponse, http::header::LOCATION, web::Path};
use serde_json::{Value, json};

use super::{body, page::only};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
        origin::own_url,
        query::pairs,
    },
    model::{
        error::{Error, Result},
        image::ID_CHARS_MAX,
        placement::{Facts, Why},
    },
    storage::rules::{self as domain, Tried},
};

const PATH: &str = "/ext/v1/placement-rules";

/// Lists the rules, in their order. There are so few that they have no pages.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest, _: NoBody) -> ApiResult {
    only(&pairs(request.query_string())?, &[])?;
    let rules = domain::list(&state.app.storages, &caller.0).await?;
    let rules: Vec<Value> = rules.iter().map(|rule| rule.to_json()).collect();
    Ok(HttpResponse::Ok().json(json!({"placement_rules": rules, "next": null})))
}

/// Shows one.
pub async fn show(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    let rule = domain::show(&state.app.storages, &caller.0, &id).await?;
    Ok(HttpResponse::Ok().json(json!({"placement_rule": rule.to_json()})))
}

/// Makes one.
pub async fn create(state: Shared, caller: Identified, request: HttpRequest, body: JsonBody) -> ApiResult {
    let rule = domain::create(&state.app.storages, &caller.0, &body.small()?).await?;
    let place = format!("{}{PATH}/{}", own_url(&state.settings, &request), rule.id);
    let shown = json!({"placement_rule": rule.to_json()});
    Ok(HttpResponse::Created().insert_header((LOCATION, place)).json(shown))
}

/// Changes one.
pub async fn change(state: Shared, caller: Identified, id: Path<String>, body: JsonBody) -> ApiResult {
    let rule = domain::change(&state.app.storages, &caller.0, &id, &body.small()?).await?;
    Ok(HttpResponse::Ok().json(json!({"placement_rule": rule.to_json()})))
}

/// Removes one.
pub async fn remove(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::remove(&state.app.storages, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An image that is there, or what one would be.
fn tried(value: &Value) -> Result<Tried> {
    let object = body::object(value)?;
    body::only(object, &["image_id", "image"])?;
    match (object.get("image_id"), object.get("image")) {
        (Some(Value::String(id)), None) if (1..=ID_CHARS_MAX).contains(&id.len()) => {
            Ok(Tried::Image(id.clone()))
        }
        (None, Some(image)) => Facts::parse(image).map(Tried::Facts),
        _ => Err(Error::invalid("Either image_id, the id of an image, or image, an object, is expected.")),
    }
}

/// Says where an image would go, and why.
pub async fn try_out(state: Shared, caller: Identified, body: JsonBody) -> ApiResult {
    let (facts, decision) = domain::try_out(&state.app.storages, &caller.0, tried(&body.small()?)?).await?;
    let (because, rule) = match &decision.why {
        Why::Rule(id) => ("rule", Some(id)),
        Why::Binding => ("binding", None),
        Why::Default => ("default", None),
    };
    let step = |step: &crate::model::placement::Step| json!({"rule_id": step.rule, "store": step.store, "outcome": step.outcome});
    let steps: Vec<Value> = decision.steps.iter().map(step).collect();
    Ok(HttpResponse::Ok().json(json!({
        "store": decision.store,
        "because": because,
        "rule_id": rule,
        "image": facts.to_json(),
        "rules": steps,
    })))
}

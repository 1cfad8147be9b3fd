//! `/v2/images/{id}/members`

use actix_web::{HttpResponse, web::Path};
use serde_json::{Value, json};

use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
    },
    member as domain,
    model::{error::Error, member::Member},
};

fn view(member: &Member) -> Value {
    json!({
        "member_id": member.member,
        "image_id": member.image_id,
        "status": member.status.as_str(),
        "created_at": member.created_at.isotime(),
        "updated_at": member.updated_at.isotime(),
        "schema": "/v2/schemas/member",
    })
}

/// The text of a member of the body that must be a non-empty string.
fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Error> {
    let object = body.as_object().ok_or_else(|| Error::invalid("The request body must be a JSON object."))?;
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).ok_or_else(|| {
        Error::invalid(format!("The body must have a member {name:?} that is a non-empty text."))
    })
}

/// Lists the members.
pub async fn list(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    let members = domain::list(&state.app, &caller.0, &id).await?;
    let members: Vec<Value> = members.iter().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({"members": members, "schema": "/v2/schemas/members"})))
}

/// Adds a project.
pub async fn add(state: Shared, caller: Identified, id: Path<String>, body: JsonBody) -> ApiResult {
    let member = domain::add(&state.app, &caller.0, &id, text(&body.0, "member")?).await?;
    Ok(HttpResponse::Ok().json(view(&member)))
}

/// Shows one membership.
pub async fn show(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (id, project) = path.into_inner();
    let member = domain::show(&state.app, &caller.0, &id, &project).await?;
    Ok(HttpResponse::Ok().json(view(&member)))
}

/// Records the member's answer.
pub async fn set_status(
    state: Shared,
    caller: Identified,
    path: Path<(String, String)>,
    body: JsonBody,
) -> ApiResult {
    let (id, project) = path.into_inner();
    let status = text(&body.0, "status")?;
    let member = domain::set_status(&state.app, &caller.0, &id, &project, status).await?;
    Ok(HttpResponse::Ok().json(view(&member)))
}

/// Removes a project.
pub async fn remove(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (id, project) = path.into_inner();
    domain::remove(&state.app, &caller.0, &id, &project).await?;
    Ok(HttpResponse::NoContent().finish())
}

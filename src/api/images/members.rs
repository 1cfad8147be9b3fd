//! `/v2/images/{id}/members`

use actix_web::{HttpResponse, web::Path};
use serde_json::{Value, json};

use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, NoBody, Shared},
    },
    image::members as domain,
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

/// A member of the body; whether it is a text is judged after the caller's rights, as in Glance.
fn member_of<'a>(body: &'a Value, name: &str) -> Result<&'a Value, Error> {
    let object = body.as_object().ok_or_else(|| Error::invalid("The request body must be a JSON object."))?;
    object.get(name).ok_or_else(|| Error::invalid(format!("The body must have a member {name:?}.")))
}

/// Whether Python takes a value for false.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
    }
}

/// Lists the members.
pub async fn list(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    let members = domain::list(&state.app.images, &caller.0, &id).await?;
    let members: Vec<Value> = members.iter().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({"members": members, "schema": "/v2/schemas/members"})))
}

/// Adds a project.
pub async fn add(state: Shared, caller: Identified, id: Path<String>, body: JsonBody) -> ApiResult {
    let body = body.small()?;
    let project = member_of(&body, "member")?;
    if is_blank(project) {
        return Err(Error::invalid("The member must be a non-empty text.").into());
    }
    let member = domain::add(&state.app.images, &caller.0, &id, project.as_str()).await?;
    Ok(HttpResponse::Ok().json(view(&member)))
}

/// Shows one membership.
pub async fn show(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (id, project) = path.into_inner();
    let member = domain::show(&state.app.images, &caller.0, &id, &project).await?;
    Ok(HttpResponse::Ok().json(view(&member)))
}

/// Records the member's answer.
pub async fn set_status(
    state: Shared,
    caller: Identified,
    path: Path<(String, String)>,
    body: JsonBody,
) -> ApiResult {
    let body = body.small()?;
    let (id, project) = path.into_inner();
    let status = member_of(&body, "status")?.as_str().unwrap_or_default();
    let member = domain::set_status(&state.app.images, &caller.0, &id, &project, status).await?;
    Ok(HttpResponse::Ok().json(view(&member)))
}

/// Removes a project.
pub async fn remove(state: Shared, caller: Identified, path: Path<(String, String)>, _: NoBody) -> ApiResult {
    let (id, project) = path.into_inner();
    domain::remove(&state.app.images, &caller.0, &id, &project).await?;
    Ok(HttpResponse::NoContent().finish())
}

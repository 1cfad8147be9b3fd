//! `POST /ext/v1/images/{id}/attach` and `…/detach`: makes a project an accepted member of an image, and undoes it.

use actix_web::{HttpResponse, web::Path};
use serde_json::{Value, json};

use super::body::{object, only, text};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, Shared},
    },
    image::attach as domain,
    model::error::{Error, Result},
};

fn project(value: &Value) -> Result<String> {
    let object = object(value)?;
    only(object, &["project_id"])?;
    let project = text(object, "project_id")?;
    Ok(project.ok_or_else(|| Error::invalid("project_id is needed."))?.to_owned())
}

/// Gives an image to a project.
pub async fn attach(state: Shared, caller: Identified, id: Path<String>, body: JsonBody) -> ApiResult {
    let project = project(&body.small()?)?;
    let member = domain::attach(&state.app.images, &caller.0, &id, &project).await?;
    Ok(HttpResponse::Ok().json(json!({
        "image_id": member.image_id,
        "project_id": member.member,
        "status": member.status.as_str(),
    })))
}

/// Takes it back.
pub async fn detach(state: Shared, caller: Identified, id: Path<String>, body: JsonBody) -> ApiResult {
    let project = project(&body.small()?)?;
    domain::detach(&state.app.images, &caller.0, &id, &project).await?;
    Ok(HttpResponse::NoContent().finish())
}

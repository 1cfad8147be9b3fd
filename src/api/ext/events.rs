//! `GET /ext/v1/images/{id}/events`: what happened to an image.

use actix_web::{HttpRequest, HttpResponse, web::Path};
use serde_json::{Value, json};

use super::page::{Asked, link_after};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, Shared},
        query::pairs,
    },
    db::events::Recorded,
    image::history,
    model::{
        error::{Error, Result},
        time::Timestamp,
    },
};

/// One event, as the owner of the image sees it.
fn view(event: &Recorded) -> Result<Value> {
    let changes: Value = serde_json::from_str(&event.changes).map_err(|e| Error::internal("an event", e))?;
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(json!({
        "id": event.sequence.to_string(),
        "type": event.kind,
        "image_id": event.image_id,
        "project_id": event.project_id,
        "user_id": event.user_id,
        "request_id": text(&event.request_id),
        "changes": changes,
        "created_at": Timestamp(event.created_at).isotime(),
    }))
}

/// Lists them, oldest first.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest, id: Path<String>) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &[])?;
    let after = match &asked.marker {
        None => 0,
        Some(marker) => marker
            .parse()
            .map_err(|_| Error::invalid(format!("Invalid marker: {marker:?} is not the id of an event.")))?,
    };
    let events = history::of_image(&state.app.images, &caller.0, &id, after, asked.limit).await?;
    let last = events.last().filter(|_| events.len() as u64 == u64::from(asked.limit));
    let path = format!("/ext/v1/images/{id}/events");
    let next = last.map(|last| link_after(&path, &asked, &last.sequence.to_string()));
    let events = events.iter().map(view).collect::<Result<Vec<_>>>()?;
    Ok(HttpResponse::Ok().json(json!({"events": events, "next": next})))
}

//! `/ext/v1/trash`: deleted images that can be restored.

use actix_web::{HttpRequest, HttpResponse, web::Path};
use serde_json::{Value, json};

use super::page::{Asked, next_page};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, NoBody, Shared},
        query::pairs,
    },
    db::trash::Binned,
    image::bin as domain,
    model::{error::Error, time::Timestamp},
};

const PATH: &str = "/ext/v1/trash";

fn view(binned: &Binned) -> Value {
    json!({
        "id": binned.image.id,
        "name": binned.image.name,
        "project_id": binned.image.owner,
        "size": binned.image.size,
        "deleted_at": binned.deleted_at.isotime(),
        "expires_at": binned.expires_at.isotime(),
    })
}

/// Lists the images in the trash.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &[])?;
    let after = match &asked.marker {
        None => None,
        Some(marker) => {
            let read = |(time, id): (&str, &str)| Some((Timestamp(time.parse().ok()?), id.to_owned()));
            let found = marker.split_once(':').and_then(read).filter(|(_, id)| !id.contains('\0'));
            let wrong =
                || Error::invalid(format!("Invalid marker: {marker:?} is not one that a page returned."));
            Some(found.ok_or_else(wrong)?)
        }
    };
    let found = domain::list(&state.app.images, &caller.0, after, asked.limit).await?;
    let marker = |binned: &Binned| format!("{}:{}", binned.deleted_at.0, binned.image.id);
    let next = next_page(PATH, &asked, &found, marker);
    let images: Vec<Value> = found.iter().map(view).collect();
    Ok(HttpResponse::Ok().json(json!({"images": images, "next": next})))
}

/// Brings one back.
pub async fn restore(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::restore(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes one for good.
pub async fn purge(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    domain::purge(&state.app.images, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

//! `POST /v2/images`

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderName, LOCATION},
};
use serde_json::Value;

use super::view;
use crate::{
    access,
    api::{
        error::ApiResult,
        extract::{Identified, JsonBody, Shared},
        origin::own_url,
    },
    image::create as domain,
    model::{error::Error, new_image::NewImage},
};

/// Creates an image record.
pub async fn create(state: Shared, caller: Identified, request: HttpRequest, body: JsonBody) -> ApiResult {
    access::mutating(&caller.0)?;
    let schema = state.app.images.schema.clone();
    let read = move |json: &Value| match json.as_object() {
        Some(object) => NewImage::parse(object, &schema),
        None => Err(Error::invalid("The request body must be a JSON object.")),
    };
    let new = body.read(read).await?;
    let image = domain::create(&state.app.images, &caller.0, new).await?;
    let mut response = HttpResponse::Created();
    response
        .insert_header((LOCATION, format!("{}/v2/images/{}", own_url(&state.settings, &request), image.id)));
    let methods = &state.app.images.settings.enabled_import_methods;
    if !methods.is_empty() {
        let name = HeaderName::from_static("openstack-image-import-methods");
        response.insert_header((name, methods.join(",")));
    }
    if state.app.stores.multiple {
        let ids: Vec<String> = state.app.stores.iter().map(|named| named.id).collect();
        response.insert_header((HeaderName::from_static("openstack-image-store-ids"), ids.join(",")));
    }
    Ok(response.json(view::image(&state, &caller.0, &image)))
}

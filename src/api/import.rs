//! `PUT /v2/images/{id}/stage`, `POST /v2/images/{id}/import` and `GET /v2/info/import`.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::HeaderName,
    web::{Path, Payload, ServiceConfig, get, post, put},
};
use serde_json::json;

use super::{
    error::ApiResult,
    extract::{Identified, JsonBody, NoBody, Shared},
    images::data,
    origin::base_url,
    pace::Pace,
    resource::resource,
    token::user_token,
};
use crate::{
    import::{
        asked::{Asked, Method},
        remote::{Service, endpoint},
        request, stage as domain,
    },
    model::error::Error,
};

/// The routes of imports.
pub fn configure(config: &mut ServiceConfig) {
    config
        .service(resource("/v2/images/{id}/stage", "PUT").route(put().to(stage)))
        .service(resource("/v2/images/{id}/import", "POST").route(post().to(start)))
        .service(resource("/v2/info/import", "GET").route(get().to(info)));
}

/// Receives data that an import will use.
async fn stage(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> ApiResult {
    let methods = &state.app.images.settings.enabled_import_methods;
    if !methods.iter().any(|method| method == "glance-direct") {
        return Err(Error::NotFound("The import method glance-direct is not enabled here.".to_owned()).into());
    }
    data::check_media(&request)?;
    let declared = data::declared_size(&request)?;
    let app = std::sync::Arc::clone(&state.app);
    let pace = Pace::new(state.settings.client_patience);
    data::receive((payload, pace), |pieces| async move {
        domain::stage(&app.imports, &caller.0, &id, declared, pieces).await
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Starts an import.
async fn start(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    body: JsonBody,
) -> ApiResult {
    let asked = Asked::parse(&body.small()?, &state.app.images.settings.enabled_import_methods)?;
    let header = data::text(&request, &HeaderName::from_static("x-image-meta-store")).map(str::to_owned);
    let remote = match asked.method {
        Method::GlanceDownload => remote(&state, &request, &asked).await?,
        _ => None,
    };
    request::start(&state.app.imports, &caller.0, &id, asked, header, remote).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// The image service from which to take an image, with the caller's own token.
async fn remote(state: &Shared, request: &HttpRequest, asked: &Asked) -> Result<Option<Service>, Error> {
    let (region, interface) = asked.remote_service();
    let Some(token) = user_token(request.headers()) else { return Ok(None) };
    let catalog = match state.identity.catalog(&token, &base_url(&state.settings, request)).await {
        Ok(catalog) => catalog,
        Err(error) => {
            tracing::warn!(%error, "no catalogue for glance-download");
            return Ok(None);
        }
    };
    let found = endpoint(&catalog, region, interface);
    Ok(found.map(|endpoint| Service { endpoint, token }))
}

/// The import methods.
async fn info(state: Shared, _caller: Identified, _: NoBody) -> ApiResult {
    Ok(HttpResponse::Ok().json(json!({
        "import-methods": {
            "description": "Import methods available.",
            "type": "array",
            "value": state.app.images.settings.enabled_import_methods,
        }
    })))
}

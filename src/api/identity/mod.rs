//! The built-in Keystone v3 API: `/identity`, `/identity/v3` and what is below.

mod auth;
mod client;
mod discovery;
pub mod error;
mod extract;
mod grants;
mod items;
mod limits;
mod resources;
mod users;
mod view;

use actix_web::{
    Error as ActixError, ResponseError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{HeaderValue, VARY, WWW_AUTHENTICATE},
    },
    middleware::{Next, from_fn},
    web,
};

use self::error::ApiError;
pub use self::extract::base_url;
use crate::{identity::Identity, identity::builtin::Builtin};

/// Mounts the API at `/identity`, where [`Settings::prefix`](crate::identity::builtin::Settings) has it unless
/// told otherwise. The application must hold a `web::Data<Builtin>`.
pub fn configure(cfg: &mut web::ServiceConfig) {
    configure_at(cfg, "/identity");
}

/// Mounts the API at `prefix` (leading slash, no trailing one), which must be the one in the settings.
pub fn configure_at(cfg: &mut web::ServiceConfig, prefix: &str) {
    cfg.service(
        web::scope(prefix)
            .wrap(from_fn(headers))
            .app_data(
                web::PathConfig::default().error_handler(|_, _| ApiError::from(error::nothing_here()).into()),
            )
            .route("", web::get().to(discovery::versions))
            .route("/", web::get().to(discovery::versions))
            .route("/v3", web::get().to(discovery::version))
            .route("/v3/", web::get().to(discovery::version))
            .service(web::scope("/v3").configure(v3))
            .default_service(web::to(unknown)),
    );
}

fn v3(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::resource("/auth/tokens")
            .route(web::post().to(auth::issue))
            .route(web::get().to(auth::show))
            .route(web::head().to(auth::show))
            .route(web::delete().to(auth::revoke)),
    )
    .route("/auth/catalog", web::get().to(auth::catalog))
    .route("/auth/projects", web::get().to(auth::projects))
    .route("/auth/domains", web::get().to(auth::domains))
    .route("/auth/system", web::get().to(auth::system))
    .configure(users::routes)
    .configure(grants::routes)
    .configure(limits::routes)
    .configure(resources::domain::routes)
    .configure(resources::project::routes)
    .configure(resources::user::routes)
    .configure(resources::role::routes)
    .configure(resources::service::routes)
    .configure(resources::endpoint::routes)
    .configure(resources::region::routes);
}

async fn unknown() -> error::Answer {
    Err(error::nothing_here().into())
}

/// `Vary` on every answer, and the challenge on every 401.
async fn headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, ActixError> {
    let builtin = request.app_data::<web::Data<Builtin>>().cloned();
    let challenge = builtin.and_then(|b| b.challenge(&base_url(request.request(), &b.settings)));
    // No id has a NUL in it, and not every database can be asked for one.
    if request.path().contains("%00") {
        let response = ApiError::from(error::nothing_here()).error_response();
        return Ok(request.into_response(response).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("X-Auth-Token"));
    let challenge = challenge.and_then(|text| HeaderValue::from_str(&text).ok());
    if let (StatusCode::UNAUTHORIZED, Some(challenge)) = (status, challenge) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    Ok(response.map_into_left_body())
}

#[cfg(test)]
mod tests;

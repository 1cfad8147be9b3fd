//! Responses while the database is not available yet: `/healthcheck` reports it, everything else asks to retry.

use actix_server::ServerBuilder;
use actix_web::{
    App, HttpRequest,
    web::{self, Data, ServiceConfig},
};

use super::{
    Listener, Listening,
    error::{ApiError, ApiResult},
    health::{Health, route},
    layers::outer_layers,
    listen::serve,
};
use crate::model::error::Error;

/// Serves that on a listener.
///
/// # Errors
/// The operating system's.
pub fn listen_without_database(
    builder: ServerBuilder,
    listener: Listener,
    listening: Listening,
    health: Data<Health>,
) -> std::io::Result<ServerBuilder> {
    let configure = move |config: &mut ServiceConfig| {
        config.app_data(health.clone()).service(web::resource(route::PATH).to(check));
    };
    serve(builder, listener, listening, move |gzip| {
        outer_layers(App::new().configure(configure.clone()).default_service(web::to(try_again)), gzip)
    })
}

async fn check(health: Data<Health>, request: HttpRequest) -> ApiResult {
    route::answer(&health, &request, false, None).await
}

async fn try_again() -> ApiResult {
    Err(ApiError::from(Error::Unavailable("The database is not available; try again.".to_owned())))
}

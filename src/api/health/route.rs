//! The one route of `/healthcheck`.

use actix_web::{
    HttpRequest,
    web::{self, ServiceConfig},
};

use super::Health;
use crate::{
    api::{
        connection::Exchange,
        error::{ApiResult, not_found},
        extract::Shared,
    },
    store::Stores,
};

/// Where it is.
pub const PATH: &str = "/healthcheck";

/// The route.
pub fn configure(config: &mut ServiceConfig) {
    config.service(web::resource(PATH).to(check));
}

/// Answers 200, or 503 with what is wrong.
async fn check(state: Shared, request: HttpRequest) -> ApiResult {
    answer(&state.health, &request, state.app.db.is_there(), Some(&state.app.images.stores)).await
}

/// The health of the server, with or without its database and stores.
///
/// # Errors
/// As for a path that is not there, where the question is none of the service's business.
pub async fn answer(
    health: &Health,
    request: &HttpRequest,
    has_database: bool,
    stores: Option<&Stores>,
) -> ApiResult {
    let port = request.conn_data::<Exchange>().map_or(0, |exchange| exchange.address().port());
    match health.answer(request, port, has_database, stores).await {
        Some(answer) => Ok(answer),
        None => Err(not_found(request.clone()).await),
    }
}

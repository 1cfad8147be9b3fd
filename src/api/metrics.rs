//! `/metrics`: the figures of this process for Prometheus, at a place of its own or for chosen networks, and for nobody
//! else.

use std::io;

use actix_server::ServerBuilder;
use actix_web::{
    App, HttpRequest, HttpResponse,
    http::Method,
    web::{self, Data, ServiceConfig},
};

use super::{
    State,
    error::{ApiResult, not_found},
    extract::Shared,
    figures::count,
    layers::outer_layers,
    listen::{Listening, serve},
    listener::Listener,
};
use crate::telemetry;

/// Where it is.
pub const PATH: &str = "/metrics";
/// The text format in which they are written.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The route, for `[vitrine] metrics_networks`.
pub fn configure(config: &mut ServiceConfig) {
    config.route(PATH, web::to(of_networks));
}

/// Serves nothing but that on a listener, to everybody who can reach it.
///
/// # Errors
/// The operating system's.
pub fn listen_for_metrics(
    builder: ServerBuilder,
    listener: Listener,
    listening: Listening,
    state: Data<State>,
) -> io::Result<ServerBuilder> {
    let configure = move |config: &mut ServiceConfig| {
        config.app_data(state.clone()).route(PATH, web::to(scrape));
    };
    serve(builder, listener, listening, move |gzip| {
        let app = App::new().configure(configure.clone()).default_service(web::to(nowhere));
        outer_layers(app, gzip)
    })
}

async fn nowhere(request: HttpRequest) -> ApiResult {
    Err(not_found(request).await)
}

async fn of_networks(state: Shared, request: HttpRequest) -> ApiResult {
    let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
    let networks = &state.settings.metrics_networks;
    if !peer.is_some_and(|peer| networks.iter().any(|network| network.contains(&peer))) {
        return nowhere(request).await;
    }
    scrape(state, request).await
}

async fn scrape(state: Shared, request: HttpRequest) -> ApiResult {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return nowhere(request).await;
    }
    let app = &state.app;
    let figures = telemetry::metrics().state();
    let (open, served, limit) = state.gate.occupancy();
    figures.connections(open, served, limit);
    let (under_way, limit) = app.blobs.transfers.occupancy();
    figures.transfers(under_way, limit);
    let (in_use, waiting, limit) = app.db.occupancy();
    figures.database(in_use, waiting, limit, app.db.is_there());
    count(app, &state.counted, state.settings.metrics_projects).await;
    Ok(HttpResponse::Ok().insert_header(("content-type", FORMAT)).body(telemetry::metrics().text()))
}

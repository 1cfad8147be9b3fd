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
use crate::{model::error::Error, telemetry};

/// Where it is.
pub const PATH: &str = "/metrics";
/// The text format in which they are written.
const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What proxies add to what they pass on.
const PASSED_ON: [&str; 3] = ["forwarded", "x-forwarded-for", "via"];

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
    // Whoever passes on what others ask for is near; they need not be.
    let is_passed_on = PASSED_ON.iter().any(|name| request.headers().contains_key(*name));
    // A socket in the file system has no port.
    let peer = request.peer_addr().filter(|peer| peer.port() > 0).map(|peer| peer.ip().to_canonical());
    let networks = &state.settings.metrics_networks;
    match peer.is_some_and(|peer| networks.iter().any(|network| network.contains(&peer))) {
        true if !is_passed_on => scrape(state, request).await,
        _ => nowhere(request).await,
    }
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
    // What is known of the process is read from files.
    let text = telemetry::blocking(|| telemetry::metrics().text()).await;
    let text = text.map_err(|fault| Error::internal("the metrics", fault))?;
    Ok(HttpResponse::Ok().insert_header(("content-type", FORMAT)).body(text))
}

//! From a listener to the routes.

use std::{io, net::TcpListener, time::Duration};

use actix_http::{HttpService, Protocol};
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    App, Error as ActixError,
    dev::{AppConfig, Extensions},
    http::KeepAlive,
    web::ServiceConfig,
};
use tokio::net::TcpStream;

use super::{connection::Connection, layers::layers};

/// How long a client may take for the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(60);
/// How long a client may take to close its side when the server has closed its own.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// Serves `configure`'s routes within [`layers`] on a listener.
///
/// # Errors
/// The operating system's.
pub fn listen(
    builder: ServerBuilder,
    listener: TcpListener,
    keep_alive: KeepAlive,
    gzip: bool,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<ServerBuilder> {
    let stopping = builder.graceful_shutdown_signal();
    let address = listener.local_addr()?;
    builder.listen("images", listener, move || {
        let app = layers(App::new().configure(configure.clone()), gzip);
        let app = app.into_factory().map_err(|error: ActixError| error.error_response());
        let stopping = stopping.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(keep_alive)
            .client_request_timeout(HEAD_PATIENCE)
            .client_disconnect_timeout(CLOSE_PATIENCE)
            .local_addr(address)
            .on_connect_ext(|connection: &Connection, extensions: &mut Extensions| {
                extensions.insert(connection.exchange());
            })
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |socket: TcpStream| {
            let peer = socket.peer_addr().ok();
            std::future::ready(Ok((Connection::new(socket, address), Protocol::Http1, peer)))
        })
        .and_then(http)
    })
}

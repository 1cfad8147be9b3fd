//! From a listening socket to the routes.

use std::{
    future::poll_fn,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use actix_http::{HttpService, Protocol, error::DispatchError};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    App, Error as ActixError,
    body::MessageBody,
    dev::{AppConfig, Extensions, ServiceFactory, ServiceRequest, ServiceResponse},
    http::KeepAlive,
    web::ServiceConfig,
};
use socket2::SockRef;
use tokio::net::{TcpStream, UnixStream};

use super::{
    connection::{Connection, Patience},
    gate::Gate,
    layers::layers,
    listener::{Ear, Listener},
    proxied,
    socket::Socket,
    tls::Tls,
    wire::Wire,
};

/// How long a client may take to close its side when the server has closed its own.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
/// The framework answers a slow first request in words before we close its connection.
const WORDS_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that the kernel keeps for a client besides those that are on their way to it. Without a bound it takes
/// megabytes off us for each client that does not read; a fast client is sent as much as the network holds all the same.
const UNSENT_BYTES: u32 = 256 * 1024;

/// Has the connections that a listener accepts from now on take no more than [`UNSENT_BYTES`] ahead.
fn bound_unsent(listener: &TcpListener) -> io::Result<()> {
    SockRef::from(listener).set_tcp_notsent_lowat(UNSENT_BYTES)
}

/// How connections are treated.
#[derive(Clone)]
pub struct Listening {
    /// Limits on connections.
    pub gate: Arc<Gate>,
    /// Whether a connection may carry several requests.
    pub keep_alive: KeepAlive,
    /// Time limit for the head of a request.
    pub head_patience: Duration,
    /// Time limit for a client that does not read; `None` is unlimited.
    pub data_patience: Option<Duration>,
    /// Whether responses are compressed for clients that accept it.
    pub gzip: bool,
    /// `[vitrine] trusted_proxies`
    pub proxies: Arc<[ipnet::IpNet]>,
    /// `[vitrine] proxy_protocol`: whether these say first who their client is.
    pub proxy_protocol: bool,
}

/// Serves `configure`'s routes within [`layers`] on a listener.
///
/// # Errors
/// The operating system's.
pub fn listen(
    builder: ServerBuilder,
    listener: Listener,
    listening: Listening,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<ServerBuilder> {
    serve(builder, listener, listening, move |gzip| layers(App::new().configure(configure.clone()), gzip))
}

/// Serves the applications that `app` creates on a listener; `app` is told whether responses are compressed.
///
/// # Errors
/// The operating system's.
pub fn serve<T, B>(
    builder: ServerBuilder,
    listener: Listener,
    listening: Listening,
    app: impl Fn(bool) -> App<T> + Clone + Send + 'static,
) -> io::Result<ServerBuilder>
where
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = ActixError,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let stopping = builder.graceful_shutdown_signal();
    let address = listener.address()?;
    let door = Arc::new(Door { address, tls: listener.tls, stopping, listening });
    match listener.ear {
        Ear::Tcp(socket) => {
            bound_unsent(&socket)?;
            builder.listen("images", socket, move || {
                services::<TcpStream, _, _, _>(Arc::clone(&door), app.clone())
            })
        }
        Ear::Unix(socket) => builder.listen_uds("images", socket, move || {
            services::<UnixStream, _, _, _>(Arc::clone(&door), app.clone())
        }),
    }
}

/// What connections to one listener have in common.
struct Door {
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    stopping: GracefulShutdownSignal,
    listening: Listening,
}

/// Serves the connections of one worker.
fn services<S, F, T, B>(door: Arc<Door>, app: F) -> impl actix_service::ServiceFactory<S, Config = ()>
where
    S: Into<Socket> + 'static,
    F: Fn(bool) -> App<T>,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = ActixError,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let Listening { keep_alive, head_patience, gzip, .. } = door.listening;
    let app = app(gzip).into_factory().map_err(|error: ActixError| error.error_response());
    let stopping = door.stopping.clone();
    let http = HttpService::build()
        .graceful_shutdown_signal(move || {
            let stopping = stopping.clone();
            async move { stopping.notified().await }
        })
        .keep_alive(keep_alive)
        .client_request_timeout(head_patience)
        .client_disconnect_timeout(CLOSE_PATIENCE)
        .local_addr(door.address)
        .on_connect_ext(|connection: &Connection, extensions: &mut Extensions| {
            extensions.insert(connection.exchange());
        })
        .finish(map_config(app, |()| AppConfig::default()));
    fn_service(move |socket: S| {
        let (door, socket) = (Arc::clone(&door), socket.into());
        async move {
            let (connection, peer) = door.admit(socket).await?;
            Ok::<_, DispatchError>((connection, Protocol::Http1, Some(peer)))
        }
    })
    .and_then(http)
}

impl Door {
    /// Lets a client in, and says who it is.
    async fn admit(&self, socket: Socket) -> io::Result<(Connection, SocketAddr)> {
        let Listening { gate, head_patience, data_patience, proxies, proxy_protocol, .. } = &self.listening;
        // Whoever cannot be let in hears nothing: to listen to him is what cannot be done.
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let mut client = socket.peer()?;
        let mut pass = gate.enter(client.ip()).ok_or_else(refused)?;
        let peer = client.ip().to_canonical();
        let is_proxy = proxies.iter().any(|network| network.contains(&peer));
        if *proxy_protocol && is_proxy {
            let mut told = std::pin::pin!(tokio::time::timeout(*head_patience, proxied::read(&socket)));
            let told = poll_fn(|context| match pass.is_dismissed(context) {
                true => Poll::Ready(Err(refused())),
                false => told.as_mut().poll(context).map(|told| told.map_err(io::Error::other)?),
            });
            let told =
                told.await.inspect_err(|error| tracing::info!(%error, "a proxy is not listened to"))?;
            if let Some(address) = told {
                client = address;
                pass = gate.enter(address.ip()).ok_or_else(refused)?;
            }
        }
        let ssl = self.tls.as_ref().map(|tls| tls.accept()).transpose().map_err(io::Error::other);
        let wire = ssl.and_then(|ssl| Wire::new(socket, ssl));
        let wire = wire.inspect_err(|error| tracing::error!(%error, "a connection cannot be served"))?;
        let patience = Patience { head: head_patience.saturating_add(WORDS_PATIENCE), data: *data_patience };
        Ok((Connection::new(wire, self.address, pass, patience), client))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::{io::Write, net::TcpStream};

    use super::*;

    /// How many bytes the kernel takes for a client that reads nothing.
    fn taken(listener: &TcpListener) -> usize {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut served, _) = listener.accept().unwrap();
        served.set_nonblocking(true).unwrap();
        let (chunk, mut taken) = (vec![0; 64 * 1024], 0);
        while let Ok(written) = served.write(&chunk) {
            taken += written;
        }
        drop(client);
        taken
    }

    /// Proves that the kernel takes little for a client that does not read: what it receives ahead, and as much unsent.
    #[test]
    fn sec_79_the_kernel_keeps_little_for_a_stalled_client() {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.set_recv_buffer_size(64 * 1024).unwrap();
        listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(8).unwrap();
        let listener = TcpListener::from(listener);
        bound_unsent(&listener).unwrap();
        let bounded = taken(&listener);
        assert!(bounded < 1024 * 1024, "{bounded} bytes were taken");
    }
}

//! The HTTP server, on the sockets that are open.

use std::{io, net::SocketAddr, sync::Arc};

use actix_web::{
    dev,
    http::KeepAlive,
    web::{Data, ServiceConfig},
};

use super::{error::StartError, limits, listeners, options::Options};
use crate::{
    api::{self, Ear, Listener, SocketFile, Tls},
    identity::builtin::Builtin,
};

/// Where and how to serve.
pub struct Http {
    /// Where the API is; at least one.
    pub listeners: Vec<Listener>,
    /// Where figures are, and nothing else.
    scraped: Vec<Listener>,
    workers: usize,
    keep_alive: bool,
    bounds: api::Bounds,
}

impl Http {
    /// Opens the sockets.
    ///
    /// # Errors
    /// [`StartError`], which says what is wrong and what to do.
    pub fn open(options: &Options, bounds: api::Bounds) -> Result<Self, StartError> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let (workers, keep_alive) = (options.workers.unwrap_or_else(processors), options.keep_alive);
        let listeners = listeners::open(options)?;
        let scraped = listeners::open_for_metrics(options, &listeners)?;
        Ok(Self { listeners, scraped, workers, keep_alive, bounds })
    }

    /// The first address in the network; one of a socket in the file system where there is no other.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        let addresses = self.listeners.iter().map(Listener::address).collect::<io::Result<Vec<_>>>()?;
        let first = addresses.iter().find(|address| address.port() > 0).or(addresses.first());
        first.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// What is spoken there.
    pub fn scheme(&self) -> &'static str {
        let first = self.listeners.iter().find(|listener| matches!(listener.ear, Ear::Tcp(_)));
        if first.is_some_and(|listener| listener.tls.is_some()) { "https" } else { "http" }
    }

    /// The certificate, if there is one.
    pub fn tls(&self) -> Option<Arc<Tls>> {
        self.listeners.iter().find_map(|listener| listener.tls.clone())
    }

    /// The sockets of the API once more.
    ///
    /// # Errors
    /// The operating system's.
    pub fn ears(&self) -> io::Result<Vec<Listener>> {
        self.listeners.iter().map(Listener::try_clone).collect()
    }

    /// The files of its sockets, those for figures included.
    pub fn files(&self) -> Vec<SocketFile> {
        self.listeners.iter().chain(&self.scraped).filter_map(|listener| listener.file.clone()).collect()
    }

    /// Starts to serve.
    ///
    /// # Errors
    /// The operating system's.
    pub fn start(self, state: Data<api::State>, builtin: Option<Builtin>) -> io::Result<dev::Server> {
        let Self { listeners, scraped, workers, keep_alive, bounds } = self;
        let http = dev::Server::build()
            .shutdown_timeout(state.settings.shutdown_seconds.unwrap_or(u64::MAX))
            .workers(workers)
            .worker_max_blocking_threads(512)
            .max_concurrent_connections(limits::of_worker(bounds, workers))
            .disable_signals();
        let listening = api::Listening {
            gate: Arc::clone(&state.gate),
            keep_alive: if keep_alive { KeepAlive::default() } else { KeepAlive::Disabled },
            head_patience: state.settings.request_patience,
            data_patience: state.settings.client_patience,
            gzip: state.settings.gzip,
            proxies: state.settings.trusted_proxies.clone().into(),
            proxy_protocol: state.settings.proxy_protocol,
        };
        let identity = builtin.map(Data::new);
        let shared = state.clone();
        let routes = move |config: &mut ServiceConfig| {
            config.app_data(shared.clone());
            if let Some(identity) = &identity {
                config.app_data(identity.clone());
            }
            shared.mounts.configure(config);
        };
        let http = listeners.into_iter().try_fold(http, |http, listener| {
            api::listen(http, listener, listening.clone(), routes.clone())
        })?;
        let http = scraped.into_iter().try_fold(http, |http, listener| {
            let listening = api::Listening { gate: api::Gate::new(limits::SCRAPERS), ..listening.clone() };
            api::listen_for_metrics(http, listener, listening, state.clone())
        })?;
        Ok(http.run())
    }
}

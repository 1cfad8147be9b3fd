//! HTTP: the only room that uses actix-web. Turns requests into calls of the domain, and results into responses.
//!
//! Contains no rules about images. `map.rs` maps URL prefixes to APIs, `routes.rs` has the routes of the Image API; a
//! handler extracts, calls one use case and renders.

mod absent;
mod access_log;
mod authenticate;
mod cache;
mod compress;
mod connection;
mod cors;
mod error;
mod ext;
pub(crate) mod extract;
mod figures;
mod gate;
pub mod health;
pub mod identity;
mod images;
mod import;
mod layers;
mod listen;
mod listener;
mod map;
mod metadefs;
mod metrics;
mod mount;
mod negotiate;
mod origin;
mod pace;
mod proxied;
pub(crate) mod query;
pub(crate) mod refused;
mod request_info;
mod resource;
mod routes;
mod schemas;
mod sending;
mod settings;
mod socket;
mod status;
mod stores;
mod tasks;
mod tls;
mod token;
mod traced;
mod usage;
mod versions;
mod wire;

use std::sync::Arc;

use crate::{app::App, identity::Identity};

pub use absent::listen_without_database;
pub(crate) use ext::usage_table;
pub use figures::Counted;
pub use gate::{Bounds, Gate};
pub(crate) use images::rendered;
pub use listen::{Listening, listen};
pub use listener::{Ear, Endpoint, Listener, SocketFile};
pub use map::mounts;
pub use metrics::listen_for_metrics;
pub use mount::Mounts;
pub use request_info::RequestInfo;
pub use settings::{ByProxy, Cors, Settings};
pub use tls::{Tls, TlsSettings};

/// The state available to every handler.
pub struct State {
    /// The domain.
    pub app: Arc<App>,
    /// The identity service.
    pub identity: Arc<dyn Identity>,
    /// The operator's settings about HTTP.
    pub settings: Settings,
    /// The mounts.
    pub mounts: Mounts,
    /// The connections.
    pub gate: Arc<Gate>,
    /// The figures of the database.
    pub counted: Counted,
    /// The health of the server.
    pub health: health::Health,
}

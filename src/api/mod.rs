//! HTTP: the only room that knows actix-web. Turns requests into calls of the domain and answers into HTTP.
//!
//! Holds no rule about images. `map.rs` is the first page of the URL map, `routes.rs` the next; a handler extracts, calls
//! one use case and renders.

mod access_log;
mod authenticate;
mod cache;
mod compress;
mod connection;
mod cors;
mod error;
mod extract;
mod health;
pub mod identity;
mod images;
mod import;
mod layers;
mod listen;
mod map;
mod metadefs;
mod mount;
mod negotiate;
mod origin;
mod query;
mod request_info;
mod resource;
mod routes;
mod schemas;
mod status;
mod stores;
mod tasks;
mod token;
mod usage;
mod versions;

use std::sync::Arc;

use crate::{app::App, identity::Identity, model::list::PageLimits};

pub use cors::Cors;
pub use listen::listen;
pub use map::mounts;
pub use mount::Mounts;
pub use request_info::RequestInfo;

/// The operator's settings about HTTP; names and defaults are Glance's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `public_endpoint`: base of the links in version documents.
    pub public_endpoint: Option<String>,
    /// `limit_param_default` and `api_limit_max`
    pub page: PageLimits,
    /// `max_request_id_length`; 0 is unlimited.
    pub max_request_id_length: usize,
    /// `allow_anonymous_access`
    pub allow_anonymous_access: bool,
    /// Whether `image_cache_dir` is set: decides which versions are announced.
    pub image_cache: bool,
    /// Whether the calls of earlier releases that manage the cache are there (flavours with `cachemanagement`).
    pub cache_management: bool,
    /// `[oslo_middleware] enable_proxy_headers_parsing`
    pub enable_proxy_headers_parsing: bool,
    /// `[vitrine] gzip`: answers are compressed for clients that ask for it.
    pub gzip: bool,
    /// `[cors]`
    pub cors: Cors,
    /// `[healthcheck] disable_by_file_path`: while it exists, `/healthcheck` answers 503.
    pub healthcheck_disable_file: Option<std::path::PathBuf>,
    /// Seconds that a stop waits for requests under way.
    pub shutdown_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_endpoint: None,
            page: PageLimits { default: 25, max: 1000 },
            max_request_id_length: 64,
            allow_anonymous_access: false,
            image_cache: false,
            cache_management: false,
            enable_proxy_headers_parsing: false,
            gzip: false,
            cors: Cors::default(),
            healthcheck_disable_file: Some("/etc/glance/healthcheck_disable".into()),
            shutdown_seconds: 60,
        }
    }
}

/// What every handler can reach.
pub struct State {
    /// The domain.
    pub app: Arc<App>,
    /// Who is calling.
    pub identity: Arc<dyn Identity>,
    /// The operator's settings about HTTP.
    pub settings: Settings,
    /// What hangs where.
    pub mounts: Mounts,
}

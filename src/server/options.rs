//! The options of `serve`.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
};

use super::error::StartError;
use crate::{
    access::protection::Protections,
    api,
    blob::transfers,
    cache, config, db,
    identity::{Identity, builtin, limits::LimitSource},
    image, import, key_manager, policy,
    telemetry::trace,
    usage, work,
};

/// The identity service.
#[derive(Clone)]
pub enum IdentityChoice {
    /// The one that Vitrine brings along, at `/identity/v3`.
    Builtin(builtin::Settings),
    /// None: every caller is an admin without a project.
    Nobody,
    /// One that the embedder brings along; tests do.
    Given(Arc<dyn Identity>),
}

/// Where the limits of projects come from (`use_keystone_limits`).
#[derive(Clone, Default)]
pub enum LimitsChoice {
    /// From nowhere: nothing is limited.
    #[default]
    Nowhere,
    /// From the built-in identity, for this region.
    Builtin(String),
    /// From another source.
    Given(Arc<dyn LimitSource>),
}

/// A configuration as it was read, and as settings.
pub type Configuration = Result<(Arc<config::Loaded>, config::Config), StartError>;

/// The configuration with which a server was started, and the way to read it again.
#[derive(Clone)]
pub struct Reread {
    /// As it was read.
    pub started: Arc<config::Loaded>,
    /// Whether a hangup has come before the server could obey it.
    pub pending: Arc<AtomicBool>,
    /// Reads it again, as it is now.
    pub again: Arc<dyn Fn() -> Configuration + Send + Sync>,
}

impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reread").field("started", &self.started).finish_non_exhaustive()
    }
}

/// The options of `serve`.
#[derive(Clone)]
pub struct Options {
    /// Folder of everything that this server keeps for itself.
    pub data_dir: PathBuf,
    /// `ADDRESS:PORT` to listen on.
    pub bind: String,
    /// `[vitrine] listen`: where to listen in place of that; empty is there alone.
    pub listen: Vec<api::Endpoint>,
    /// `[vitrine] metrics_listen`: where figures are served, and nothing else.
    pub metrics_listen: Vec<api::Endpoint>,
    /// `[vitrine] listen_socket_mode`: the mode of sockets in the file system.
    pub socket_mode: u32,
    /// `[vitrine] reuse_port`: whether other servers may listen at the same places.
    pub reuse_port: bool,
    /// TLS on that; `None` speaks in clear.
    pub tls: Option<api::TlsSettings>,
    /// Database, when it is not the embedded one.
    pub database: Option<db::Settings>,
    /// How long requests wait for the embedded database; other databases have this in their settings.
    pub database_limits: db::Limits,
    /// `metadata_encryption_key`, if there is one.
    pub location_key: Option<Arc<db::LocationKey>>,
    /// The stores; a folder of images that is not named is the embedded one.
    pub stores: config::Stores,
    /// Threads that serve requests; `None` is one for each processor.
    pub workers: Option<usize>,
    /// Whether a connection may carry several requests.
    pub keep_alive: bool,
    /// The image cache, if there is one.
    pub cache: Option<cache::Settings>,
    /// The operator's settings about images.
    pub image: image::Settings,
    /// The operator's settings about imports.
    pub imports: import::Settings,
    /// The operator's settings about jobs.
    pub jobs: work::Settings,
    /// The operator's settings about usage.
    pub usage: usage::Settings,
    /// Who is told of changes.
    pub notifying: config::Notifying,
    /// The operator's settings about uploads and downloads at once.
    pub transfers: transfers::Settings,
    /// The operator's settings about HTTP.
    pub api: api::Settings,
    /// Authorisation.
    pub policy: policy::Settings,
    /// Property protections; `None` protects nothing.
    pub protections: Option<Protections>,
    /// The declarations of `schema-image.json`; `None` are the ones shipped with the server.
    pub declarations: Option<serde_json::Value>,
    /// The key manager, if there is one.
    pub key_manager: Option<key_manager::Settings>,
    /// The identity service.
    pub identity: IdentityChoice,
    /// Where the limits of projects come from.
    pub limits: LimitsChoice,
    /// Where traces go; `None` is nowhere.
    pub traces: Option<trace::Settings>,
    /// What SIGHUP reads again; `None` has no configuration.
    pub reread: Option<Reread>,
}

impl Options {
    /// The embedded default: SQLite and a folder of images below `data_dir`.
    pub fn embedded(data_dir: PathBuf, bind: String) -> Self {
        Self {
            data_dir,
            bind,
            listen: Vec::new(),
            metrics_listen: Vec::new(),
            socket_mode: 0o660,
            reuse_port: false,
            tls: None,
            database: None,
            database_limits: db::Limits::default(),
            location_key: None,
            stores: config::Stores::default(),
            workers: None,
            keep_alive: true,
            cache: None,
            image: image::Settings::default(),
            imports: import::Settings::default(),
            jobs: work::Settings::default(),
            usage: usage::Settings::default(),
            notifying: config::Notifying::default(),
            transfers: transfers::Settings::default(),
            api: api::Settings::default(),
            policy: policy::Settings::default(),
            protections: None,
            declarations: None,
            key_manager: None,
            identity: IdentityChoice::Builtin(builtin::Settings::default()),
            limits: LimitsChoice::default(),
            traces: None,
            reread: None,
        }
    }
}

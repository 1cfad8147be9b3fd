//! `vitrine serve`

use std::{
    fs::Permissions,
    os::unix::fs::PermissionsExt,
    sync::{Arc, atomic::AtomicBool},
};

use tempfile::TempDir;

use super::{
    arenas,
    place::{Place, overriding},
};
use crate::{
    config::{self, Loaded, Override, Report},
    db,
    identity::{
        builtin,
        keystone::{Keystone, limits::KeystoneLimits},
    },
    server::{IdentityChoice, LimitsChoice, Options, Reread, Server, StartError},
    telemetry,
};

/// Arguments of `vitrine serve`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Where to listen; 127.0.0.1:9292 unless the configuration says otherwise.
    #[arg(long, value_name = "ADDRESS:PORT")]
    bind: Option<String>,
    /// Keep everything in memory and forget it at the end, whatever the configuration says of stores and database.
    /// `[glance_store] memory_store_size` bounds the images; staged uploads and keys are in a folder of their own for
    /// temporary files, which goes too.
    #[arg(long, conflicts_with_all = ["data_dir", "database"])]
    ephemeral: bool,
    /// Where to listen when nothing says so.
    #[arg(skip = "127.0.0.1:9292")]
    usual: &'static str,
}

impl Arguments {
    /// The options of a place, at the given address or Glance's default.
    pub fn of_glance(place: Place, bind: Option<String>) -> Self {
        Self { place, bind, ephemeral: false, usual: "0.0.0.0:9292" }
    }
}

/// What an ephemeral server is told in place of what the configuration says.
fn ephemeral() -> Vec<Override> {
    vec![
        overriding("DEFAULT", "enabled_backends", ""),
        overriding("glance_store", "stores", "memory,http"),
        overriding("glance_store", "default_store", "memory"),
        overriding("database", "connection", db::IN_MEMORY),
        overriding("database", "connection_parameters", ""),
    ]
}

/// What libraries and child processes write is for nobody else either. The log is open by now.
fn close_to_others() {
    use nix::sys::stat::{Mode, umask};
    let before = umask(Mode::S_IRWXG | Mode::S_IRWXO);
    umask(before | Mode::S_IRWXG | Mode::S_IRWXO);
}

/// A folder that only this user may look into, and that goes when the answer is dropped.
fn scratch() -> Result<TempDir, StartError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("vitrine-").permissions(Permissions::from_mode(0o700));
    builder.tempdir().map_err(|e| StartError(format!("cannot make a folder for temporary files: {e}")))
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn run(arguments: Arguments) -> Result<(), StartError> {
    arenas::limit();
    let scratch = if arguments.ephemeral { Some(scratch()?) } else { None };
    let place = if scratch.is_some() { arguments.place.but(ephemeral()) } else { arguments.place };
    let (loaded, config) = place.configuration()?;
    let data_dir = scratch.as_ref().map_or_else(|| place.folder(&config), |folder| folder.path().to_owned());
    telemetry::log::start(&config.log).map_err(StartError)?;
    warn(loaded.report());
    close_to_others();
    let pending = notice_hangups()?;
    let identity = match config.keystone {
        Some(settings) => IdentityChoice::Given(Arc::new(
            Keystone::new(settings).map_err(|error| StartError(error.to_string()))?,
        )),
        // A flavor that is written and asks for no tokens lets everybody in, as in Glance.
        None if config.flavor.is_set => IdentityChoice::Nobody,
        None => IdentityChoice::Builtin(builtin::Settings {
            public_endpoint: config
                .api
                .public_endpoint
                .as_ref()
                .map(|url| url.trim_end_matches('/').to_owned()),
            trust_proxy_headers: config.api.enable_proxy_headers_parsing,
            trusted_proxies: config.trusted_proxies,
            ..builtin::Settings::default()
        }),
    };
    let listen = if arguments.bind.is_some() { Vec::new() } else { config.listen.endpoints };
    let limits = limits(config.limits)?;
    let bind = arguments.bind.or(config.listen.bind).unwrap_or_else(|| arguments.usual.to_owned());
    let options = Options {
        database: config.database,
        database_limits: config.database_limits,
        location_key: config.location_key,
        stores: config.stores,
        identity,
        limits,
        policy: config.policy,
        protections: config.protections,
        declarations: config.declarations,
        listen,
        metrics_listen: config.listen.metrics,
        socket_mode: config.listen.socket_mode,
        reuse_port: config.listen.reuse_port,
        tls: config.listen.tls,
        key_manager: config.key_manager,
        workers: config.listen.workers,
        keep_alive: config.listen.keep_alive,
        cache: config.cache,
        image: config.image,
        imports: config.imports,
        jobs: config.jobs,
        usage: config.usage,
        notifying: config.notifying,
        transfers: config.transfers,
        api: config.api,
        traces: config.traces,
        reread: Some(reread(place, loaded, pending)),
        ..Options::embedded(data_dir, bind)
    };
    let result = Server::open(&options)?.run_blocking();
    match scratch.map_or(Ok(()), TempDir::close) {
        Ok(()) => result,
        Err(e) => result.and(Err(StartError(format!("the folder for temporary files is left behind: {e}")))),
    }
}

/// Where the limits of projects come from.
fn limits(configured: config::Limits) -> Result<LimitsChoice, StartError> {
    Ok(match configured {
        config::Limits::Nowhere => LimitsChoice::Nowhere,
        config::Limits::Builtin => LimitsChoice::Builtin(builtin::Settings::default().region),
        config::Limits::Keystone(settings) => LimitsChoice::Given(Arc::new(
            KeystoneLimits::new(*settings).map_err(|error| StartError(error.to_string()))?,
        )),
    })
}

/// A hangup must not end a server that is still starting, perhaps waiting for its database: it is noted, and obeyed when the
/// server has started.
fn notice_hangups() -> Result<Arc<AtomicBool>, StartError> {
    let pending = Arc::new(AtomicBool::new(false));
    let registered = signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&pending));
    registered.map(|_| pending).map_err(|e| StartError(format!("signals cannot be received: {e}")))
}

fn reread(place: Place, started: Arc<Loaded>, pending: Arc<AtomicBool>) -> Reread {
    // Nothing more is overridden, but all is read anew.
    Reread { started, pending, again: Arc::new(move || place.clone().but(Vec::new()).configuration()) }
}

/// Every warning of the configuration, once.
fn warn(report: &Report) {
    for finding in report.warnings() {
        tracing::warn!(topic = finding.topic.word(), "{}", finding.line());
    }
}

//! `vitrine serve`

use std::{
    fs::OpenOptions,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use super::{config::Files, place::configuration};
use crate::{
    config::{Log, Report},
    identity::{builtin, keystone::Keystone},
    server::{IdentityChoice, Options, Server, StartError},
};

/// Arguments of `vitrine serve`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    files: Files,
    /// Folder for the database, the images and the keys.
    #[arg(long, default_value = "data")]
    data_dir: PathBuf,
    /// Where to listen; 127.0.0.1:9292 unless the configuration says otherwise.
    #[arg(long, value_name = "ADDRESS:PORT")]
    bind: Option<String>,
    /// Database other than the embedded one: postgresql://… or mysql://…
    #[arg(long)]
    database: Option<String>,
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// [`StartError`], which says what is wrong and what to do.
pub fn run(arguments: Arguments) -> Result<(), StartError> {
    let (loaded, config) = configuration(arguments.files, arguments.database)?;
    start_log(&config.log)?;
    warn(loaded.report());
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
            ..builtin::Settings::default()
        }),
    };
    let bind = arguments.bind.or(config.listen.bind).unwrap_or_else(|| "127.0.0.1:9292".to_owned());
    let options = Options {
        database: config.database,
        stores: config.stores,
        identity,
        policy: config.policy,
        protections: config.protections,
        declarations: config.declarations,
        workers: config.listen.workers,
        keep_alive: config.listen.keep_alive,
        cache: config.cache,
        image: config.image,
        imports: config.imports,
        jobs: config.jobs,
        api: config.api,
        ..Options::embedded(arguments.data_dir, bind)
    };
    Server::open(&options)?.run_blocking()
}

/// Every warning of the configuration, once.
fn warn(report: &Report) {
    for finding in report.warnings() {
        tracing::warn!(topic = finding.topic.word(), "{}", finding.line());
    }
}

fn start_log(log: &Log) -> Result<(), StartError> {
    let filter = EnvFilter::builder().parse_lossy(if log.debug { "debug" } else { "info" });
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if log.stderr {
        let layer = fmt::layer().with_writer(std::io::stderr);
        layers.push(if log.json { layer.json().boxed() } else { layer.boxed() });
    }
    if let Some(path) = &log.file {
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(|error| {
            StartError(format!("[DEFAULT] log_file: cannot write to {}: {error}", path.display()))
        })?;
        let layer = fmt::layer().with_ansi(false).with_writer(Mutex::new(file));
        layers.push(if log.json { layer.json().boxed() } else { layer.boxed() });
    }
    tracing_subscriber::registry().with(layers).with(filter).init();
    Ok(())
}

//! `vitrine serve`

use std::{path::PathBuf, sync::Arc};

use super::{config::Files, place::configuration};
use crate::{
    config::Report,
    identity::{builtin, keystone::Keystone},
    server::{IdentityChoice, Options, Server, StartError},
    telemetry,
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
    telemetry::log::start(&config.log).map_err(StartError)?;
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

//! The destination and format of the log.

use std::{fs::OpenOptions, io::IsTerminal, os::unix::fs::OpenOptionsExt, path::PathBuf, sync::Mutex};

use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Where the log goes; names and defaults of the options are oslo.log's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `debug`: level DEBUG instead of INFO.
    pub debug: bool,
    /// `use_json`: each line is a JSON object.
    pub json: bool,
    /// `log_dir` and `log_file`: the file to append to.
    pub file: Option<PathBuf>,
    /// `use_stderr`: standard error; always used if there is no file.
    pub stderr: bool,
}

/// Starts the log of this process. Colours are for terminals.
///
/// # Errors
/// A sentence for the operator when the file cannot be written.
pub fn start(settings: &Settings) -> Result<(), String> {
    let filter = EnvFilter::builder().parse_lossy(if settings.debug { "debug" } else { "info" });
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if settings.stderr {
        let layer = fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr);
        layers.push(if settings.json { layer.json().boxed() } else { layer.boxed() });
    }
    if let Some(path) = &settings.file {
        let file =
            OpenOptions::new().append(true).create(true).mode(0o640).open(path).map_err(|error| {
                format!("[DEFAULT] log_file: cannot write to {}: {error}", path.display())
            })?;
        let layer = fmt::layer().with_ansi(false).with_writer(Mutex::new(file));
        layers.push(if settings.json { layer.json().boxed() } else { layer.boxed() });
    }
    tracing_subscriber::registry().with(layers).with(filter).init();
    Ok(())
}

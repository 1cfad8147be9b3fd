//! The destination and format of the log.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

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

/// The log of this process, once it has begun.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    set: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
    /// The levels as text.
    levels: Mutex<String>,
    file: Option<LogFile>,
}

/// A file that is appended to, and that can be opened again when its name has been given to another one.
#[derive(Clone)]
struct LogFile {
    path: Arc<PathBuf>,
    file: Arc<Mutex<File>>,
}

impl LogFile {
    fn open(path: PathBuf) -> Result<Self, String> {
        let file = Arc::new(Mutex::new(append(&path)?));
        Ok(Self { path: Arc::new(path), file })
    }
}

fn append(path: &PathBuf) -> Result<File, String> {
    let file = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
    file.map_err(|error| format!("[DEFAULT] log_file: cannot write to {}: {error}", path.display()))
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn levels(settings: &Settings) -> String {
    if settings.debug { "debug" } else { "info" }.to_owned()
}

/// Starts the log of this process. Colours are for terminals.
///
/// # Errors
/// A sentence for the operator when the file cannot be written.
pub fn start(settings: &Settings) -> Result<(), String> {
    let levels = levels(settings);
    let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse_lossy(&levels));
    let mut layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> = Vec::new();
    if settings.stderr {
        let layer = fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
        layers.push(if settings.json { layer.json().boxed() } else { layer.boxed() });
    }
    let file = settings.file.clone().map(LogFile::open).transpose()?;
    if let Some(file) = file.clone() {
        let layer = fmt::layer().with_ansi(false).with_writer(move || file.clone());
        layers.push(if settings.json { layer.json().boxed() } else { layer.boxed() });
    }
    tracing_subscriber::registry().with(layers).with(filter).init();
    let set = Box::new(move |filter| handle.reload(filter));
    // There is one log in a process: `init` has ended it if there was another.
    LOG.get_or_init(|| Log { set, levels: Mutex::new(levels), file });
    Ok(())
}

/// Has the log of this process take other levels; returns whether they are others.
///
/// # Errors
/// A part of a sentence.
pub fn set_levels(settings: &Settings) -> Result<bool, String> {
    let Some(log) = LOG.get() else { return Ok(false) };
    let levels = levels(settings);
    let mut before = log.levels.lock().unwrap_or_else(PoisonError::into_inner);
    if *before == levels {
        return Ok(false);
    }
    (log.set)(EnvFilter::builder().parse_lossy(&levels)).map_err(|error| error.to_string())?;
    *before = levels;
    Ok(true)
}

/// Opens the log's file again, by its name. Blocking.
///
/// # Errors
/// A sentence for the operator; the log goes on in the file that is open.
pub fn reopen() -> Result<(), String> {
    let Some(file) = LOG.get().and_then(|log| log.file.as_ref()) else { return Ok(()) };
    let again = append(&file.path)?;
    *file.file.lock().unwrap_or_else(PoisonError::into_inner) = again;
    Ok(())
}

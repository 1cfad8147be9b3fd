//! The destinations, levels and formats of the log.

mod journal;
mod levels;
mod limited;
mod syslog;
#[cfg(test)]
mod tests;

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

use journal::Journal;
use limited::Limited;
use syslog::Syslog;

pub use limited::Limit;
pub use syslog::facility;

/// Where the log goes; names and defaults of the options are oslo.log's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `debug`: level DEBUG instead of INFO.
    pub debug: bool,
    /// `default_log_levels`: levels of single parts, as `name=LEVEL`.
    pub levels: Vec<String>,
    /// `use_json`: each line is a JSON object.
    pub json: bool,
    /// `log_dir` and `log_file`: the file to append to.
    pub file: Option<PathBuf>,
    /// `use_stderr`: standard error; always used if there is no other target.
    pub stderr: bool,
    /// `use_journal`: systemd's journal.
    pub journal: bool,
    /// `use_syslog` and `syslog_log_facility`: the system's syslog, with the number of a facility.
    pub syslog: Option<u8>,
    /// `rate_limit_*`: how often a line may repeat itself; `None` is without bound.
    pub limit: Option<Limit>,
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

fn append(path: &Path) -> Result<File, String> {
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

type Target = Box<dyn Layer<Registry> + Send + Sync>;

/// The targets that the system has.
fn of_system(settings: &Settings, journal: &Path, syslog: &Path) -> Vec<Target> {
    let mut targets: Vec<Target> = Vec::new();
    if settings.journal {
        targets.push(Journal::new(journal).boxed());
    }
    if let Some(facility) = settings.syslog {
        let layer = fmt::layer().with_ansi(false).without_time().with_writer(Syslog::new(syslog, facility));
        targets.push(if settings.json { layer.json().boxed() } else { layer.boxed() });
    }
    targets
}

/// The sockets of the system's targets that are wanted.
fn wanted(settings: &Settings) -> impl Iterator<Item = &'static str> {
    let sockets = [(settings.journal, journal::SOCKET), (settings.syslog.is_some(), syslog::SOCKET)];
    sockets.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, socket)| socket)
}

/// Those of them that are not there.
fn absent(settings: &Settings) -> Vec<&'static str> {
    wanted(settings).filter(|socket| !Path::new(socket).exists()).collect()
}

/// Starts the log of this process. Colours are for terminals.
///
/// # Errors
/// A sentence for the operator when the file cannot be written.
pub fn start(settings: &Settings) -> Result<(), String> {
    let levels = levels::directives(settings.debug, &settings.levels);
    let (filter, handle) = reload::Layer::new(EnvFilter::builder().parse_lossy(&levels));
    let mut targets = of_system(settings, Path::new(journal::SOCKET), Path::new(syslog::SOCKET));
    let absent = absent(settings);
    // Nobody is to be left without a log because a service that takes it is not there.
    let is_alone = settings.file.is_none() && absent.len() == wanted(settings).count();
    if settings.stderr || is_alone {
        let layer = fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
        targets.push(if settings.json { layer.json().boxed() } else { layer.boxed() });
    }
    let file = settings.file.clone().map(LogFile::open).transpose()?;
    if let Some(file) = file.clone() {
        let layer = fmt::layer().with_ansi(false).with_writer(move || file.clone());
        targets.push(if settings.json { layer.json().boxed() } else { layer.boxed() });
    }
    let limited = settings.limit.clone().map(Limited::new);
    tracing_subscriber::registry().with(targets).with(filter).with(limited).init();
    for socket in absent {
        tracing::warn!(socket, "the log cannot go where it was to go: there is no such socket");
    }
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
    let levels = levels::directives(settings.debug, &settings.levels);
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

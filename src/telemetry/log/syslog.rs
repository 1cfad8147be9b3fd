//! The system's syslog (RFC 3164), by its socket. A line that it cannot take at once is lost: nobody waits for the log.

use std::{
    io::{self, Write},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Where it is.
pub(super) const SOCKET: &str = "/dev/log";
/// The name under which the system's logs have this service.
pub(super) const IDENTIFIER: &str = "vitrine";
/// Bytes of a line at most; longer ones are cut.
const LINE_BYTES_MAX: usize = 8192;

/// The facilities, each at its number.
const FACILITIES: [&str; 24] = [
    "KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP",
    "NTP", "AUDIT", "ALERT", "CLOCK", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6",
    "LOCAL7",
];

/// The number of a facility by its name, `LOG_USER` or `user`.
pub fn facility(name: &str) -> Option<u8> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("LOG_").unwrap_or(&name);
    FACILITIES.iter().position(|known| *known == name).and_then(|number| u8::try_from(number).ok())
}

/// The number of a level.
pub(super) fn severity(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Sends datagrams to a socket, and connects again where it was replaced.
#[derive(Debug)]
pub(super) struct Datagrams {
    path: PathBuf,
    socket: Mutex<Option<UnixDatagram>>,
}

impl Datagrams {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), socket: Mutex::default() }
    }

    fn connected(&self) -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(&self.path)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }

    /// Sends one. What cannot be sent now is lost.
    pub(super) fn send(&self, bytes: &[u8]) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..2 {
            if socket.is_none() {
                *socket = self.connected().ok();
            }
            match socket.as_ref().map(|socket| socket.send(bytes)) {
                None | Some(Ok(_)) => return,
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => return,
                Some(Err(_)) => *socket = None,
            }
        }
    }
}

/// Writes lines with the priority of each.
#[derive(Clone)]
pub(super) struct Syslog {
    datagrams: Arc<Datagrams>,
    facility: u8,
}

/// The line of one event.
pub(super) struct Line {
    syslog: Syslog,
    severity: u8,
}

impl Syslog {
    pub(super) fn new(path: &Path, facility: u8) -> Self {
        Self { datagrams: Arc::new(Datagrams::new(path)), facility }
    }

    fn line(&self, level: &Level) -> Line {
        Line { syslog: self.clone(), severity: severity(level) }
    }
}

impl<'a> MakeWriter<'a> for Syslog {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        self.line(&Level::INFO)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        self.line(metadata.level())
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end().replace(['\n', '\0'], " ");
        let priority = u16::from(self.syslog.facility) * 8 + u16::from(self.severity);
        let mut line = format!("<{priority}>{}[{}]: {text}", IDENTIFIER, std::process::id());
        while line.len() > LINE_BYTES_MAX {
            line.pop();
        }
        self.syslog.datagrams.send(line.as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

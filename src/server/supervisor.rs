//! What a server tells the service manager that started it, by the protocol of sd_notify(3): that it answers, that it
//! stops, and that it is alive.

use std::{
    convert::Infallible,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

/// The state of a server that answers.
pub const SERVING: &str = "Serving images";

/// Something to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// It answers requests; the text says in what state.
    Ready(&'a str),
    /// It reads its configuration anew, and will be ready again.
    Reloading,
    /// It was told to stop.
    Stopping,
    /// It does its work.
    Alive,
}

impl Word<'_> {
    fn message(self) -> String {
        match self {
            Self::Ready(state) => format!("READY=1\nSTATUS={}\n", state.replace('\n', " ")),
            Self::Reloading => "RELOADING=1\nSTATUS=Reading the configuration\n".to_owned(),
            Self::Stopping => "STOPPING=1\nSTATUS=Finishing what is under way\n".to_owned(),
            Self::Alive => "WATCHDOG=1\n".to_owned(),
        }
    }
}

/// The service manager; nobody where the process was started otherwise.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    at: Option<SocketAddr>,
    /// How often it wants to hear that the server is alive.
    pace: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names, with `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub fn of_process() -> Self {
        let variable = |name| std::env::var_os(name);
        let watched = variable("WATCHDOG_PID").is_none_or(|pid| pid == *std::process::id().to_string());
        let microseconds = variable("WATCHDOG_USEC").filter(|_| watched);
        Self::named(variable("NOTIFY_SOCKET").as_deref(), microseconds.as_deref())
    }

    fn named(socket: Option<&OsStr>, watchdog: Option<&OsStr>) -> Self {
        let address = |name: &OsStr| match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
            _ => SocketAddr::from_pathname(name),
        };
        let at = socket.filter(|name| !name.is_empty()).and_then(|name| match address(name) {
            Ok(at) => Some(at),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET names no socket; the service manager is told nothing");
                None
            }
        });
        let microseconds = watchdog.and_then(OsStr::to_str).and_then(|text| text.parse::<u64>().ok());
        // Twice as often as it is missed, which is what sd_watchdog_enabled(3) recommends.
        let pace = microseconds.filter(|all| *all > 1).map(|all| Duration::from_micros(all / 2));
        Self { at, pace }
    }

    /// Tells it. That nobody listens is only logged: the server does its work all the same.
    pub fn tell(&self, word: Word<'_>) {
        let Some(at) = &self.at else { return };
        if let Err(error) = send(at, &word.message()) {
            tracing::warn!(%error, ?word, "the service manager could not be told");
        }
    }

    /// Says that the server is alive as often as it is to be said, on the runtime that this is awaited on: a runtime that
    /// is stuck falls silent. Never ends.
    pub async fn keep_telling(self) -> Infallible {
        let Some(pace) = self.pace.filter(|_| self.at.is_some()) else { return std::future::pending().await };
        let mut ticks = tokio::time::interval(pace);
        loop {
            ticks.tick().await;
            self.tell(Word::Alive);
        }
    }
}

fn send(at: &SocketAddr, message: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold the server up.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), at).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A manager that listens at a path, and one at an abstract name.
    fn managers() -> Vec<(UnixDatagram, Supervisor, tempfile::TempDir)> {
        let mut both = Vec::new();
        for is_abstract in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("notify");
            let (name, socket) = if is_abstract {
                let name = format!("@vitrine-{}", path.display());
                let address = SocketAddr::from_abstract_name(&name.as_bytes()[1..]).unwrap();
                (name, UnixDatagram::bind_addr(&address).unwrap())
            } else {
                (path.display().to_string(), UnixDatagram::bind(&path).unwrap())
            };
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            both.push((socket, Supervisor::named(Some(name.as_ref()), Some("20000".as_ref())), folder));
        }
        both
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn every_word_arrives_as_one_message() {
        for (socket, supervisor, _folder) in managers() {
            let words = [Word::Ready("Serving\nimages"), Word::Reloading, Word::Stopping, Word::Alive];
            for (word, first) in words.into_iter().zip(["READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1"])
            {
                supervisor.tell(word);
                let message = heard(&socket);
                assert_eq!(message.lines().next(), Some(first));
                assert!(message.lines().all(|line| line.contains('=')), "{message}");
            }
        }
    }

    #[tokio::test]
    async fn life_is_told_at_half_the_time_of_the_watchdog() {
        let (socket, supervisor, _folder) = managers().remove(0);
        assert_eq!(supervisor.pace, Some(Duration::from_millis(10)));
        let telling = tokio::spawn(supervisor.keep_telling());
        let said = tokio::task::spawn_blocking(move || [heard(&socket), heard(&socket)]).await.unwrap();
        telling.abort();
        assert_eq!(said, ["WATCHDOG=1\n", "WATCHDOG=1\n"]);
    }

    #[tokio::test]
    async fn without_a_manager_nothing_is_told() {
        let nobody = Supervisor::named(None, Some("20000".as_ref()));
        nobody.tell(Word::Stopping);
        let told = tokio::time::timeout(Duration::from_millis(50), nobody.keep_telling()).await;
        assert!(told.is_err(), "it goes on, and sends nothing");
        assert_eq!(Supervisor::named(Some("".as_ref()), Some("none".as_ref())).pace, None);
    }
}

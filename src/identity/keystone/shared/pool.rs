//! The servers, which of them keeps an entry, their connections, and how long one that fails is left alone.

use std::{
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::{sync::Semaphore, time::timeout};

use super::super::settings::{Memcached, SettingsError};
use super::{
    address::Address,
    stream::{Connection, Link},
    wire::Kept,
};

/// How often another server is looked for (python-memcached: `_SERVER_RETRIES`).
const TRIES: u32 = 10;
/// Connections to one server, whatever is configured.
const PLACES_MAX: u64 = 1024;
/// Seconds that a call may take, whatever is configured: a request waits for it.
const CALL_S_MAX: u64 = 30;

/// The servers of `memcached_servers`.
pub(super) struct Pool {
    servers: Vec<Server>,
    link: Link,
    /// How long a call may take, with the connection.
    call: Duration,
    /// How long a call waits for a place among the connections.
    place: Duration,
    dead: Duration,
    unused: Duration,
}

/// One of them, with its idle connections.
struct Server {
    address: Address,
    idle: Mutex<Vec<(Connection, Instant)>>,
    places: Semaphore,
    /// Until when it is left alone.
    dead_until: Mutex<Option<Instant>>,
    failures: AtomicU64,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// All servers that could be asked have failed a while ago.
    #[error("left alone")]
    LeftAlone,
    /// All connections are in use.
    #[error("no connection is free")]
    Busy,
    /// No answer in time.
    #[error("no answer in time")]
    Slow,
    /// No connection, or an answer that is none.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// What a server is asked.
enum Question<'a> {
    Get,
    Set { value: &'a [u8], age_s: u64 },
}

/// What it says.
#[derive(PartialEq, Eq)]
enum Answer {
    Kept(Option<Kept>),
    Stored(bool),
}

impl Question<'_> {
    async fn ask(&self, connection: &mut Connection, name: &str) -> io::Result<Answer> {
        match self {
            Self::Get => connection.get(name).await.map(Answer::Kept),
            Self::Set { value, age_s } => connection.set(name, value, *age_s).await.map(Answer::Stored),
        }
    }
}

impl Pool {
    /// `None` without servers.
    ///
    /// # Errors
    /// An address that is none, or a link that cannot be as the settings want it.
    pub(super) fn new(settings: &Memcached) -> Result<Option<Self>, SettingsError> {
        let link = Link::new(settings)?;
        let places = usize::try_from(settings.pool_maxsize.clamp(1, PLACES_MAX)).unwrap_or(1);
        let server = |text: &String| {
            Ok(Server {
                address: Address::parse(text)?,
                idle: Mutex::default(),
                places: Semaphore::new(places),
                dead_until: Mutex::default(),
                failures: AtomicU64::new(0),
            })
        };
        let servers: Vec<Server> = settings.servers.iter().map(server).collect::<Result<_, _>>()?;
        Ok((!servers.is_empty()).then_some(Self {
            servers,
            link,
            call: Duration::from_secs(settings.pool_socket_timeout.clamp(1, CALL_S_MAX)),
            place: Duration::from_secs(settings.pool_conn_get_timeout.min(CALL_S_MAX)),
            dead: Duration::from_secs(settings.pool_dead_retry),
            unused: Duration::from_secs(settings.pool_unused_timeout),
        }))
    }

    /// What is kept under a name.
    ///
    /// # Errors
    /// Why nobody answers.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Kept>, Fault> {
        match self.call(name, &Question::Get).await? {
            Answer::Kept(kept) => Ok(kept),
            Answer::Stored(_) => Ok(None),
        }
    }

    /// Keeps a value for some seconds; says whether the server does, which may have no room.
    ///
    /// # Errors
    /// Why nobody answers.
    pub(super) async fn set(&self, name: &str, value: &[u8], age_s: u64) -> Result<bool, Fault> {
        let answer = self.call(name, &Question::Set { value, age_s }).await?;
        Ok(answer == Answer::Stored(true))
    }

    /// The server of a name, as python-memcached finds it (`memcache.py: _get_server`): when it is left alone, the
    /// number is hashed with that of the attempt.
    fn server(&self, name: &str) -> Option<&Server> {
        let mut number = hash(name);
        for attempt in 0..TRIES {
            let server = self.servers.get(usize::from(number) % self.servers.len())?;
            if server.may_be_asked(self.call) {
                return Some(server);
            }
            number = hash(&format!("{number}{attempt}"));
        }
        None
    }

    /// One call, over an idle connection or a new one.
    async fn call(&self, name: &str, question: &Question<'_>) -> Result<Answer, Fault> {
        let server = self.server(name).ok_or(Fault::LeftAlone)?;
        let failures = server.failures.load(Ordering::Relaxed);
        let place = timeout(self.place, server.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(Fault::Busy) };
        // It failed for those whose place this was.
        if server.failures.load(Ordering::Relaxed) != failures {
            return Err(Fault::LeftAlone);
        }
        let answer = timeout(self.call, self.ask(server, name, question)).await;
        match answer.map_err(|_| Fault::Slow).and_then(|answer| answer.map_err(Fault::Io)) {
            Ok((answer, connection)) => {
                *locked(&server.dead_until) = None;
                locked(&server.idle).push((connection, Instant::now()));
                Ok(answer)
            }
            Err(fault) => {
                server.leave_alone(self.dead, &fault);
                Err(fault)
            }
        }
    }

    async fn ask(
        &self,
        server: &Server,
        name: &str,
        question: &Question<'_>,
    ) -> io::Result<(Answer, Connection)> {
        // The server may have closed an idle one, or be another one by now.
        if let Some(mut connection) = server.idle_one(self.unused)
            && let Ok(answer) = question.ask(&mut connection, name).await
        {
            return Ok((answer, connection));
        }
        let mut connection = Connection::open(&server.address, &self.link).await?;
        let answer = question.ask(&mut connection, name).await?;
        Ok((answer, connection))
    }

    /// Asks each server, whether or not it is left alone, for a name; says which do not answer, and why.
    pub(super) async fn silent(&self, name: &str) -> Vec<(String, Fault)> {
        let asked = self.servers.iter().map(async |server| {
            let answer = timeout(self.call, self.ask(server, name, &Question::Get)).await;
            let fault = answer.map_err(|_| Fault::Slow).and_then(|answer| answer.map_err(Fault::Io)).err()?;
            Some((server.address.to_string(), fault))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Whether a server is left alone.
    #[cfg(test)]
    pub(super) fn is_left_alone(&self, nth: usize) -> bool {
        locked(&self.servers[nth].dead_until).is_some()
    }

    /// Connections that are kept open.
    #[cfg(test)]
    pub(super) fn idle(&self) -> usize {
        self.servers.iter().map(|server| locked(&server.idle).len()).sum()
    }
}

impl Server {
    /// Whether it is not left alone. Once its time is over, one caller may try it while others do not wait for that.
    fn may_be_asked(&self, call: Duration) -> bool {
        let (mut dead_until, now) = (locked(&self.dead_until), Instant::now());
        match *dead_until {
            None => true,
            Some(until) if until > now => false,
            Some(_) => {
                *dead_until = now.checked_add(call);
                true
            }
        }
    }

    fn leave_alone(&self, dead: Duration, fault: &Fault) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut dead_until = locked(&self.dead_until);
        // Several calls may find out at once.
        if dead_until.is_none() {
            let (server, seconds) = (&self.address, dead.as_secs());
            tracing::warn!(
                %server,
                seconds,
                "memcached fails and is left alone; Keystone is asked about tokens: {fault}"
            );
        }
        locked(&self.idle).clear();
        // A time beyond what can be said is for ever, which a server should not be left alone.
        *dead_until = Instant::now().checked_add(dead);
    }

    fn idle_one(&self, unused: Duration) -> Option<Connection> {
        let mut idle = locked(&self.idle);
        idle.retain(|(_, since)| since.elapsed() < unused);
        idle.pop().map(|(connection, _)| connection)
    }
}

/// `python-memcached`: `cmemcache_hash`.
fn hash(text: &str) -> u16 {
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    let bits = (crc.sum() >> 16) & 0x7fff;
    u16::try_from(bits).unwrap_or_default().max(1)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hashed_as_python_memcached_does() {
        // >>> [((zlib.crc32(text) >> 16) & 0x7fff) or 1 for text in (b"", b"tokens/a", b"123456789")]
        assert_eq!([hash(""), hash("tokens/a"), hash("123456789")], [1, 9920, 19444]);
    }
}

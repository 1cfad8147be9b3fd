//! Connections of the pool, and who may use one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use diesel::r2d2::{HandleError, Pool, PooledConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{DbError, DbResult, Limits, Sessions, connection::Manager, url::Place};

/// A connection in use; it goes back to its pool.
pub type Pooled = PooledConnection<Manager>;

/// How lanes are made.
#[derive(Clone, Debug)]
pub struct Opener {
    pub place: Place,
    pub limits: Limits,
    /// Connections at most.
    pub size: u32,
    /// Idle connections that stay open.
    pub kept: u32,
    /// Their session settings.
    pub sessions: Sessions,
    /// Whether the database is its one connection, which must never be closed.
    pub lasting: bool,
}

/// A pool of connections and the right to use one of them.
pub struct Lane {
    pool: Pool<Manager>,
    permits: Arc<Semaphore>,
    /// Nobody waits in the database for what waits better here.
    writers: Arc<Semaphore>,
    size: u32,
    waiting: Arc<AtomicUsize>,
}

/// One who waits for a seat, until it is dropped.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to use one connection of a lane.
pub struct Seat {
    lane: Arc<Lane>,
    _permit: OwnedSemaphorePermit,
    _writer: Option<OwnedSemaphorePermit>,
}

/// Whoever waited for a connection says in the log why there was none; that one was replaced is no fault.
#[derive(Debug)]
struct Noted;

impl<E: std::error::Error> HandleError<E> for Noted {
    fn handle_error(&self, error: E) {
        tracing::debug!(%error, "a connection was not to be had");
    }
}

impl Opener {
    /// A lane of `size` connections, which are opened on demand.
    pub fn lane(&self, size: u32) -> Lane {
        let lifetime = self.sessions.recycle_seconds.map(|seconds| Duration::from_secs(seconds.max(1)));
        let mut builder = Pool::builder().max_lifetime(lifetime).error_handler(Box::new(Noted));
        if self.lasting {
            builder = builder.idle_timeout(None);
        }
        let pool = builder
            .max_size(size)
            // Nothing connects behind our back: a process that ended while it did would die in the exit handlers of
            // the client library.
            .min_idle(Some(0))
            .connection_timeout(self.limits.wait())
            .build_unchecked(self.manager());
        let writers = if matches!(self.place, Place::Sqlite(_)) { 1 } else { size as usize };
        Lane {
            pool,
            permits: Arc::new(Semaphore::new(size as usize)),
            writers: Arc::new(Semaphore::new(writers)),
            size,
            waiting: Arc::default(),
        }
    }

    fn manager(&self) -> Manager {
        Manager::new(&self.place, self.limits, self.sessions.clone(), self.kept)
    }

    /// Asks the database whether it is there, on a connection of its own. Blocking, for as long as the client library
    /// likes.
    pub fn ask(&self) -> Result<(), String> {
        use diesel::r2d2::ManageConnection;
        // Setting up a connection is a question already, on SQLite one to its file.
        self.manager().connect().map(drop).map_err(|e| e.to_string())
    }
}

impl Lane {
    /// Waits for a seat; `None` once the lane is closed.
    pub async fn seat(self: Arc<Self>, writes: bool) -> Option<Seat> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(Arc::clone(&self.waiting));
        let _writer = match writes {
            true => Some(Arc::clone(&self.writers).acquire_owned().await.ok()?),
            false => None,
        };
        let _permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        Some(Seat { lane: self, _permit, _writer })
    }

    /// Opens a connection, or takes an idle one, within `wait`. Blocking.
    pub fn connection(&self, wait: Duration) -> DbResult<Pooled> {
        self.pool.get_timeout(wait).map_err(|e| DbError::Unreached(e.to_string()))
    }

    /// Connections in use, those who wait for one, and how many connections there may be.
    pub fn occupancy(&self) -> (usize, usize, usize) {
        (self.busy() as usize, self.waiting.load(Ordering::Relaxed), self.size as usize)
    }

    /// Threads that work here.
    pub fn busy(&self) -> u32 {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        self.size.saturating_sub(free)
    }

    /// Refuses those who wait for a connection, and admits nobody.
    pub fn close(&self) {
        self.writers.close();
        self.permits.close();
    }
}

impl Seat {
    /// As [`Lane::connection`]; one that is not there soon is not there.
    pub fn connection(&self, limits: Limits) -> DbResult<Pooled> {
        self.lane.connection(limits.wait())
    }
}

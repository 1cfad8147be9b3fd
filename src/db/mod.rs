//! The only room with SQL: one file for each aggregate, two doors ([`Db::read`] and [`Db::write`]).
//!
//! Every closure runs on a blocking thread with one connection of a bounded pool; a write is one transaction
//! that is tried again when the database asks for it (serialization failure, deadlock, busy).

pub mod blobs;
pub mod cached_images;
mod conn;
mod connection;
mod dialect;
mod error;
pub mod events;
pub mod identity;
mod image_parts;
pub mod images;
mod images_filter;
pub mod images_page;
pub mod jobs;
mod keyset;
pub mod ledger;
pub mod members;
pub mod metadefs;
mod migrate;
pub mod nodes;
mod patience;
pub mod schema;
mod statement;
pub mod tasks;
mod url;

use std::{sync::Arc, time::Duration};

use diesel::r2d2::{Pool, PooledConnection};
use tokio::sync::Semaphore;

use patience::Patience;
use url::Place;

use crate::model::clock::Clock;

pub use conn::Conn;
pub use error::{DbError, DbResult, Key};
pub use migrate::{Schema, SchemaError};

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `sqlite:PATH`, `postgresql://…` or `mysql://…`; SQLAlchemy driver suffixes (`mysql+pymysql`) are accepted.
    pub connection: String,
    /// Connections at most, and so statements at once.
    pub max_pool_size: u32,
    /// Seconds to wait for a connection before answering that the database is busy.
    pub pool_timeout_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connection: String::new(), max_pool_size: 10, pool_timeout_seconds: 30 }
    }
}

/// The address of a database in the memory of this process.
pub const IN_MEMORY: &str = "sqlite::memory:";

impl Settings {
    /// Whether several nodes can work on the database; a file or the memory of this machine is one node's alone.
    pub fn is_shared(&self) -> bool {
        !self.connection.starts_with("sqlite")
    }

    /// Whether the database goes with the process.
    pub fn is_in_memory(&self) -> bool {
        self.connection == IN_MEMORY
    }
}

type PoolOf = Pool<connection::Manager>;

/// The database: a bounded pool behind two doors. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pool: PoolOf,
    permits: Arc<Semaphore>,
    writers: Arc<Semaphore>,
    /// The time that rows are stamped with, and that everybody who has the database goes by.
    pub clock: Clock,
}

impl Db {
    /// Opens the pool. Blocking: call it before the server starts, or on a blocking thread.
    ///
    /// # Errors
    /// A sentence saying why the database cannot be reached.
    pub fn open(settings: &Settings) -> std::result::Result<Self, String> {
        let place = Place::parse(&settings.connection)?;
        // A database in memory is its one connection, which must never be closed.
        let lasting = settings.is_in_memory();
        let size = if lasting { 1 } else { settings.max_pool_size.max(1) };
        let mut builder = Pool::builder();
        if lasting {
            builder = builder.idle_timeout(None).max_lifetime(None);
        }
        let pool = builder
            .max_size(size)
            // Nothing connects behind our back: a process that ended while it did would die in the exit handlers of
            // the client library.
            .min_idle(Some(0))
            .connection_timeout(Duration::from_secs(settings.pool_timeout_seconds.max(1)))
            .build_unchecked(connection::Manager::new(place.clone()));
        drop(pool.get().map_err(|e| format!("cannot open the database {}: {e}", place.shown()))?);
        // Nobody waits in the database for what waits better here.
        let writers = if matches!(place, Place::Sqlite(_)) { 1 } else { size as usize };
        Ok(Self {
            pool,
            permits: Arc::new(Semaphore::new(size as usize)),
            writers: Arc::new(Semaphore::new(writers)),
            clock: Clock::default(),
        })
    }

    /// Applies the migrations that are missing, and names them. Several processes may do so at once. Blocking.
    ///
    /// # Errors
    /// [`SchemaError`]; in particular when the database is from a newer version.
    pub fn migrate(&self) -> std::result::Result<Vec<String>, SchemaError> {
        migrate::run(&mut *self.connection()?)
    }

    /// Compares the schema with the one that this binary works on; changes nothing. Blocking.
    ///
    /// # Errors
    /// [`SchemaError::Failed`] when the database does not answer.
    pub fn schema(&self) -> std::result::Result<Schema, SchemaError> {
        migrate::compare(&mut *self.connection()?)
    }

    /// The version of the schema: that of the latest migration applied. `None` when there is none. Blocking.
    ///
    /// # Errors
    /// [`SchemaError::Failed`] when the database does not answer.
    pub fn schema_version(&self) -> std::result::Result<Option<String>, SchemaError> {
        Ok(migrate::applied(&mut *self.connection()?)?.pop())
    }

    fn connection(&self) -> std::result::Result<PooledConnection<connection::Manager>, SchemaError> {
        self.pool.get().map_err(|e| SchemaError::Failed(e.to_string()))
    }

    /// Runs `query` on one connection, all of it on one state of the database. `name` goes into logs.
    ///
    /// # Errors
    /// What the closure answers, or [`DbError::Unavailable`].
    pub async fn read<T, F>(&self, name: &'static str, query: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|e| DbError::Unavailable(e.to_string()))?;
        let pool = self.pool.clone();
        blocking(name, move || {
            let _permit = permit;
            patiently(name, || take(&pool)?.read(|conn| query(conn)))
        })
        .await
    }

    /// Runs `change` in one transaction; it may run several times, so it must depend on nothing but its
    /// input and the database.
    ///
    /// # Errors
    /// What the closure answers, or [`DbError::Unavailable`].
    pub async fn write<T, F>(&self, name: &'static str, change: F) -> DbResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut Conn) -> DbResult<T> + Send + 'static,
    {
        let closed = |e: tokio::sync::AcquireError| DbError::Unavailable(e.to_string());
        let writer = Arc::clone(&self.writers).acquire_owned().await.map_err(closed)?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        let pool = self.pool.clone();
        blocking(name, move || {
            let _permits = (writer, permit);
            patiently(name, || take(&pool)?.write(|conn| change(conn)))
        })
        .await
    }

    /// Runs `change` in one transaction on the present thread, for the time before the server starts.
    ///
    /// # Errors
    /// What the closure answers.
    pub fn write_blocking<T>(&self, change: impl Fn(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        take(&self.pool)?.write(|conn| change(conn))
    }
}

fn take(pool: &PoolOf) -> DbResult<PooledConnection<connection::Manager>> {
    pool.get().map_err(|e| DbError::Unavailable(e.to_string()))
}

/// Runs a transaction, again as often as the database asks for it.
fn patiently<T>(name: &'static str, transaction: impl Fn() -> DbResult<T>) -> DbResult<T> {
    let mut patience = Patience::new();
    loop {
        let result = transaction();
        let wait = if matches!(result, Err(DbError::Retry(_))) { patience.next_wait() } else { None };
        let Some(wait) = wait else { return log_failed(name, result) };
        std::thread::sleep(wait);
    }
}

fn log_failed<T>(name: &'static str, result: DbResult<T>) -> DbResult<T> {
    if let Err(error @ (DbError::Other(_) | DbError::Retry(_) | DbError::Unavailable(_))) = &result {
        tracing::error!(statement = name, %error, "database statement failed");
    }
    result
}

/// Does the work of one statement on a thread for that, and counts it.
async fn blocking<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> DbResult<T> + Send + 'static,
) -> DbResult<T> {
    let call = crate::telemetry::metrics().statement(name);
    let result = match crate::telemetry::blocking(work).await {
        Ok(result) => result,
        Err(fault) => Err(DbError::Other(format!("a database thread failed: {fault}"))),
    };
    call.end_as(match &result {
        Ok(_) => "ok",
        Err(DbError::Other(_) | DbError::Retry(_) | DbError::Unavailable(_)) => "error",
        Err(_) => "refused",
    });
    result
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::model::error::Error;

    /// Proves that statements are counted by name and outcome, a decision of the domain apart from a fault.
    #[tokio::test]
    async fn statements_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let connection = format!("sqlite:{}", dir.path().join("db").display());
        let db = Db::open(&Settings { connection, ..Settings::default() }).unwrap();
        db.read("test.counted", |_| Ok(())).await.unwrap();
        db.write("test.counted", |_| Ok(())).await.unwrap();
        let refuse = |_: &mut Conn| Err::<(), _>(DbError::Domain(Error::conflict("no")));
        db.write("test.counted", refuse).await.unwrap_err();
        let fail = |_: &mut Conn| Err::<(), _>(DbError::Other("broken".to_owned()));
        db.read("test.counted", fail).await.unwrap_err();
        let figures = crate::telemetry::metrics().text();
        for (outcome, count) in [("ok", 2), ("refused", 1), ("error", 1)] {
            let labels = format!("statement=\"test.counted\",outcome=\"{outcome}\"");
            let line = format!("vitrine_database_statements_total{{{labels}}} {count}");
            assert!(figures.lines().any(|found| found == line), "{line} is missing:\n{figures}");
        }
    }
}

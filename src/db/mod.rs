//! The only room with SQL: one file for each aggregate, two doors ([`Db::read`] and [`Db::write`]).
//!
//! Every closure runs on a blocking thread with one connection of a bounded pool; a write is one transaction
//! that is tried again when the database asks for it (serialization failure, deadlock, busy).

pub mod blobs;
pub mod cached_images;
mod connection;
pub mod dialect;
pub mod events;
pub mod identity;
mod image_parts;
pub mod images;
pub mod images_page;
pub mod jobs;
pub mod ledger;
pub mod members;
pub mod metadefs;
mod migrate;
pub mod schema;
pub mod tasks;

use std::{sync::Arc, time::Duration};

use diesel::{
    r2d2::{Pool, PooledConnection},
    result::{DatabaseErrorKind, Error as DieselError},
};
use tokio::sync::Semaphore;

pub use connection::Conn;
pub use migrate::{MigrateError, pending};

use crate::model::error::Error;

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

/// What a statement can answer besides its result.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A row with this key exists already.
    #[error("duplicate: {0}")]
    Duplicate(String),
    /// A save named a revision that is no longer the latest.
    #[error("the row changed meanwhile")]
    Stale,
    /// Connection pool exhausted or database away.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// Anything else; a fault to be logged.
    #[error("{0}")]
    Other(String),
    /// A domain decision made inside the transaction, which is rolled back.
    #[error(transparent)]
    Domain(#[from] Error),
    /// The database asks to run the transaction again.
    #[error("transaction must be retried: {0}")]
    Retry(String),
}

impl From<DieselError> for DbError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                Self::Duplicate(info.message().to_owned())
            }
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, info) => {
                Self::Retry(info.message().to_owned())
            }
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, info) => {
                Self::Unavailable(info.message().to_owned())
            }
            DieselError::DatabaseError(_, info) if dialect::asks_for_retry(info.message()) => {
                Self::Retry(info.message().to_owned())
            }
            DieselError::DatabaseError(_, info) if dialect::cannot_store(info.message()) => {
                Self::Unavailable(info.message().to_owned())
            }
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Domain(error) => error,
            DbError::Duplicate(what) => Self::Conflict(format!("It exists already ({what}).")),
            DbError::Stale => {
                Self::Conflict("The image was changed by another request; try again.".to_owned())
            }
            DbError::Unavailable(why) | DbError::Retry(why) => {
                tracing::error!(reason = %why, "database unavailable");
                Self::Unavailable("The database is not available; try again.".to_owned())
            }
            DbError::Other(why) => Self::Internal { message: format!("database: {why}") },
        }
    }
}

/// Result of a statement.
pub type DbResult<T> = std::result::Result<T, DbError>;

type PoolOf = Pool<connection::Manager>;

/// The database: a bounded pool behind two doors. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pool: PoolOf,
    permits: Arc<Semaphore>,
    writers: Arc<Semaphore>,
}

const WRITE_ATTEMPTS: u32 = 12;

impl Db {
    /// Opens the pool. Blocking: call it before the server starts, or on a blocking thread.
    ///
    /// # Errors
    /// A sentence saying why the database cannot be reached.
    pub fn open(settings: &Settings) -> std::result::Result<Self, String> {
        let url = connection::normalise(&settings.connection)?;
        let size = settings.max_pool_size.max(1);
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(Duration::from_secs(settings.pool_timeout_seconds.max(1)))
            .connection_customizer(Box::new(connection::Setup))
            .build(connection::Manager::new(url.clone()))
            .map_err(|e| format!("cannot open the database {}: {e}", connection::without_password(&url)))?;
        let writers = if url.starts_with("sqlite:") { 1 } else { size as usize };
        Ok(Self {
            pool,
            permits: Arc::new(Semaphore::new(size as usize)),
            writers: Arc::new(Semaphore::new(writers)),
        })
    }

    /// Applies the migrations that are missing. Blocking.
    ///
    /// # Errors
    /// [`MigrateError`]; in particular when the database is from a newer version.
    pub fn migrate(&self) -> std::result::Result<Vec<String>, MigrateError> {
        let mut conn = self.pool.get().map_err(|e| MigrateError::Failed(e.to_string()))?;
        migrate::run(&mut conn)
    }

    /// Names of migrations that are not applied yet. Blocking.
    ///
    /// # Errors
    /// [`MigrateError`], as [`Db::migrate`].
    pub fn pending_migrations(&self) -> std::result::Result<Vec<String>, MigrateError> {
        let mut conn = self.pool.get().map_err(|e| MigrateError::Failed(e.to_string()))?;
        migrate::pending(&mut conn)
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
        blocking(move || {
            let _permit = permit;
            let mut attempt = 0;
            loop {
                let result = connection::snapshot(&mut *take(&pool)?, |conn| query(conn));
                attempt += 1;
                match result {
                    Err(DbError::Retry(_)) if attempt < WRITE_ATTEMPTS => back_off(attempt),
                    other => return log_slow_or_failed(name, other),
                }
            }
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
        blocking(move || {
            let _permits = (writer, permit);
            let mut attempt = 0;
            loop {
                let mut conn = take(&pool)?;
                let result = in_transaction(&mut conn, &change);
                drop(conn);
                attempt += 1;
                match result {
                    Err(DbError::Retry(_)) if attempt < WRITE_ATTEMPTS => back_off(attempt),
                    other => return log_slow_or_failed(name, other),
                }
            }
        })
        .await
    }

    /// Runs `change` in one transaction on the present thread, for the time before the server starts.
    ///
    /// # Errors
    /// What the closure answers.
    pub fn write_blocking<T>(&self, change: impl Fn(&mut Conn) -> DbResult<T>) -> DbResult<T> {
        in_transaction(&mut *take(&self.pool)?, &change)
    }
}

fn in_transaction<T>(conn: &mut Conn, change: &impl Fn(&mut Conn) -> DbResult<T>) -> DbResult<T> {
    if let Conn::Sqlite(sqlite) = conn {
        // A deferred transaction that turns to writing cannot wait for the lock; an immediate one can.
        diesel::connection::SimpleConnection::batch_execute(sqlite, "PRAGMA busy_timeout = 10000")?;
    }
    connection::immediate(conn, |conn| change(conn))
}

fn take(pool: &PoolOf) -> DbResult<PooledConnection<connection::Manager>> {
    pool.get().map_err(|e| DbError::Unavailable(e.to_string()))
}

fn back_off(attempt: u32) {
    let spread = u64::from(std::process::id() % 7) + u64::from(attempt);
    std::thread::sleep(Duration::from_millis((1_u64 << attempt.min(6)) + spread));
}

fn log_slow_or_failed<T>(name: &'static str, result: DbResult<T>) -> DbResult<T> {
    if let Err(error @ (DbError::Other(_) | DbError::Retry(_) | DbError::Unavailable(_))) = &result {
        tracing::error!(statement = name, %error, "database statement failed");
    }
    result
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> DbResult<T> + Send + 'static) -> DbResult<T> {
    match crate::telemetry::blocking(work).await {
        Ok(result) => result,
        Err(fault) => Err(DbError::Other(format!("a database thread failed: {fault}"))),
    }
}

//! Errors of statements.

use std::{cell::RefCell, fmt};

use diesel::{
    connection::{Instrumentation, InstrumentationEvent},
    result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError},
};

use crate::model::error::Error;

/// What a statement can answer besides its result.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A row with this key exists already.
    #[error("duplicate: {0}")]
    Duplicate(Key),
    /// Of this thing the caller had an older state than the database, or it is gone.
    #[error("{0} was changed meanwhile")]
    Stale(String),
    /// There was no connection to be had, so that nothing was done.
    #[error("database not reached: {0}")]
    Unreached(String),
    /// Connection pool exhausted, database away or unable to write.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// Anything else; a fault to be logged.
    #[error("{0}")]
    Other(String),
    /// What the driver says and nobody has judged yet: the end of the transaction does.
    #[error("{0}")]
    Driver(DieselError),
    /// A domain decision made inside the transaction, which is rolled back.
    #[error(transparent)]
    Domain(#[from] Error),
    /// This connection was cut, or its server does not write, but the one that has taken its place may: nothing was done,
    /// and the transaction can be run again on another connection.
    #[error("another connection is needed: {0}")]
    Elsewhere(String),
    /// The database asks to run the transaction again.
    #[error("transaction must be retried: {0}")]
    Retry(String),
}

impl DbError {
    /// [`DbError::Stale`] for an item of this kind and id or name.
    pub fn stale(kind: &str, id: impl fmt::Display) -> Self {
        Self::Stale(format!("{kind} {id}"))
    }
}

impl From<DieselError> for DbError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                Self::Duplicate(Key::of(&*info))
            }
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, info) => {
                Self::Retry(info.message().to_owned())
            }
            DieselError::DatabaseError(DatabaseErrorKind::ReadOnlyTransaction, info) => {
                Self::Elsewhere(info.message().to_owned())
            }
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, info) => {
                Self::Unavailable(info.message().to_owned())
            }
            other => Self::Driver(other),
        }
    }
}

impl From<diesel::r2d2::PoolError> for DbError {
    fn from(error: diesel::r2d2::PoolError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Domain(error) => error,
            DbError::Duplicate(key) => Self::Conflict(format!("It exists already ({}).", key.table)),
            DbError::Stale(what) => {
                Self::Conflict(format!("The {what} was changed by another request; try again."))
            }
            DbError::Unreached(why)
            | DbError::Unavailable(why)
            | DbError::Elsewhere(why)
            | DbError::Retry(why) => {
                tracing::error!(reason = %why, "database unavailable");
                Self::Unavailable("The database is not available; try again.".to_owned())
            }
            DbError::Other(why) => Self::Internal { message: format!("database: {why}") },
            DbError::Driver(error) => Self::Internal { message: format!("database: {error}") },
        }
    }
}

/// Result of a statement.
pub type DbResult<T> = std::result::Result<T, DbError>;

/// A key that a second row wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The table, by the same name on every database.
    pub table: String,
    /// The database's name of the key: its constraint, on SQLite its columns.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.name, self.table)
    }
}

thread_local! {
    /// The table that the last refused row of this thread was for: MariaDB names a key without its table.
    static TABLE: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Key {
    fn of(info: &dyn DatabaseErrorInformation) -> Self {
        let name = match info.constraint_name() {
            Some(name) => name,
            None => named_in(info.message()),
        };
        Self { table: TABLE.with_borrow(Clone::clone), name: name.to_owned() }
    }
}

/// The key in "UNIQUE constraint failed: images.id" and in "Duplicate entry '1' for key 'images.PRIMARY'", where the
/// table is left out by some: what stands last, whatever the language before it.
fn named_in(message: &str) -> &str {
    match message.strip_suffix('\'').and_then(|text| text.rsplit_once('\'')) {
        Some((_, key)) => key.rsplit('.').next().unwrap_or(key),
        None => message.rsplit_once(": ").map_or(message, |(_, columns)| columns),
    }
}

/// Hears what a connection does: notes for which table a row was refused, and writes statements into the log.
pub(super) struct Heard {
    /// Whether it does the latter.
    pub logs_statements: bool,
}

impl Instrumentation for Heard {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let InstrumentationEvent::FinishQuery { query, error, .. } = event else { return };
        if self.logs_statements {
            let text = query.to_string();
            // What is bound may be a secret.
            let statement = text.split_once(" -- binds: ").map_or(&*text, |(statement, _)| statement);
            tracing::info!(target: "sql", failed = error.is_some(), "{statement}");
        }
        if let Some(DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) = error {
            let table = table_in(&query.to_string()).to_owned();
            TABLE.with_borrow_mut(|last| *last = table);
        }
    }
}

/// The table that an `INSERT` or an `UPDATE` is about.
fn table_in(sql: &str) -> &str {
    let mut words = sql.split([' ', '(']);
    let word = match words.find(|word| matches!(*word, "INTO" | "UPDATE")) {
        Some(_) => words.next().unwrap_or_default(),
        None => "",
    };
    word.trim_matches(['`', '"'])
}

//! One connection type over the three databases, and how a fresh connection is set up.

use diesel::{
    Connection, MysqlConnection, PgConnection, SqliteConnection, connection::SimpleConnection,
    r2d2::CustomizeConnection,
};

use super::{DbError, DbResult};

/// A connection to one of the three databases.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// The embedded default.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PgConnection),
    /// MySQL and MariaDB.
    Mysql(MysqlConnection),
}

/// Sets up each new connection of the pool.
#[derive(Debug)]
pub struct Setup;

impl CustomizeConnection<Conn, diesel::r2d2::Error> for Setup {
    fn on_acquire(&self, conn: &mut Conn) -> Result<(), diesel::r2d2::Error> {
        let statements = match conn {
            // FULL: a commit that a client was told of survives a power cut.
            Conn::Sqlite(_) => {
                "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA foreign_keys = ON; PRAGMA cache_size = -8000;"
            }
            Conn::Postgres(_) => "SET TIME ZONE 'UTC'",
            Conn::Mysql(_) => "SET SESSION sql_mode = 'TRADITIONAL,PIPES_AS_CONCAT', time_zone = '+00:00'",
        };
        conn.batch_execute(statements).map_err(diesel::r2d2::Error::QueryError)
    }
}

/// Runs `body` in a transaction that, on SQLite, takes the write lock at its start.
pub fn immediate<T>(conn: &mut Conn, body: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
    if !matches!(conn, Conn::Sqlite(_)) {
        return conn.transaction(body);
    }
    conn.batch_execute("BEGIN IMMEDIATE")?;
    let result = body(conn);
    let end = if result.is_ok() { conn.batch_execute("COMMIT") } else { conn.batch_execute("ROLLBACK") };
    match (result, end) {
        (Ok(value), Ok(())) => Ok(value),
        (Ok(_), Err(fault)) => {
            // COMMIT may have left the transaction open (busy); a failed ROLLBACK means there is none.
            if let Err(error) = conn.batch_execute("ROLLBACK") {
                tracing::debug!(%error, "no transaction to roll back");
            }
            Err(fault.into())
        }
        (Err(error), Ok(())) => Err(error),
        (Err(error), Err(fault)) => {
            tracing::warn!(%fault, "rollback failed");
            Err(error)
        }
    }
}

/// Runs `body` on one state of the database: an image and its properties are rows of several tables, and a change
/// that is committed between two statements would otherwise be seen by half.
pub fn snapshot<T>(conn: &mut Conn, body: impl FnOnce(&mut Conn) -> DbResult<T>) -> DbResult<T> {
    let begin = match conn {
        Conn::Sqlite(_) => "BEGIN",
        Conn::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        Conn::Mysql(_) => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION READ ONLY",
    };
    conn.batch_execute(begin)?;
    let result = body(conn);
    // Nothing was written, so there is nothing to lose; but the connection must leave the transaction.
    let end = conn.batch_execute("ROLLBACK");
    let value = result?;
    end?;
    Ok(value)
}

/// Brings a connection URL, SQLAlchemy's spellings included, to the form that the client libraries read.
///
/// # Errors
/// A sentence naming the scheme that is not supported.
pub fn normalise(url: &str) -> Result<String, String> {
    let (scheme, rest) = url
        .split_once(':')
        .ok_or_else(|| "connection: no scheme; use sqlite:PATH, postgresql://… or mysql://…".to_owned())?;
    let base = scheme.split('+').next().unwrap_or(scheme);
    match base {
        // SQLAlchemy writes sqlite:///relative and sqlite:////absolute.
        "sqlite" => Ok(format!("sqlite:{}", rest.strip_prefix("///").unwrap_or(rest))),
        "postgresql" | "postgres" => Ok(format!("postgresql:{rest}")),
        "mysql" | "mariadb" => Ok(format!("mysql:{}", rest.split('?').next().unwrap_or(rest))),
        other => {
            Err(format!("connection: the scheme {other:?} is not supported; use sqlite, postgresql or mysql"))
        }
    }
}

/// The URL with its password, if any, left out; for messages.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    match rest.rsplit_once('@') {
        Some((user, place)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:***@{place}")
        }
        None => url.to_owned(),
    }
}

/// Opens a connection; the derive's own way tries one client library after the other and loses the reason.
pub fn establish(url: &str) -> diesel::ConnectionResult<Conn> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        SqliteConnection::establish(path).map(Conn::Sqlite)
    } else if url.starts_with("postgresql:") {
        PgConnection::establish(url).map(Conn::Postgres)
    } else {
        MysqlConnection::establish(url).map(Conn::Mysql)
    }
}

/// Opens connections for the pool.
#[derive(Debug)]
pub struct Manager {
    url: String,
}

impl Manager {
    /// Opens connections to `url`, which is [`normalise`]d already.
    pub fn new(url: String) -> Self {
        Self { url }
    }
}

impl diesel::r2d2::ManageConnection for Manager {
    type Connection = Conn;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Conn, Self::Error> {
        establish(&self.url).map_err(diesel::r2d2::Error::ConnectionError)
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), Self::Error> {
        diesel::r2d2::R2D2Connection::ping(conn).map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, conn: &mut Conn) -> bool {
        std::thread::panicking() || diesel::r2d2::R2D2Connection::is_broken(conn)
    }
}

impl From<diesel::r2d2::PoolError> for DbError {
    fn from(error: diesel::r2d2::PoolError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

//! SQLite.

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, connection::SimpleConnection, sql_query, sql_types::BigInt,
};

use super::spoken::{Dialect, fault, unknown};
use crate::db::{Limits, Sessions, conn::Conn, error::DbError};

/// SQLite, built into the binary.
pub struct Sqlite;

/// What the library says for SQLITE_BUSY and SQLITE_LOCKED: the transaction met another one.
///
/// diesel keeps SQLite's result code to itself. These texts are as good: the library that is built into the binary looks
/// each up by its code in one table (`sqlite3_errstr`) and has no other language.
const RETRY: [&str; 2] = ["database is locked", "database table is locked"];

/// What the library says for SQLITE_FULL and SQLITE_IOERR: it may have room later.
const UNAVAILABLE: [&str; 2] = ["database or disk is full", "disk I/O error"];

impl Dialect for Sqlite {
    fn set_up(&self, conn: &mut Conn, limits: Limits, _sessions: &Sessions) -> QueryResult<()> {
        conn.batch_execute(&format!("PRAGMA busy_timeout = {}", limits.wait().as_millis()))?;
        // The journal is the file's and stays when we are gone; Glance's keeps the one that it has.
        let journal = if is_glances(conn)? { "" } else { "PRAGMA journal_mode = WAL;" };
        // FULL: a commit that a client was told of survives a power cut. What waits for the lock longer is tried again.
        // The cache is each connection's own, of which there may be dozens, and the system keeps the file's pages anyway.
        conn.batch_execute(&format!(
            "{journal} PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -2000;"
        ))
    }

    fn lift_limits(&self) -> &'static str {
        "PRAGMA busy_timeout = 60000"
    }

    fn begin_read(&self) -> &'static str {
        "BEGIN"
    }

    fn begin_write(&self) -> &'static str {
        // A deferred transaction that turns to writing cannot wait for the lock; this one can.
        "BEGIN IMMEDIATE"
    }

    fn columns(&self, table: &str) -> String {
        format!("SELECT name, UPPER(type) AS kind FROM pragma_table_info('{table}') ORDER BY cid")
    }

    fn number(&self, text: &str) -> String {
        format!(
            "CASE WHEN LENGTH({text}) BETWEEN 1 AND 18 AND {text} NOT GLOB '*[^0-9]*' THEN CAST({text} AS INTEGER) END"
        )
    }

    fn fail(&self, conn: &mut Conn, error: DbError) -> (DbError, bool) {
        // SQLite may have rolled back by itself, and then refuses to do so again.
        let good = conn.batch_execute("ROLLBACK").is_ok() || conn.batch_execute("BEGIN; ROLLBACK").is_ok();
        let message = unknown(&error).map(|info| info.message().to_owned());
        let error = match message {
            Some(message) if RETRY.contains(&&*message) => DbError::Retry(message),
            Some(message) if UNAVAILABLE.contains(&&*message) => DbError::Unavailable(message),
            _ => fault(error),
        };
        (error, good)
    }

    fn is_visible(&self) -> Option<&'static str> {
        // It looks for the very words of the index, and these are none by which it could search.
        Some("i.visibility <> 'private' AND i.visibility <> 'shared'")
    }

    fn on_known_account(&self) -> Option<&'static str> {
        None
    }

    fn is_false(&self, column: &str) -> String {
        format!("{column} = 0")
    }
}

/// Whether the file is of a Glance, whose migrations alembic counts.
fn is_glances(conn: &mut Conn) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let count = "SELECT COUNT(*) AS count FROM sqlite_master WHERE name = 'alembic_version'";
    Ok(sql_query(count).get_result::<Found>(conn)?.count > 0)
}

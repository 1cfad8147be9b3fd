//! MySQL and MariaDB.

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl,
    connection::SimpleConnection,
    sql_query,
    sql_types::{BigInt, Text},
};

use super::spoken::{Dialect, fault, unknown};
use crate::db::{Limits, Sessions, conn::Conn, error::DbError};

/// MySQL and MariaDB.
pub struct Mysql;

/// The transaction met another one: a record has changed since it was read, a lock was not to be had in time, deadlock.
const RETRY: [i64; 3] = [1020, 1205, 1213];

/// Seconds that a statement waits for a lock before its transaction is tried again.
const LOCK_SECONDS: u64 = 10;

/// A file cannot be written or the disk is full (as the server, its file layer and InnoDB say it), a file cannot be read,
/// the server shuts down, a statement took too long.
const UNAVAILABLE: [i64; 8] = [3, 20, 1021, 1024, 1026, 1053, 1114, 1969];

/// The node of a Galera cluster is not ready, the server only reads: what a former primary says after a fail-over.
const ELSEWHERE: [i64; 3] = [1047, 1290, 1836];

/// Asks for the first and the last condition that the last statement raised: an error is one of them, warnings may stand
/// beside it. SHOW WARNINGS says the same, but not to a prepared statement, which is what diesel reads rows from.
const DIAGNOSTICS: &str = "GET DIAGNOSTICS @conditions = NUMBER; \
    GET DIAGNOSTICS CONDITION 1 @first_code = MYSQL_ERRNO, @first_text = MESSAGE_TEXT; \
    GET DIAGNOSTICS CONDITION @conditions @last_code = MYSQL_ERRNO, @last_text = MESSAGE_TEXT";

#[derive(QueryableByName)]
struct Condition {
    #[diesel(sql_type = BigInt)]
    code: i64,
    #[diesel(sql_type = Text)]
    message: String,
}

impl Dialect for Mysql {
    fn set_up(&self, conn: &mut Conn, limits: Limits, sessions: &Sessions) -> QueryResult<()> {
        let (statement, lock) =
            (limits.statement().as_secs(), LOCK_SECONDS.min(limits.statement().as_secs()));
        // READ COMMITTED is what PostgreSQL does: a row that is locked is seen as it is then, not as it was before.
        let wsrep =
            sessions.wsrep_sync_wait.map(|wait| format!(", wsrep_sync_wait = {wait}")).unwrap_or_default();
        // What stands in a comment is MariaDB's alone; the second is for a process that was stopped in the middle of a
        // transaction.
        conn.batch_execute(&format!(
            "SET SESSION sql_mode = {}{wsrep}, time_zone = '+00:00', \
             lc_messages = 'en_US', innodb_lock_wait_timeout = {lock} \
             /*M!100100 , max_statement_time = {statement} */ \
             /*M!100300 , idle_transaction_timeout = {} */; \
             SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            sessions.sql_mode.expression(),
            statement.saturating_mul(2)
        ))
    }

    fn lift_limits(&self) -> &'static str {
        "SET SESSION lc_messages = 'en_US' /*M!100100 , max_statement_time = 0 */"
    }

    fn begin_read(&self) -> &'static str {
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION READ ONLY"
    }

    fn begin_write(&self) -> &'static str {
        "START TRANSACTION"
    }

    fn number(&self, text: &str) -> String {
        format!(
            "CASE WHEN LENGTH({text}) BETWEEN 1 AND 18 AND {text} NOT REGEXP '[^0-9]' THEN CAST({text} AS SIGNED) END"
        )
    }

    fn fail(&self, conn: &mut Conn, error: DbError) -> (DbError, bool) {
        // Before the rollback, which is a statement without errors.
        let code = unknown(&error).map(|info| code_of(conn, info.message()));
        let good = conn.batch_execute("ROLLBACK").is_ok();
        let error = match (code, error) {
            (Some(Some(code)), DbError::Driver(error)) if RETRY.contains(&code) => {
                DbError::Retry(error.to_string())
            }
            (Some(Some(code)), DbError::Driver(error)) if ELSEWHERE.contains(&code) => {
                DbError::Elsewhere(error.to_string())
            }
            (Some(Some(code)), DbError::Driver(error)) if UNAVAILABLE.contains(&code) => {
                DbError::Unavailable(error.to_string())
            }
            (_, DbError::Driver(error)) if !good => DbError::Unavailable(error.to_string()),
            (_, error) => fault(error),
        };
        (error, good)
    }

    fn sum(&self, expression: &str) -> String {
        format!("CAST(COALESCE(SUM({expression}), 0) AS SIGNED)")
    }

    fn on_known_account(&self) -> Option<&'static str> {
        Some("ON DUPLICATE KEY UPDATE project_id = project_id")
    }

    fn has_fractions(&self) -> bool {
        false
    }

    fn sort_key(&self, images: &str, column: &str, _: &str) -> String {
        format!("{images}.{column}_key")
    }

    fn not_deleted(&self, images: &str) -> String {
        self.is_false(&format!("{images}.deleted"))
    }
}

/// The number of the error that the last statement ended with, and that had this message. diesel keeps it to itself, but
/// for a few kinds, and these only from prepared statements: a COMMIT is none.
fn code_of(conn: &mut Conn, message: &str) -> Option<i64> {
    conn.batch_execute(DIAGNOSTICS).ok()?;
    let conditions: Vec<Condition> = sql_query(
        "SELECT CAST(@first_code AS SIGNED) AS code, CAST(@first_text AS CHAR) AS message \
         UNION ALL SELECT CAST(@last_code AS SIGNED), CAST(@last_text AS CHAR)",
    )
    .load(conn)
    .ok()?;
    // A long text may have been cut.
    conditions.into_iter().find(|condition| message.starts_with(&condition.message)).map(|c| c.code)
}

//! PostgreSQL.

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, connection::SimpleConnection,
    result::DatabaseErrorInformation, sql_query, sql_types::Integer,
};

use super::spoken::{Dialect, fault, unknown};
use crate::db::{Limits, Sessions, conn::Conn, error::DbError};

/// PostgreSQL.
pub struct Postgres;

/// How the names begin of the files in which the server keeps its data.
const FILES: [&str; 4] = ["\"base/", "\"global/", "\"pg_wal/", "\"pg_tblspc/"];

#[derive(QueryableByName)]
struct Backend {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

impl Dialect for Postgres {
    fn set_up(&self, conn: &mut Conn, limits: Limits, _sessions: &Sessions) -> QueryResult<()> {
        // A process that was stopped in the middle of a transaction must not hold its locks for ever.
        let (statement, idle) = (limits.statement().as_millis(), 2 * limits.statement().as_millis());
        conn.batch_execute(&format!(
            "SET TIME ZONE 'UTC'; SET statement_timeout = {statement}; \
             SET idle_in_transaction_session_timeout = {idle}; SET plan_cache_mode = force_generic_plan"
        ))
    }

    fn lift_limits(&self) -> &'static str {
        "SET statement_timeout = 0"
    }

    fn begin_read(&self) -> &'static str {
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL plan_cache_mode = auto"
    }

    fn begin_kept(&self) -> &'static str {
        // Left to itself it plans each time, since it takes a plan for all to be dearer than the planning.
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
    }

    fn begin_write(&self) -> &'static str {
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL plan_cache_mode = auto"
    }

    fn shared_images(&self) -> &'static str {
        // The limit keeps it from any other order of the join.
        "image_members m CROSS JOIN LATERAL (SELECT * FROM images x WHERE x.id = m.image_id LIMIT 1) i"
    }

    fn columns(&self, table: &str) -> String {
        format!(
            "SELECT column_name::text AS name, UPPER(data_type::text) AS kind FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = '{table}' ORDER BY ordinal_position"
        )
    }

    fn json_array(&self, columns: &[&str]) -> String {
        format!("json_build_array({})::text", columns.join(", "))
    }

    fn with_own_keys(&self) -> &'static str {
        "OVERRIDING SYSTEM VALUE "
    }

    fn cast(&self, kind: &str) -> Option<String> {
        (!kind.is_empty()).then(|| format!("::{kind}"))
    }

    fn renumber(&self, table: &str, key: &str) -> Option<String> {
        Some(format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{key}'), MAX({key})) FROM {table} HAVING MAX({key}) > 0 \
             AND pg_get_serial_sequence('{table}', '{key}') IS NOT NULL"
        ))
    }

    fn number(&self, text: &str) -> String {
        format!(
            "CASE WHEN LENGTH({text}) BETWEEN 1 AND 18 AND {text} !~ '[^0-9]' THEN CAST({text} AS BIGINT) END"
        )
    }

    fn fail(&self, conn: &mut Conn, error: DbError) -> (DbError, bool) {
        // Until then the server answers nothing else.
        let good = conn.batch_execute("ROLLBACK").is_ok();
        let retry = unknown(&error).is_some_and(|info| is_deadlock(conn, info));
        let unavailable =
            unknown(&error).is_some_and(|info| FILES.iter().any(|file| info.message().contains(file)));
        let error = match error {
            DbError::Driver(error) if retry => DbError::Retry(error.to_string()),
            DbError::Driver(error) if unavailable || !good => DbError::Unavailable(error.to_string()),
            error => fault(error),
        };
        (error, good)
    }
}

/// Whether an error is 40P01. diesel knows the SQLSTATE of 40001, but keeps this one to itself, and the server may speak
/// any language. What only a deadlock says is who waits for whom, in a circle: this session is in it twice.
fn is_deadlock(conn: &mut Conn, info: &dyn DatabaseErrorInformation) -> bool {
    let Some(details) = info.details() else { return false };
    let Ok(own) = sql_query("SELECT pg_backend_pid() AS pid").get_result::<Backend>(conn) else {
        return false;
    };
    let own = own.pid.to_string();
    details.lines().count() > 1
        && details.split(|c: char| !c.is_ascii_digit()).filter(|number| *number == own).count() > 1
}

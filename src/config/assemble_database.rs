//! The database: options of oslo.db (`oslo_db/options.py`), how long requests wait for it, and the key of its locations.

use std::sync::Arc;

use super::Loaded;
use super::check::{Finding, Topic};
use crate::db::{Limits, LocationKey, Sessions, Settings, SqlMode, Start};

const S: &str = "database";
/// Connections at most, whatever the options say.
const CONNECTIONS_MAX: u32 = 200;
/// From this `connection_debug` on, SQLAlchemy logs statements.
const STATEMENTS: u64 = 50;

/// Assembles the settings; `None` is the embedded database. Parameters join the URL.
pub(super) fn database(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<Settings> {
    let default = Settings::default();
    let kept = match count(loaded, "max_pool_size").unwrap_or(default.max_pool_size) {
        0 => CONNECTIONS_MAX,
        kept => kept.min(CONNECTIONS_MAX),
    };
    let further = count(loaded, "max_overflow").unwrap_or(CONNECTIONS_MAX);
    let parameters = loaded.nonempty(S, "connection_parameters");
    let settings = Settings {
        connection: String::new(),
        max_pool_size: kept,
        max_overflow: further.min(CONNECTIONS_MAX.saturating_sub(kept)),
        pool_timeout_seconds: loaded.u64(S, "pool_timeout").unwrap_or(default.pool_timeout_seconds),
        limits: limits(loaded),
        sessions: sessions(loaded, findings),
        start: Start {
            attempts: count(loaded, "max_retries").map(|attempts| attempts.max(1)),
            interval_seconds: loaded.u64(S, "retry_interval").unwrap_or_default(),
        },
    };
    let mut connection = loaded.nonempty(S, "connection")?;
    if let Some(parameters) = parameters {
        connection.push(if connection.contains('?') { '&' } else { '?' });
        connection.push_str(&parameters);
    }
    Some(Settings { connection, ..settings })
}

/// A number of something; -1 is none.
fn count(loaded: &Loaded, option: &str) -> Option<u32> {
    let number = loaded.i64(S, option).filter(|number| *number >= 0)?;
    Some(u32::try_from(number).unwrap_or(u32::MAX))
}

fn sessions(loaded: &Loaded, findings: &mut Vec<Finding>) -> Sessions {
    let sql_mode = SqlMode::parse(&loaded.string(S, "mysql_sql_mode").unwrap_or_default());
    Sessions {
        recycle_seconds: count(loaded, "connection_recycle_time").map(u64::from),
        sql_mode: sql_mode.unwrap_or_else(|reason| {
            let origin = loaded.origin(S, "mysql_sql_mode");
            findings.push(Finding::of_option(Topic::Bad, S, "mysql_sql_mode", origin, reason));
            SqlMode::default()
        }),
        wsrep_sync_wait: loaded.u64(S, "mysql_wsrep_sync_wait").and_then(|n| u8::try_from(n).ok()),
        logs_statements: loaded.u64(S, "connection_debug").is_some_and(|level| level >= STATEMENTS),
    }
}

/// How long requests wait for the database, embedded or not.
pub(super) fn limits(loaded: &Loaded) -> Limits {
    let default = Limits::default();
    Limits {
        wait_seconds: loaded.u64("vitrine", "database_wait").unwrap_or(default.wait_seconds),
        statement_seconds: loaded
            .u64("vitrine", "database_statement_timeout")
            .unwrap_or(default.statement_seconds),
    }
}

/// The key with which the URLs of locations are encrypted, in both databases.
pub(super) fn location_key(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<Arc<LocationKey>> {
    let (section, option) = ("DEFAULT", "metadata_encryption_key");
    match LocationKey::new(&loaded.nonempty(section, option)?) {
        Ok(key) => Some(Arc::new(key)),
        Err(reason) => {
            let origin = loaded.origin(section, option);
            findings.push(Finding::of_option(Topic::Bad, section, option, origin, reason));
            None
        }
    }
}

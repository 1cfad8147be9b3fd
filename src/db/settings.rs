//! How to reach the database, and how its connections are configured.

use super::{Limits, url::Place};

/// How to reach the database.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `sqlite:PATH`, `postgresql://…` or `mysql://…`; SQLAlchemy driver suffixes (`mysql+pymysql`) are accepted.
    pub connection: String,
    /// Connections that are kept open.
    pub max_pool_size: u32,
    /// Connections beyond these that are opened when all are in use, and closed when they come back; all of them together
    /// are the statements that may run at once.
    pub max_overflow: u32,
    /// Seconds that work which must not be lost waits for a connection.
    pub pool_timeout_seconds: u64,
    /// Time limits.
    pub limits: Limits,
    /// How connections are treated.
    pub sessions: Sessions,
    /// How often a database that is not there is asked again at the start.
    pub start: Start,
}

/// How connections are treated.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// Seconds after which one is replaced; `None` keeps it.
    pub recycle_seconds: Option<u64>,
    /// The SQL mode of MySQL.
    pub sql_mode: SqlMode,
    /// What the nodes of a Galera cluster wait for before they answer (`wsrep_sync_wait`); `None` leaves that to the server.
    pub wsrep_sync_wait: Option<u8>,
    /// Whether each statement goes into the log, without the values that are bound to it.
    pub logs_statements: bool,
}

/// How often a database that is not there is asked again at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Attempts in all, at least one; `None` tries for ever.
    pub attempts: Option<u32>,
    /// Seconds between two of them.
    pub interval_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connection: String::new(),
            max_pool_size: 10,
            max_overflow: 0,
            pool_timeout_seconds: 30,
            limits: Limits::default(),
            sessions: Sessions::default(),
            start: Start { attempts: Some(1), interval_seconds: 0 },
        }
    }
}

/// The address of a database in the memory of this process.
pub const IN_MEMORY: &str = "sqlite::memory:";

impl Settings {
    /// Whether several nodes can work on the database; a file or the memory of this machine is one node's alone.
    pub fn is_shared(&self) -> bool {
        !self.connection.starts_with("sqlite")
    }

    /// The address for messages, without a password.
    ///
    /// # Errors
    /// A sentence naming what is wrong with it.
    pub fn shown(&self) -> std::result::Result<String, String> {
        Ok(Place::parse(&self.connection)?.shown())
    }

    /// The one-line error message when no connection can be opened.
    pub fn cannot_be_opened(&self, why: impl std::fmt::Display) -> String {
        let why = why.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        format!("cannot open the database {}: {why}", self.shown().unwrap_or_default())
    }

    /// Whether the database goes with the process.
    pub fn is_in_memory(&self) -> bool {
        self.connection == IN_MEMORY
    }
}

/// Modes that make the server stricter, or change nothing that a statement of ours means.
const MODES: [&str; 10] = [
    "TRADITIONAL",
    "STRICT_TRANS_TABLES",
    "STRICT_ALL_TABLES",
    "NO_ZERO_IN_DATE",
    "NO_ZERO_DATE",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "NO_AUTO_CREATE_USER",
    "NO_ENGINE_SUBSTITUTION",
    "ONLY_FULL_GROUP_BY",
    "PIPES_AS_CONCAT",
];

/// The SQL mode of a session of MySQL, beside what Vitrine's statements need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlMode(Option<String>);

impl Default for SqlMode {
    fn default() -> Self {
        Self(Some("TRADITIONAL".to_owned()))
    }
}

impl SqlMode {
    /// Reads modes joined by commas; none leaves the server's own.
    ///
    /// # Errors
    /// A sentence that names a mode which would change what statements mean.
    pub fn parse(text: &str) -> Result<Self, String> {
        let modes: Vec<String> =
            text.split(',').map(|mode| mode.trim().to_ascii_uppercase()).filter(|m| !m.is_empty()).collect();
        match modes.iter().find(|mode| !MODES.contains(&mode.as_str())) {
            Some(mode) => Err(format!(
                "the mode {mode:?} would change what the statements of Vitrine mean; known are {}",
                MODES.join(", ")
            )),
            None => Ok(Self((!modes.is_empty()).then(|| modes.join(",")))),
        }
    }

    /// An expression of SQL: these modes, and those without which text would be cut off and joined as if it were numbers.
    pub(super) fn expression(&self) -> String {
        let needed = "STRICT_ALL_TABLES,PIPES_AS_CONCAT";
        match &self.0 {
            Some(modes) => format!("'{modes},{needed}'"),
            None => format!("CONCAT(@@SESSION.sql_mode, ',{needed}')"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Proves that modes are kept, that the server's own are when there are none, and that a mode which changes the
    /// meaning of statements is refused by its name.
    #[test]
    fn modes_are_kept_or_refused() {
        for (text, expression) in [
            ("", "CONCAT(@@SESSION.sql_mode, ',STRICT_ALL_TABLES,PIPES_AS_CONCAT')"),
            ("TRADITIONAL", "'TRADITIONAL,STRICT_ALL_TABLES,PIPES_AS_CONCAT'"),
            (
                "no_zero_date, Only_Full_Group_By",
                "'NO_ZERO_DATE,ONLY_FULL_GROUP_BY,STRICT_ALL_TABLES,PIPES_AS_CONCAT'",
            ),
        ] {
            assert_eq!(SqlMode::parse(text).unwrap().expression(), expression);
        }
        for text in ["ANSI", "TRADITIONAL,ANSI_QUOTES", "EMPTY_STRING_IS_NULL", "x'; DROP"] {
            let refused = SqlMode::parse(text).unwrap_err();
            let named = text.rsplit(',').next().unwrap().to_ascii_uppercase();
            assert!(refused.contains(&format!("{named:?}")), "{refused}");
        }
    }
}

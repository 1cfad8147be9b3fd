//! How long requests wait for the database, and limits on its use.

use std::time::Duration;

/// Time limits for the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seconds that a request waits for a connection to be opened, and within which an unresponsive database is
    /// detected. While the database answers others, a request may queue five times as long.
    pub wait_seconds: u64,
    /// Seconds that one statement may take.
    pub statement_seconds: u64,
}

/// How many times as long a request stands in line for a connection.
const LINE: u32 = 5;

impl Default for Limits {
    fn default() -> Self {
        Self { wait_seconds: 2, statement_seconds: 30 }
    }
}

impl Limits {
    /// How long a request waits for a connection.
    pub fn wait(self) -> Duration {
        Duration::from_secs(self.wait_seconds.max(1))
    }

    /// How long a request queues for a connection while the database answers others: a thousand simultaneous requests
    /// make a long queue, but it moves.
    pub(super) fn line(self) -> Duration {
        self.wait().saturating_mul(LINE)
    }

    /// How long one statement may run.
    pub fn statement(self) -> Duration {
        Duration::from_secs(self.statement_seconds.max(1))
    }

    /// How long a request waits for its result: a transaction of several statements, repeated after conflicts.
    pub(super) fn answer(self) -> Duration {
        self.statement().saturating_mul(2)
    }

    /// How long a request waits before the database is probed.
    pub(super) fn suspicion(self) -> Duration {
        self.wait() / 2
    }

    /// How long the probe may take; together with the wait before it this is a little less than a request's total wait.
    pub(super) fn question(self) -> Duration {
        self.wait() * 2 / 5
    }
}

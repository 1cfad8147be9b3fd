//! How long requests wait for the database, and limits on its use.

use std::time::Duration;

/// How long requests wait for the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Seconds that a request waits for a connection to be opened, and within which a database that does not answer is
    /// found out. While it answers others, a request stands in line five times as long at need.
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
    /// For how long a request waits for a connection.
    pub fn wait(self) -> Duration {
        Duration::from_secs(self.wait_seconds.max(1))
    }

    /// For how long a request stands in line for one, while the database answers others: a thousand that come at once
    /// make a long line, and it moves.
    pub(super) fn line(self) -> Duration {
        self.wait().saturating_mul(LINE)
    }

    /// For how long one statement may run.
    pub fn statement(self) -> Duration {
        Duration::from_secs(self.statement_seconds.max(1))
    }

    /// For how long a request waits for its answer: a transaction of several statements, tried again where it met others.
    pub(super) fn answer(self) -> Duration {
        self.statement().saturating_mul(2)
    }

    /// After how long somebody who waits has the database asked whether it is there.
    pub(super) fn suspicion(self) -> Duration {
        self.wait() / 2
    }

    /// For how long that question may go unanswered; both together are a little less than what a request waits.
    pub(super) fn question(self) -> Duration {
        self.wait() * 2 / 5
    }
}

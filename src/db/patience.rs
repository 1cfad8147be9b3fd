//! How often and at what intervals a transaction is repeated after a conflict.

use std::time::{Duration, Instant};

use rand::Rng;

use super::{DbError, DbResult};

/// Attempts at most.
const ATTEMPTS: u32 = 40;

/// After this time no further attempt begins.
const TIME: Duration = Duration::from_secs(15);

/// Between two attempts at most.
const LONGEST: u64 = 100_000;

/// The remaining attempts of a transaction.
pub(super) struct Patience {
    attempts: u32,
    since: Instant,
}

impl Patience {
    /// All of it.
    pub(super) fn new() -> Self {
        Self { attempts: 0, since: Instant::now() }
    }

    /// Counts a failed attempt and returns how long to wait before the next, or `None` after the last. The waits are
    /// random, so that transactions that collided do not collide again, and grow to a tenth of a second.
    pub(super) fn next_wait(&mut self) -> Option<Duration> {
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts >= ATTEMPTS || self.since.elapsed() >= TIME {
            return None;
        }
        let longest = LONGEST.min(1000_u64 << self.attempts.min(10));
        Some(Duration::from_micros(rand::rng().random_range(0..=longest)))
    }
}

/// Runs a transaction, repeating it when the database requires it, and once after a fail-over.
pub(super) fn patiently<T>(name: &'static str, transaction: impl Fn() -> DbResult<T>) -> DbResult<T> {
    let mut patience = Patience::new();
    let mut was_elsewhere = false;
    loop {
        let result = transaction();
        let wait = match result {
            Err(DbError::Retry(_)) => patience.next_wait(),
            Err(DbError::Elsewhere(why)) if was_elsewhere => {
                return log_failed(name, Err(DbError::Unreached(why)));
            }
            Err(DbError::Elsewhere(_)) => {
                was_elsewhere = true;
                continue;
            }
            _ => None,
        };
        let Some(wait) = wait else { return log_failed(name, result) };
        std::thread::sleep(wait);
    }
}

/// Whether the database failed, rather than the statement.
pub(super) fn is_fault<T>(result: &DbResult<T>) -> bool {
    matches!(
        result,
        Err(DbError::Other(_)
            | DbError::Retry(_)
            | DbError::Elsewhere(_)
            | DbError::Unreached(_)
            | DbError::Unavailable(_))
    )
}

fn log_failed<T>(name: &'static str, result: DbResult<T>) -> DbResult<T> {
    if let Err(error) = &result
        && is_fault(&result)
    {
        tracing::error!(statement = name, %error, "database statement failed");
    }
    result
}

//! How often and how long a transaction that met another one is tried again.

use std::time::{Duration, Instant};

use rand::Rng;

/// Attempts at most.
const ATTEMPTS: u32 = 40;

/// After this time no further attempt begins.
const TIME: Duration = Duration::from_secs(15);

/// Between two attempts at most.
const LONGEST: u64 = 100_000;

/// What is left for one transaction.
pub(super) struct Patience {
    attempts: u32,
    since: Instant,
}

impl Patience {
    /// All of it.
    pub(super) fn new() -> Self {
        Self { attempts: 0, since: Instant::now() }
    }

    /// Counts a failed attempt and says how long to wait before the next, or `None` when it was the last. The waits are
    /// random, so that those who met once do not meet again, and grow to a tenth of a second.
    pub(super) fn next_wait(&mut self) -> Option<Duration> {
        self.attempts = self.attempts.saturating_add(1);
        if self.attempts >= ATTEMPTS || self.since.elapsed() >= TIME {
            return None;
        }
        let longest = LONGEST.min(1000_u64 << self.attempts.min(10));
        Some(Duration::from_micros(rand::rng().random_range(0..=longest)))
    }
}

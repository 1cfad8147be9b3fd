//! The clock of the service.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::Utc;

use super::time::Timestamp;

/// The current time. Clones share one clock: setting one sets all of them.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Microseconds by which it is ahead of the machine's clock, or of where it stands.
    ahead: Arc<AtomicI64>,
    stands_at: Option<Timestamp>,
}

impl Clock {
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        let since = self.stands_at.map_or_else(|| Utc::now().timestamp_micros(), |time| time.0);
        Timestamp(since.saturating_add(self.ahead.load(Ordering::Relaxed)))
    }

    /// A clock that stands still unless it is set, for reproducible histories.
    pub fn standing(time: Timestamp) -> Self {
        Self { stands_at: Some(time), ..Self::default() }
    }

    /// Puts a standing clock to a moment.
    pub fn set(&self, time: Timestamp) {
        let from = self.stands_at.unwrap_or(time);
        self.ahead.store(time.0.saturating_sub(from.0), Ordering::Relaxed);
    }

    /// Sets the clock forward by `seconds`, so that a test need not wait.
    pub fn turn(&self, seconds: i64) {
        self.ahead.fetch_add(seconds.saturating_mul(1_000_000), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn clones_are_turned_together() {
        let clock = Clock::default();
        let before = clock.now();
        clock.clone().turn(3600);
        assert!(clock.now() >= before.plus_seconds(3600));
        assert!(Clock::default().now() < before.plus_seconds(3600));
        let standing = Clock::standing(before);
        standing.clone().turn(1);
        assert_eq!(standing.now(), before.plus_seconds(1));
        standing.set(before);
        assert_eq!(standing.now(), before);
    }
}

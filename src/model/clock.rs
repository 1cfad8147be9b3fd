//! The clock that the service goes by.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::Utc;

use super::time::Timestamp;

/// What time it is. Clones are the same clock: whoever turns one turns all of them.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Seconds by which it is ahead of the machine's clock.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        Timestamp(Utc::now().timestamp_micros()).plus_seconds(self.ahead.load(Ordering::Relaxed))
    }

    /// Puts the clock forward by `seconds`, so that a test need not wait for what is due later.
    pub fn turn(&self, seconds: i64) {
        self.ahead.fetch_add(seconds, Ordering::Relaxed);
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
    }
}

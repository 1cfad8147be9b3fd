//! Lines that repeat themselves: of one place in the code no more than so many in an interval.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tracing::{Event, Level, Metadata, Subscriber, callsite::Identifier};
use tracing_subscriber::{Layer, layer::Context};

/// `rate_limit_interval`, `rate_limit_burst` and `rate_limit_except_level` of oslo.log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The time in which lines are counted.
    pub interval: Duration,
    /// Lines of one place that are written in that time.
    pub burst: u64,
    /// Lines of this level and above are always written; `None`: none are.
    pub except: Option<Level>,
}

/// The target of the line of each request.
const ACCESS: &str = "access";

/// Leaves out what is too much. The lines of requests are never left out.
pub(super) struct Limited {
    limit: Limit,
    /// No more than there are places in the code.
    places: Mutex<HashMap<Identifier, Window>>,
}

struct Window {
    since: Instant,
    written: u64,
    left_out: u64,
}

impl Limited {
    pub(super) fn new(limit: Limit) -> Self {
        Self { limit, places: Mutex::default() }
    }

    /// Whether a line is to be written, and how many were left out before it.
    pub(super) fn admits(&self, metadata: &Metadata<'_>, now: Instant) -> (bool, u64) {
        let is_excepted = self.limit.except.is_some_and(|except| *metadata.level() <= except);
        if is_excepted || metadata.target() == ACCESS || metadata.target() == module_path!() {
            return (true, 0);
        }
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let window =
            places.entry(metadata.callsite()).or_insert(Window { since: now, written: 0, left_out: 0 });
        let mut left_out = 0;
        if now.duration_since(window.since) >= self.limit.interval {
            left_out = window.left_out;
            *window = Window { since: now, written: 0, left_out: 0 };
        }
        if window.written < self.limit.burst {
            window.written = window.written.saturating_add(1);
            return (true, left_out);
        }
        window.left_out = window.left_out.saturating_add(1);
        (false, left_out)
    }
}

impl<S: Subscriber> Layer<S> for Limited {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        let (is_admitted, left_out) = self.admits(metadata, Instant::now());
        if left_out > 0 {
            let place = metadata.target();
            // Told at a place that no limit holds back.
            tracing::warn!(left_out, place, "lines that repeated themselves were left out");
        }
        is_admitted
    }
}

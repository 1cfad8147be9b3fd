//! Calls of others: how many, how they ended, how long they took, and how many are under way.

use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

use prometheus_client::metrics::counter::Counter;

use super::catalogue::{Book, Counters, Gauges, Histograms, Labels};

/// Calls of one kind: their number by outcome, how long they take, and those under way.
#[derive(Clone)]
pub(super) struct Calls {
    total: Counters,
    seconds: Histograms,
    under_way: Gauges,
}

impl Calls {
    pub(super) fn new(
        book: &mut Book,
        name: &str,
        labels: &'static [&'static str],
        outcome: &'static [&'static str],
        help: &str,
    ) -> Self {
        Self {
            total: book.counters(name, outcome, &format!("{help}, by outcome")),
            seconds: book.histograms(&format!("{name}_seconds"), labels, &format!("{help}: seconds")),
            under_way: book.gauges(&format!("{name}_under_way"), labels, &format!("{help}: under way now")),
        }
    }

    pub(super) fn begin(&self, labels: Labels) -> Call {
        self.under_way.get_or_create(&labels).inc();
        Call { calls: self.clone(), labels, began: Instant::now(), outcome: "abandoned" }
    }

    fn note(&self, labels: Labels, outcome: &'static str, took: Duration) {
        self.under_way.get_or_create(&labels).dec();
        self.seconds.get_or_create(&labels).observe(took.as_secs_f64());
        let mut labels = labels;
        labels.push(("outcome", outcome.into()));
        self.total.get_or_create(&labels).inc();
    }
}

/// A call under way. One that is dropped before it ended counts as `abandoned`.
#[must_use]
pub struct Call {
    calls: Calls,
    labels: Labels,
    began: Instant,
    outcome: &'static str,
}

impl Call {
    /// Ends the call; its outcome is `ok` or `error`.
    pub fn end<T, E>(self, result: &Result<T, E>) {
        self.end_as(if result.is_ok() { "ok" } else { "error" });
    }

    /// Ends the call with an outcome of the caller's.
    pub fn end_as(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.note(std::mem::take(&mut self.labels), self.outcome, self.began.elapsed());
    }
}

/// The figures of one store.
#[derive(Clone)]
pub struct StoreMetrics {
    pub(super) store: Cow<'static, str>,
    pub(super) calls: Calls,
    pub(super) read: Counter,
    pub(super) written: Counter,
}

impl StoreMetrics {
    /// Starts measuring a call, such as `read`, `write`, `stat`, `delete` or `list`.
    pub fn begin(&self, operation: &'static str) -> Call {
        self.calls.begin(vec![("store", self.store.clone()), ("operation", operation.into())])
    }

    /// So many bytes more were handed to readers.
    pub fn add_read(&self, bytes: usize) {
        self.read.inc_by(bytes as u64);
    }

    /// So many bytes more were taken from writers, whether or not they were kept.
    pub fn add_written(&self, bytes: usize) {
        self.written.inc_by(bytes as u64);
    }
}

/// The figures of one purpose for which this process calls others.
#[derive(Clone)]
pub struct OutboundMetrics {
    pub(super) purpose: &'static str,
    pub(super) calls: Calls,
    pub(super) received: Counter,
}

impl std::fmt::Debug for OutboundMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundMetrics").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

impl OutboundMetrics {
    /// The purpose.
    pub fn purpose(&self) -> &'static str {
        self.purpose
    }

    /// Begins a request.
    pub fn begin(&self) -> Call {
        self.calls.begin(vec![("purpose", self.purpose.into())])
    }

    /// So many bytes more of answers came.
    pub fn add_received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }
}

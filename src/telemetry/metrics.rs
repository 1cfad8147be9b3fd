//! Metrics of this process: counts, durations and bytes.
//!
//! Names and labels follow Prometheus. Every label has few values: names of statements and operations are fixed in
//! the code, ids of stores come from the configuration, and nothing that a caller sends becomes one.

use std::{
    borrow::Cow,
    sync::LazyLock,
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// The figures of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
    &METRICS
}

/// A set of figures.
pub struct Metrics {
    registry: Registry,
    statements: Calls,
    stores: Calls,
    store_bytes: Family<Labels, Counter>,
    jobs_claimed: Family<Labels, Counter>,
    jobs: Calls,
    outbound: Calls,
    outbound_bytes: Family<Labels, Counter>,
    verification_failures: Family<Labels, Counter>,
    notices: Family<Labels, Counter>,
    notices_waiting: Family<Labels, Gauge>,
}

/// Calls of one kind: their number by outcome, and how long they take.
#[derive(Clone)]
struct Calls {
    total: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
}

/// A millisecond to some five minutes.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 3.0, 12))
}

impl Calls {
    fn new(registry: &mut Registry, name: &str, help: &str) -> Self {
        let calls = Self {
            total: Family::default(),
            seconds: Family::new_with_constructor(histogram as fn() -> Histogram),
        };
        registry.register(name, format!("{help}, by outcome"), calls.total.clone());
        registry.register(format!("{name}_seconds"), format!("{help}: seconds"), calls.seconds.clone());
        calls
    }

    fn begin(&self, labels: Labels) -> Call {
        Call { calls: self.clone(), labels, began: Instant::now(), outcome: "abandoned" }
    }

    fn note(&self, labels: Labels, outcome: &'static str, took: Duration) {
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
    store: Cow<'static, str>,
    calls: Calls,
    read: Counter,
    written: Counter,
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
    purpose: &'static str,
    calls: Calls,
    received: Counter,
}

impl std::fmt::Debug for OutboundMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboundMetrics").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

impl OutboundMetrics {
    /// Begins a request.
    pub fn begin(&self) -> Call {
        self.calls.begin(vec![("purpose", self.purpose.into())])
    }

    /// So many bytes more of answers came.
    pub fn add_received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }
}

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("vitrine");
        let statements = Calls::new(&mut registry, "database_statements", "Transactions on the database");
        let stores = Calls::new(&mut registry, "store_calls", "Calls of stores");
        let jobs = Calls::new(&mut registry, "jobs", "Attempts at durable jobs that ended");
        let outbound = Calls::new(&mut registry, "outbound_requests", "Requests to other services");
        let mut counters = |name: &str, help: &str| {
            let family = Family::<Labels, Counter>::default();
            registry.register(name, help, family.clone());
            family
        };
        let store_bytes = counters("store_bytes", "Bytes read from and written to stores");
        let jobs_claimed = counters("jobs_claimed", "Attempts at durable jobs that this node began");
        let outbound_bytes = counters("outbound_bytes", "Bytes of the answers of other services");
        let verification_failures = counters(
            "verification_failures",
            "Downloads that broke off because the data was not the image's",
        );
        let notices = counters("notifications", "Events for the message bus or the audit log, by outcome");
        let notices_waiting = Family::<Labels, Gauge>::default();
        registry.register(
            "notifications_waiting",
            "Events that wait for the message bus or the audit log",
            notices_waiting.clone(),
        );
        Self {
            registry,
            notices,
            notices_waiting,
            statements,
            stores,
            store_bytes,
            jobs_claimed,
            jobs,
            outbound,
            outbound_bytes,
            verification_failures,
        }
    }

    /// Begins a transaction; `name` is the one in the log.
    pub fn statement(&self, name: &'static str) -> Call {
        self.statements.begin(vec![("statement", name.into())])
    }

    /// The metrics of a store; call once and keep the result.
    pub fn store(&self, id: &str) -> StoreMetrics {
        let store: Cow<'static, str> = Cow::Owned(id.to_owned());
        let bytes = |direction: &'static str| {
            let labels = vec![("store", store.clone()), ("direction", direction.into())];
            self.store_bytes.get_or_create_owned(&labels)
        };
        StoreMetrics {
            read: bytes("read"),
            written: bytes("written"),
            calls: self.stores.clone(),
            store: store.clone(),
        }
    }

    /// Begins an attempt at a job, which ends as `done`, `failed`, `postponed` or `lost`.
    pub fn job(&self, kind: &'static str) -> Call {
        let labels: Labels = vec![("kind", kind.into())];
        self.jobs_claimed.get_or_create(&labels).inc();
        self.jobs.begin(labels)
    }

    /// Data read from a store, or from `cache`, did not have the `hash` or `size` of its image.
    pub fn verification_failed(&self, store: &str, what: &'static str) {
        let labels = vec![("store", Cow::Owned(store.to_owned())), ("what", what.into())];
        self.verification_failures.get_or_create(&labels).inc();
    }

    fn notices(&self, reader: &'static str, outcome: &'static str, events: usize) {
        let labels = vec![("reader", reader.into()), ("outcome", outcome.into())];
        self.notices.get_or_create(&labels).inc_by(events as u64);
    }

    /// A reader, such as `bus` or `audit`, was told of so many events.
    pub fn notices_told(&self, reader: &'static str, events: usize) {
        self.notices(reader, "told", events);
    }

    /// So many events were dropped before a reader was told of them.
    pub fn notices_lost(&self, reader: &'static str, events: usize) {
        self.notices(reader, "lost", events);
    }

    /// So many events wait for a reader.
    pub fn notices_waiting(&self, reader: &'static str, events: i64) {
        self.notices_waiting.get_or_create(&vec![("reader", reader.into())]).set(events);
    }

    /// The metrics of requests for one purpose, such as `import`, `store`, `keystone` or `policy`.
    pub fn outbound(&self, purpose: &'static str) -> OutboundMetrics {
        let received = self.outbound_bytes.get_or_create_owned(&vec![("purpose", purpose.into())]);
        OutboundMetrics { purpose, calls: self.outbound.clone(), received }
    }

    /// All figures in Prometheus's text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "the metrics could not be written");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves that calls are counted by outcome, one that is dropped included, and that bytes add up.
    #[test]
    fn calls_and_bytes_are_counted() {
        let metrics = Metrics::new();
        metrics.statement("image.find").end(&Ok::<(), ()>(()));
        metrics.statement("image.find").end(&Err::<(), ()>(()));
        let store = metrics.store("fast");
        drop(store.begin("read"));
        store.add_read(3);
        metrics.store("fast").add_read(4);
        metrics.job("import").end_as("done");
        metrics.outbound("policy").add_received(5);
        metrics.verification_failed("web", "hash");
        metrics.notices_told("bus", 2);
        metrics.notices_lost("bus", 1);
        metrics.notices_waiting("audit", 3);
        let text = metrics.text();
        for line in [
            "vitrine_database_statements_total{statement=\"image.find\",outcome=\"ok\"} 1",
            "vitrine_database_statements_total{statement=\"image.find\",outcome=\"error\"} 1",
            "vitrine_database_statements_seconds_count{statement=\"image.find\"} 2",
            "vitrine_store_calls_total{store=\"fast\",operation=\"read\",outcome=\"abandoned\"} 1",
            "vitrine_store_bytes_total{store=\"fast\",direction=\"read\"} 7",
            "vitrine_jobs_claimed_total{kind=\"import\"} 1",
            "vitrine_jobs_total{kind=\"import\",outcome=\"done\"} 1",
            "vitrine_outbound_bytes_total{purpose=\"policy\"} 5",
            "vitrine_verification_failures_total{store=\"web\",what=\"hash\"} 1",
            "vitrine_notifications_total{reader=\"bus\",outcome=\"told\"} 2",
            "vitrine_notifications_total{reader=\"bus\",outcome=\"lost\"} 1",
            "vitrine_notifications_waiting{reader=\"audit\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
        }
    }
}

//! Metrics of this process: counts, durations and bytes.
//!
//! Names and labels follow Prometheus. Every label has few values: names of statements and operations are fixed in
//! the code, ids of stores come from the configuration, and nothing that a caller sends becomes one.

mod calls;
mod catalogue;
mod events;
mod process;
mod requests;
mod state;

use std::{borrow::Cow, sync::LazyLock};

use prometheus_client::{
    encoding::text::{encode_eof, encode_registry},
    registry::Registry,
};

use calls::Calls;
use catalogue::{Book, Counters, Labels};
use events::Events;
use process::Process;
use requests::Requests;

pub use calls::{Call, OutboundMetrics, StoreMetrics};
pub use catalogue::Described;
pub use requests::{Request, known_method};
pub use state::State;

/// The figures of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
    &METRICS
}

/// A set of figures.
pub struct Metrics {
    registry: Registry,
    /// Those whose names are not ours.
    usual: Registry,
    described: Vec<Described>,
    statements: Calls,
    stores: Calls,
    store_bytes: Counters,
    jobs_claimed: Counters,
    jobs: Calls,
    outbound: Calls,
    outbound_bytes: Counters,
    events: Events,
    requests: Requests,
    state: State,
    process: Process,
}

impl Metrics {
    fn new() -> Self {
        let (mut book, mut usual) = (Book::new("vitrine"), Book::new(""));
        let b = &mut book;
        let requests = Requests::new(b);
        let statements = Calls::new(
            b,
            "database_statements",
            &["statement"],
            &["statement", "outcome"],
            "Transactions on the database",
        );
        let stores = Calls::new(
            b,
            "store_calls",
            &["store", "operation"],
            &["store", "operation", "outcome"],
            "Calls of stores",
        );
        let store_bytes =
            b.counters("store_bytes", &["store", "direction"], "Bytes read from and written to stores");
        let jobs =
            Calls::new(b, "jobs", &["kind"], &["kind", "outcome"], "Attempts at durable jobs that ended");
        let jobs_claimed =
            b.counters("jobs_claimed", &["kind"], "Attempts at durable jobs that this node began");
        let outbound = Calls::new(
            b,
            "outbound_requests",
            &["purpose"],
            &["purpose", "outcome"],
            "Requests to other services",
        );
        let outbound_bytes =
            b.counters("outbound_bytes", &["purpose"], "Bytes of the answers of other services");
        let events = Events::new(b);
        let state = State::new(b);
        b.gauges("build_info", &["version"], "1; its label says which build this is")
            .get_or_create_owned(&vec![("version", env!("CARGO_PKG_VERSION").into())])
            .set(1);
        let process = Process::new(&mut usual);
        let described = book.described.into_iter().chain(usual.described).collect();
        Self {
            registry: book.registry,
            usual: usual.registry,
            described,
            statements,
            stores,
            store_bytes,
            jobs_claimed,
            jobs,
            outbound,
            outbound_bytes,
            events,
            requests,
            state,
            process,
        }
    }

    /// A request ended, with its status if it was answered.
    pub fn request(&self, request: &Request<'_>) {
        self.requests.note(request);
    }

    /// A request that cannot be read, or did not come in time, was answered with this status.
    pub fn unread(&self, status: u16) {
        self.requests.note_unread(status);
    }

    /// A limit refused somebody, such as `connections`, `transfers` or `logins`.
    pub fn refused(&self, limit: &'static str) {
        self.events.refused(limit);
    }

    /// The image cache was looked into.
    pub fn cache_looked_up(&self, found: bool) {
        self.events.cache_looked_up(found);
    }

    /// The cache of tokens was looked into.
    pub fn token_looked_up(&self, found: bool) {
        self.events.token_looked_up(found);
    }

    /// A memcached was asked for a token, or given one.
    pub fn token_shared(&self, call: &'static str, outcome: &'static str) {
        self.events.token_shared(call, outcome);
    }

    /// The figures that whoever scrapes looks up first.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What figures there are.
    pub fn described(&self) -> &[Described] {
        &self.described
    }

    /// What figures there are, as a table of Markdown.
    pub fn table(&self) -> String {
        catalogue::table(&self.described)
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
        self.events.verification_failed(store, what);
    }

    /// A reader, such as `bus` or `audit`, was told of so many events.
    pub fn notices_told(&self, reader: &'static str, events: usize) {
        self.events.notices(reader, "told", events);
    }

    /// So many events were dropped before a reader was told of them.
    pub fn notices_lost(&self, reader: &'static str, events: usize) {
        self.events.notices(reader, "lost", events);
    }

    /// So many events wait for a reader.
    pub fn notices_waiting(&self, reader: &'static str, events: i64) {
        self.events.notices_waiting(reader, events);
    }

    /// So many spans were `sent`, `dropped` or `lost`.
    pub fn spans(&self, outcome: &'static str, count: usize) {
        self.events.spans(outcome, count);
    }

    /// The metrics of requests for one purpose, such as `import`, `store`, `keystone` or `policy`.
    pub fn outbound(&self, purpose: &'static str) -> OutboundMetrics {
        let received = self.outbound_bytes.get_or_create_owned(&vec![("purpose", purpose.into())]);
        OutboundMetrics { purpose, calls: self.outbound.clone(), received }
    }

    /// All figures in Prometheus's text format.
    pub fn text(&self) -> String {
        self.process.look();
        let mut text = String::new();
        let written = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &self.usual))
            .and_then(|()| encode_eof(&mut text));
        if let Err(error) = written {
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

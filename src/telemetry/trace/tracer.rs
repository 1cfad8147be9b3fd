//! Decides which traces have spans, and keeps those that have ended until somebody sends them.

use std::sync::Arc;

use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{super::metrics::metrics, record::Finished, settings::Settings};

/// Spans that wait at most: some megabytes.
const WAITING_MAX: usize = 8192;

/// Takes spans. Cheap to clone.
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

struct Inner {
    queue: Sender<Finished>,
    /// Traces whose id is below it are sampled; `None` is all.
    below: Option<u64>,
    profiler_keys: Vec<String>,
}

/// The spans that wait.
pub type Waiting = Receiver<Finished>;

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tracer")
    }
}

impl Tracer {
    /// A tracer, and the spans that it takes.
    pub fn new(settings: &Settings) -> (Self, Waiting) {
        Self::with_room(settings, WAITING_MAX)
    }

    fn with_room(settings: &Settings, room: usize) -> (Self, Waiting) {
        let (queue, waiting) = mpsc::channel(room);
        let below = (settings.ratio < 1.0).then_some((settings.ratio * (1_u64 << 63) as f64) as u64);
        (Self(Arc::new(Inner { queue, below, profiler_keys: settings.profiler_keys.clone() })), waiting)
    }

    /// Whether a trace that begins here has spans. Services that decide by the same ratio agree, as in
    /// OpenTelemetry's `TraceIdRatioBased`.
    pub(super) fn samples(&self, trace_id: u128) -> bool {
        self.0.below.is_none_or(|below| (trace_id as u64) >> 1 < below)
    }

    /// What callers sign osprofiler's headers with.
    pub fn profiler_keys(&self) -> &[String] {
        &self.0.profiler_keys
    }

    /// Takes a span. Never waits: one for which there is no room is dropped.
    pub(super) fn take(&self, span: Finished) {
        if self.0.queue.try_send(span).is_err() {
            metrics().spans("dropped", 1);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::{
        super::{record::Kind, span::Span},
        *,
    };

    fn settings(ratio: f64) -> Settings {
        let (endpoint, service) = ("http://127.0.0.1:4318".to_owned(), "vitrine".to_owned());
        Settings { endpoint, headers: Vec::new(), ca_file: None, ratio, service, profiler_keys: Vec::new() }
    }

    /// Proves that a full queue costs spans and no time, and that each of them is counted.
    #[test]
    fn a_full_queue_drops_spans() {
        let (tracer, mut waiting) = Tracer::with_room(&settings(1.0), 2);
        for _ in 0..5 {
            drop(Span::root(&tracer, None, Kind::Internal, "work"));
        }
        assert_eq!(waiting.len(), 2);
        assert_eq!(waiting.try_recv().unwrap().name, "work");
        let line = "vitrine_trace_spans_total{outcome=\"dropped\"} 3";
        let text = metrics().text();
        assert!(text.lines().any(|found| found == line), "{text}");
    }

    /// Proves that the ratio decides by the id of the trace, at both ends and between them.
    #[test]
    fn a_part_of_the_traces_has_spans() {
        let (low, high) = (0x2_u128 << 60, 0xe_u128 << 60);
        for (ratio, expected) in [(0.0, [false, false]), (0.5, [true, false]), (1.0, [true, true])] {
            let (tracer, _waiting) = Tracer::new(&settings(ratio));
            assert_eq!([low, high].map(|id| tracer.samples(id)), expected, "{ratio}");
        }
    }
}

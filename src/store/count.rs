//! Metrics of a store.

use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreResult;
use crate::telemetry::{self, metrics::StoreMetrics};

/// Counters of one store since it was opened, also exported as metrics.
pub struct Counters {
    metrics: StoreMetrics,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
    shares: AtomicU64,
    sizes: AtomicU64,
    deletes: AtomicU64,
    lists: AtomicU64,
    errors: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes handed to readers.
    pub bytes_read: u64,
    /// Bytes taken from writers, those of blobs that were cancelled later included.
    pub bytes_written: u64,
    /// Blobs opened for reading.
    pub reads: u64,
    /// Blobs begun.
    pub writes: u64,
    /// Blobs taken over from another store without reading them, or tried to be.
    pub shares: u64,
    /// Requests for a size.
    pub sizes: u64,
    /// Deletions.
    pub deletes: u64,
    /// Lists of everything.
    pub lists: u64,
    /// Failures of any of these.
    pub errors: u64,
}

/// An operation on a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Read,
    Write,
    Share,
    Stat,
    Delete,
    List,
}

fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Ordering::Relaxed);
}

impl Call {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Share => "share",
            Self::Stat => "stat",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }

    /// The name of its span.
    pub(super) fn span(self) -> &'static str {
        match self {
            Self::Read => "store.read",
            Self::Write => "store.write",
            Self::Share => "store.share",
            Self::Stat => "store.stat",
            Self::Delete => "store.delete",
            Self::List => "store.list",
        }
    }
}

impl Counters {
    /// Those of a store with this id.
    pub(super) fn of(id: &str) -> Self {
        Self {
            metrics: telemetry::metrics().store(id),
            bytes_read: AtomicU64::default(),
            bytes_written: AtomicU64::default(),
            reads: AtomicU64::default(),
            writes: AtomicU64::default(),
            shares: AtomicU64::default(),
            sizes: AtomicU64::default(),
            deletes: AtomicU64::default(),
            lists: AtomicU64::default(),
            errors: AtomicU64::default(),
        }
    }

    /// Reads all of them.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            bytes_read: read(&self.bytes_read),
            bytes_written: read(&self.bytes_written),
            reads: read(&self.reads),
            writes: read(&self.writes),
            shares: read(&self.shares),
            sizes: read(&self.sizes),
            deletes: read(&self.deletes),
            lists: read(&self.lists),
            errors: read(&self.errors),
        }
    }

    pub(super) fn begun(&self, call: Call) {
        let counter = match call {
            Call::Read => &self.reads,
            Call::Write => &self.writes,
            Call::Share => &self.shares,
            Call::Stat => &self.sizes,
            Call::Delete => &self.deletes,
            Call::List => &self.lists,
        };
        add(counter, 1);
    }

    /// Begins to measure a call.
    pub(super) fn measure(&self, call: Call) -> telemetry::metrics::Call {
        self.metrics.begin(call.name())
    }

    pub(super) fn read(&self, bytes: usize) {
        add(&self.bytes_read, bytes);
        self.metrics.add_read(bytes);
    }

    pub(super) fn written(&self, bytes: usize) {
        add(&self.bytes_written, bytes);
        self.metrics.add_written(bytes);
    }

    pub(super) fn ended<T>(&self, result: &StoreResult<T>) {
        if result.is_err() {
            add(&self.errors, 1);
        }
    }
}

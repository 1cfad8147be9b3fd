//! A wrapper that counts what a store does, for metrics.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Map, Value};

use super::{ByteRange, ByteStream, Store, StoreError, StoreResult, Writer};

/// What one store has done since the start. Only ever grows.
#[derive(Debug, Default)]
pub struct Counters {
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    reads: AtomicU64,
    writes: AtomicU64,
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
    /// Sizes asked for.
    pub sizes: u64,
    /// Deletions.
    pub deletes: u64,
    /// Lists of everything.
    pub lists: u64,
    /// Failures of any of these.
    pub errors: u64,
}

fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Ordering::Relaxed);
}

impl Counters {
    /// Reads all of them.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            bytes_read: read(&self.bytes_read),
            bytes_written: read(&self.bytes_written),
            reads: read(&self.reads),
            writes: read(&self.writes),
            sizes: read(&self.sizes),
            deletes: read(&self.deletes),
            lists: read(&self.lists),
            errors: read(&self.errors),
        }
    }

    fn note<T>(&self, result: StoreResult<T>) -> StoreResult<T> {
        result.inspect_err(|_: &StoreError| add(&self.errors, 1))
    }
}

/// Counts what the store inside does.
pub struct Counted {
    inner: Arc<dyn Store>,
    counters: Arc<Counters>,
}

impl Counted {
    /// Wraps a store.
    pub fn new(inner: Arc<dyn Store>, counters: Arc<Counters>) -> Self {
        Self { inner, counters }
    }
}

#[async_trait]
impl Store for Counted {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn schemes(&self) -> &'static [&'static str] {
        self.inner.schemes()
    }

    fn properties(&self) -> Map<String, Value> {
        self.inner.properties()
    }

    fn owns(&self, url: &str) -> bool {
        self.inner.owns(url)
    }

    fn metadata(&self, url: &str) -> Map<String, Value> {
        self.inner.metadata(url)
    }

    fn takes_uploads(&self) -> bool {
        self.inner.takes_uploads()
    }

    async fn read(&self, url: &str, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        add(&self.counters.reads, 1);
        let stream = self.counters.note(self.inner.read(url, range).await)?;
        let counters = Arc::clone(&self.counters);
        Ok(Box::pin(stream.map(move |chunk| {
            if let Ok(chunk) = &chunk {
                add(&counters.bytes_read, chunk.len());
            }
            counters.note(chunk)
        })))
    }

    async fn writer(&self, blob_id: &str, name: &str, size: Option<u64>) -> StoreResult<Box<dyn Writer>> {
        add(&self.counters.writes, 1);
        let inner = self.counters.note(self.inner.writer(blob_id, name, size).await)?;
        Ok(Box::new(CountedWriter { inner, counters: Arc::clone(&self.counters) }))
    }

    fn file_of(&self, url: &str) -> Option<std::path::PathBuf> {
        self.inner.file_of(url)
    }

    async fn adopt(&self, name: &str, file: &std::path::Path) -> StoreResult<Option<String>> {
        self.counters.note(self.inner.adopt(name, file).await)
    }

    async fn size(&self, url: &str) -> StoreResult<u64> {
        add(&self.counters.sizes, 1);
        self.counters.note(self.inner.size(url).await)
    }

    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        add(&self.counters.deletes, 1);
        self.counters.note(self.inner.delete(blob_id, name).await)
    }

    async fn names(&self) -> StoreResult<Vec<(String, bool)>> {
        add(&self.counters.lists, 1);
        self.counters.note(self.inner.names().await)
    }
}

struct CountedWriter {
    inner: Box<dyn Writer>,
    counters: Arc<Counters>,
}

#[async_trait]
impl Writer for CountedWriter {
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        let length = chunk.len();
        self.counters.note(self.inner.write(chunk).await)?;
        add(&self.counters.bytes_written, length);
        Ok(())
    }

    async fn sync(&mut self) -> StoreResult<()> {
        self.counters.note(self.inner.sync().await)
    }

    async fn commit(self: Box<Self>) -> StoreResult<String> {
        self.counters.note(self.inner.commit().await)
    }

    async fn cancel(self: Box<Self>) -> StoreResult<()> {
        self.counters.note(self.inner.cancel().await)
    }
}

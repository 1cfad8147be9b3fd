//! A wrapper that bounds how many blobs of a store are read and written at the same time.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ByteRange, ByteStream, Store, StoreError, StoreErrorKind, StoreResult, Writer};

/// How much of a store may be in use at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Blobs that are read at the same time.
    pub reads: usize,
    /// Blobs that are written at the same time.
    pub writes: usize,
    /// How long the next one waits before the store counts as unavailable.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { reads: 1024, writes: 256, patience: Duration::from_secs(30) }
    }
}

/// Lets a bounded number of readers and writers into the store inside.
pub struct Limited {
    inner: Arc<dyn Store>,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    patience: Duration,
}

impl Limited {
    /// Wraps a store.
    pub fn new(inner: Arc<dyn Store>, limits: &Limits) -> Self {
        let seats = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Self { inner, reads: seats(limits.reads), writes: seats(limits.writes), patience: limits.patience }
    }

    async fn enter(&self, seats: &Arc<Semaphore>, what: &str) -> StoreResult<OwnedSemaphorePermit> {
        match tokio::time::timeout(self.patience, Arc::clone(seats).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(StoreError::other(
                StoreErrorKind::Unavailable,
                format!("{} store", self.inner.kind()),
                format!("too many {what} at once"),
            )),
        }
    }
}

#[async_trait]
impl Store for Limited {
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
        let permit = self.enter(&self.reads, "readers").await?;
        let stream = self.inner.read(url, range).await?;
        // The seat is given back when the stream is dropped.
        Ok(Box::pin(stream.map(move |chunk| {
            let _seat = &permit;
            chunk
        })))
    }

    async fn writer(&self, blob_id: &str, name: &str, size: Option<u64>) -> StoreResult<Box<dyn Writer>> {
        let permit = self.enter(&self.writes, "writers").await?;
        let inner = self.inner.writer(blob_id, name, size).await?;
        Ok(Box::new(LimitedWriter { inner, _permit: permit }))
    }

    fn file_of(&self, url: &str) -> Option<std::path::PathBuf> {
        self.inner.file_of(url)
    }

    async fn adopt(&self, name: &str, file: &std::path::Path) -> StoreResult<Option<String>> {
        self.inner.adopt(name, file).await
    }

    async fn size(&self, url: &str) -> StoreResult<u64> {
        self.inner.size(url).await
    }

    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        self.inner.delete(blob_id, name).await
    }

    async fn names(&self) -> StoreResult<Vec<(String, bool)>> {
        self.inner.names().await
    }
}

struct LimitedWriter {
    inner: Box<dyn Writer>,
    _permit: OwnedSemaphorePermit,
}

#[async_trait]
impl Writer for LimitedWriter {
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        self.inner.write(chunk).await
    }

    async fn sync(&mut self) -> StoreResult<()> {
        self.inner.sync().await
    }

    async fn commit(self: Box<Self>) -> StoreResult<String> {
        self.inner.commit().await
    }

    async fn cancel(self: Box<Self>) -> StoreResult<()> {
        self.inner.cancel().await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::store::{NamedStore, conformance, file::FileStore};

    /// Proves that wrapped stores keep the promises of stores, and that their work is counted.
    #[tokio::test]
    async fn a_wrapped_store_conforms_and_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let inner = Arc::new(FileStore::open(dir.path()).unwrap());
        let named = NamedStore::new("f".to_owned(), None, 0, inner, &Limits::default());
        conformance::writable(named.store.as_ref()).await;
        let before = named.counters.counts();
        let url = conformance::put(named.store.as_ref(), "b", "n", &[1; 20_000]).await.unwrap();
        conformance::get(named.store.as_ref(), &url, None).await.unwrap();
        named.store.read("file:///nowhere", None).await.err().unwrap();
        let after = named.counters.counts();
        assert_eq!((after.bytes_written - before.bytes_written, after.writes - before.writes), (20_000, 1));
        assert_eq!((after.bytes_read - before.bytes_read, after.reads - before.reads), (20_000, 2));
        assert_eq!(after.errors - before.errors, 1);
    }

    /// Proves that one more than the bound is turned away in time, and let in once a seat is free.
    #[tokio::test]
    async fn readers_and_writers_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let inner = Arc::new(FileStore::open(dir.path()).unwrap());
        let limits = Limits { reads: 1, writes: 1, patience: Duration::from_millis(20) };
        let store = Limited::new(inner, &limits);
        let busy = |error: StoreError| assert!(matches!(error.kind, StoreErrorKind::Unavailable), "{error}");
        let url = conformance::put(&store, "b", "n", b"x").await.unwrap();
        let writer = store.writer("c", "m", None).await.unwrap();
        busy(store.writer("d", "o", None).await.err().unwrap());
        let stream = store.read(&url, None).await.unwrap();
        busy(store.read(&url, None).await.err().unwrap());
        drop(stream);
        writer.cancel().await.unwrap();
        drop(store.read(&url, None).await.unwrap());
        store.writer("d", "o", None).await.unwrap().cancel().await.unwrap();
    }
}

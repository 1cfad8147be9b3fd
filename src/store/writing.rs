//! A blob that is being written, as the domain sees it: with limits on concurrency and time, and metrics.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{StoreResult, StoreUrl, Writer, limit::in_time, notes::Notes};

/// The writer of one blob. Dropping it shows nothing, and may leave an unfinished blob to delete.
pub struct BlobWriter {
    inner: Box<dyn Writer>,
    notes: Notes,
    store: String,
    answer: Duration,
    _seat: OwnedSemaphorePermit,
}

impl BlobWriter {
    pub(super) fn new(
        inner: Box<dyn Writer>,
        notes: Notes,
        store: String,
        answer: Duration,
        seat: OwnedSemaphorePermit,
    ) -> Self {
        Self { inner, notes, store, answer, _seat: seat }
    }

    /// Takes the next chunk; waits while the store is slower than the sender, as long as it may take for an answer.
    ///
    /// # Errors
    /// The store's.
    pub async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        let length = chunk.len();
        let result = in_time(&self.store, self.answer, self.inner.write(chunk)).await;
        self.notes.ended(&result);
        result?;
        self.notes.counters.written(length);
        Ok(())
    }

    /// Makes everything durable without showing it. How long that takes is a matter of how much there is: it is not
    /// bounded.
    ///
    /// # Errors
    /// The store's.
    pub async fn sync(&mut self) -> StoreResult<()> {
        let result = self.inner.sync().await;
        self.notes.ended(&result);
        result
    }

    /// Shows the blob under a name, and returns its URL. It is not bounded in time: a commit that came true after it
    /// was given up would leave a blob that nothing knows.
    ///
    /// # Errors
    /// [`StoreErrorKind::Exists`](super::StoreErrorKind::Exists) when something has that name: then another can be tried.
    /// Else the store's; the commit may have taken place all the same.
    pub async fn commit(&mut self, name: &str) -> StoreResult<StoreUrl> {
        let result = self.inner.commit(name).await;
        self.notes.ended(&result);
        result
    }

    /// Removes what was written.
    ///
    /// # Errors
    /// The store's; then the reaper has something to do.
    pub async fn cancel(self) -> StoreResult<()> {
        let result = in_time(&self.store, self.answer, self.inner.cancel()).await;
        self.notes.ended(&result);
        result
    }
}

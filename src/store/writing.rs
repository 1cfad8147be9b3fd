//! A blob that is being written, as the domain sees it: with limits on concurrency and time, and metrics.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{StoreResult, StoreUrl, Writer, limit::in_time, notes::Notes};
use crate::telemetry::{self, trace::Span};

/// The writer of one blob. Dropping it shows nothing, and may leave an unfinished blob to delete.
pub struct BlobWriter {
    inner: Box<dyn Writer>,
    notes: Notes,
    store: String,
    answer: Duration,
    _seat: OwnedSemaphorePermit,
    /// Lasts until nobody writes any more.
    span: Span,
}

impl BlobWriter {
    pub(super) fn new(
        inner: Box<dyn Writer>,
        notes: Notes,
        (store, answer): (String, Duration),
        seat: OwnedSemaphorePermit,
        span: Span,
    ) -> Self {
        Self { inner, notes, store, answer, _seat: seat, span }
    }

    /// Takes the next chunk; waits while the store is slower than the sender, as long as it may take for an answer.
    ///
    /// # Errors
    /// The store's.
    pub async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        let length = chunk.len();
        let work = in_time(&self.store, self.answer, self.inner.write(chunk));
        let result = telemetry::inside(&self.span, work).await;
        self.ended(&result);
        result?;
        self.notes.counters.written(length);
        self.span.add_bytes(length);
        Ok(())
    }

    /// Makes everything durable without showing it. How long that takes is a matter of how much there is: it is not
    /// bounded.
    ///
    /// # Errors
    /// The store's.
    pub async fn sync(&mut self) -> StoreResult<()> {
        let result = telemetry::inside(&self.span, self.inner.sync()).await;
        self.ended(&result);
        result
    }

    /// Shows the blob under a name, and returns its URL. It is not bounded in time: a commit that came true after it
    /// was given up would leave a blob that nothing knows.
    ///
    /// # Errors
    /// [`StoreErrorKind::Exists`](super::StoreErrorKind::Exists) when something has that name: then another can be tried.
    /// Else the store's; the commit may have taken place all the same.
    pub async fn commit(&mut self, name: &str) -> StoreResult<StoreUrl> {
        let result = telemetry::inside(&self.span, self.inner.commit(name)).await;
        self.ended(&result);
        result
    }

    /// Removes what was written.
    ///
    /// # Errors
    /// The store's; then the reaper has something to do.
    pub async fn cancel(self) -> StoreResult<()> {
        let Self { inner, notes, store, answer, _seat, mut span } = self;
        let result = telemetry::inside(&span, in_time(&store, answer, inner.cancel())).await;
        notes.ended(&result);
        if let Err(error) = &result {
            error.tell(&mut span);
        }
        result
    }

    fn ended<T>(&mut self, result: &StoreResult<T>) {
        self.notes.ended(result);
        if let Err(error) = result {
            error.tell(&mut self.span);
        }
    }
}

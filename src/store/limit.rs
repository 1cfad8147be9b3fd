//! Limits on the concurrent use of a store, and on its response times.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{StoreError, StoreErrorKind, StoreResult};

/// The bounds of one store.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Blobs that are read at the same time.
    pub reads: usize,
    /// Blobs that are written at the same time.
    pub writes: usize,
    /// How long the next call waits before the store counts as unavailable.
    pub patience: Duration,
    /// How long the store may take for one answer, or the next piece of data, before it counts as unavailable.
    pub answer: Duration,
    /// When the store is fenced.
    pub fencing: Fencing,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // More than there may be transfers: those are bounded before, for each project.
            reads: 16_384,
            writes: 16_384,
            patience: Duration::from_secs(30),
            // A file server that restarts is back by then.
            answer: Duration::from_secs(300),
            fencing: Fencing::default(),
        }
    }
}

/// When a store is fenced, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fencing {
    /// Unanswered calls in a row after which the store is probed; 0 disables fencing.
    pub after: u32,
    /// How long the probe may take.
    pub patience: Duration,
    /// How long the first fence lasts; it doubles each time the store still does not answer.
    pub pause: Duration,
    /// The longest fence.
    pub longest_pause: Duration,
}

impl Default for Fencing {
    fn default() -> Self {
        Self {
            after: 5,
            patience: Duration::from_secs(10),
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(15),
        }
    }
}

/// Seats for readers or writers of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    patience: Duration,
    what: &'static str,
}

impl Seats {
    pub(super) fn new(count: usize, patience: Duration, what: &'static str) -> Self {
        Self { free: Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS))), patience, what }
    }

    /// Waits for a seat, which is given back when the answer is dropped.
    pub(super) async fn take(&self, store: &str) -> StoreResult<OwnedSemaphorePermit> {
        match tokio::time::timeout(self.patience, Arc::clone(&self.free).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(StoreError::new(
                StoreErrorKind::Unavailable,
                format!("store {store}"),
                format!("too many {} at once", self.what),
            )),
        }
    }
}

/// Waits for one answer, so long and no longer.
pub(super) async fn in_time<T>(
    store: &str,
    answer: Duration,
    work: impl Future<Output = StoreResult<T>>,
) -> StoreResult<T> {
    match tokio::time::timeout(answer, work).await {
        Ok(result) => result,
        Err(_) => {
            let reason = format!("it did not answer within {} s", answer.as_secs());
            Err(StoreError::new(StoreErrorKind::Unavailable, format!("store {store}"), reason))
        }
    }
}

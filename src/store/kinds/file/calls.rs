//! File system calls on threads that may block, with the operator's limits for file systems that hang.

use std::{io, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{folders::classified, settings::Settings};
use crate::{
    store::{StoreError, StoreErrorKind, StoreResult},
    telemetry,
};

/// Runs something that may block.
pub(super) async fn blocking<T: Send + 'static>(
    place: String,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> StoreResult<T> {
    match telemetry::blocking(work).await {
        Ok(result) => result.map_err(|e| classified(place, e)),
        Err(fault) => Err(StoreError::new(StoreErrorKind::Io, place, fault.to_string())),
    }
}

/// Metadata calls: stat, unlink and statvfs. With a time limit their number is limited too, because a hanging call
/// cannot be cancelled.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    limit: Option<Duration>,
    seats: Arc<Semaphore>,
    size: usize,
    threshold: u64,
}

impl Calls {
    pub(super) fn new(settings: &Settings) -> Self {
        let size = settings.thread_pool_size.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            limit: settings.timeout,
            seats: Arc::new(Semaphore::new(size)),
            size,
            threshold: settings.threadpool_threshold,
        }
    }

    /// Runs one call.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        place: String,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> StoreResult<T> {
        let Some(limit) = self.limit else { return blocking(place, work).await };
        self.warn_if_busy();
        let seats = Arc::clone(&self.seats);
        let shown = place.clone();
        let call = async move {
            let seat = seats.acquire_owned().await;
            let work = move || {
                // Given back when the call ends, however long after the limit that is.
                let _seat = seat;
                work()
            };
            blocking(shown, work).await
        };
        match tokio::time::timeout(limit, call).await {
            Ok(result) => result,
            Err(_) => {
                let reason = format!("the file system did not answer within {} s", limit.as_secs());
                Err(StoreError::new(StoreErrorKind::Unavailable, place, reason))
            }
        }
    }

    fn warn_if_busy(&self) {
        let busy = self.size.saturating_sub(self.seats.available_permits());
        if (busy as u64).saturating_mul(100) > self.threshold.saturating_mul(self.size as u64) {
            tracing::warn!(busy, of = self.size, "calls of a store's file system are slow to return");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves that a call which hangs fails in time, keeps its seat, and gives it back in the end.
    #[tokio::test]
    async fn a_call_that_hangs_is_given_up() {
        let mut settings = Settings::of_folder("/nowhere".into());
        (settings.timeout, settings.thread_pool_size) = (Some(Duration::from_millis(20)), 1);
        let calls = Calls::new(&settings);
        assert_eq!(calls.run(String::new(), || Ok(1)).await.unwrap(), 1);
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let error = calls.run(String::new(), move || Ok(wait.recv())).await.unwrap_err();
        assert!(matches!(error.kind, StoreErrorKind::Unavailable));
        assert!(calls.run(String::new(), || Ok(())).await.is_err());
        drop(release);
        drop(calls.seats.acquire().await.unwrap());
        calls.run(String::new(), || Ok(())).await.unwrap();
    }
}

//! Resources that the jobs of this node share: converter processes, and memory for decoders.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Settings;
use crate::{
    model::error::Error,
    work::{Done, Work},
};

/// Memory is given out in pieces of this many bytes.
const PIECE_BYTES: u64 = 1 << 20;

/// The places and the memory that there are. Cheap to clone.
#[derive(Clone)]
pub struct Shares {
    converters: Arc<Semaphore>,
    memory: Arc<Semaphore>,
}

impl Shares {
    /// As many as the operator allows.
    pub fn new(settings: &Settings) -> Self {
        Self {
            converters: Arc::new(Semaphore::new(settings.conversions_at_once)),
            memory: Arc::new(Semaphore::new(pieces(settings.decompression_memory))),
        }
    }

    /// Waits for a place to convert in.
    ///
    /// # Errors
    /// [`crate::work::Failure`] when the work is to stop.
    pub async fn converter(&self, work: &Work) -> Done<OwnedSemaphorePermit> {
        let place = work.unless_stopped(Arc::clone(&self.converters).acquire_owned()).await?;
        Ok(place.map_err(|e| Error::internal("converters", e))?)
    }

    /// Waits for an amount of memory, which must not exceed the total.
    ///
    /// # Errors
    /// [`crate::work::Failure`] when the work is to stop.
    pub async fn memory(&self, work: &Work, bytes: u64) -> Done<OwnedSemaphorePermit> {
        let count = u32::try_from(pieces(bytes)).unwrap_or(u32::MAX);
        let memory = work.unless_stopped(Arc::clone(&self.memory).acquire_many_owned(count)).await?;
        Ok(memory.map_err(|e| Error::internal("memory for decoders", e))?)
    }
}

fn pieces(bytes: u64) -> usize {
    usize::try_from(bytes.div_ceil(PIECE_BYTES)).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use futures::FutureExt;

    use super::*;
    use crate::{
        blob::Leases,
        db::{self, Db},
        model::{caller::Caller, job::JobKind},
        work::queue::row,
    };

    fn work(folder: &std::path::Path) -> Work {
        let connection = format!("sqlite:{}", folder.join("db.sqlite").display());
        let db = Db::open(&db::Settings { connection, ..Default::default() }).unwrap();
        let (leases, now) = (Leases::new(15, db.clock.clone()), db.clock.now());
        let parts = (serde_json::Value::Null, serde_json::Value::Null);
        let places = Arc::new(Semaphore::new(1));
        Work::new(db, &leases, places, row(&Caller::default(), JobKind::ImageImport, parts, now))
    }

    /// Proves that decoders together get no more memory than there is, that converters wait for a place, and that who
    /// waits can be stopped.
    #[tokio::test]
    async fn sec_38_decoders_share_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let work = work(folder.path());
        let settings =
            Settings { decompression_memory: 100 << 20, conversions_at_once: 1, ..Settings::default() };
        let shares = Shares::new(&settings);
        let first = shares.memory(&work, 60 << 20).await.unwrap();
        let second = shares.memory(&work, 40 << 20).await.unwrap();
        assert!(shares.memory(&work, 1).now_or_never().is_none());
        drop(second);
        drop(shares.memory(&work, 40 << 20).await.unwrap());
        drop(first);
        drop(shares.memory(&work, 100 << 20).await.unwrap());
        let place = shares.converter(&work).await.unwrap();
        let mut waiting = Box::pin(shares.converter(&work));
        assert!(waiting.as_mut().now_or_never().is_none());
        work.cancel();
        assert!(waiting.await.is_err());
        drop(place);
    }
}

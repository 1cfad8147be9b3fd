//! How fast data is read: so many bytes in a second, over all that is read at once.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::time::{Instant, sleep_until};

use crate::{
    blob::pour::Source,
    store::{ByteStream, StoreError, StoreResult},
};

/// A pace that all readers together keep.
#[derive(Debug)]
pub struct Pace {
    /// Bytes in a second; `None` is as fast as it goes.
    bytes_per_second: Option<u64>,
    /// When what was read until now may have been read.
    due: Mutex<Instant>,
}

impl Pace {
    /// A pace in bytes per second; `None` or 0 is as fast as it goes.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second: bytes_per_second.filter(|pace| *pace > 0), due: Mutex::new(Instant::now()) }
    }

    /// Notes that so many bytes have been read by now, and when the next ones may be.
    fn next_after(&self, bytes: usize, now: Instant) -> Option<Instant> {
        let pace = self.bytes_per_second?;
        let nanoseconds = (bytes as u128).saturating_mul(1_000_000_000) / u128::from(pace);
        let took = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        // Time that nobody used is not made up for.
        let from = (*due).max(now);
        *due = from.checked_add(took).unwrap_or(from);
        Some(*due)
    }
}

/// A stream of a store, read at a pace.
pub(super) struct Paced<'a> {
    pub(super) chunks: ByteStream,
    pub(super) pace: &'a Pace,
    /// Bytes until now.
    pub(super) bytes: u64,
}

#[async_trait]
impl Source for Paced<'_> {
    type Error = StoreError;

    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        let Some(chunk) = self.chunks.next().await.transpose()? else { return Ok(None) };
        self.bytes = self.bytes.saturating_add(chunk.len() as u64);
        if let Some(until) = self.pace.next_after(chunk.len(), Instant::now()) {
            sleep_until(until).await;
        }
        Ok(Some(chunk))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn readers_keep_a_pace_together() {
        let pace = Pace::new(Some(2000));
        let now = Instant::now();
        let dues: Vec<_> = (0..20).filter_map(|_| pace.next_after(1000, now)).collect();
        assert_eq!(dues.len(), 20);
        assert_eq!(dues[19] - now, Duration::from_secs(10), "whoever of them reads");
        let later = now + Duration::from_secs(60);
        assert_eq!(pace.next_after(1000, later).map(|due| due - later), Some(Duration::from_millis(500)));
        assert_eq!(pace.next_after(0, later).map(|due| due - later), Some(Duration::from_millis(500)));
    }

    #[test]
    fn without_a_pace_nobody_waits() {
        for pace in [None, Some(0)] {
            assert_eq!(Pace::new(pace).next_after(usize::MAX, Instant::now()), None);
        }
    }

    #[tokio::test]
    async fn bytes_pass_as_they_are() {
        let chunks = (0..10).map(|number| Ok(Bytes::from(vec![number; 1000])));
        let pace = Pace::new(Some(1 << 40));
        let mut source = Paced { chunks: Box::pin(futures::stream::iter(chunks)), pace: &pace, bytes: 0 };
        let mut seen = Vec::new();
        while let Some(chunk) = source.next().await.unwrap() {
            seen.extend(chunk);
        }
        assert_eq!((seen.len(), source.bytes, seen[9999]), (10_000, 10_000, 9));
    }
}

//! Measures a stream as it passes: its size, its hashes and its disk format, each byte read once.
//!
//! Chunks are shared, not copied. With processors to spare each hash that takes long runs on a thread of its own;
//! otherwise one thread does it all, which costs less in sum. Queues between the threads are bounded, so a slow
//! measurer slows the sender.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use openssl::hash::{Hasher, MessageDigest};
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    format::{Inspection, Inspector},
    model::{
        error::Error,
        hash::{Algorithm, Hashes, hex},
    },
};

/// Chunks that may wait in each queue.
const QUEUE_CHUNKS: usize = 4;

/// Streams being measured in this process at the moment.
static STREAMS: AtomicUsize = AtomicUsize::new(0);

/// What to measure besides the size.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Algorithms of the hashes that every image gets; each runs on a thread of its own if there is one to spare.
    pub kept: Vec<Algorithm>,
    /// Algorithms that somebody asks for in addition.
    pub extra: Vec<Algorithm>,
    /// Whether the format is looked at.
    pub inspect: bool,
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// Bytes in all.
    pub size: u64,
    /// The hashes that were wanted.
    pub hashes: Hashes,
    /// The format, if it was wanted.
    pub inspection: Option<Inspection>,
}

/// Why measuring failed.
#[derive(Debug, thiserror::Error)]
#[error("measuring failed: {0}")]
pub struct DigestError(String);

impl From<DigestError> for Error {
    fn from(error: DigestError) -> Self {
        Self::internal("measuring", error)
    }
}

struct Counted;

impl Counted {
    fn new() -> (Self, usize) {
        (Self, STREAMS.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        STREAMS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one thread measures.
#[derive(Default)]
struct Part {
    hashers: Vec<(&'static str, Hasher)>,
    inspector: Option<Inspector>,
}

impl Part {
    fn of(algorithms: &[Algorithm], inspect: bool) -> Result<Self, DigestError> {
        let mut hashers = Vec::with_capacity(algorithms.len());
        for algorithm in algorithms {
            let digest = MessageDigest::from_name(algorithm.library_name)
                .ok_or_else(|| DigestError(format!("the hash library has no {}", algorithm.name)))?;
            hashers.push((algorithm.name, Hasher::new(digest).map_err(|e| DigestError(e.to_string()))?));
        }
        Ok(Self { hashers, inspector: inspect.then(Inspector::new) })
    }

    fn feed(&mut self, chunk: &[u8]) -> Result<(), DigestError> {
        if let Some(inspector) = &mut self.inspector {
            inspector.feed(chunk);
        }
        self.hashers
            .iter_mut()
            .try_for_each(|(_, hasher)| hasher.update(chunk))
            .map_err(|e| DigestError(e.to_string()))
    }

    fn conclude(mut self, measured: &mut Measured) -> Result<(), DigestError> {
        for (name, hasher) in &mut self.hashers {
            let digest = hasher.finish().map_err(|e| DigestError(e.to_string()))?;
            measured.hashes.insert((*name).to_owned(), hex(&digest));
        }
        if let Some(inspector) = self.inspector {
            measured.inspection = Some(inspector.finish());
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.hashers.is_empty() && self.inspector.is_none()
    }
}

/// One thread with the queue to it.
struct Lane {
    queue: mpsc::Sender<Bytes>,
    task: JoinHandle<Result<Part, DigestError>>,
}

impl Lane {
    fn start(mut part: Part) -> Self {
        let (queue, mut chunks) = mpsc::channel::<Bytes>(QUEUE_CHUNKS);
        let task = crate::telemetry::blocking(move || {
            while let Some(chunk) = chunks.blocking_recv() {
                part.feed(&chunk)?;
            }
            Ok(part)
        });
        Self { queue, task }
    }

    async fn feed(&self, chunk: Bytes) -> Result<(), DigestError> {
        self.queue.send(chunk).await.map_err(|_| DigestError("the measuring thread is gone".to_owned()))
    }

    async fn finish(self) -> Result<Part, DigestError> {
        drop(self.queue);
        self.task.await.map_err(|e| DigestError(e.to_string()))?
    }
}

/// Measures one stream.
pub struct Digests {
    lanes: Vec<Lane>,
    size: u64,
    _counted: Counted,
}

impl Digests {
    /// Begins.
    ///
    /// # Errors
    /// [`DigestError`] when the hash library refuses an algorithm.
    pub fn start(wanted: &Wanted) -> Result<Self, DigestError> {
        let (counted, streams) = Counted::new();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut extra = wanted.extra.clone();
        extra.retain(|algorithm| !wanted.kept.contains(algorithm));
        extra.dedup();
        let parts = if streams * 2 <= processors {
            let mut parts = Vec::with_capacity(wanted.kept.len() + 1);
            for algorithm in &wanted.kept {
                parts.push(Part::of(&[*algorithm], false)?);
            }
            parts.push(Part::of(&extra, wanted.inspect)?);
            parts
        } else {
            let all: Vec<Algorithm> = wanted.kept.iter().chain(&extra).copied().collect();
            vec![Part::of(&all, wanted.inspect)?]
        };
        let lanes = parts.into_iter().filter(|part| !part.is_idle()).map(Lane::start).collect();
        Ok(Self { lanes, size: 0, _counted: counted })
    }

    /// Takes the next chunk; waits while the measuring threads are behind.
    ///
    /// # Errors
    /// [`DigestError`] when a measuring thread failed.
    pub async fn feed(&mut self, chunk: &Bytes) -> Result<(), DigestError> {
        self.size = self.size.saturating_add(chunk.len() as u64);
        for lane in &self.lanes {
            lane.feed(chunk.clone()).await?;
        }
        Ok(())
    }

    /// Ends the stream and waits for the last byte to be measured.
    ///
    /// # Errors
    /// [`DigestError`] when a measuring thread failed.
    pub async fn finish(self) -> Result<Measured, DigestError> {
        let mut measured = Measured { size: self.size, ..Measured::default() };
        for part in futures::future::try_join_all(self.lanes.into_iter().map(Lane::finish)).await? {
            part.conclude(&mut measured)?;
        }
        Ok(measured)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves that one thread and several come to the same result.
    #[tokio::test]
    async fn measures_the_same_apart_and_together() {
        let of = |name: &str| Algorithm::of(name).unwrap();
        let wanted =
            Wanted { kept: vec![of("md5"), of("sha512")], extra: vec![of("sha1"), of("md5")], inspect: true };
        let mut open: Vec<_> = (0..9).map(|_| Digests::start(&wanted).unwrap()).collect();
        assert_eq!(open.last().unwrap().lanes.len(), 1);
        for mut digests in open.drain(..) {
            digests.feed(&Bytes::from_static(b"hello ")).await.unwrap();
            digests.feed(&Bytes::from_static(b"world")).await.unwrap();
            let found = digests.finish().await.unwrap();
            assert_eq!(found.size, 11);
            assert_eq!(found.hashes["md5"], "5eb63bbbe01eeed093cb22bb8f5acdc3");
            assert_eq!(found.hashes["sha1"], "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed");
            assert!(found.hashes["sha512"].starts_with("309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a"));
            assert!(found.inspection.is_some());
        }
    }
}

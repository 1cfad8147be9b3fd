//! Measures a stream as it passes: its size, its hashes and its disk format, each byte read once.
//!
//! Chunks are shared, not copied. With processors to spare each hash runs on a thread of its own; otherwise one
//! thread does it all, which costs less in sum. Queues between the threads are bounded, so a slow measurer slows
//! the sender.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use openssl::hash::{Hasher, MessageDigest};
use tokio::{sync::mpsc, task::JoinHandle};

/// Chunks that may wait in each queue.
const QUEUE_CHUNKS: usize = 4;

/// Streams being measured in this process at the moment.
static STREAMS: AtomicUsize = AtomicUsize::new(0);

/// Looks at the bytes of a stream besides hashing them.
pub trait Observer: Send + 'static {
    /// Sees the next chunk.
    fn feed(&mut self, chunk: &[u8]);
}

/// What was measured.
#[derive(Debug)]
pub struct Measurement<O> {
    /// Bytes in all.
    pub size: u64,
    /// MD5 in lower-case hex.
    pub md5: String,
    /// The secure hash in lower-case hex.
    pub hash: String,
    /// The observer after the last byte.
    pub observer: O,
}

/// Why measuring failed.
#[derive(Debug, thiserror::Error)]
#[error("measuring failed: {0}")]
pub struct MeasureError(String);

/// Hash algorithms by the names that `hashing_algorithm` and `os_hash_algo` take.
pub fn digest(name: &str) -> Option<MessageDigest> {
    match name {
        "md5" => Some(MessageDigest::md5()),
        "sha1" => Some(MessageDigest::sha1()),
        "sha224" => Some(MessageDigest::sha224()),
        "sha256" => Some(MessageDigest::sha256()),
        "sha384" => Some(MessageDigest::sha384()),
        "sha512" => Some(MessageDigest::sha512()),
        "sha3_224" => Some(MessageDigest::sha3_224()),
        "sha3_256" => Some(MessageDigest::sha3_256()),
        "sha3_384" => Some(MessageDigest::sha3_384()),
        "sha3_512" => Some(MessageDigest::sha3_512()),
        "blake2b" => MessageDigest::from_name("blake2b512"),
        "blake2s" => MessageDigest::from_name("blake2s256"),
        _ => None,
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

type Task<T> = JoinHandle<Result<T, MeasureError>>;

enum Lanes<O> {
    /// MD5, secure hash and observer on threads of their own.
    Apart { md5: Lane<Hashed>, hash: Lane<Hashed>, observer: Lane<O> },
    /// Everything on one thread.
    Together(Lane<(Hashed, Hashed, O)>),
}

struct Lane<T> {
    queue: mpsc::Sender<Bytes>,
    task: Task<T>,
}

struct Hashed(Hasher);

impl Hashed {
    fn update(&mut self, chunk: &[u8]) -> Result<(), MeasureError> {
        self.0.update(chunk).map_err(|e| MeasureError(e.to_string()))
    }

    fn hex(mut self) -> Result<String, MeasureError> {
        let digest = self.0.finish().map_err(|e| MeasureError(e.to_string()))?;
        Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl<T: Send + 'static> Lane<T> {
    fn start(
        mut state: T,
        step: impl Fn(&mut T, &[u8]) -> Result<(), MeasureError> + Send + 'static,
    ) -> Self {
        let (queue, mut chunks) = mpsc::channel::<Bytes>(QUEUE_CHUNKS);
        let task = tokio::task::spawn_blocking(move || {
            while let Some(chunk) = chunks.blocking_recv() {
                step(&mut state, &chunk)?;
            }
            Ok(state)
        });
        Self { queue, task }
    }

    async fn feed(&self, chunk: Bytes) -> Result<(), MeasureError> {
        self.queue.send(chunk).await.map_err(|_| MeasureError("the measuring thread is gone".to_owned()))
    }

    async fn finish(self) -> Result<T, MeasureError> {
        drop(self.queue);
        self.task.await.map_err(|e| MeasureError(e.to_string()))?
    }
}

/// Measures one stream.
pub struct Measure<O> {
    lanes: Lanes<O>,
    size: u64,
    counted: Arc<Counted>,
}

impl<O: Observer> Measure<O> {
    /// Begins. `algorithm` is the secure hash beside MD5.
    ///
    /// # Errors
    /// [`MeasureError`] when the hash library refuses the algorithm.
    pub fn start(algorithm: MessageDigest, observer: O) -> Result<Self, MeasureError> {
        let hasher = |digest| Hasher::new(digest).map(Hashed).map_err(|e| MeasureError(e.to_string()));
        let (md5, hash) = (hasher(MessageDigest::md5())?, hasher(algorithm)?);
        let (counted, streams) = Counted::new();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let lanes = if streams * 2 <= processors {
            Lanes::Apart {
                md5: Lane::start(md5, |state, chunk| state.update(chunk)),
                hash: Lane::start(hash, |state, chunk| state.update(chunk)),
                observer: Lane::start(observer, |state, chunk| {
                    state.feed(chunk);
                    Ok(())
                }),
            }
        } else {
            Lanes::Together(Lane::start((md5, hash, observer), |(md5, hash, observer), chunk| {
                observer.feed(chunk);
                md5.update(chunk)?;
                hash.update(chunk)
            }))
        };
        Ok(Self { lanes, size: 0, counted: Arc::new(counted) })
    }

    /// Takes the next chunk; waits while the measuring threads are behind.
    ///
    /// # Errors
    /// [`MeasureError`] when a measuring thread failed.
    pub async fn feed(&mut self, chunk: Bytes) -> Result<(), MeasureError> {
        self.size = self.size.saturating_add(chunk.len() as u64);
        match &self.lanes {
            Lanes::Apart { md5, hash, observer } => {
                md5.feed(chunk.clone()).await?;
                hash.feed(chunk.clone()).await?;
                observer.feed(chunk).await
            }
            Lanes::Together(lane) => lane.feed(chunk).await,
        }
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends the stream and waits for the last byte to be measured.
    ///
    /// # Errors
    /// [`MeasureError`] when a measuring thread failed.
    pub async fn finish(self) -> Result<Measurement<O>, MeasureError> {
        let Self { lanes, size, counted } = self;
        let (md5, hash, observer) = match lanes {
            Lanes::Apart { md5, hash, observer } => {
                let (md5, hash, observer) = (md5.finish(), hash.finish(), observer.finish());
                futures::try_join!(md5, hash, observer)?
            }
            Lanes::Together(lane) => lane.finish().await?,
        };
        drop(counted);
        Ok(Measurement { size, md5: md5.hex()?, hash: hash.hex()?, observer })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    struct Count(usize);
    impl Observer for Count {
        fn feed(&mut self, chunk: &[u8]) {
            self.0 += chunk.len();
        }
    }

    #[tokio::test]
    async fn measures_the_same_apart_and_together() {
        let mut open = Vec::new();
        for _ in 0..9 {
            open.push(Measure::start(digest("sha512").unwrap(), Count(0)).unwrap());
        }
        for mut measure in open {
            measure.feed(Bytes::from_static(b"hello ")).await.unwrap();
            measure.feed(Bytes::from_static(b"world")).await.unwrap();
            let found = measure.finish().await.unwrap();
            assert_eq!((found.size, found.observer.0), (11, 11));
            assert_eq!(found.md5, "5eb63bbbe01eeed093cb22bb8f5acdc3");
            assert!(
                found.hash.starts_with("309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a9bcd3ca86d4cd86f")
            );
        }
    }
}

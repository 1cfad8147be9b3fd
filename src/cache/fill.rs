//! Making a copy while the data passes on its way to somebody else (`ImageCache.cache_tee_iter`).
//!
//! The data goes through a bounded queue to a task that writes, hashes and records it. The reader waits for the
//! disk of the cache for a moment only; then it goes on alone, and there is no copy.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use openssl::hash::Hasher;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinHandle,
    time::timeout,
};

use super::{Cache, content_of, failed};
use crate::{
    db::{self, DbError},
    model::{
        cached_image::CachedImage,
        error::{Error, Result},
        image::Image,
        time::Timestamp,
    },
    store::{
        ByteStream,
        cache::{CacheFolder, Incomplete},
        measure,
    },
};

/// Chunks that may wait for the disk.
const QUEUE_CHUNKS: usize = 4;
/// How long a download waits for the disk of the cache.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a copy waits for a client that has stopped reading, however long files may stay incomplete: it holds a seat
/// and room that others could use.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// What came of making a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is a copy now.
    Made,
    /// There is one already, or somebody else makes it.
    Busy,
    /// The image has no room in the cache.
    NoRoom,
    /// The data ended early, or did not come for too long.
    Cut,
    /// The data is not what the image says.
    Wrong,
    /// The image was deleted meanwhile.
    Gone,
}

/// What a copy must be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) id: String,
    pub(super) size: u64,
    checksum: Option<String>,
    content: String,
    /// Name of an algorithm, and the hash in hex.
    hash: Option<(String, String)>,
}

impl Wanted {
    /// What a copy of this image must be, of which the store says that it has `size` bytes.
    pub(super) fn of(image: &Image, size: u64) -> Self {
        let md5 = image.checksum.as_ref().map(|md5| ("md5".to_owned(), md5.clone()));
        let hash = image.os_hash_algo.clone().zip(image.os_hash_value.clone());
        let hash = hash.filter(|(algorithm, _)| measure::digest(algorithm).is_some());
        Self {
            id: image.id.clone(),
            size,
            checksum: image.checksum.clone(),
            content: content_of(image),
            hash: hash.or(md5),
        }
    }

    /// Whether there is a hash to hold data against.
    pub(super) fn is_hashed(&self) -> bool {
        self.hash.is_some()
    }

    /// Begins to check data.
    pub(super) fn check(&self) -> Result<Check> {
        let hasher = match self.hash.as_ref().and_then(|(algorithm, _)| measure::digest(algorithm)) {
            Some(digest) => Some(Hasher::new(digest).map_err(|e| Error::internal("hashing", e))?),
            None => None,
        };
        Ok(Check { hasher, expected: self.hash.clone().map(|(_, value)| value).unwrap_or_default() })
    }

    pub(super) fn record(&self, made: Timestamp) -> CachedImage {
        CachedImage {
            id: 0,
            image_id: self.id.clone(),
            size: i64::try_from(self.size).unwrap_or(i64::MAX),
            hits: 0,
            checksum: self.checksum.clone(),
            content: self.content.clone(),
            last_accessed: made,
            last_modified: made,
        }
    }
}

/// Holds data against the hash of its image. Data without a known hash passes.
pub(super) struct Check {
    hasher: Option<Hasher>,
    expected: String,
}

impl Check {
    pub(super) fn update(&mut self, chunk: &[u8]) -> std::io::Result<()> {
        match &mut self.hasher {
            Some(hasher) => hasher.update(chunk).map_err(std::io::Error::other),
            None => Ok(()),
        }
    }

    pub(super) fn passes(&mut self) -> std::io::Result<bool> {
        let Some(hasher) = &mut self.hasher else { return Ok(true) };
        let digest = hasher.finish().map_err(std::io::Error::other)?;
        let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(found.eq_ignore_ascii_case(&self.expected))
    }
}

/// The sender's end of a copy in the making. Dropped early, there will be none.
pub(super) struct Fill {
    queue: mpsc::Sender<Bytes>,
    pub(super) task: JoinHandle<Result<Outcome>>,
}

impl Fill {
    /// Hands on a chunk; says whether more is wanted.
    pub(super) async fn feed(&self, chunk: Bytes, patience: Duration) -> bool {
        matches!(timeout(patience, self.queue.send(chunk)).await, Ok(Ok(())))
    }

    /// Ends the data and waits for what comes of it.
    pub(super) async fn finish(self) -> Result<Outcome> {
        drop(self.queue);
        self.task.await.unwrap_or_else(|fault| Err(Error::internal("filling the cache", fault)))
    }
}

impl Cache {
    /// The same stream, which makes a copy of the whole data of an image on its way. Nothing but memory for a few
    /// chunks is needed for that; when the copy fails, the stream goes on.
    pub fn tee(self: &Arc<Self>, image: &Image, size: u64, stream: ByteStream) -> ByteStream {
        let Ok(seat) = Arc::clone(&self.fills).try_acquire_owned() else { return stream };
        let fill = self.begin(Wanted::of(image, size), Some(seat));
        let start = (stream, Some(fill), size);
        Box::pin(futures::stream::unfold(start, |(mut stream, mut fill, left)| async move {
            let item = stream.next().await?;
            let Ok(chunk) = &item else { return Some((item, (stream, None, 0))) };
            let left = left.checked_sub(chunk.len() as u64);
            if let Some(open) = &fill
                && (!open.feed(chunk.clone(), PATIENCE).await || left.is_none_or(|left| left == 0))
            {
                // All is sent, or the copy failed: either way the task ends by itself.
                fill = None;
            }
            Some((item, (stream, fill, left.unwrap_or(0))))
        }))
    }

    /// Begins a copy; its seat among those that are made at once is given back at its end.
    pub(super) fn begin(self: &Arc<Self>, wanted: Wanted, seat: Option<OwnedSemaphorePermit>) -> Fill {
        let (queue, chunks) = mpsc::channel(QUEUE_CHUNKS);
        let cache = Arc::clone(self);
        let task = tokio::spawn(async move {
            let _seat = seat;
            let result = cache.receive(&wanted, chunks).await;
            match &result {
                Ok(Outcome::Made) => tracing::info!(image = %wanted.id, "cached"),
                Ok(Outcome::Wrong) => {
                    tracing::error!(image = %wanted.id, "not cached: the data in the store is not the image's");
                }
                Ok(outcome) => tracing::debug!(image = %wanted.id, ?outcome, "not cached"),
                Err(error) => tracing::error!(image = %wanted.id, %error, "not cached"),
            }
            result
        });
        Fill { queue, task }
    }

    async fn receive(&self, wanted: &Wanted, chunks: mpsc::Receiver<Bytes>) -> Result<Outcome> {
        let name = wanted.id.clone();
        let Some(part) = self.folder.run(move |folder| folder.begin(&name)).await.map_err(failed)? else {
            return Ok(Outcome::Busy);
        };
        let Some(_room) = self.make_room(wanted.size).await? else {
            self.give_up(part).await?;
            return Ok(Outcome::NoRoom);
        };
        let (part, check) = match self.write(wanted, part, chunks).await? {
            (part, Some(check)) => (part, check),
            (part, None) => {
                self.give_up(part).await?;
                return Ok(Outcome::Cut);
            }
        };
        self.commit(wanted, part, check).await
    }

    /// Writes what comes; the check is absent when it is not as many bytes as it should be.
    async fn write(
        &self,
        wanted: &Wanted,
        mut part: Incomplete,
        mut chunks: mpsc::Receiver<Bytes>,
    ) -> Result<(Incomplete, Option<Check>)> {
        let mut check = wanted.check()?;
        let mut left = wanted.size;
        let idle = self.settings.stall_time.min(IDLE_MAX);
        while left > 0 {
            let Ok(Some(chunk)) = timeout(idle, chunks.recv()).await else {
                return Ok((part, None));
            };
            let Some(rest) = left.checked_sub(chunk.len() as u64) else { return Ok((part, None)) };
            left = rest;
            let put = move |_: &CacheFolder| {
                part.write(&chunk)?;
                check.update(&chunk)?;
                Ok((part, check))
            };
            (part, check) = self.folder.run(put).await.map_err(failed)?;
        }
        Ok((part, Some(check)))
    }

    /// Judges the data, makes it durable and shows it.
    async fn commit(&self, wanted: &Wanted, mut part: Incomplete, mut check: Check) -> Result<Outcome> {
        let judge = move |_: &CacheFolder| {
            if !check.passes()? {
                part.reject()?;
                return Ok(None);
            }
            part.sync()?;
            Ok(Some(part))
        };
        let Some(part) = self.folder.run(judge).await.map_err(failed)? else { return Ok(Outcome::Wrong) };
        let _changes = self.changes.lock().await;
        let name = wanted.id.clone();
        let show = move |folder: &CacheFolder| {
            part.commit()?;
            folder.unqueue(&name).map(drop)
        };
        self.folder.run(show).await.map_err(failed)?;
        if self.record_copy(wanted.record(Timestamp::now())).await? {
            return Ok(Outcome::Made);
        }
        self.drop_locked(&wanted.id).await?;
        Ok(Outcome::Gone)
    }

    /// Records a copy whose file is there; says whether its image is.
    pub(super) async fn record_copy(&self, record: CachedImage) -> Result<bool> {
        let node = self.node;
        let inserted =
            self.db.write("cache.insert", move |conn| db::cached_images::insert(conn, node, &record)).await;
        match inserted {
            // Another process with the same cache has recorded it.
            Err(DbError::Duplicate(_)) => Ok(true),
            other => Ok(other?),
        }
    }

    async fn give_up(&self, part: Incomplete) -> Result<()> {
        self.folder
            .run(move |_| {
                drop(part);
                Ok(())
            })
            .await
            .map_err(failed)
    }
}

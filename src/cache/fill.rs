//! Makes a copy while the data is sent to a reader (`ImageCache.cache_tee_iter`).
//!
//! The data passes through a bounded queue to a task that writes, hashes and records it. The reader waits only
//! briefly for the disk of the cache; then it continues alone, and no copy is made.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinHandle,
    time::timeout,
};

use super::{Cache, content_of, failed};
use crate::{
    blob::{
        pour::{Fault, Limits, Pour, Sink, Source},
        verify::Expected,
    },
    db::{self, DbError},
    model::{
        cached_image::CachedImage,
        error::{Error, Result},
        image::Image,
        time::Timestamp,
    },
    store::{
        ByteStream, StoreError, StoreResult,
        cache::{CacheFolder, Incomplete},
    },
};

/// Chunks that may wait for the disk.
const QUEUE_CHUNKS: usize = 4;
/// How long a download waits for the disk of the cache.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a copy waits for a client that has stopped reading, however long files may stay incomplete: it holds a seat
/// and room that others could use.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// The result of making a copy.
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

/// The required properties of a copy.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) id: String,
    pub(super) data: Expected,
    checksum: Option<String>,
    content: String,
}

impl Wanted {
    /// The required properties of a copy of this image, whose size in the store is `size`.
    pub(super) fn of(image: &Image, size: u64) -> Self {
        Self {
            id: image.id.clone(),
            data: Expected::of(image, size),
            checksum: image.checksum.clone(),
            content: content_of(image),
        }
    }

    pub(super) fn record(&self, made: Timestamp) -> CachedImage {
        CachedImage {
            id: 0,
            image_id: self.id.clone(),
            size: i64::try_from(self.data.size).unwrap_or(i64::MAX),
            hits: 0,
            checksum: self.checksum.clone(),
            content: self.content.clone(),
            last_accessed: made,
            last_modified: made,
        }
    }
}

/// The chunks of a copy in the making, of which this many bytes are to come.
struct Awaited {
    queue: mpsc::Receiver<Bytes>,
    left: u64,
    idle: Duration,
}

/// The data ended early, came in another number, or did not come for too long.
struct Cut;

#[async_trait]
impl Source for Awaited {
    type Error = Cut;

    async fn next(&mut self) -> std::result::Result<Option<Bytes>, Cut> {
        if self.left == 0 {
            return Ok(None);
        }
        let Ok(Some(chunk)) = timeout(self.idle, self.queue.recv()).await else { return Err(Cut) };
        self.left = self.left.checked_sub(chunk.len() as u64).ok_or(Cut)?;
        Ok(Some(chunk))
    }
}

/// The file of a copy in the making.
struct Part<'a> {
    folder: &'a CacheFolder,
    file: Option<Incomplete>,
}

impl Part<'_> {
    /// Does something to the file on a thread that may block; a file that fails is gone.
    async fn with(
        &mut self,
        act: impl FnOnce(&mut Incomplete) -> std::io::Result<()> + Send + 'static,
    ) -> StoreResult<()> {
        let missing = || StoreError::io("image cache", std::io::ErrorKind::NotFound.into());
        let mut file = self.file.take().ok_or_else(missing)?;
        let done = move |_: &CacheFolder| act(&mut file).map(|()| file);
        self.file = Some(self.folder.run(done).await?);
        Ok(())
    }
}

#[async_trait]
impl Sink for Part<'_> {
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        self.with(move |file| file.write(&chunk)).await
    }

    /// Nothing yet: data that is wrong need not be durable.
    async fn sync(&mut self) -> StoreResult<()> {
        Ok(())
    }
}

/// The sender of a copy in progress. If it is dropped early, no copy is made.
pub(super) struct Fill {
    queue: mpsc::Sender<Bytes>,
    pub(super) task: JoinHandle<Result<Outcome>>,
}

impl Fill {
    /// Hands on a chunk; returns whether more is wanted.
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
    /// The same stream, which also makes a copy of the image's data. This needs memory for a few chunks only; if the
    /// copy fails, the stream continues.
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
        let task = crate::telemetry::spawn(async move {
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
        let Some(_room) = self.make_room(wanted.data.size).await? else {
            self.give_up(part).await?;
            return Ok(Outcome::NoRoom);
        };
        let mut part = Part { folder: &self.folder, file: Some(part) };
        let idle = self.settings.stall_time.min(IDLE_MAX);
        let mut chunks = Awaited { queue: chunks, left: wanted.data.size, idle };
        let pour = Pour {
            sink: &mut part,
            digests: Some(wanted.data.digests()?),
            limits: Limits::NONE,
            progress: &(),
        };
        let poured = pour.run(&mut chunks).await;
        let file = part.file.take();
        match (poured, file) {
            (Ok(poured), Some(file)) => {
                let hashes = poured.measured.map(|measured| measured.hashes).unwrap_or_default();
                self.commit(wanted, file, wanted.data.is_met_by(&hashes)).await
            }
            (Err(Fault::Source(Cut)), Some(file)) => {
                self.give_up(file).await?;
                Ok(Outcome::Cut)
            }
            (Err(Fault::Sink(error)), _) => Err(failed(error)),
            (Err(Fault::Digest(error)), _) => Err(error.into()),
            (Err(Fault::Excess(excess)), _) => Err(excess.into()),
            (Err(Fault::Source(Cut)) | Ok(_), None) => Ok(Outcome::Cut),
        }
    }

    /// Makes data that is right durable and shows it.
    async fn commit(&self, wanted: &Wanted, mut part: Incomplete, is_right: bool) -> Result<Outcome> {
        let judge = move |_: &CacheFolder| {
            if !is_right {
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
        if self.record_copy(wanted.record(self.db.clock.now())).await? {
            return Ok(Outcome::Made);
        }
        self.drop_locked(&wanted.id).await?;
        Ok(Outcome::Gone)
    }

    /// Records a copy whose file is there; returns whether its image is.
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

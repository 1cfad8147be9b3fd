//! Writes one image: under a temporary name, in batches, several at a time. It grows with its data, gets its
//! protected snapshot, and is renamed.

use std::{collections::VecDeque, io, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    ceph::{Pool, image::Image},
    failed::unanswered,
    names,
    open::Open,
    shared::Shared,
    url::{self, SNAPSHOT, check_name, part_of},
};
use crate::{
    store::{NewBlob, StoreError, StoreErrorKind, StoreResult, StoreUrl, Writer},
    telemetry::crew::Answer,
};

/// Bytes that are written at once.
const BATCH: u64 = 512 << 10;
/// Batches of one image that are written at the same time, where there are threads for that.
const AT_ONCE: usize = 4;
/// Bytes by which an image grows at most at once.
const GROWTH_MAX: u64 = 8 << 30;
/// The feature without which an image cannot be cloned.
const LAYERING: u64 = 1;

/// An image that is being written.
pub(super) struct RbdWriter {
    store: Arc<Shared>,
    whose: Arc<str>,
    blob_id: String,
    place: String,
    /// The id that the image keeps.
    id: String,
    image: Arc<Open>,
    /// Bytes for which the image has room.
    room: u64,
    /// Bytes that have been handed over.
    at: u64,
    batch: Vec<Bytes>,
    batch_bytes: u64,
    running: VecDeque<Answer<io::Result<()>>>,
    stage: Stage,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// More can be written.
    Open,
    /// A call is under way, or was given up or failed: what the image holds is not known.
    Unknown,
    /// It has its snapshot; nothing can be written any more.
    Sealed,
}

/// Makes the image and opens it; returns its id, too. Blocking.
fn create(pool: &Arc<Pool>, part: &str, size: u64, order: i32) -> io::Result<(Image, String)> {
    pool.create(part, size, features(pool), order)?;
    let opened = Image::open(pool, part).and_then(|image| image.id().map(|id| (image, id)));
    opened.inspect_err(|_| {
        if let Err(error) = names::remove(pool, part) {
            tracing::warn!(part, %error, "an unfinished image is left behind");
        }
    })
}

/// The features that Ceph's configuration wants images to have, as Glance reads them.
fn features(pool: &Pool) -> u64 {
    let configured =
        pool.cluster().option("rbd_default_features").ok().and_then(|text| text.trim().parse().ok());
    configured.filter(|features| *features != 0).unwrap_or(LAYERING)
}

impl RbdWriter {
    /// Begins an image.
    pub(super) async fn begin(store: &Arc<Shared>, blob: &NewBlob<'_>) -> StoreResult<Self> {
        check_name(blob.id)?;
        check_name(blob.name)?;
        let part = part_of(blob.id);
        let (place, whose) = (format!("image {part}"), Arc::from(blob.owner.unwrap_or_default()));
        let (room, order) = (blob.size.unwrap_or(0), store.order());
        let made = store.bytes(&whose, &place, move |pool| create(pool, &part, room, order));
        let (image, id) = made.await?;
        let image = Arc::new(Open::new(image, store.crews.bytes.clone()));
        store.writing().insert(blob.id.to_owned(), Arc::downgrade(&image));
        Ok(Self {
            store: Arc::clone(store),
            whose,
            blob_id: blob.id.to_owned(),
            place,
            id,
            image,
            room,
            at: 0,
            batch: Vec::new(),
            batch_bytes: 0,
            running: VecDeque::new(),
            stage: Stage::Open,
        })
    }

    fn fault(&self, text: &'static str) -> StoreError {
        StoreError::new(StoreErrorKind::Io, self.place.clone(), text)
    }

    /// Does something with the image and waits for it.
    async fn step(&self, work: impl FnOnce(&Image) -> io::Result<()> + Send + 'static) -> StoreResult<()> {
        let image = Arc::clone(&self.image);
        let done = self.store.crews.bytes.run(&self.whose, move || image.with(work)).await;
        let done = done.map_err(|why| unanswered(self.place.clone(), why))?;
        done.map_err(|error| self.store.failed(&self.place, error))
    }

    /// Waits for the oldest batch that is being written.
    async fn oldest(&mut self) -> StoreResult<()> {
        let Some(answer) = self.running.front_mut() else { return Ok(()) };
        let written = answer.wait().await;
        self.running.pop_front();
        let written = written.map_err(|why| unanswered(self.place.clone(), why))?;
        written.map_err(|error| self.store.failed(&self.place, error))
    }

    /// Makes room for the first `bytes` of the image: each time as much more as there is, so that this is done seldom.
    async fn grow(&mut self, bytes: u64) -> StoreResult<()> {
        if bytes <= self.room {
            return Ok(());
        }
        let more = self.room.clamp(self.store.settings.chunk, GROWTH_MAX);
        let room = self.room.saturating_add(more).max(bytes);
        self.step(move |image| image.resize(room)).await?;
        self.room = room;
        Ok(())
    }

    /// Begins to write what has come together.
    async fn flush(&mut self) -> StoreResult<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.grow(self.at.saturating_add(self.batch_bytes)).await?;
        let place = loop {
            if self.running.is_empty() {
                let place = self.store.crews.bytes.place(&self.whose).await;
                break place.map_err(|why| unanswered(self.place.clone(), why))?;
            }
            match self.store.crews.bytes.spare() {
                Some(place) if self.running.len() < AT_ONCE => break place,
                _ => self.oldest().await?,
            }
        };
        let (pieces, at) = (std::mem::take(&mut self.batch), self.at);
        self.at = at.saturating_add(self.batch_bytes);
        self.batch_bytes = 0;
        let (image, thin) = (Arc::clone(&self.image), self.store.settings.thin);
        self.running.push_back(self.store.crews.bytes.start(place, move || {
            let bytes = if let [only] = pieces.as_slice() { only.clone() } else { pieces.concat().into() };
            drop(pieces);
            if thin && bytes.iter().all(|byte| *byte == 0) {
                return Ok(());
            }
            image.with(|image| image.write(at, &bytes))
        }));
        Ok(())
    }

    async fn seal(&mut self) -> StoreResult<()> {
        self.flush().await?;
        while !self.running.is_empty() {
            self.oldest().await?;
        }
        let (size, fits) = (self.at, self.at == self.room);
        self.step(move |image| {
            if !fits {
                image.resize(size)?;
            }
            image.snapshot(SNAPSHOT)?;
            image.protect(SNAPSHOT)
        })
        .await?;
        let image = Arc::clone(&self.image);
        let closed = self.store.crews.bytes.run(&self.whose, move || image.close()).await;
        closed.map_err(|why| unanswered(self.place.clone(), why))
    }

    /// Does what may leave the image as nobody knows it, unless it succeeds.
    async fn taken(&mut self, mut chunk: Bytes) -> StoreResult<()> {
        while !chunk.is_empty() {
            // Batches end where objects may.
            let end = self.at.saturating_add(self.batch_bytes);
            let left = usize::try_from(BATCH.saturating_sub(end % BATCH)).unwrap_or(usize::MAX);
            let piece = chunk.split_to(left.min(chunk.len()));
            self.batch_bytes = self.batch_bytes.saturating_add(piece.len() as u64);
            let whole = piece.len() == left;
            self.batch.push(piece);
            if whole {
                self.flush().await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Writer for RbdWriter {
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        if self.stage != Stage::Open {
            return Err(self.fault("an earlier piece could not be written"));
        }
        self.stage = Stage::Unknown;
        self.taken(chunk).await?;
        self.stage = Stage::Open;
        Ok(())
    }

    async fn sync(&mut self) -> StoreResult<()> {
        match self.stage {
            Stage::Sealed => return Ok(()),
            Stage::Unknown => return Err(self.fault("not all of it could be written")),
            Stage::Open => self.stage = Stage::Unknown,
        }
        self.seal().await?;
        self.stage = Stage::Sealed;
        Ok(())
    }

    async fn commit(&mut self, name: &str) -> StoreResult<StoreUrl> {
        check_name(name)?;
        // Whoever forgot to sync still gets an image that is whole.
        self.sync().await?;
        let (part, id, goal) = (part_of(&self.blob_id), self.id.clone(), name.to_owned());
        let place = format!("image {name}");
        let shown = self.store.bytes(&self.whose, &place, move |pool| names::show(pool, &part, &goal, &id));
        shown.await?;
        Ok(url::of(&self.store.prefix, name))
    }

    async fn cancel(mut self: Box<Self>) -> StoreResult<()> {
        while let Some(mut answer) = self.running.pop_front() {
            // What it came to does not matter any more.
            drop(answer.wait().await);
        }
        self.store.delete_part(&self.blob_id).await
    }
}

impl Drop for RbdWriter {
    fn drop(&mut self) {
        self.store.writing().remove(&self.blob_id);
    }
}

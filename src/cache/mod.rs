//! The image cache of this node: copies of image data on a local disk (`glance/image_cache/__init__.py: ImageCache`).
//!
//! A copy is a file and a record, created in this order: write, hash, sync, rename, record. It is removed in the
//! order file, record. So a crash leaves either a file without a record, which is checked and recorded, or a record
//! without a file, which is deleted; [`Cache::sweep`] does both.

pub mod download;
mod fetch;
mod fill;
pub mod manage;
mod room;
mod sweep;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use tokio::sync::{Notify, Semaphore};

use crate::{
    blob::verify::{Expected, verified},
    db::{self, Db, DbError, DbResult},
    image::Images,
    model::{
        cached_image::{CachedImage, Hits},
        error::{Error, Result},
        hash::hex,
        image::{Image, is_uuid},
        status::Status,
        time::Timestamp,
    },
    store::{
        ByteRange, ByteStream, StoreError, StoreResult,
        cache::CacheFolder,
        file::{CHUNK_BYTES, chunks},
    },
};

pub use fetch::Fetched;

/// Copies that are made at the same time at most; further downloads are served without one.
const FILLS_AT_ONCE: usize = 32;

/// `image_cache_driver`. The records are in the database whatever the driver; it only decides what clients see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Records are shown with their number and checksum, and it is known which nodes hold an image.
    CentralizedDb,
    /// Neither.
    Sqlite,
    /// Neither.
    Xattr,
}

/// The operator's settings about the cache; names are Glance's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `image_cache_dir`
    pub dir: PathBuf,
    /// `image_cache_driver`
    pub driver: Driver,
    /// `image_cache_max_size`: maximum size of the cache in bytes.
    pub max_size: u64,
    /// `image_cache_stall_time`: how long a copy may wait for its next bytes.
    pub stall_time: Duration,
    /// `worker_self_reference_url`: the name of this node.
    pub node_url: Option<String>,
    /// Whether downloads read from the cache and fill it.
    pub serves_downloads: bool,
}

impl Settings {
    /// A cache in `dir` with Glance's defaults, through which downloads go.
    pub fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            driver: Driver::CentralizedDb,
            max_size: 10 << 30,
            stall_time: Duration::from_secs(86400),
            node_url: None,
            serves_downloads: true,
        }
    }
}

/// The cache of this node.
pub struct Cache {
    db: Db,
    folder: CacheFolder,
    node: i64,
    settings: Settings,
    /// Held while files and records change together; never while bytes are moved.
    changes: tokio::sync::Mutex<()>,
    /// Bytes of room that copies in the making were promised.
    reserved: Arc<AtomicU64>,
    /// Not more images than the cache holds.
    hits: Mutex<HashMap<String, Hits>>,
    /// Held while hits are recorded, so that whoever asks for it next finds them all.
    recording: tokio::sync::Mutex<()>,
    fills: Arc<Semaphore>,
    /// Tells the fetcher that an image is wanted.
    pub wanted: Notify,
}

/// The images, and the cache in front of them if this node has one. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    /// The images.
    pub images: Images,
    /// The cache.
    pub cache: Option<Arc<Cache>>,
}

/// A copy that is about to be read.
pub struct Copy {
    file: std::fs::File,
    name: String,
    /// Bytes.
    pub size: u64,
}

/// A failure of the cache's disk, in words for the caller.
fn failed(error: StoreError) -> Error {
    tracing::error!(%error, "the image cache cannot be used");
    Error::Unavailable("The image cache cannot be used at the moment.".to_owned())
}

/// Which data an image has: its hash, or for want of one where the data came from.
fn content_of(image: &Image) -> String {
    match (&image.os_hash_algo, &image.os_hash_value, &image.checksum) {
        (Some(algorithm), Some(value), _) => format!("{algorithm}:{value}"),
        (_, _, Some(md5)) => format!("md5:{md5}"),
        _ => {
            let mut urls: Vec<_> = image.locations.iter().map(|location| location.url.as_str()).collect();
            // Their order depends on who asks.
            urls.sort_unstable();
            format!("at:{}", hex(&openssl::sha::sha256(urls.join("\n").as_bytes())))
        }
    }
}

impl Cache {
    /// Opens the cache and names this node in the database. Blocking.
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    pub fn open(settings: Settings, db: Db) -> std::result::Result<Self, String> {
        let folder = CacheFolder::open(&settings.dir).map_err(|e| e.to_string())?;
        let url = settings.node_url.as_deref();
        let number = || db.write_blocking(|conn| db::cached_images::node(conn, folder.id(), url));
        let node = match number() {
            // Another process was faster.
            Err(DbError::Duplicate(_)) => number(),
            other => other,
        };
        Ok(Self {
            node: node.map_err(|e| e.to_string())?,
            db,
            folder,
            settings,
            changes: tokio::sync::Mutex::new(()),
            reserved: Arc::default(),
            hits: Mutex::default(),
            recording: tokio::sync::Mutex::new(()),
            fills: Arc::new(Semaphore::new(FILLS_AT_ONCE)),
            wanted: Notify::new(),
        })
    }

    /// `image_cache_driver`
    pub fn driver(&self) -> Driver {
        self.settings.driver
    }

    /// Whether downloads of this image read from the cache and fill it: deactivated images pass it by.
    pub fn serves(&self, image: &Image) -> bool {
        self.settings.serves_downloads && image.status == Status::Active
    }

    /// Opens the copy of an image's data, if there is one, and counts the hit. A copy of other data than the image
    /// has now is dropped. Failures are logged: the data is in a store all the same.
    pub async fn copy_of(&self, image: &Image) -> Option<Copy> {
        let found = self.find(image).await;
        crate::telemetry::metrics().cache_looked_up(matches!(found, Ok(Some(_))));
        match found {
            Ok(copy) => copy,
            Err(error) => {
                tracing::error!(%error, image = %image.id, "the image cache cannot be read");
                None
            }
        }
    }

    async fn find(&self, image: &Image) -> Result<Option<Copy>> {
        let name = image.id.clone();
        let Some((file, size)) =
            self.folder.run(move |folder| folder.open_entry(&name)).await.map_err(failed)?
        else {
            return Ok(None);
        };
        // Without a record it is a stray, which the next sweep looks into.
        let Some(record) = self.record(&image.id).await? else { return Ok(None) };
        let is_same = record.content == content_of(image)
            && u64::try_from(record.size) == Ok(size)
            && image.size.is_none_or(|wanted| wanted == record.size);
        if !is_same {
            tracing::warn!(image = %image.id, "the cache has other data than the image; it is dropped");
            self.drop_copy(&image.id).await?;
            return Ok(None);
        }
        self.count(&image.id);
        Ok(Some(Copy { file, name: image.id.clone(), size }))
    }

    /// The bytes of a copy, all or a part, checked against what is `expected` of them. One that cannot be read to its
    /// end is dropped, so that the next download comes from a store.
    ///
    /// # Errors
    /// The hash library's.
    pub fn read(
        self: &Arc<Self>,
        copy: Copy,
        range: Option<ByteRange>,
        expected: Option<Expected>,
    ) -> StoreResult<ByteStream> {
        let (cache, id) = (Arc::clone(self), copy.name);
        let mut bytes = chunks(copy.file, id.clone(), copy.size, range, CHUNK_BYTES);
        if let Some(expected) = expected {
            bytes = verified(bytes, &id, expected, ("cache", &id))?;
        }
        Ok(Box::pin(bytes.then(move |item| {
            let broken = item.is_err().then(|| (Arc::clone(&cache), id.clone()));
            async move {
                if let Some((cache, id)) = broken {
                    tracing::error!(image = %id, "a copy in the cache cannot be read; it is dropped");
                    cache.drop_broken(&id).await;
                }
                item
            }
        })))
    }

    async fn drop_broken(&self, id: &str) {
        if let Err(error) = self.drop_copy(id).await {
            tracing::error!(image = id, %error, "a copy that cannot be read stays in the cache");
        }
    }

    async fn record(&self, id: &str) -> DbResult<Option<CachedImage>> {
        let (id, node) = (id.to_owned(), self.node);
        self.db.read("cache.find", move |conn| db::cached_images::find(conn, node, &id)).await
    }

    /// The records of this node, with hits up to now.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn list(&self) -> Result<Vec<CachedImage>> {
        self.record_hits().await?;
        let node = self.node;
        Ok(self.db.read("cache.list", move |conn| db::cached_images::list(conn, node)).await?)
    }

    fn count(&self, id: &str) {
        let mut hits = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = hits.entry(id.to_owned()).or_insert(Hits { count: 0, last: Timestamp(0) });
        *entry = Hits { count: entry.count.saturating_add(1), last: self.db.clock.now() };
    }

    /// Records the hits that were only counted so far: a download must not wait for a write to the database.
    ///
    /// # Errors
    /// Only the database's; the hits are counted again then.
    pub async fn record_hits(&self) -> Result<()> {
        let _recording = self.recording.lock().await;
        let hits = std::mem::take(&mut *self.hits.lock().unwrap_or_else(PoisonError::into_inner));
        if hits.is_empty() {
            return Ok(());
        }
        let (node, batch) = (self.node, hits.clone());
        let recorded = self.db.write("cache.record_hits", move |conn| {
            batch.iter().try_for_each(|(id, hits)| db::cached_images::count(conn, node, id, *hits))
        });
        if let Err(error) = recorded.await {
            let mut open = self.hits.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, lost) in hits {
                let entry = open.entry(id).or_insert(Hits { count: 0, last: lost.last });
                entry.count = entry.count.saturating_add(lost.count);
            }
            return Err(error.into());
        }
        Ok(())
    }

    /// Drops the copy of an image, if there is one.
    ///
    /// # Errors
    /// Those of the disk and the database.
    pub async fn drop_copy(&self, id: &str) -> Result<()> {
        if !is_uuid(id) {
            return Ok(());
        }
        let _changes = self.changes.lock().await;
        self.drop_locked(id).await
    }

    /// As [`Cache::drop_copy`], for who holds the lock.
    async fn drop_locked(&self, id: &str) -> Result<()> {
        let (name, node) = (id.to_owned(), self.node);
        self.folder.run(move |folder| folder.remove(&name)).await.map_err(failed)?;
        let id = id.to_owned();
        Ok(self.db.write("cache.remove", move |conn| db::cached_images::remove(conn, node, &id)).await?)
    }

    /// Drops every copy and returns how many there were.
    ///
    /// # Errors
    /// Those of the disk and the database.
    pub async fn drop_all(&self) -> Result<usize> {
        let _changes = self.changes.lock().await;
        let remove = |folder: &CacheFolder| {
            let files = folder.entries()?;
            files.iter().try_for_each(|file| folder.remove(&file.name).map(drop))?;
            Ok(files.len())
        };
        let count = self.folder.run(remove).await.map_err(failed)?;
        let node = self.node;
        self.db.write("cache.remove_all", move |conn| db::cached_images::remove_all(conn, node)).await?;
        Ok(count)
    }

    /// The ids of the queued images, in order.
    ///
    /// # Errors
    /// The disk's.
    pub async fn queued(&self) -> Result<Vec<String>> {
        self.folder.run(CacheFolder::queued).await.map_err(failed)
    }

    /// Queues an image unless it is cached or queued already. An id that is not a UUID is ignored.
    ///
    /// # Errors
    /// The disk's.
    pub async fn queue(&self, id: &str) -> Result<()> {
        if !is_uuid(id) {
            return Ok(());
        }
        let name = id.to_owned();
        let put = move |folder: &CacheFolder| match folder.open_entry(&name)? {
            Some(_) => Ok(()),
            None => folder.queue(&name),
        };
        self.folder.run(put).await.map_err(failed)?;
        self.wanted.notify_one();
        Ok(())
    }

    /// Takes an image out of the queue. It is not an error if it was not there.
    ///
    /// # Errors
    /// The disk's.
    pub async fn unqueue(&self, id: &str) -> Result<()> {
        if !is_uuid(id) {
            return Ok(());
        }
        let name = id.to_owned();
        self.folder.run(move |folder| folder.unqueue(&name)).await.map(drop).map_err(failed)
    }

    /// Empties the queue and returns how many images waited.
    ///
    /// # Errors
    /// The disk's.
    pub async fn unqueue_all(&self) -> Result<usize> {
        let empty = |folder: &CacheFolder| {
            let names = folder.queued()?;
            names.iter().try_for_each(|name| folder.unqueue(name).map(drop))?;
            Ok(names.len())
        };
        self.folder.run(empty).await.map_err(failed)
    }

    fn reserved(&self) -> u64 {
        self.reserved.load(Ordering::Acquire)
    }
}

//! Stores move bytes: they know blobs, URLs, ranges and streams, and no image.
//!
//! A blob becomes visible under its name in one step, when its writer commits; until then nobody reads it and
//! cancelling leaves nothing behind.

pub mod file;
pub mod http;
pub mod measure;
pub mod staging;

use std::{collections::BTreeMap, io, path::Path, pin::Pin, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;

/// Why a store could not do as asked.
#[derive(Debug)]
pub enum StoreErrorKind {
    /// There is no blob at this place.
    NotFound,
    /// There is one already under this name.
    Exists,
    /// No room left.
    Full,
    /// The store refuses us.
    Denied,
    /// The store does not do this at all.
    Unsupported,
    /// The URL is not one of this store's.
    BadUrl,
    /// The data does not have the declared size.
    SizeMismatch,
    /// The store cannot be reached now.
    Unavailable,
    /// Anything else.
    Io,
}

/// A failure of a store: what kind, where, and why.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {source}")]
pub struct StoreError {
    /// For deciding.
    pub kind: StoreErrorKind,
    /// File, URL or store of which the failure speaks; for the log.
    pub place: String,
    /// The reason.
    pub source: io::Error,
}

impl StoreError {
    /// Classifies an I/O failure at `place`.
    pub fn io(place: impl Into<String>, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => StoreErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => StoreErrorKind::Exists,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                StoreErrorKind::Full
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::Denied,
            _ => StoreErrorKind::Io,
        };
        Self { kind, place: place.into(), source }
    }

    /// A failure that is no I/O failure.
    pub fn other(kind: StoreErrorKind, place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { kind, place: place.into(), source: io::Error::other(reason.into()) }
    }
}

/// Result of a store.
pub type StoreResult<T> = Result<T, StoreError>;

/// The bytes of a blob, in chunks of bounded size.
pub type ByteStream = Pin<Box<dyn Stream<Item = StoreResult<Bytes>> + Send>>;

/// A part of a blob: bytes `first ..= last`, both inside the blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte, from 0.
    pub first: u64,
    /// Last byte, inclusive.
    pub last: u64,
}

impl ByteRange {
    /// Number of bytes.
    pub fn length(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// Receives one blob.
#[async_trait]
pub trait Writer: Send {
    /// Takes the next chunk; waits while the store is slower than the sender.
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()>;

    /// Makes everything durable without showing it; after this only [`Writer::commit`] can fail to show it.
    async fn sync(&mut self) -> StoreResult<()>;

    /// Shows the blob under its name, in one step. Answers its URL.
    async fn commit(self: Box<Self>) -> StoreResult<String>;

    /// Removes what was written.
    async fn cancel(self: Box<Self>) -> StoreResult<()>;
}

/// A place that keeps blobs.
#[async_trait]
pub trait Store: Send + Sync {
    /// The schemes of this store's URLs.
    fn schemes(&self) -> &'static [&'static str];

    /// Whether the store takes data at all.
    fn takes_uploads(&self) -> bool {
        true
    }

    /// Opens a blob for reading, whole or in part.
    async fn read(&self, url: &str, range: Option<ByteRange>) -> StoreResult<ByteStream>;

    /// Begins a blob: `name` in the store once committed, `blob_id` while it is written. A known `size` in bytes
    /// lets the store reserve room.
    async fn writer(&self, blob_id: &str, name: &str, size: Option<u64>) -> StoreResult<Box<dyn Writer>>;

    /// Makes a finished, durable file the blob `name` without copying it, and answers its URL. `None` when the store
    /// cannot; then nothing has happened.
    async fn adopt(&self, name: &str, file: &Path) -> StoreResult<Option<String>> {
        let _ = (name, file);
        Ok(None)
    }

    /// Size of a blob in bytes.
    async fn size(&self, url: &str) -> StoreResult<u64>;

    /// Deletes whatever there is of a blob, finished or not. That there is nothing is no failure.
    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()>;

    /// Every object in the store, unfinished ones included, as `(name, is unfinished)`.
    async fn names(&self) -> StoreResult<Vec<(String, bool)>>;
}

/// One configured store.
#[derive(Clone)]
pub struct NamedStore {
    /// Its id in the API.
    pub id: String,
    /// Its description in `/v2/info/stores`.
    pub description: Option<String>,
    /// Preference for reading; larger first.
    pub weight: i64,
    /// The store itself.
    pub store: Arc<dyn Store>,
}

/// The configured stores.
#[derive(Clone)]
pub struct Stores {
    by_id: BTreeMap<String, NamedStore>,
    order: Vec<String>,
    default: String,
    /// Whether store ids are part of the API (`enabled_backends` is set).
    pub multiple: bool,
}

impl Stores {
    /// Gathers the stores in configuration order.
    ///
    /// # Errors
    /// A sentence when the default is not among them.
    pub fn new(list: Vec<NamedStore>, default: &str, multiple: bool) -> Result<Self, String> {
        let order: Vec<String> = list.iter().map(|s| s.id.clone()).collect();
        if !order.iter().any(|id| id == default) {
            return Err(format!(
                "default_backend: {default:?} is not one of the stores {}",
                order.join(", ")
            ));
        }
        Ok(Self {
            by_id: list.into_iter().map(|s| (s.id.clone(), s)).collect(),
            order,
            default: default.to_owned(),
            multiple,
        })
    }

    /// The store to which uploads go that name none.
    pub fn default_id(&self) -> &str {
        &self.default
    }

    /// A store by its id.
    pub fn get(&self, id: &str) -> Option<&NamedStore> {
        self.by_id.get(id)
    }

    /// The store that serves a URL, by its scheme.
    pub fn for_url(&self, url: &str) -> Option<&NamedStore> {
        let (scheme, _) = url.split_once(':')?;
        self.iter().find(|named| named.store.schemes().contains(&scheme))
    }

    /// Every store in configuration order.
    pub fn iter(&self) -> impl Iterator<Item = &NamedStore> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }
}

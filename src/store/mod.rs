//! Stores move bytes: they know blobs, URLs, ranges and streams, and no image.
//!
//! A blob becomes visible under its name in one step, when its writer commits; until then nobody reads it and
//! cancelling leaves nothing behind.

pub mod cache;
#[cfg(test)]
mod conformance;
pub mod count;
pub mod file;
pub mod http;
pub mod limit;
pub mod measure;
pub mod named;
pub mod staging;

use std::{
    io,
    path::{Path, PathBuf},
    pin::Pin,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use serde_json::{Map, Value};

pub use named::{NamedStore, Stores};

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
            io::ErrorKind::NetworkDown | io::ErrorKind::StaleNetworkFileHandle => StoreErrorKind::Unavailable,
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
    /// The type of the store, as `enabled_backends` names it.
    fn kind(&self) -> &'static str;

    /// The schemes of this store's URLs.
    fn schemes(&self) -> &'static [&'static str];

    /// What `GET /v2/info/stores/detail` tells about the store, by Glance's names for its type.
    fn properties(&self) -> Map<String, Value> {
        Map::new()
    }

    /// Whether the URL is one that this store serves; looks at the text alone.
    fn owns(&self, url: &str) -> bool {
        url.split_once(':').is_some_and(|(scheme, _)| self.schemes().contains(&scheme))
    }

    /// What the operator wants to be said in the metadata of a location with this URL.
    fn metadata(&self, _url: &str) -> Map<String, Value> {
        Map::new()
    }

    /// Whether the store takes data at all.
    fn takes_uploads(&self) -> bool {
        true
    }

    /// Opens a blob for reading, whole or in part.
    async fn read(&self, url: &str, range: Option<ByteRange>) -> StoreResult<ByteStream>;

    /// Begins a blob: `name` in the store once committed, `blob_id` while it is written. A known `size` in bytes
    /// lets the store reserve room.
    async fn writer(&self, blob_id: &str, name: &str, size: Option<u64>) -> StoreResult<Box<dyn Writer>>;

    /// The file of this machine that holds a blob and nothing else, for [`Store::adopt`] of another store. `None` when
    /// there is none.
    fn file_of(&self, url: &str) -> Option<PathBuf> {
        let _ = url;
        None
    }

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

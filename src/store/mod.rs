//! Stores move bytes: they know blobs, URLs, ranges and streams, and no image.
//!
//! A kind of store implements [`Backend`], and nobody but [`NamedStore`] calls it: that layer seats, bounds in time,
//! counts and traces. A blob becomes visible under its name in one step, when its writer commits; until then nobody
//! reads it and cancelling leaves nothing behind.

pub mod cache;
mod configured;
#[cfg(test)]
mod conformance;
pub mod count;
mod error;
pub mod kind;
pub mod kinds;
pub mod limit;
pub mod named;
mod range;
pub mod staging;
mod writing;

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use serde_json::{Map, Value};

use crate::model::blob::Blob;
pub use crate::model::store_url::StoreUrl;
pub use configured::Stores;
pub use error::{StoreError, StoreErrorKind, StoreResult};
pub use kinds::{file, http};
pub use named::NamedStore;
pub use writing::BlobWriter;

use kind::Kind;

/// The bytes of a blob, in chunks of bounded size.
pub type ByteStream = Pin<Box<dyn Stream<Item = StoreResult<Bytes>> + Send>>;

/// What a store holds, piece by piece: a bucket has millions of names.
pub type ListStream = Pin<Box<dyn Stream<Item = StoreResult<Listed>> + Send>>;

/// Something that a store holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name; the id of its blob while it is unfinished.
    pub name: String,
    /// Whether it is still being written, or was when its writer died.
    pub unfinished: bool,
}

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

/// A blob that is about to be written.
#[derive(Clone, Copy)]
pub struct NewBlob<'a> {
    /// Id of its row in the ledger; the store knows it by this id while it is written.
    pub id: &'a str,
    /// Its name in the store once it is committed.
    pub name: &'a str,
    /// The image that it is for.
    pub image: &'a str,
    /// The project that the image belongs to; for stores that give each project a place of its own.
    pub owner: Option<&'a str>,
    /// Size in bytes, when it is known; lets the store reserve room.
    pub size: Option<u64>,
    /// Token of a caller who waits; for stores that write in the caller's name.
    pub token: Option<&'a str>,
}

impl<'a> NewBlob<'a> {
    /// The blob of a row of the ledger, of `size` bytes if that is known, without an owner or a caller.
    pub fn of(blob: &'a Blob, size: Option<u64>) -> Self {
        Self { id: &blob.id, name: &blob.name, image: &blob.image_id, owner: None, size, token: None }
    }
}

/// How stores of one kind can give each other a blob without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Another name for the same file.
    HardLink,
    /// The service behind the store copies.
    ServerSideCopy,
    /// A new object that shares its blocks until one of them changes.
    Clone,
}

/// What a store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// It takes data, deletes, and lists what it holds.
    pub writes: bool,
    /// It reads parts of a blob by itself; else [`NamedStore`] cuts them from the whole.
    pub ranges: bool,
    /// How it takes over a blob of another store that does the same.
    pub share: Option<Share>,
}

/// URLs that a store serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// All of these schemes.
    Schemes(&'static [&'static str]),
    /// One plain name, without a leading dot, below one of these prefixes, each of which ends in `/`.
    Below(Vec<String>),
}

/// What a store is.
#[derive(Clone, Debug)]
pub struct About {
    /// What sort of store it is.
    pub kind: &'static Kind,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Which URLs are its own.
    pub addresses: Addresses,
    /// What `GET /v2/info/stores/detail` tells about it, by Glance's names for its type.
    pub properties: Map<String, Value>,
    /// What the operator wants to be said in the metadata of locations that begin with a text; the first one counts.
    pub metadata: Vec<(String, Map<String, Value>)>,
}

/// Receives one blob.
#[async_trait]
pub trait Writer: Send {
    /// Takes the next chunk; waits while the store is slower than the sender.
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()>;

    /// Makes everything durable without showing it; after this only [`Writer::commit`] can fail to show it.
    async fn sync(&mut self) -> StoreResult<()>;

    /// Shows the blob under its name, in one step. Answers its URL.
    async fn commit(self: Box<Self>) -> StoreResult<StoreUrl>;

    /// Removes what was written.
    async fn cancel(self: Box<Self>) -> StoreResult<()>;
}

/// A place that keeps blobs. No method has a body here, so that a new kind of store answers each question itself.
#[async_trait]
pub trait Backend: Send + Sync {
    /// What it is; asked once, when it is opened.
    fn about(&self) -> About;

    /// Opens a blob for reading, whole or in part. Parts are only asked of those that can.
    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream>;

    /// Begins a blob.
    async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>>;

    /// Makes what another store of this machine or service has at `from` the blob, finished and durable, without
    /// reading it, and answers its URL. `None` when that cannot be; then nothing has happened.
    async fn share(&self, from: &StoreUrl, blob: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>>;

    /// Size of a blob in bytes.
    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64>;

    /// Deletes whatever there is of a blob, finished or not. That there is nothing is no failure.
    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()>;

    /// Everything in the store, unfinished blobs included, in any order.
    fn list(&self) -> ListStream;
}

//! The interface of a store ([`Backend`]), and the description of a store type ([`Kind`]): its row in the table of
//! [`super::kinds`].

use std::{
    any::Any,
    fmt::Debug,
    fs::File,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use serde_json::{Map, Value};

pub use super::addresses::{Addresses, Beginning, Keys};
use super::{
    error::StoreResult,
    yard::{Quarantine, Yard},
};
use crate::{
    model::{blob::Blob, caller::Caller, store_url::StoreUrl, time::Timestamp},
    outbound::{Filter, Patience},
};

/// The bytes of a blob, in chunks of bounded size.
pub type ByteStream = Pin<Box<dyn Stream<Item = StoreResult<Bytes>> + Send>>;

/// The objects of a store, as a stream: a bucket may have millions.
pub type ListStream = Pin<Box<dyn Stream<Item = StoreResult<Listed>> + Send>>;

/// Suffix of a name or id in a call that deletes unfinished data only, and no object of that name.
pub const UNFINISHED: &str = ".unfinished";

/// Something that a store holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name; while it is unfinished, the id of its blob, or the name that it is to have where the store knows it so.
    pub name: String,
    /// Whether it is still being written, or was when its writer died.
    pub unfinished: bool,
    /// Size in bytes, if listed.
    pub size: Option<u64>,
    /// Modification time by the store's clock, if listed.
    pub modified: Option<Timestamp>,
}

impl Listed {
    /// An object of which only the name is listed.
    pub const fn of(name: String, unfinished: bool) -> Self {
        Self { name, unfinished, size: None, modified: None }
    }
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
    /// The caller who sends the data, for stores that write in the caller's name; `None` in a job.
    pub caller: Option<&'a Caller>,
}

impl<'a> NewBlob<'a> {
    /// The blob of a row of the ledger, of `size` bytes if that is known, without an owner.
    pub fn of(blob: &'a Blob, size: Option<u64>) -> Self {
        Self { id: &blob.id, name: &blob.name, image: &blob.image_id, owner: None, size, caller: None }
    }
}

/// Who may read a blob directly at the service behind a store, besides its project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readers {
    /// All who have an account there.
    Everybody,
    /// These projects, by their ids.
    Projects(Vec<String>),
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
    /// It can be written, deleted from, and listed.
    pub writes: bool,
    /// It reads parts of a blob by itself; else [`NamedStore`] cuts them from the whole.
    pub ranges: bool,
    /// How it takes over a blob of another store that supports the same way.
    pub share: Option<Share>,
    /// Each read goes over the network, so that one for several readers is worth a detour.
    pub remote: bool,
    /// What can lie out of the way in it.
    pub quarantine: Quarantine,
}

/// The description of a store.
#[derive(Clone, Debug)]
pub struct About {
    /// Its type.
    pub kind: &'static Kind,
    /// Its capabilities.
    pub capabilities: Capabilities,
    /// Which URLs are its own.
    pub addresses: Addresses,
    /// The properties in `GET /v2/info/stores/detail`, with Glance's names.
    pub properties: Map<String, Value>,
    /// Configured metadata for locations with a URL prefix; the first match counts.
    pub metadata: Vec<(String, Map<String, Value>)>,
}

/// A local file that contains a whole blob, open for reading.
#[derive(Debug)]
pub struct LocalFile {
    /// The file.
    pub file: File,
    /// Where it is.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
}

/// Receives one blob.
#[async_trait]
pub trait Writer: Send {
    /// Takes the next chunk; waits while the store is slower than the sender.
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()>;

    /// Makes everything durable without showing it; after this only [`Writer::commit`] can fail to show it.
    async fn sync(&mut self) -> StoreResult<()>;

    /// Shows the blob under this name, in one step. Returns its URL. A name that something has already is refused with
    /// [`StoreErrorKind::Exists`](super::StoreErrorKind::Exists), and then another can be tried.
    async fn commit(&mut self, name: &str) -> StoreResult<StoreUrl>;

    /// Removes what was written.
    async fn cancel(self: Box<Self>) -> StoreResult<()>;
}

/// The room of a store, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Free space.
    pub free: u64,
    /// All there is, full or empty.
    pub total: u64,
}

/// A place that keeps blobs. No method has a body here, so that a new kind of store answers each question itself.
#[async_trait]
pub trait Backend: Send + Sync {
    /// What it is; asked once, when it is opened.
    fn about(&self) -> About;

    /// Opens a blob for reading, whole or in part. Parts are only asked of those that can.
    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream>;

    /// Opens the file of this machine in which a blob lies whole; `None` in a store that has no such files.
    async fn file(&self, url: &StoreUrl) -> StoreResult<Option<LocalFile>>;

    /// Begins a blob.
    async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>>;

    /// Makes what another store of this machine or service has at `from` the blob, finished and durable, without
    /// reading it, and returns its URL. `None` when that cannot be; then nothing has happened.
    async fn share(&self, from: &StoreUrl, blob: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>>;

    /// Size of a blob in bytes.
    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64>;

    /// Deletes all data of a blob, finished or not. It is not an error if there is nothing. What bears its name while
    /// the blob is unfinished belongs to others, and stays. A name that ends in [`UNFINISHED`] means what is unfinished
    /// alone.
    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()>;

    /// Whether anything bears this name.
    async fn holds(&self, name: &str) -> StoreResult<bool>;

    /// Whether something that was made of a finished blob, and is not ours, keeps it from being deleted.
    async fn in_use(&self, name: &str) -> StoreResult<bool>;

    /// How much room there is, where the store can tell.
    async fn room(&self) -> StoreResult<Option<Room>>;

    /// Lets these projects, beside the one that it belongs to, read what bears this name without asking us; all others may
    /// not any more. Nothing happens where nobody reads so.
    async fn admit(&self, name: &str, readers: &Readers) -> StoreResult<()>;

    /// Everything in the store, unfinished blobs included, in any order.
    fn list(&self) -> ListStream;

    /// The quarantine and the owner's mark; `None` if the store has neither.
    fn yard(&self) -> Option<&dyn Yard>;
}

/// A kind of store.
#[derive(Debug)]
pub struct Kind {
    /// Its name in `enabled_backends` and `stores`.
    pub name: &'static str,
    /// The schemes of its URLs.
    pub schemes: &'static [&'static str],
    /// Who may add locations with these schemes.
    pub named_by: NamedBy,
    /// Whether its stores can be written.
    pub writes: bool,
    /// Its options.
    pub options: &'static [Declared],
    /// Reads its options.
    pub read: fn(&mut dyn Options) -> Arc<dyn Settings>,
}

impl Kind {
    /// Whether everybody may add this URL, by its beginning, as in Glance.
    pub fn is_for_everybody(&self, url: &str) -> bool {
        self.named_by == NamedBy::Everybody && self.schemes.iter().any(|scheme| url.starts_with(scheme))
    }
}

/// Who may add a URL as a location of an image (`glance/common/store_utils.py: RESTRICTED_URI_SCHEMAS`,
/// `glance/api/v2/images.py: add_location`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// Only the store itself: the URL would open the machine's own files.
    Nobody,
    /// Services, and by the older calls whoever may change locations.
    Services,
    /// Everybody who may change the image.
    Everybody,
}

/// An option of a kind of store.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    /// The key, as written in a file.
    pub name: &'static str,
    /// The form of its value.
    pub form: Form,
    /// The default as it would be written in a file; `None` if it is unset by default.
    pub default: Option<&'static str>,
    /// Its description, one sentence.
    pub help: &'static str,
    /// Whether its value is secret.
    pub secret: bool,
    /// Why it is accepted without having an effect, if that is so.
    pub obsolete: Option<&'static str>,
}

/// The form of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Yes or no.
    Bool,
    /// A whole number within both bounds, inclusive.
    Int(i64, i64),
    /// Any text.
    Text,
    /// Pairs of a key and a text.
    Dict,
    /// A text for each time that the option is written.
    Multi,
    /// Bytes, with a unit or without.
    Size,
}

impl Declared {
    /// An option with a default.
    pub const fn new(name: &'static str, form: Form, default: &'static str, help: &'static str) -> Self {
        Self { name, form, default: Some(default), help, secret: false, obsolete: None }
    }

    /// An option that is unset by default.
    pub const fn unset(name: &'static str, form: Form, help: &'static str) -> Self {
        Self { name, form, default: None, help, secret: false, obsolete: None }
    }

    /// Marks it as secret.
    pub const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// As it is, but without an effect, for this reason.
    pub const fn obsolete(self, reason: &'static str) -> Self {
        Self { obsolete: Some(reason), ..self }
    }
}

/// The option values of one store, defaults included. Requesting an option that the type does not declare, or in
/// another form, is a programming error and returns the form's empty value.
pub trait Options {
    /// Whether there is this one store and no other of its kind, configured without an id.
    fn is_single(&self) -> bool;

    /// Whether the option is written anywhere.
    fn is_set(&self, option: &str) -> bool;

    /// Yes or no.
    fn bool(&self, option: &str) -> bool;

    /// A number, if there is one.
    fn i64(&self, option: &str) -> Option<i64>;

    /// A number or bytes; what is below zero is zero.
    fn u64(&self, option: &str) -> Option<u64>;

    /// A text that is not empty.
    fn text(&self, option: &str) -> Option<String>;

    /// A path that is not empty.
    fn path(&self, option: &str) -> Option<PathBuf>;

    /// Every text that was written.
    fn list(&self, option: &str) -> Vec<String>;

    /// The pairs, in the order written.
    fn dict(&self, option: &str) -> Vec<(String, String)>;

    /// Says why a value cannot be used, which stops the start.
    fn refuse(&mut self, option: &str, reason: String);
}

/// The options of one store, read; they can open it.
pub trait Settings: Any + Debug + Send + Sync {
    /// The kind of the store.
    fn kind(&self) -> &'static Kind;

    /// Opens the store. Blocking.
    ///
    /// # Errors
    /// A sentence for the operator.
    fn open(&self, site: &Site<'_>) -> Result<Arc<dyn Backend>, String>;
}

/// Where a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// Its id.
    pub id: &'a str,
    /// Folder of everything that this server keeps for itself.
    pub data_dir: &'a Path,
    /// Where data that users name may come from.
    pub filter: &'a Filter,
    /// Time limits for reading from elsewhere.
    pub patience: Patience,
}

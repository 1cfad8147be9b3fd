//! The memory store: blobs that end with the process, for tests and for `vitrine serve --ephemeral`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, stream};
use serde_json::{Map, json};

use crate::model::time::Timestamp;
use crate::store::{
    About, Addresses, Backend, ByteRange, ByteStream, Capabilities, ListStream, Listed, LocalFile, NewBlob,
    Quarantine, Readers, StoreError, StoreErrorKind, StoreResult, StoreUrl, Writer, Yard,
    backend::{self, Declared, Form, Kind, NamedBy, Options, Room, Site},
};

/// The memory store.
pub static KIND: Kind = Kind {
    name: "memory",
    schemes: &["memory"],
    named_by: NamedBy::Nobody,
    writes: true,
    options: OPTIONS,
    read,
};

const ROOM: &str = "memory_store_size";
const OPTIONS: &[Declared] = &[Declared::new(
    ROOM,
    Form::Size,
    "1GB",
    "Bytes that the store holds at most; they are gone with the process.",
)];

/// Names that are listed at once.
const BATCH: usize = 1000;

/// Options of the memory store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes that it holds at most.
    pub room: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { room: 1 << 30 }
    }
}

impl backend::Settings for Settings {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn open(&self, site: &Site<'_>) -> Result<Arc<dyn Backend>, String> {
        Ok(Arc::new(MemoryStore::new(site.id, self)))
    }
}

fn read(options: &mut dyn Options) -> Arc<dyn backend::Settings> {
    Arc::new(Settings { room: options.u64(ROOM).unwrap_or(Settings::default().room) })
}

/// A blob, and the id of its row.
#[derive(Clone, Debug)]
struct Held {
    id: String,
    chunks: Arc<[Bytes]>,
    modified: Timestamp,
}

/// Blobs in memory. Cheap to clone; the clones share them.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    prefix: Arc<str>,
    room: u64,
    shelf: Arc<Mutex<Shelf>>,
}

#[derive(Debug, Default)]
struct Shelf {
    blobs: BTreeMap<String, Held>,
    /// Blobs that are being written, by id.
    parts: BTreeSet<String>,
    /// Bytes of all of them.
    used: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(id: &str, settings: &Settings) -> Self {
        Self { prefix: format!("memory://{id}/").into(), room: settings.room, shelf: Arc::default() }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // What holds the lock does nothing that could stop half-way.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, url: &StoreUrl) -> StoreResult<Arc<[Bytes]>> {
        let bad = |kind, why: &'static str| StoreError::new(kind, url.to_string(), why);
        let name = url.full().strip_prefix(&*self.prefix);
        let name = name.ok_or_else(|| bad(StoreErrorKind::BadUrl, "not a URL of this store"))?;
        let blob = self.shelf().blobs.get(name).map(|held| Arc::clone(&held.chunks));
        blob.ok_or_else(|| bad(StoreErrorKind::NotFound, "there is no such blob"))
    }

    fn full(&self) -> StoreError {
        StoreError::new(StoreErrorKind::Full, &*self.prefix, format!("it holds {} bytes at most", self.room))
    }
}

fn size_of(blob: &[Bytes]) -> u64 {
    blob.iter().map(|chunk| chunk.len() as u64).sum()
}

fn check_name(name: &str) -> StoreResult<()> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(StoreError::new(StoreErrorKind::BadUrl, name, "not a name of a blob"));
    }
    Ok(())
}

#[async_trait]
impl Backend for MemoryStore {
    fn about(&self) -> About {
        let mut properties = Map::new();
        properties.insert("size".to_owned(), json!(self.room));
        About {
            kind: &KIND,
            capabilities: Capabilities {
                writes: true,
                ranges: true,
                share: None,
                remote: false,
                quarantine: Quarantine::Nothing,
            },
            addresses: Addresses::Below(vec![self.prefix.to_string()]),
            properties,
            metadata: Vec::new(),
        }
    }

    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        let blob = self.find(url)?;
        let (from, until) = range.map_or((0, u64::MAX), |r| (r.first, r.last.saturating_add(1)));
        let state = (0_usize, 0_u64);
        Ok(Box::pin(stream::try_unfold(state, move |(mut index, mut at)| {
            let blob = Arc::clone(&blob);
            async move {
                while let Some(chunk) = blob.get(index).filter(|_| at < until) {
                    let cut = |place: u64| {
                        let within = place.saturating_sub(at).min(chunk.len() as u64);
                        usize::try_from(within).unwrap_or(usize::MAX)
                    };
                    let part = chunk.slice(cut(from)..cut(until));
                    (index, at) = (index.saturating_add(1), at.saturating_add(chunk.len() as u64));
                    if !part.is_empty() {
                        return Ok(Some((part, (index, at))));
                    }
                }
                Ok(None)
            }
        })))
    }

    async fn file(&self, _: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        Ok(None)
    }

    async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        check_name(blob.id)?;
        check_name(blob.name)?;
        let mut shelf = self.shelf();
        if blob.size.is_some_and(|size| size > self.room.saturating_sub(shelf.used)) {
            return Err(self.full());
        }
        if !shelf.parts.insert(blob.id.to_owned()) {
            return Err(StoreError::new(StoreErrorKind::Exists, blob.id, "it is being written already"));
        }
        let id = blob.id.to_owned();
        Ok(Box::new(MemoryWriter { store: self.clone(), id, chunks: Vec::new(), size: 0 }))
    }

    async fn share(&self, _: &StoreUrl, _: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        Ok(None)
    }

    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64> {
        Ok(size_of(&self.find(url)?))
    }

    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        check_name(blob_id)?;
        check_name(name)?;
        let mut shelf = self.shelf();
        // A writer that is still there gives its bytes back by itself.
        shelf.parts.remove(blob_id);
        let own = shelf.blobs.get(name).filter(|held| held.id == blob_id).map(|held| size_of(&held.chunks));
        if let Some(size) = own {
            shelf.blobs.remove(name);
            shelf.used = shelf.used.saturating_sub(size);
        }
        Ok(())
    }

    async fn holds(&self, name: &str) -> StoreResult<bool> {
        check_name(name)?;
        Ok(self.shelf().blobs.contains_key(name))
    }

    async fn room(&self) -> StoreResult<Option<Room>> {
        Ok(Some(Room { free: self.room.saturating_sub(self.shelf().used), total: self.room }))
    }

    async fn in_use(&self, _: &str) -> StoreResult<bool> {
        Ok(false)
    }

    async fn admit(&self, _: &str, _: &Readers) -> StoreResult<()> {
        Ok(())
    }

    fn list(&self) -> ListStream {
        let store = self.clone();
        let first = (false, Bound::Unbounded::<String>);
        let batches = stream::try_unfold(first, move |(unfinished, after)| {
            let store = store.clone();
            async move { Ok::<_, StoreError>(store.names_after(unfinished, after)) }
        });
        Box::pin(batches.map_ok(|names| stream::iter(names.into_iter().map(Ok))).try_flatten())
    }

    fn yard(&self) -> Option<&dyn Yard> {
        None
    }
}

/// Where a listing continues.
type Place = (bool, Bound<String>);

impl MemoryStore {
    /// The next names and where to continue: first the blobs, then those that are being written.
    fn names_after(&self, unfinished: bool, after: Bound<String>) -> Option<(Vec<Listed>, Place)> {
        let shelf = self.shelf();
        let range = (after, Bound::Unbounded);
        let listed: Vec<Listed> = if unfinished {
            shelf.parts.range(range).take(BATCH).map(|id| Listed::of(id.clone(), true)).collect()
        } else {
            let of = |(name, held): (&String, &Held)| Listed {
                size: Some(size_of(&held.chunks)),
                modified: Some(held.modified),
                ..Listed::of(name.clone(), false)
            };
            shelf.blobs.range(range).take(BATCH).map(of).collect()
        };
        let next = match listed.last() {
            Some(last) => (unfinished, Bound::Excluded(last.name.clone())),
            None if unfinished => return None,
            None => (true, Bound::Unbounded),
        };
        Some((listed, next))
    }
}

struct MemoryWriter {
    store: MemoryStore,
    id: String,
    chunks: Vec<Bytes>,
    size: u64,
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        let mut shelf = self.store.shelf();
        shelf.parts.remove(&self.id);
        // Nothing is left of those that were committed.
        shelf.used = shelf.used.saturating_sub(self.size);
    }
}

#[async_trait]
impl Writer for MemoryWriter {
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        let more = chunk.len() as u64;
        {
            let mut shelf = self.store.shelf();
            if more > self.store.room.saturating_sub(shelf.used) {
                return Err(self.store.full());
            }
            shelf.used = shelf.used.saturating_add(more);
        }
        self.size = self.size.saturating_add(more);
        // A copy: the chunk may be a small part of a large buffer, which it would keep.
        self.chunks.push(Bytes::copy_from_slice(&chunk));
        Ok(())
    }

    async fn sync(&mut self) -> StoreResult<()> {
        Ok(())
    }

    async fn commit(&mut self, name: &str) -> StoreResult<StoreUrl> {
        check_name(name)?;
        let url = StoreUrl::new(format!("{}{name}", self.store.prefix));
        let mut shelf = self.store.shelf();
        if shelf.blobs.contains_key(name) {
            drop(shelf);
            return Err(StoreError::new(
                StoreErrorKind::Exists,
                url.to_string(),
                "there is a blob of that name",
            ));
        }
        let held = Held {
            id: self.id.clone(),
            chunks: std::mem::take(&mut self.chunks).into(),
            modified: Timestamp::of(SystemTime::now()),
        };
        shelf.blobs.insert(name.to_owned(), held);
        self.size = 0;
        drop(shelf);
        Ok(url)
    }

    async fn cancel(self: Box<Self>) -> StoreResult<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::store::conformance::{conforms, named, new, put};

    /// Proves that the memory store keeps the promises of stores.
    #[tokio::test]
    async fn the_memory_store_conforms() {
        conforms(&named(MemoryStore::new("m", &Settings::default())), None).await;
    }

    /// Proves that no more bytes are held than the room, and that all of it comes back.
    #[tokio::test]
    async fn its_room_is_bounded() {
        let memory = MemoryStore::new("m", &Settings { room: 1000 });
        let store = named(memory.clone());
        put(&store, "a", "n", &[1; 600]).await.unwrap();
        let declared = store.writer(&new("b", "o", Some(401))).await.err().unwrap();
        let mut writer = store.writer(&new("b", "o", None)).await.unwrap();
        writer.write(Bytes::from_static(&[1; 400])).await.unwrap();
        let written = writer.write(Bytes::from_static(&[1])).await.unwrap_err();
        assert_eq!((declared.kind, written.kind), (StoreErrorKind::Full, StoreErrorKind::Full));
        writer.cancel().await.unwrap();
        put(&store, "c", "p", &[1; 400]).await.unwrap();
        store.delete("a", "n").await.unwrap();
        store.delete("c", "p").await.unwrap();
        assert_eq!(memory.shelf().used, 0);
        put(&store, "d", "q", &[1; 1000]).await.unwrap();
    }
}

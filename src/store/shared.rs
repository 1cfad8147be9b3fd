//! One read of a store for all concurrent readers of the same data.
//!
//! A task reads into a window of bounded size, from which all readers take the data. It reads on when the first of
//! them wants more, so nobody waits for a slower one; a reader that falls behind the window reads the rest itself. A
//! reader that comes while the window still begins with the first byte joins, others begin a read of their own, which
//! again others may join.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

use super::{ByteRange, ByteStream, NamedStore, StoreError, StoreErrorKind, StoreResult};
use crate::telemetry;

/// Bytes that one window holds, but for a last chunk that is larger.
const WINDOW: u64 = 4 << 20;
/// Windows at once in the process; who finds none free reads by himself.
const WINDOWS: usize = 32;
/// One project has opened this part of them at most.
const OF_ONE: usize = 2;
/// Chunks that are read before anybody wants them.
const AHEAD: u64 = 2;

/// Which stores are read once for several readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Those that each read reaches over the network.
    #[default]
    Remote,
    /// All.
    All,
    /// None.
    None,
}

impl Sharing {
    /// Reads the value of the option.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "remote" => Some(Self::Remote),
            "all" => Some(Self::All),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// Whether reads of a store are shared, which is remote or not.
    pub fn concerns(self, is_remote: bool) -> bool {
        self == Self::All || (self == Self::Remote && is_remote)
    }
}

/// The reads of all stores that others may join. Cheap to clone.
#[derive(Clone)]
pub struct SharedReads(Arc<Desk>);

struct Desk {
    window: u64,
    free: Arc<Semaphore>,
    /// Windows that one project may have open.
    of_one: usize,
    /// How many each has.
    opened: Arc<Mutex<HashMap<String, usize>>>,
    /// By store and URL. Those that nobody reads any more are dropped by whoever comes next.
    open: Mutex<HashMap<(String, String), Weak<Reading>>>,
}

impl Default for SharedReads {
    fn default() -> Self {
        Self::with(WINDOW, WINDOWS)
    }
}

impl SharedReads {
    /// Up to this many windows of this many bytes.
    pub fn with(window: u64, windows: usize) -> Self {
        let free = Arc::new(Semaphore::new(windows.min(Semaphore::MAX_PERMITS)));
        let (of_one, opened, open) = (windows.div_ceil(OF_ONE), Arc::default(), Mutex::default());
        Self(Arc::new(Desk { window, free, of_one, opened, open }))
    }

    /// All `size` bytes at a URL of a store, which others may be reading already, for somebody of the project `whose`.
    ///
    /// # Errors
    /// The store's, here and in the stream.
    pub async fn read(
        &self,
        named: &NamedStore,
        (url, size): (&str, u64),
        whose: &str,
    ) -> StoreResult<ByteStream> {
        let Some(reader) = self.join(named, (url, size), whose) else { return named.read(url, None).await };
        Ok(Box::pin(futures::stream::try_unfold(reader, |mut reader| async move {
            Ok(reader.next().await?.map(|chunk| (chunk, reader)))
        })))
    }

    /// A reader of a read that has just begun, by somebody else or by this call; `None` without a window.
    fn join(&self, named: &NamedStore, (url, size): (&str, u64), whose: &str) -> Option<Reader> {
        let key = (named.id.clone(), url.to_owned());
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.get(&key).and_then(Weak::upgrade);
        let joined = known.and_then(|reading| Reader::of(reading, named, url, size));
        if joined.is_some() {
            return joined;
        }
        let seat = self.0.seat(whose)?;
        open.retain(|_, reading| reading.strong_count() > 0);
        let reading = Reading::begin(named, url, self.0.window, seat);
        open.insert(key, Arc::downgrade(&reading));
        Reader::of(reading, named, url, size)
    }
}

impl Desk {
    /// A window for a project, if there is one and it has not its share.
    fn seat(&self, whose: &str) -> Option<Seat> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let own = opened.get(whose).copied().unwrap_or(0);
        if own >= self.of_one {
            return None;
        }
        let window = Arc::clone(&self.free).try_acquire_owned().ok()?;
        opened.insert(whose.to_owned(), own.saturating_add(1));
        Some(Seat { opened: Arc::clone(&self.opened), whose: whose.to_owned(), _window: window })
    }
}

/// A window, which counts as that of the project that opened it, whoever joins.
struct Seat {
    opened: Arc<Mutex<HashMap<String, usize>>>,
    whose: String,
    _window: OwnedSemaphorePermit,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        match opened.get_mut(&self.whose) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(opened.remove(&self.whose)),
        }
    }
}

/// A read that is under way for as long as anybody holds it.
struct Reading {
    book: Arc<Book>,
    task: telemetry::Spawned<()>,
    _seat: Seat,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Reading {
    fn begin(named: &NamedStore, url: &str, window: u64, seat: Seat) -> Arc<Self> {
        let book = Arc::new(Book {
            page: Mutex::default(),
            window,
            wanted: Notify::new(),
            arrived: watch::channel(()).0,
        });
        let (writer, named, url) = (Arc::clone(&book), named.clone(), url.to_owned());
        let task = telemetry::spawn(async move {
            // Also when this ends in another way than it should.
            let mut ending = Ending { book: &writer, how: None };
            ending.how = Some(writer.fill(&named, &url).await);
        });
        Arc::new(Self { book, task, _seat: seat })
    }
}

/// Tells the readers how it ended.
struct Ending<'a> {
    book: &'a Book,
    how: Option<StoreResult<()>>,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let end = match self.how.take() {
            Some(Ok(())) => End::Well,
            Some(Err(error)) => End::Broken(error.kind, error.to_string()),
            None => End::Broken(StoreErrorKind::Io, "the read that was shared broke off".to_owned()),
        };
        self.book.page().end = Some(end);
        self.book.arrived.send_replace(());
    }
}

/// What the task and the readers of one read share.
struct Book {
    page: Mutex<Page>,
    window: u64,
    /// Somebody wants more.
    wanted: Notify,
    /// There is more, or it has ended.
    arrived: watch::Sender<()>,
}

#[derive(Default)]
struct Page {
    chunks: VecDeque<Bytes>,
    /// Bytes of these.
    held: u64,
    /// Number of the first of these.
    first: u64,
    end: Option<End>,
    /// The number of the chunk that each reader takes next.
    readers: HashMap<u64, u64>,
    /// The name of the next reader.
    next_reader: u64,
}

#[derive(Clone)]
enum End {
    Well,
    Broken(StoreErrorKind, String),
}

/// What there is for a reader.
enum Next {
    Chunk(Bytes),
    End(End),
    /// It has left the window.
    Gone,
    /// It has not come yet.
    Later,
}

impl Book {
    fn page(&self) -> MutexGuard<'_, Page> {
        // What holds the lock does nothing that could stop half-way.
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fill(&self, named: &NamedStore, url: &str) -> StoreResult<()> {
        let mut stream = named.read(url, None).await?;
        loop {
            while !self.page().is_wanted() {
                self.wanted.notified().await;
            }
            let Some(chunk) = stream.next().await.transpose()? else { return Ok(()) };
            self.page().put(chunk, self.window);
            self.arrived.send_replace(());
        }
    }
}

impl Page {
    /// The number of the chunk that comes next.
    fn next(&self) -> u64 {
        self.first.saturating_add(self.chunks.len() as u64)
    }

    fn is_wanted(&self) -> bool {
        self.readers.values().any(|reader| reader.saturating_add(AHEAD) > self.next())
    }

    fn put(&mut self, chunk: Bytes, window: u64) {
        self.held = self.held.saturating_add(chunk.len() as u64);
        self.chunks.push_back(chunk);
        while self.held > window && self.chunks.len() > 1 {
            self.drop_first();
        }
        self.tidy();
    }

    fn drop_first(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.held = self.held.saturating_sub(chunk.len() as u64);
            self.first = self.first.saturating_add(1);
        }
    }

    /// Drops what everybody has, once nobody can join any more.
    fn tidy(&mut self) {
        let slowest = self.readers.values().min().copied().unwrap_or(u64::MAX);
        while self.first > 0 && self.first < slowest && !self.chunks.is_empty() {
            self.drop_first();
        }
    }

    fn take(&mut self, reader: u64) -> Next {
        let Some(at) = self.readers.get_mut(&reader) else { return Next::Gone };
        let Some(place) = at.checked_sub(self.first) else { return Next::Gone };
        match usize::try_from(place).ok().and_then(|place| self.chunks.get(place)) {
            Some(chunk) => {
                let chunk = chunk.clone();
                *at = at.saturating_add(1);
                self.tidy();
                Next::Chunk(chunk)
            }
            None => self.end.clone().map_or(Next::Later, Next::End),
        }
    }
}

/// Somebody who reads.
struct Reader {
    name: u64,
    /// Until it is left behind.
    reading: Option<Arc<Reading>>,
    arrived: watch::Receiver<()>,
    /// Bytes taken.
    at: u64,
    size: u64,
    named: NamedStore,
    url: String,
    alone: Option<ByteStream>,
}

impl Reader {
    /// One more reader, if he can still have all of it.
    fn of(reading: Arc<Reading>, named: &NamedStore, url: &str, size: u64) -> Option<Self> {
        let mut page = reading.book.page();
        if page.first > 0 || matches!(page.end, Some(End::Broken(..))) {
            return None;
        }
        let name = page.next_reader;
        page.next_reader = name.saturating_add(1);
        page.readers.insert(name, 0);
        drop(page);
        let arrived = reading.book.arrived.subscribe();
        reading.book.wanted.notify_one();
        let (named, url) = (named.clone(), url.to_owned());
        Some(Self { name, reading: Some(reading), arrived, at: 0, size, named, url, alone: None })
    }

    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        loop {
            if let Some(alone) = &mut self.alone {
                return alone.next().await.transpose();
            }
            self.arrived.borrow_and_update();
            match self.take() {
                Next::Chunk(chunk) => {
                    self.at = self.at.saturating_add(chunk.len() as u64);
                    return Ok(Some(chunk));
                }
                Next::End(End::Well) => return Ok(None),
                Next::End(End::Broken(kind, why)) => {
                    return Err(StoreError::new(kind, format!("store {}", self.named.id), why));
                }
                Next::Later => {
                    // The sender is as old as the reading.
                    let _ = self.arrived.changed().await;
                }
                Next::Gone if self.at >= self.size => return Ok(None),
                Next::Gone => {
                    self.leave();
                    let rest = ByteRange { first: self.at, last: self.size.saturating_sub(1) };
                    self.alone = Some(self.named.read(&self.url, Some(rest)).await?);
                }
            }
        }
    }

    fn take(&self) -> Next {
        let Some(reading) = &self.reading else { return Next::Gone };
        let next = reading.book.page().take(self.name);
        if matches!(next, Next::Chunk(_) | Next::Later) {
            reading.book.wanted.notify_one();
        }
        next
    }

    fn leave(&mut self) {
        if let Some(reading) = self.reading.take() {
            let mut page = reading.book.page();
            page.readers.remove(&self.name);
            page.tidy();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;

//! A store, in memory, that the test can take away and bring back.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use vitrine::{
    config::{StoreSettings, Stores},
    server::Options,
    store::{
        About, Backend, ByteRange, ByteStream, ListStream, LocalFile, NewBlob, Readers, StoreError,
        StoreErrorKind, StoreResult, StoreUrl, Writer, Yard,
        backend::{self, Kind, Room, Site},
        kinds::memory,
        limit::Fencing,
    },
};

use super::{Database, TestApp, reach_loopback};

/// The server behind it.
#[derive(Clone, Debug)]
pub struct Far {
    inner: memory::MemoryStore,
    away: Arc<Mutex<Away>>,
    returned: Arc<Notify>,
    unanswered: Arc<AtomicUsize>,
}

/// What callers get.
#[derive(Debug, Default)]
enum Away {
    /// Answers.
    #[default]
    No,
    /// So many are refused, and those after them hang until it is back.
    Refuses(usize),
}

impl Far {
    /// One that is there.
    pub fn new(id: &str) -> Self {
        let inner = memory::MemoryStore::new(id, &memory::Settings::default());
        Self { inner, away: Arc::default(), returned: Arc::default(), unanswered: Arc::default() }
    }

    pub fn store(&self, id: &str) -> StoreSettings {
        StoreSettings::new(id, self.clone())
    }

    /// Nobody gets an answer from now on.
    pub fn leave(&self) {
        self.leave_after(usize::MAX);
    }

    /// So many more calls end without an answer, and those after them hang until it comes back.
    pub fn leave_after(&self, refused: usize) {
        *self.away.lock().unwrap() = Away::Refuses(refused);
    }

    /// It answers again.
    pub fn come_back(&self) {
        *self.away.lock().unwrap() = Away::No;
        self.returned.notify_waiters();
    }

    /// Calls without an answer so far.
    pub fn unanswered(&self) -> usize {
        self.unanswered.load(SeqCst)
    }

    async fn answers(&self) -> StoreResult<()> {
        loop {
            let returned = self.returned.notified();
            match &mut *self.away.lock().unwrap() {
                Away::No => return Ok(()),
                Away::Refuses(0) => {}
                Away::Refuses(left) => {
                    *left -= 1;
                    self.unanswered.fetch_add(1, SeqCst);
                    return Err(StoreError::new(StoreErrorKind::Unavailable, "far", "nobody answers"));
                }
            }
            returned.await;
        }
    }
}

/// A server with a folder as its default store, and another store that is far away. The one that does not answer is left
/// alone after two calls, and asked again and again.
pub fn with_far(database: Database, far: &Far, change: impl FnOnce(&mut Options)) -> TestApp {
    database.app_with(|options| {
        reach_loopback(options);
        let (mut list, often) = (Stores::default().list, Duration::from_millis(20));
        list.push(far.store("far"));
        let fencing = Fencing { after: 2, pause: often, longest_pause: often, ..Fencing::default() };
        options.stores = Stores { list, multiple: true, fencing, ..Stores::default() };
        change(options);
    })
}

impl backend::Settings for Far {
    fn kind(&self) -> &'static Kind {
        &memory::KIND
    }

    fn open(&self, _: &Site<'_>) -> Result<Arc<dyn Backend>, String> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Backend for Far {
    fn about(&self) -> About {
        self.inner.about()
    }

    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        self.answers().await?;
        self.inner.read(url, range).await
    }

    async fn file(&self, url: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        self.answers().await?;
        self.inner.file(url).await
    }

    async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        self.answers().await?;
        let inner = self.inner.writer(blob).await?;
        Ok(Box::new(FarWriter { far: self.clone(), inner }))
    }

    async fn share(&self, from: &StoreUrl, blob: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        self.answers().await?;
        self.inner.share(from, blob).await
    }

    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64> {
        self.answers().await?;
        self.inner.stat(url).await
    }

    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        self.answers().await?;
        self.inner.delete(blob_id, name).await
    }

    async fn holds(&self, name: &str) -> StoreResult<bool> {
        self.answers().await?;
        self.inner.holds(name).await
    }

    async fn in_use(&self, name: &str) -> StoreResult<bool> {
        self.answers().await?;
        self.inner.in_use(name).await
    }

    async fn room(&self) -> StoreResult<Option<Room>> {
        self.answers().await?;
        self.inner.room().await
    }

    async fn admit(&self, name: &str, readers: &Readers) -> StoreResult<()> {
        self.answers().await?;
        self.inner.admit(name, readers).await
    }

    fn list(&self) -> ListStream {
        self.inner.list()
    }

    fn yard(&self) -> Option<&dyn Yard> {
        self.inner.yard()
    }
}

struct FarWriter {
    far: Far,
    inner: Box<dyn Writer>,
}

#[async_trait]
impl Writer for FarWriter {
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        self.far.answers().await?;
        self.inner.write(chunk).await
    }

    async fn sync(&mut self) -> StoreResult<()> {
        self.far.answers().await?;
        self.inner.sync().await
    }

    async fn commit(&mut self, name: &str) -> StoreResult<StoreUrl> {
        self.far.answers().await?;
        self.inner.commit(name).await
    }

    async fn cancel(self: Box<Self>) -> StoreResult<()> {
        self.far.answers().await?;
        self.inner.cancel().await
    }
}

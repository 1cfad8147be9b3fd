//! A store, in memory, that the test can take away and bring back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use async_trait::async_trait;
use vitrine::{
    config::StoreSettings,
    store::{
        About, Backend, ByteRange, ByteStream, ListStream, NewBlob, Readers, StoreError, StoreErrorKind,
        StoreResult, StoreUrl, Writer,
        backend::{self, Kind, Room, Site},
        kinds::memory,
    },
};

/// The server behind it.
#[derive(Clone, Debug)]
pub struct Far {
    inner: memory::MemoryStore,
    away: Arc<AtomicBool>,
    unanswered: Arc<AtomicUsize>,
}

impl Far {
    /// One that is there.
    pub fn new(id: &str) -> Self {
        let inner = memory::MemoryStore::new(id, &memory::Settings::default());
        Self { inner, away: Arc::default(), unanswered: Arc::default() }
    }

    pub fn store(&self, id: &str) -> StoreSettings {
        StoreSettings::new(id, self.clone())
    }

    /// Nobody gets an answer from now on.
    pub fn leave(&self) {
        self.away.store(true, SeqCst);
    }

    /// It answers again.
    pub fn come_back(&self) {
        self.away.store(false, SeqCst);
    }

    /// Calls without an answer so far.
    pub fn unanswered(&self) -> usize {
        self.unanswered.load(SeqCst)
    }

    fn answers(&self) -> StoreResult<()> {
        if !self.away.load(SeqCst) {
            return Ok(());
        }
        self.unanswered.fetch_add(1, SeqCst);
        Err(StoreError::new(StoreErrorKind::Unavailable, "far", "nobody answers"))
    }
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
        self.answers()?;
        self.inner.read(url, range).await
    }

    async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        self.answers()?;
        self.inner.writer(blob).await
    }

    async fn share(&self, from: &StoreUrl, blob: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        self.answers()?;
        self.inner.share(from, blob).await
    }

    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64> {
        self.answers()?;
        self.inner.stat(url).await
    }

    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        self.answers()?;
        self.inner.delete(blob_id, name).await
    }

    async fn holds(&self, name: &str) -> StoreResult<bool> {
        self.answers()?;
        self.inner.holds(name).await
    }

    async fn in_use(&self, name: &str) -> StoreResult<bool> {
        self.answers()?;
        self.inner.in_use(name).await
    }

    async fn room(&self) -> StoreResult<Option<Room>> {
        self.answers()?;
        self.inner.room().await
    }

    async fn admit(&self, name: &str, readers: &Readers) -> StoreResult<()> {
        self.answers()?;
        self.inner.admit(name, readers).await
    }

    fn list(&self) -> ListStream {
        self.inner.list()
    }
}

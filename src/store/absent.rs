//! What stands for a storage that this node cannot open: it answers nothing, so that whoever wants it waits for it.

use async_trait::async_trait;
use serde_json::Map;

use super::{
    About, Addresses, Backend, ByteRange, ByteStream, Capabilities, ListStream, LocalFile, NewBlob,
    Quarantine, Readers, StoreError, StoreErrorKind, StoreResult, StoreUrl, Writer, Yard,
    backend::{Kind, Room},
};

/// A storage that cannot be opened.
pub(super) struct Absent {
    /// Its type.
    pub(super) kind: &'static Kind,
    /// Its id.
    pub(super) id: String,
    /// Why, in words.
    pub(super) reason: String,
}

impl Absent {
    fn away<T>(&self) -> StoreResult<T> {
        let place = format!("store {}", self.id);
        Err(StoreError::new(StoreErrorKind::Unavailable, place, self.reason.as_str()))
    }
}

#[async_trait]
impl Backend for Absent {
    fn about(&self) -> About {
        About {
            kind: self.kind,
            capabilities: Capabilities {
                writes: self.kind.writes,
                ranges: true,
                share: None,
                remote: false,
                quarantine: Quarantine::Nothing,
            },
            addresses: Addresses::Below(Vec::new()),
            properties: Map::new(),
            metadata: Vec::new(),
        }
    }

    async fn read(&self, _: &StoreUrl, _: Option<ByteRange>) -> StoreResult<ByteStream> {
        self.away()
    }

    async fn file(&self, _: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        self.away()
    }

    async fn writer(&self, _: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        self.away()
    }

    async fn share(&self, _: &StoreUrl, _: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        self.away()
    }

    async fn stat(&self, _: &StoreUrl) -> StoreResult<u64> {
        self.away()
    }

    async fn delete(&self, _: &str, _: &str) -> StoreResult<()> {
        self.away()
    }

    async fn holds(&self, _: &str) -> StoreResult<bool> {
        self.away()
    }

    async fn in_use(&self, _: &str) -> StoreResult<bool> {
        self.away()
    }

    async fn room(&self) -> StoreResult<Option<Room>> {
        Ok(None)
    }

    async fn admit(&self, _: &str, _: &Readers) -> StoreResult<()> {
        self.away()
    }

    fn list(&self) -> ListStream {
        let away = self.away();
        Box::pin(futures::stream::once(async { away }))
    }

    fn yard(&self) -> Option<&dyn Yard> {
        None
    }
}

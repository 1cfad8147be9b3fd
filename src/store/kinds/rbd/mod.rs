//! The RBD store: images of a Ceph pool, each with a protected snapshot, with Glance's names and URLs
//! (`glance_store/_drivers/rbd.py`), so that Nova and Cinder can clone them.
//!
//! A blob is written to the image `.part.<blob id>`, which gets its snapshot and is then renamed; a name in use is
//! refused. So names alone show what is complete, and the remains of a dead writer are found and removed by the id of
//! their blob. Ceph's libraries are loaded when such a store is opened, and called on their own threads: a cluster
//! that hangs blocks the store, not the node.

mod ceph;
mod exit;
mod failed;
mod link;
mod names;
mod open;
mod options;
mod reader;
mod settled;
mod shared;
#[cfg(test)]
mod tests;
mod url;
mod writer;
mod yard;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{TryStreamExt, stream};
use serde_json::{Map, Value, json};

use crate::store::{
    About, Addresses, Backend, ByteRange, ByteStream, Capabilities, ListStream, LocalFile, NewBlob,
    Quarantine, Readers, StoreResult, StoreUrl, Writer, Yard,
    backend::{self, Kind, Room, Site},
};
use ceph::Pool;
pub use options::{KIND, Settings};
use shared::Shared;
use url::{SCHEME, SNAPSHOT, check_name, parse, part_of};
use writer::RbdWriter;

/// Images of a pool. Cheap to clone.
#[derive(Clone)]
pub struct RbdStore(Arc<Shared>);

impl RbdStore {
    /// Opens a pool. Blocking.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn open(id: &str, settings: &Settings) -> Result<Self, String> {
        Ok(Self(Arc::new(Shared::open(id, settings)?)))
    }
}

impl backend::Settings for Settings {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn open(&self, site: &Site<'_>) -> Result<Arc<dyn Backend>, String> {
        Ok(Arc::new(RbdStore::open(site.id, self)?))
    }
}

fn properties(store: &Shared) -> Map<String, Value> {
    let mut properties = Map::new();
    properties.insert("chunk_size".to_owned(), json!(store.settings.chunk));
    properties.insert("pool".to_owned(), json!(store.settings.pool));
    properties.insert("thin_provisioning".to_owned(), json!(store.settings.thin));
    properties.insert("fsid".to_owned(), json!(store.fsid));
    properties
}

#[async_trait]
impl Backend for RbdStore {
    fn about(&self) -> About {
        About {
            kind: &KIND,
            // A copy in another pool is there to outlive the first one, which a clone does not.
            capabilities: Capabilities {
                writes: true,
                ranges: true,
                share: None,
                remote: true,
                quarantine: Quarantine::Everything,
            },
            addresses: Addresses::Snapshots {
                prefix: self.0.prefix.clone(),
                snapshot: SNAPSHOT,
                short: SCHEME,
            },
            properties: properties(&self.0),
            metadata: Vec::new(),
        }
    }

    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        reader::read(&self.0, url.to_string(), parse(&self.0.prefix, url)?, range).await
    }

    async fn file(&self, _: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        Ok(None)
    }

    async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        Ok(Box::new(RbdWriter::begin(&self.0, blob).await?))
    }

    async fn share(&self, _: &StoreUrl, _: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        Ok(None)
    }

    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64> {
        let spot = parse(&self.0.prefix, url)?;
        let look = move |pool: &Arc<Pool>| reader::look(pool, &spot).map(|(_, _, size)| size);
        self.0.bytes(&self.0.stranger(), &url.to_string(), look).await
    }

    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        check_name(blob_id)?;
        check_name(name)?;
        self.0.remove(blob_id, vec![part_of(blob_id), name.to_owned()]).await
    }

    async fn holds(&self, name: &str) -> StoreResult<bool> {
        check_name(name)?;
        let wanted = name.to_owned();
        self.0.names(name, move |pool| names::exists(pool, &wanted)).await
    }

    async fn room(&self) -> StoreResult<Option<Room>> {
        Ok(None)
    }

    async fn in_use(&self, name: &str) -> StoreResult<bool> {
        check_name(name)?;
        let wanted = name.to_owned();
        self.0.names(name, move |pool| names::has_clones(pool, &wanted)).await
    }

    async fn admit(&self, _: &str, _: &Readers) -> StoreResult<()> {
        Ok(())
    }

    fn list(&self) -> ListStream {
        let store = Arc::clone(&self.0);
        let batches = stream::try_unfold(String::new(), move |last| {
            let store = Arc::clone(&store);
            async move { store.names("rbd_directory", move |pool| names::after(pool, &last, names::BATCH)).await }
        });
        Box::pin(batches.map_ok(|names| stream::iter(names.into_iter().map(Ok))).try_flatten())
    }

    fn yard(&self) -> Option<&dyn Yard> {
        Some(self)
    }
}

//! The Swift store: containers with one object for each blob, named as in Glance
//! (`glance_store/_drivers/swift/store.py`).
//!
//! An object has the id of its blob in its metadata, so that a request whose response was lost can be checked. A
//! large object is a manifest (`X-Object-Manifest`) over segments, which Glance reads and deletes as its own. URLs
//! name a configured account by its reference, and never contain keys.

mod accounts;
mod address;
mod catalogue;
mod fault;
mod line;
mod listing;
mod login;
mod options;
mod projects;
mod reading;
mod removal;
mod segment;
mod sending;
mod shop;
mod spool;
#[cfg(test)]
mod tests;
mod trust;
mod writer;
mod yard;

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicBool},
};

use async_trait::async_trait;
use serde_json::{Map, json};
use tokio::sync::Semaphore;

use crate::{
    outbound::{self, Client},
    store::{
        About, Addresses, Backend, ByteRange, ByteStream, Capabilities, ListStream, LocalFile, NewBlob,
        Quarantine, Readers, StoreError, StoreErrorKind, StoreResult, StoreUrl, Writer, Yard,
        backend::{self, Kind, Room, Site},
    },
    telemetry::places::Places,
};
pub use accounts::{Account, Domain, Version, Who};
pub use catalogue::Endpoint;
use line::Line;
pub use line::Patience;
pub use options::{KIND, Projects, Settings};
use projects::ProjectsStore;
use shop::{Home, Shop, check_name, look, no_length};
use writer::{HELD, SwiftWriter};

/// Bytes of all that is kept to be sent again.
const ROOM: usize = 128 << 20;
/// Segments that are measured at once; more wait.
const MEASURED_AT_ONCE: usize = 32;

/// Containers of blobs.
#[derive(Clone)]
pub struct SwiftStore {
    shop: Arc<Shop>,
    reference: String,
}

impl SwiftStore {
    /// Prepares to use the accounts; connects to nothing.
    ///
    /// # Errors
    /// A sentence naming the option that is at fault.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        if let Some(reason) = &settings.refusal {
            return Err(reason.clone());
        }
        let client = outbound::Settings {
            connect: settings.patience.answer,
            tls: settings.tls.clone(),
            traced: true,
            ..outbound::Settings::new("store")
        };
        let client = Client::new(&client).map_err(|reason| format!("swift_store_cacert: {reason}"))?;
        let line = |account: &Account| {
            Line::new(&client, account, &settings.endpoint, settings.soon, settings.patience)
        };
        let lines = settings.accounts.iter().map(|account| (account.reference.clone(), line(account)));
        let lines: BTreeMap<_, _> = lines.collect();
        let account = settings.accounts.iter().find(|account| account.reference == settings.reference);
        if settings.projects.is_some() && account.is_some_and(|account| account.version == Version::One) {
            return Err(
                "swift_store_multi_tenant: projects are Keystone's; swift_store_auth_version must be 3"
                    .to_owned(),
            );
        }
        let own = lines.get(&settings.reference).cloned().ok_or_else(|| {
            let reference = &settings.reference;
            format!("a Swift store needs the account `{reference}` (default_swift_reference) of swift_store_config_file, or swift_store_auth_address with a user and key")
        })?;
        Ok(Self {
            shop: Arc::new(Shop {
                readable: address::readable(&settings.accounts),
                lines,
                home: Home::Reference(settings.reference.clone()),
                line: own,
                containers: settings.containers(),
                creates: settings.creates_container,
                is_there: AtomicBool::new(false),
                large: settings.large,
                segment: settings.segment,
                retries: settings.retries,
                folder: settings.folder.clone(),
                places: Places::new(MEASURED_AT_ONCE),
                rooms: Arc::new(Semaphore::new(ROOM / HELD)),
                writing: Arc::default(),
            }),
            reference: settings.reference.clone(),
        })
    }
}

impl backend::Settings for Settings {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn open(&self, _: &Site<'_>) -> Result<Arc<dyn Backend>, String> {
        let store = SwiftStore::new(self)?;
        match &self.projects {
            Some(projects) => Ok(Arc::new(ProjectsStore::new(&store.shop, store.about(), projects))),
            None => Ok(Arc::new(store)),
        }
    }
}

#[async_trait]
impl Backend for SwiftStore {
    fn about(&self) -> About {
        let shop = &self.shop;
        let mut properties = Map::new();
        properties.insert("container".to_owned(), json!(shop.containers.name));
        properties.insert("large_object_size".to_owned(), json!(shop.large));
        properties.insert("large_object_chunk_size".to_owned(), json!(shop.segment));
        let own = address::own(&self.reference, &shop.containers);
        About {
            kind: &KIND,
            capabilities: Capabilities {
                writes: true,
                ranges: true,
                share: None,
                remote: true,
                quarantine: Quarantine::Finished,
            },
            addresses: Addresses::Containers { own, readable: shop.readable.clone() },
            properties,
            metadata: Vec::new(),
        }
    }

    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        let place = address::place_of(&self.shop.readable, url)?;
        reading::open(&self.shop, &place, url.to_string(), range).await
    }

    async fn file(&self, _: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        Ok(None)
    }

    async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        check_name(blob.id)?;
        check_name(blob.name)?;
        self.shop.have_container(&self.shop.containers.of(blob.name)).await?;
        Ok(Box::new(SwiftWriter::new(&self.shop, blob)))
    }

    async fn share(&self, _: &StoreUrl, _: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        Ok(None)
    }

    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64> {
        let place = address::place_of(&self.shop.readable, url)?;
        let found = look(self.shop.line_of(&place.account), &place.container, &place.object).await;
        let found = found.map_err(|fault| fault.at(url.to_string()))?;
        let absent = || StoreError::new(StoreErrorKind::NotFound, url.to_string(), "there is no such object");
        found.ok_or_else(absent)?.size.ok_or_else(|| no_length().at(url.to_string()))
    }

    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        check_name(blob_id)?;
        check_name(name)?;
        self.shop.delete(blob_id, name).await
    }

    async fn admit(&self, _: &str, _: &Readers) -> StoreResult<()> {
        Ok(())
    }

    async fn holds(&self, name: &str) -> StoreResult<bool> {
        check_name(name)?;
        Ok(self.shop.look(&self.shop.containers.of(name), name).await?.is_some())
    }

    async fn room(&self) -> StoreResult<Option<Room>> {
        Ok(None)
    }

    async fn in_use(&self, _: &str) -> StoreResult<bool> {
        Ok(false)
    }

    fn list(&self) -> ListStream {
        self.shop.list()
    }

    fn yard(&self) -> Option<&dyn Yard> {
        Some(self)
    }
}

//! The long-lived parts that every use case needs, handed down to the domain as one value.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, Semaphore};

use crate::{
    cache::Cache,
    db::Db,
    image::{self, protection::Protections},
    import::{self, fetch::Fetcher},
    model::{image_schema::ImageSchema, time::Timestamp},
    policy::Enforcer,
    store::{NamedStore, Stores, staging::Staging},
    work,
};

/// Uploads that one process receives at once; more wait. Each holds up to four blocking threads.
const UPLOADS_AT_ONCE: usize = 64;

/// The long-lived parts of the service.
pub struct App {
    /// The database.
    pub db: Db,
    /// Where the bytes are.
    pub stores: Stores,
    /// Who may do what.
    pub policy: Arc<Enforcer>,
    /// Who may touch which custom property; `None` protects nothing.
    pub protections: Option<Protections>,
    /// The operator's settings about images.
    pub settings: image::Settings,
    /// The operator's settings about imports.
    pub imports: import::Settings,
    /// The operator's settings about jobs.
    pub jobs: work::Settings,
    /// Fetches what imports name.
    pub fetcher: Fetcher,
    /// Where data waits to be imported.
    pub staging: Staging,
    /// Copies of images' data on a disk of this node, if there is one.
    pub cache: Option<Arc<Cache>>,
    /// What an image may look like.
    pub schema: ImageSchema,
    /// This process, as leases name it; new at every start.
    pub node: String,
    /// Bounds the uploads at once.
    pub uploads: Arc<Semaphore>,
    /// Tells the reaper that there is something to delete.
    pub doomed: Notify,
    /// Tells the engine that there is a job, or room for one.
    pub enqueued: Notify,
    /// Places that only some nodes reach, and this one does; jobs name them.
    pub affinities: Vec<String>,
}

/// What an [`App`] is made of; the fields are its own.
#[allow(missing_docs)] // described at `App`
pub struct Parts {
    pub db: Db,
    pub stores: Stores,
    pub policy: Arc<Enforcer>,
    pub protections: Option<Protections>,
    pub settings: image::Settings,
    pub imports: import::Settings,
    pub jobs: work::Settings,
    pub staging: Staging,
    pub cache: Option<Arc<Cache>>,
    pub schema: ImageSchema,
}

impl App {
    /// Puts the parts together under a fresh node name.
    pub fn new(parts: Parts) -> Self {
        let Parts { db, stores, policy, protections, settings, imports, jobs, staging, cache, schema } =
            parts;
        let fetcher = Fetcher::new(imports.filter.clone(), imports.patience);
        let affinities = vec![staging.id().to_owned()];
        Self {
            db,
            stores,
            policy,
            protections,
            settings,
            imports,
            jobs,
            fetcher,
            staging,
            cache,
            schema,
            node: uuid::Uuid::new_v4().to_string(),
            uploads: Arc::new(Semaphore::new(UPLOADS_AT_ONCE)),
            doomed: Notify::new(),
            enqueued: Notify::new(),
            affinities,
        }
    }

    /// Until when a lease that begins now holds.
    pub fn lease_end(&self) -> Timestamp {
        Timestamp::now().plus_seconds(self.jobs.lease_seconds)
    }

    /// How often a lease is renewed: two renewals may fail before it runs out.
    pub fn lease_beat(&self) -> Duration {
        Duration::from_secs(self.jobs.lease_seconds.unsigned_abs()) / 3
    }

    /// The store of a blob in the ledger; the staging folder is one only there, not in the API.
    pub fn store_of(&self, id: &str) -> Option<&NamedStore> {
        if id == self.staging.id() { Some(&self.staging.store) } else { self.stores.get(id) }
    }
}

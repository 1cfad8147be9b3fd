//! The long-lived parts that every use case needs, handed down to the domain as one value.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use crate::{
    db::Db,
    image::{self, protection::Protections},
    model::{image_schema::ImageSchema, time::Timestamp},
    policy::Enforcer,
    store::Stores,
};

/// Seconds for which a node's word about its own work counts.
pub const LEASE_SECONDS: i64 = 15;
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

impl App {
    /// Puts the parts together under a fresh node name.
    pub fn new(
        db: Db,
        stores: Stores,
        policy: Arc<Enforcer>,
        protections: Option<Protections>,
        settings: image::Settings,
        schema: ImageSchema,
    ) -> Self {
        Self {
            db,
            stores,
            policy,
            protections,
            settings,
            schema,
            node: uuid::Uuid::new_v4().to_string(),
            uploads: Arc::new(Semaphore::new(UPLOADS_AT_ONCE)),
            doomed: Notify::new(),
            enqueued: Notify::new(),
            affinities: Vec::new(),
        }
    }

    /// Until when a lease that begins now holds.
    pub fn lease_end(&self) -> Timestamp {
        Timestamp::now().plus_seconds(LEASE_SECONDS)
    }
}

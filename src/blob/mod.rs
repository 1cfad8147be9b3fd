//! The byte path: data comes from a client, a web server or a store, is limited, measured and written in one place
//! ([`pour`]), and the ledger says at every moment whose it is ([`draft`], [`ledger`]).

pub mod digests;
pub mod download;
pub mod draft;
pub mod facts;
pub mod faults;
pub mod ledger;
pub mod pour;
pub mod sinks;
pub mod upload;

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use crate::{
    image::Images,
    model::time::Timestamp,
    store::{NamedStore, staging::Staging},
};

/// What moving bytes needs. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    /// The images that the bytes belong to, and the database and the stores with them.
    pub images: Images,
    /// Where data waits to be imported.
    pub staging: Staging,
    /// Under whose name this process writes.
    pub lease: Lease,
    /// Bounds the uploads at once.
    pub uploads: Arc<Semaphore>,
}

/// The name under which a process works, and for how long its word about its own work counts.
#[derive(Clone, Debug)]
pub struct Lease {
    /// This process; new at every start.
    pub node: String,
    /// Seconds for which a lease holds.
    pub seconds: i64,
}

impl Lease {
    /// Until when a lease that begins now holds.
    pub fn end(&self) -> Timestamp {
        Timestamp::now().plus_seconds(self.seconds)
    }

    /// How often a lease is renewed: two renewals may fail before it runs out.
    pub fn beat(&self) -> Duration {
        Duration::from_secs(self.seconds.unsigned_abs()) / 3
    }
}

impl Blobs {
    /// The store of a blob in the ledger; the staging folder is one only there, not in the API.
    pub fn store_of(&self, id: &str) -> Option<&NamedStore> {
        if id == self.staging.id() { Some(&self.staging.store) } else { self.images.stores.get(id) }
    }
}

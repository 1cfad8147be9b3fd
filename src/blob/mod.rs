//! The path of image data: data comes from a client, a web server or a store, and is limited, hashed and written in
//! one place ([`pour`]). At every moment the table of blobs says who owns it ([`draft`], [`ledger`]).

pub mod digests;
pub mod download;
pub mod draft;
pub mod facts;
pub mod faults;
pub mod lanes;
pub mod lease;
pub mod ledger;
mod new_draft;
pub mod pool;
pub mod pour;
pub mod reserve;
pub mod sinks;
pub mod transfers;
pub mod unbroken;
pub mod upload;
pub mod verify;

use crate::{
    image::Images,
    store::{NamedStore, staging::Staging},
};

pub use lease::{Holder, Leases};
pub use transfers::Transfers;

/// The handles for moving data. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    /// The images that the bytes belong to, and the database and the stores with them.
    pub images: Images,
    /// Where data waits to be imported.
    pub staging: Staging,
    /// The leases of this process.
    pub leases: Leases,
    /// Uploads and downloads under way.
    pub transfers: Transfers,
}

impl Blobs {
    /// The store of a blob in the ledger; the staging folder is one only there, not in the API.
    pub fn store_of(&self, id: &str) -> Option<NamedStore> {
        if id == self.staging.id() { Some(self.staging.store.clone()) } else { self.images.stores.get(id) }
    }
}

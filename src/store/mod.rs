//! Stores move data: they know blobs, URLs, ranges and streams, but no images.
//!
//! A store type implements [`Backend`], and only [`NamedStore`] calls it: that layer limits concurrency and time,
//! counts and traces. A blob becomes visible under its name in one step, when its writer commits; until then nobody
//! can read it, and cancelling leaves nothing behind.

mod absent;
mod addresses;
pub mod backend;
pub mod cache;
mod configured;
#[cfg(test)]
mod conformance;
pub mod count;
mod error;
mod fence;
pub mod given;
pub mod health;
pub mod kinds;
pub mod limit;
pub mod named;
mod notes;
pub mod opening;
pub mod private;
mod range;
#[cfg(test)]
mod servers;
pub mod shared;
pub mod staging;
mod writing;
mod yard;

pub use crate::model::store_url::StoreUrl;
pub use backend::{
    About, Addresses, Backend, ByteRange, ByteStream, Capabilities, ListStream, Listed, LocalFile, NewBlob,
    Readers, Share, UNFINISHED, Writer,
};
pub use configured::Stores;
pub use error::{StoreError, StoreErrorKind, StoreResult};
pub use kinds::{file, http};
pub use named::{NamedStore, local::StoredFile};
pub use writing::BlobWriter;
pub use yard::{Quarantine, Yard};

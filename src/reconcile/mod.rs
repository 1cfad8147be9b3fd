//! Compares stores with the database: objects, missing data, actions on findings, and rows with a store's former id.
//!
//! [`scan`] goes through a whole store, [`browse`] through a page of it; both classify objects with [`judge`]. An
//! object in [`quarantine`] can be restored; only objects there are ever deleted. [`guard`] refuses all of this for a
//! store that is not mounted or has another service's mark.

pub mod adoption;
pub mod browse;
mod damage;
pub mod deletion;
mod former;
pub mod guard;
pub mod job;
pub mod judge;
mod pieces;
pub mod quarantine;
pub mod scan;
mod sorted;
pub mod stores;
mod twins;

pub use deletion::{Orphan, clean_staging, delete};
pub use former::{Adopted, adopt, former_ids};

/// The rule of those who look after stores.
pub const RULE: &str = "ext:stores_admin";

//! Holding stores against the database: what lies there, what is missing, what is done about it, and rows under a store's
//! former id.
//!
//! [`scan`] looks through a whole store, [`browse`] through a page of it; both read what they find by [`judge`]. What is
//! taken out of the way ([`quarantine`]) comes back by a word; only what lies there is ever deleted. [`guard`] refuses all
//! of it for a store that is not there or has another service's mark.

pub mod adoption;
pub mod browse;
pub mod deletion;
mod former;
pub mod guard;
pub mod job;
pub mod judge;
pub mod quarantine;
pub mod scan;
mod sorted;
pub mod stores;

pub use deletion::{Orphan, clean_staging, delete};
pub use former::{Adopted, adopt, former_ids};

/// The rule of those who look after stores.
pub const RULE: &str = "ext:stores_admin";

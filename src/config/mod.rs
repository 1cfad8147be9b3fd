//! Configuration in Glance's format: `glance-api.conf` in oslo.config's dialect, and environment variables
//! `OS_<SECTION>__<OPTION>`. It is read once, at start; only this room reads the environment.
//!
//! `tables` has every known option, `wired` says which of them have an effect, `ini` parses text, `resolve` finds the
//! effective value, `load` decides and reports, `check` is the report. A known option is honoured, or refused with a
//! reason, or reported with the reason why it has no effect; an unknown one is reported.

mod assemble;
mod assemble_cache;
mod assemble_database;
mod assemble_health;
mod assemble_imports;
mod assemble_key_manager;
mod assemble_keystone;
mod assemble_listen;
mod assemble_log;
mod assemble_notices;
mod assemble_policy;
mod assemble_stores;
mod assemble_traces;
mod assemble_usage;
mod check;
mod flavor;
pub(crate) mod ini;
mod load;
mod loaded;
mod option;
mod origin;
mod registry;
mod resolve;
mod sample;
mod sources;
mod tables;
#[cfg(test)]
mod tests;
mod unknown;
pub(crate) mod value;
mod wired;

pub use assemble::Config;
pub use assemble_keystone::Limits;
pub use assemble_listen::Listen;
pub use assemble_notices::Notifying;
pub use assemble_stores::{StoreSettings, Stores};
pub use check::{Finding, Report, Topic};
pub use flavor::Flavor;
pub use load::load;
pub use loaded::{Loaded, StoreName};
pub use option::{Item, Kind, Opt, Rating};
pub use origin::Origin;
pub use registry::{Known, Registry, Section};
pub use sample::sample;
pub use sources::{Input, Override, Program, Sources};
pub use wired::{Feature, Status};

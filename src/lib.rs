//! Vitrine: an image service that implements the OpenStack Glance v2 API.
//!
//! Rooms, and the direction of imports: `cli -> server -> {api, jobs} -> domain -> {policy, identity, store, format,
//! db} -> telemetry -> model`.

pub mod access;
pub mod api;
pub mod app;
pub mod blob;
pub mod cache;
pub mod cli;
pub mod config;
pub mod db;
pub mod format;
#[doc(hidden)]
pub mod fuzzing;
pub mod identity;
pub mod image;
pub mod import;
pub mod jobs;
pub mod key_manager;
pub mod location;
pub mod metadef;
pub mod model;
pub mod moving;
pub mod notify;
pub mod outbound;
pub mod policy;
pub mod reconcile;
pub mod scrub;
pub mod server;
pub mod storage;
pub mod store;
pub mod task;
pub mod telemetry;
pub mod usage;
pub mod work;

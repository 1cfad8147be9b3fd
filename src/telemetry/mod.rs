//! What the operator sees of a running server: the log, the span that ties its lines to a request, and figures.
//!
//! Stands right above `model`, so that every other room can use it. Work that leaves the present task goes through
//! [`spawn`], [`spawn_local`], [`spawn_in`] or [`blocking`], which take its cause along; nothing else in `src/` starts
//! tasks or threads. [`relay`] is how a stream is worked on by threads; a [`crew`] is threads for what may hang.

pub mod crew;
pub mod log;
pub mod metrics;
pub mod places;
pub mod relay;
mod tasks;

pub use metrics::metrics;
pub use tasks::{Context, Spawned, blocking, request_id, spawn, spawn_in, spawn_local, spawn_scoped};

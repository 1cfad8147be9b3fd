//! What the operator sees of a running server: the log, the span that ties its lines to a request, and figures.
//!
//! Stands right above `model`, so that every other room can use it. Work that leaves the present task goes through
//! [`spawn`], [`spawn_local`], [`blocking`] or [`thread`], which take the current span along; nothing else in `src/`
//! starts tasks or threads.

pub mod log;
pub mod metrics;
mod tasks;

pub use metrics::metrics;
pub use tasks::{Spawned, blocking, spawn, spawn_in, spawn_local, thread};

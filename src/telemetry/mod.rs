//! Observability of a running server: the log, the span that ties its lines to a request, metrics, and traces.
//!
//! Directly above `model`, so every other room can use it. Work that leaves the current task goes through [`spawn`],
//! [`spawn_local`], [`spawn_in`] or [`blocking`], which pass the request's span along; nothing else in `src/` starts
//! tasks or threads. [`relay`] processes a stream on threads; a [`crew`] has threads for calls that may hang.

pub mod crew;
pub mod log;
pub mod metrics;
pub mod places;
pub mod relay;
mod tasks;
pub mod trace;

pub use metrics::{known_method, metrics};
pub use tasks::{
    Context, Spawned, blocking, inside, place, request_id, span, spawn, spawn_in, spawn_local, spawn_scoped,
};

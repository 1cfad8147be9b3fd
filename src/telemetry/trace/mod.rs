//! Traces: what a request or a job did, as spans that an OpenTelemetry collector takes.
//!
//! A [`Tracer`] exists only where the operator names a collector. The place of the work under way in its trace is part of
//! its [`Context`](super::Context), beside the id of the request: work without a place makes no spans, and pays nothing
//! but the look at that. Spans that have ended wait in a bounded queue for whoever sends them; one that finds no room is
//! dropped and counted.

pub mod osprofiler;
pub mod otlp;
mod place;
mod record;
mod settings;
mod span;
mod tracer;

pub use place::{Parent, Place};
pub use record::{Finished, Kind, Value};
pub use settings::Settings;
pub use span::Span;
pub use tracer::{Tracer, Waiting};

//! Event streams and webhooks: the readers of the outbox. Nothing here is involved in a request that changes an
//! image.

pub mod deliver;
mod feed;
pub mod history;
mod hub;
pub mod webhooks;

pub use feed::Position;
pub use hub::{Followed, Hub};

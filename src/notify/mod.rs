//! Tells of changes to those who want to hear: readers of the outbox that the door of images writes. Nothing here is on
//! the way of a request that changes an image.

pub mod deliver;
mod feed;
pub mod history;
mod hub;
pub mod webhooks;

pub use feed::Position;
pub use hub::{Followed, Hub};

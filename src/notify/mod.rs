//! Event streams, webhooks, notifications and the audit log: the readers of what changes have left in the database.
//! Nothing here is involved in a request that changes something.

pub mod audit;
pub mod bus;
pub mod deliver;
mod feed;
pub mod history;
mod hub;
pub mod webhooks;

pub use feed::Position;
pub use hub::{Followed, Hub};

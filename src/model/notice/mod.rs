//! Notifications as Glance sends them (`glance/notifier.py`), and what an audit log says of the same events. Each is
//! made in the transaction of the change that it tells of, and sent from its row afterwards.

pub mod audit;
pub mod image;
pub mod message;
pub mod metadef;
mod readers;
pub mod task;
mod told;

#[cfg(test)]
mod tests;

pub use readers::{Notices, Reader, Row, Settings};
pub use told::{Notice, Priority};

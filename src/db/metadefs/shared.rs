//! Shared by the statements about definitions.

use crate::model::{list::Direction, metadef::list::Sort, time::Timestamp};

/// Keys of one query; well below the number of values that any of the databases binds at once.
pub(super) const KEYS_AT_ONCE: usize = 500;

/// When rows are said to be created and changed.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// When they were created.
    pub created_at: Timestamp,
    /// When they were last changed.
    pub updated_at: Option<Timestamp>,
}

impl Stamp {
    /// Of what the API creates.
    pub fn made(now: Timestamp) -> Self {
        Self { created_at: now, updated_at: Some(now) }
    }

    /// Of what a catalogue file brings: never changed since.
    pub fn loaded(now: Timestamp) -> Self {
        Self { created_at: now, updated_at: None }
    }
}

/// The direction of an order.
pub(super) fn direction(sort: Sort) -> Direction {
    if sort.descending { Direction::Desc } else { Direction::Asc }
}

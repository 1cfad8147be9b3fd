//! What this node has taken up of the storages and rules in the database.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    model::{placement::Rule, storage::Storage},
    store::NamedStore,
};

/// When it is tried again to open a storage that could not be opened.
const AGAIN: Duration = Duration::from_secs(10);

/// What this node has taken up.
#[derive(Default)]
pub(super) struct Held {
    /// The rows.
    pub(super) storages: Vec<Storage>,
    /// The rules, in their order.
    pub(super) rules: Vec<Rule>,
    /// The storages by id.
    pub(super) opened: BTreeMap<String, Opened>,
}

/// A storage as this node uses it.
pub(super) struct Opened {
    /// The store.
    pub(super) named: NamedStore,
    /// When it could not be opened as its row says.
    pub(super) failed: Option<Instant>,
}

impl Held {
    /// Whether there is one to open again.
    pub(super) fn is_due(&self) -> bool {
        self.opened.values().any(Opened::is_due)
    }
}

impl Opened {
    /// Whether it is time to open it again.
    pub(super) fn is_due(&self) -> bool {
        self.failed.is_some_and(|then| then.elapsed() >= AGAIN)
    }
}

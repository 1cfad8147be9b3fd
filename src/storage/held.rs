//! What this node has taken up of the storages and rules in the database.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    model::{placement::Rule, storage::Storage},
    store::NamedStore,
};

/// When it is tried again to open a storage that could not be opened.
const AGAIN: Duration = Duration::from_secs(10);

/// Openings that may be under way, those that hang included.
const OPENINGS_MAX: usize = 32;

/// The storages that are being opened. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Openings(Arc<Mutex<BTreeSet<String>>>);

/// One of them, until this is dropped.
pub(super) struct Opening {
    openings: Openings,
    id: String,
}

impl Openings {
    fn ids(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to open a storage; `None` while that is being done already, or as many as there may be are.
    pub(super) fn begin(&self, id: &str) -> Option<Opening> {
        let mut ids = self.ids();
        let is_new = ids.len() < OPENINGS_MAX && ids.insert(id.to_owned());
        is_new.then(|| Opening { openings: self.clone(), id: id.to_owned() })
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.openings.ids().remove(&self.id);
    }
}

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
#[derive(Clone)]
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

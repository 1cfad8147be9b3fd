//! The quarantine of a store, and the mark of its owner.

use super::NamedStore;
use crate::{
    model::time::Timestamp,
    store::{Quarantine, StoreError, StoreErrorKind, StoreResult, Yard},
};

impl NamedStore {
    /// Whether this can lie out of the way in the store.
    pub fn sets_aside(&self, unfinished: bool) -> bool {
        match self.capabilities().quarantine {
            Quarantine::Nothing => false,
            Quarantine::Finished => !unfinished,
            Quarantine::Everything => true,
        }
    }

    /// Whether the store has a mark of its owner.
    pub fn has_yard(&self) -> bool {
        self.backend.yard().is_some()
    }

    fn yard(&self) -> StoreResult<&dyn Yard> {
        let none = "nothing can lie out of the way there";
        let none = || StoreError::new(StoreErrorKind::Unsupported, format!("store {}", self.id), none);
        self.backend.yard().ok_or_else(none)
    }

    /// The mark of the store; `own` is written if there is none.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unsupported`] from a store without marks; else the store's.
    pub async fn mark(&self, own: Option<&str>) -> StoreResult<Option<String>> {
        self.ask(self.yard()?.mark(own)).await
    }

    /// The time of the clock that stamps the store's objects.
    ///
    /// # Errors
    /// As [`NamedStore::mark`].
    pub async fn time(&self) -> StoreResult<Timestamp> {
        self.ask(self.yard()?.time()).await
    }

    /// When an object was last written to, if the store can tell although its listing does not.
    ///
    /// # Errors
    /// The store's.
    pub async fn modified(&self, name: &str, unfinished: bool) -> StoreResult<Option<Timestamp>> {
        match self.backend.yard() {
            Some(yard) => self.ask(yard.modified(name, unfinished)).await,
            None => Ok(None),
        }
    }

    /// Whether an object is stored in the store itself, and not a link elsewhere, as only file stores can have.
    ///
    /// # Errors
    /// The store's.
    pub async fn is_plain(&self, name: &str) -> StoreResult<bool> {
        match self.backend.yard() {
            Some(yard) => self.ask(yard.is_plain(name)).await,
            None => self.holds(name).await,
        }
    }

    /// Moves what bears a name to quarantine; returns whether there is such a thing.
    ///
    /// # Errors
    /// As [`NamedStore::mark`].
    pub async fn set_aside(&self, name: &str, unfinished: bool, key: &str) -> StoreResult<bool> {
        self.ask_at_length(self.yard()?.set_aside(name, unfinished, key)).await
    }

    /// Moves an object back; returns whether it existed.
    ///
    /// # Errors
    /// [`StoreErrorKind::Exists`] when something else bears the name by now; as [`NamedStore::mark`].
    pub async fn bring_back(&self, key: &str, name: &str, unfinished: bool) -> StoreResult<bool> {
        self.ask_at_length(self.yard()?.bring_back(key, name, unfinished)).await
    }

    /// Deletes an object in quarantine.
    ///
    /// # Errors
    /// As [`NamedStore::mark`].
    pub async fn discard(&self, key: &str) -> StoreResult<()> {
        self.ask(self.yard()?.discard(key)).await
    }
}

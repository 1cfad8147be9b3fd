//! The quarantine of a store, and the mark of its owner.

use super::NamedStore;
use crate::{
    model::time::Timestamp,
    store::{StoreError, StoreErrorKind, StoreResult, Yard},
};

impl NamedStore {
    /// Whether things can lie out of the way here, and the store bears a mark.
    pub fn has_yard(&self) -> bool {
        self.backend.yard().is_some()
    }

    fn yard(&self) -> StoreResult<&dyn Yard> {
        let none = "nothing can lie out of the way there";
        let none = || StoreError::new(StoreErrorKind::Unsupported, format!("store {}", self.id), none);
        self.backend.yard().ok_or_else(none)
    }

    /// What the mark of the store says; `own` becomes it where there is none.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unsupported`] from a store without marks; else the store's.
    pub async fn mark(&self, own: Option<&str>) -> StoreResult<Option<String>> {
        self.ask(self.yard()?.mark(own)).await
    }

    /// What time it is by the clock that stamps what the store holds.
    ///
    /// # Errors
    /// As [`NamedStore::mark`].
    pub async fn time(&self) -> StoreResult<Timestamp> {
        self.ask(self.yard()?.time()).await
    }

    /// Whether what bears a name is an object of the store's own, and no link to something elsewhere: only stores of files
    /// have such.
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

    /// Moves it back; returns whether there was such a thing.
    ///
    /// # Errors
    /// [`StoreErrorKind::Exists`] when something else bears the name by now; as [`NamedStore::mark`].
    pub async fn bring_back(&self, key: &str, name: &str, unfinished: bool) -> StoreResult<bool> {
        self.ask_at_length(self.yard()?.bring_back(key, name, unfinished)).await
    }

    /// Deletes what is in quarantine.
    ///
    /// # Errors
    /// As [`NamedStore::mark`].
    pub async fn discard(&self, key: &str) -> StoreResult<()> {
        self.ask(self.yard()?.discard(key)).await
    }
}

//! The quarantine of a store, and the mark of its owner.

use async_trait::async_trait;

use super::error::{StoreError, StoreErrorKind, StoreResult};
use crate::model::time::Timestamp;

/// What can lie out of the way in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quarantine {
    /// Nothing.
    Nothing,
    /// What is finished.
    Finished,
    /// What is finished, and what is not.
    Everything,
}

/// The operations of a store that supports a quarantine and an owner's mark.
#[async_trait]
pub trait Yard: Send + Sync {
    /// What the mark of the store says. Where there is none, `own` is left as the mark, if it is given; the first of
    /// several who do so at once wins.
    async fn mark(&self, own: Option<&str>) -> StoreResult<Option<String>>;

    /// What time it is by the clock that stamps what the store holds.
    async fn time(&self) -> StoreResult<Timestamp>;

    /// When what bears this name was last written to, where the listing of the store does not say so; else `None`.
    async fn modified(&self, name: &str, unfinished: bool) -> StoreResult<Option<Timestamp>>;

    /// Whether what bears this name is an object of the store's own, and no link to something elsewhere.
    async fn is_plain(&self, name: &str) -> StoreResult<bool>;

    /// Moves what bears this name, finished or not, out of the way, durably; `key` finds it again. It never is at neither
    /// place, whenever this stops. Returns false when nothing bears the name, and true also when it lies there already.
    /// What is unfinished is only moved by stores of [`Quarantine::Everything`].
    async fn set_aside(&self, name: &str, unfinished: bool, key: &str) -> StoreResult<bool>;

    /// Moves it back. [`StoreErrorKind::Exists`](super::StoreErrorKind::Exists) when something else bears the name by now;
    /// false when nothing lies there.
    async fn bring_back(&self, key: &str, name: &str, unfinished: bool) -> StoreResult<bool>;

    /// Deletes what is in quarantine. It is not an error if there is nothing.
    async fn discard(&self, key: &str) -> StoreResult<()>;
}

/// How the names of objects in quarantine begin in stores without folders.
pub const ASIDE: &str = ".quarantine.";

/// The parts of a key, a day and a word.
pub fn key_parts(key: &str) -> StoreResult<(&str, &str)> {
    let is_word = |text: &str| !text.starts_with('.') && !text.contains(['/', '\0']) && !text.is_empty();
    let parts = key.split_once('/').filter(|(day, word)| is_word(day) && is_word(word));
    parts.ok_or_else(|| StoreError::new(StoreErrorKind::BadUrl, key, "not a key of a quarantine"))
}

/// The name of what lies out of the way in a store without folders.
pub fn aside(key: &str) -> StoreResult<String> {
    let (day, word) = key_parts(key)?;
    Ok(format!("{ASIDE}{day}.{word}"))
}

//! When images were last downloaded from this node. A download changes nothing and has no transaction: it only leaves its
//! time here, and a task of the node writes down the times of all images at once, now and then.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    db::{Conn, Db, DbResult, image_downloads},
    model::time::Timestamp,
};

/// Images whose times may wait; those of further ones are lost.
const WAITING_MAX: usize = 100_000;
/// Times that one transaction writes down.
const BATCH: usize = 500;

/// Times in the order of ids, in which all nodes write them.
type Times = BTreeMap<String, Timestamp>;

/// The times that are not written down yet. Clones share them.
#[derive(Clone, Default)]
pub struct Downloads(Arc<Mutex<Times>>);

impl Downloads {
    fn waiting(&self) -> MutexGuard<'_, Times> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An image is downloaded.
    pub fn note(&self, id: &str, at: Timestamp) {
        let mut waiting = self.waiting();
        if let Some(last) = waiting.get_mut(id) {
            *last = at.max(*last);
        } else if waiting.len() < WAITING_MAX {
            waiting.insert(id.to_owned(), at);
        }
    }

    /// Writes the times down. What cannot be written is kept for the next time.
    ///
    /// # Errors
    /// Only the database's.
    pub async fn write(&self, db: &Db) -> DbResult<()> {
        let mut times = mem::take(&mut *self.waiting());
        while !times.is_empty() {
            let rest = times.keys().nth(BATCH).cloned().map(|first| times.split_off(&first));
            let batch = mem::replace(&mut times, rest.unwrap_or_default());
            let rows = batch.clone();
            let write = move |conn: &mut Conn| {
                rows.iter().try_for_each(|(id, at)| image_downloads::put(conn, id, *at))
            };
            if let Err(error) = db.write("image.downloads", write).await {
                batch.iter().chain(&times).for_each(|(id, at)| self.note(id, *at));
                return Err(error);
            }
        }
        Ok(())
    }
}

/// When images were last downloaded, as far as it is written down.
///
/// # Errors
/// Only the database's.
pub async fn last(db: &Db, ids: Vec<String>) -> DbResult<HashMap<String, Timestamp>> {
    let read = move |conn: &mut Conn| image_downloads::of(conn, &ids);
    Ok(db.read_one("image.last_downloads", read).await?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that the latest time of an image counts, and that what waits is bounded.
    #[test]
    fn what_waits_is_bounded() {
        let downloads = Downloads::default();
        for at in [2, 3, 1] {
            downloads.note("a", Timestamp(at));
        }
        assert_eq!(downloads.waiting().get("a"), Some(&Timestamp(3)));
        for id in 0..WAITING_MAX {
            downloads.note(&id.to_string(), Timestamp(1));
        }
        assert_eq!(downloads.waiting().len(), WAITING_MAX);
        downloads.note("a", Timestamp(4));
        assert_eq!(downloads.waiting().get("a"), Some(&Timestamp(4)));
    }
}

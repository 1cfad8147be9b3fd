//! Rows with a store's former id.

use std::collections::BTreeMap;

use crate::{
    db::{self, Db, DbError, DbResult},
    store::Stores,
};

/// Rows that are held at once.
const BATCH: usize = 500;

/// The result of [`adopt`] for one former store id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// For each store, how many rows are its own now.
    pub moved: BTreeMap<String, usize>,
    /// Rows that match no store.
    pub left: usize,
}

/// Assigns data of unconfigured store ids to the stores that match its URLs, after a change from a single store to
/// several, or of a store's id. Only an operator knows that no other node has these stores, so this is never automatic.
/// `from` selects one former id; the empty one means locations that name none. Returns the result for each. Blocking.
///
/// # Errors
/// Only the database's.
pub fn adopt(db: &Db, stores: &Stores, from: Option<&str>) -> DbResult<BTreeMap<String, Adopted>> {
    let known = ids(db, stores)?;
    let (mut after, mut all) = (String::new(), BTreeMap::<String, Adopted>::new());
    loop {
        let batch = db.write_blocking(|conn| db::ledger::strays(conn, &known, &after, BATCH as i64))?;
        let Some(last) = batch.last() else { break };
        after.clone_from(&last.id);
        for location in &batch {
            let former = location.store.clone().unwrap_or_default();
            if from.is_some_and(|id| id != former) {
                continue;
            }
            let adopted = all.entry(former).or_default();
            let Some(named) = stores.for_location(location) else {
                adopted.left = adopted.left.saturating_add(1);
                continue;
            };
            let moved =
                db.write_blocking(|conn| db::ledger::adopt(conn, location, &named.id, db.clock.now()));
            adopted.count(&named.id, moved)?;
        }
    }
    for (former, adopted) in &mut all {
        adopt_rest(db, former, adopted)?;
    }
    Ok(all)
}

/// Blobs without a location are on their way out and have no URL. They are in the store that has everything else of
/// their former store, if there is only one.
fn adopt_rest(db: &Db, former: &str, adopted: &mut Adopted) -> DbResult<()> {
    let only = match adopted.moved.keys().collect::<Vec<_>>().as_slice() {
        [only] if adopted.left == 0 => Some((*only).clone()),
        _ => None,
    };
    let mut after = String::new();
    loop {
        let ids = db.write_blocking(|conn| db::ledger::ids_of_store(conn, former, &after, BATCH as i64))?;
        let Some(last) = ids.last() else { return Ok(()) };
        after.clone_from(last);
        for id in &ids {
            let Some(store) = &only else {
                adopted.left = adopted.left.saturating_add(1);
                continue;
            };
            let moved = db.write_blocking(|conn| db::ledger::adopt_blob(conn, id, store, db.clock.now()));
            adopted.count(store, moved)?;
        }
    }
}

impl Adopted {
    fn count(&mut self, store: &str, moved: DbResult<()>) -> DbResult<()> {
        match moved {
            Ok(()) => {
                let count = self.moved.entry(store.to_owned()).or_default();
                *count = count.saturating_add(1);
            }
            // The ledger of that store has another blob of this name.
            Err(DbError::Duplicate(_)) => self.left = self.left.saturating_add(1),
            Err(other) => return Err(other),
        }
        Ok(())
    }
}

/// Former ids of stores that locations name, and how many do. Blocking.
///
/// # Errors
/// Only the database's.
pub fn former_ids(db: &Db, stores: &Stores) -> DbResult<Vec<(String, i64)>> {
    let known = ids(db, stores)?;
    db.write_blocking(|conn| db::ledger::former_stores(conn, &known))
}

/// The ids of all stores: storages of the database are not open yet when the server starts.
fn ids(db: &Db, stores: &Stores) -> DbResult<Vec<String>> {
    let mut ids: Vec<String> = stores.iter().map(|named| named.id).collect();
    ids.extend(db.read_blocking(db::storages::ids)?);
    Ok(ids)
}

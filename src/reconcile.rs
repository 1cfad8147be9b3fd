//! Holding a store against the ledger: files without a row, rows without a file, and rows under a store's former id.

use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};

use crate::{
    db::{self, Db, DbError, DbResult},
    model::{
        blob::{Blob, BlobState},
        error::{Error, Result},
        image::is_uuid,
        time::Timestamp,
    },
    store::{NamedStore, Stores, staging::Staging},
};

/// For how long, in seconds, nobody else takes up a deletion that [`delete`] has begun.
const DELETION_SECONDS: i64 = 60;
/// Locations that are looked at in one transaction.
const BATCH: i64 = 500;

/// A file that nothing in the database knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Orphan {
    /// Its name in the store.
    pub name: String,
    /// Whether it lies among the files that are being written.
    pub unfinished: bool,
}

/// A blob of an image whose file is not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// The name that its file should have.
    pub name: String,
    /// The image.
    pub image_id: String,
}

/// How a store and its ledger differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Files in the store.
    pub files: usize,
    /// Rows in the ledger.
    pub rows: usize,
    /// Files without a row.
    pub orphans: Vec<Orphan>,
    /// Rows without a file.
    pub missing: Vec<Missing>,
}

/// Compares a store with its ledger. Servers may be at work meanwhile: what is being written or deleted right now
/// is no difference.
///
/// # Errors
/// [`Error::Unavailable`] when the store or the database cannot be read.
pub async fn examine(db: &Db, named: &NamedStore) -> Result<Differences> {
    // A row is there before its file and goes after it. So files are listed before rows to find files without a
    // row, and again after them to find rows without a file.
    let files = list(named).await?;
    let rows = ledger(db, named).await?;
    let urls = db.read("reconcile.urls", db::ledger::urls_without_blob).await?;
    let orphans = orphans(&files, &rows, &urls);
    let mut missing = lost(&rows, &list(named).await?);
    if !missing.is_empty() {
        let still = lost(&ledger(db, named).await?, &list(named).await?);
        missing.retain(|row| still.contains(row));
    }
    Ok(Differences { files: files.len(), rows: rows.len(), orphans, missing: missing.into_iter().collect() })
}

struct Known<'a> {
    names: HashSet<&'a str>,
    ids: HashSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(rows: &'a [Blob], urls: &'a [String]) -> Self {
        let of_urls = urls.iter().filter_map(|url| url.rsplit('/').next());
        Self {
            names: rows.iter().map(|row| row.name.as_str()).chain(of_urls).collect(),
            ids: rows.iter().map(|row| row.id.as_str()).collect(),
        }
    }

    fn has(&self, file: &Orphan) -> bool {
        let list = if file.unfinished { &self.ids } else { &self.names };
        list.contains(file.name.as_str())
    }
}

/// The files that neither a row nor a URL knows, in order.
fn orphans(files: &[Orphan], rows: &[Blob], urls: &[String]) -> Vec<Orphan> {
    let known = Known::of(rows, urls);
    let mut orphans: Vec<_> = files.iter().filter(|file| !known.has(file)).cloned().collect();
    orphans.sort();
    orphans
}

async fn list(named: &NamedStore) -> Result<Vec<Orphan>> {
    let names = named.store.names().await.map_err(|e| Error::Unavailable(e.to_string()))?;
    let files = names.into_iter().map(|(name, unfinished)| Orphan { name, unfinished });
    // Hidden files are never ours.
    Ok(files.filter(|file| !file.name.starts_with('.')).collect())
}

async fn ledger(db: &Db, named: &NamedStore) -> DbResult<Vec<Blob>> {
    let id = named.id.clone();
    db.read("reconcile.ledger", move |conn| db::ledger::of_store(conn, &id)).await
}

fn lost(rows: &[Blob], files: &[Orphan]) -> BTreeSet<Missing> {
    let there: HashSet<&str> = files.iter().filter(|f| !f.unfinished).map(|f| f.name.as_str()).collect();
    rows.iter()
        .filter(|row| row.state == BlobState::Live && !there.contains(row.name.as_str()))
        .map(|row| Missing { name: row.name.clone(), image_id: row.image_id.clone() })
        .collect()
}

/// Deletes a file that nothing knows; says whether it did. The file is first entered into the ledger as a blob to
/// delete, so that no upload can take its name meanwhile, and so that the reaper goes on if this fails.
///
/// # Errors
/// [`Error::Unavailable`] when the store or the database cannot be changed.
pub async fn delete(db: &Db, named: &NamedStore, orphan: &Orphan) -> Result<bool> {
    let now = Timestamp::now();
    let image = orphan.name.get(..36).filter(|id| is_uuid(id)).unwrap_or_default();
    let fresh = uuid::Uuid::new_v4().to_string();
    let (id, name) = if orphan.unfinished {
        (orphan.name.clone(), format!("{}.unfinished", orphan.name))
    } else {
        (fresh, orphan.name.clone())
    };
    if !is_uuid(&id) {
        return Ok(false);
    }
    let blob = Blob {
        id,
        image_id: image.to_owned(),
        store: named.id.clone(),
        name,
        state: BlobState::Doomed,
        size: None,
        lease_node: uuid::Uuid::new_v4().to_string(),
        lease_until: now.plus_seconds(DELETION_SECONDS),
        delete_after: now,
        attempts: 0,
    };
    let row = blob.clone();
    match db.write("reconcile.doom", move |conn| db::blobs::insert(conn, &row, now)).await {
        Ok(()) => {}
        // Somebody knows it by now.
        Err(DbError::Duplicate(_)) => return Ok(false),
        Err(other) => return Err(other.into()),
    }
    named.store.delete(&blob.id, &blob.name).await.map_err(|e| Error::Unavailable(e.to_string()))?;
    db.write("reconcile.remove", move |conn| db::blobs::remove(conn, &blob.id)).await?;
    Ok(true)
}

/// Deletes what lies in the staging folder although nothing knows it and nobody has written to it for a while: the
/// remains of a database that was set back, or of another service that used the folder before (`glance/housekeeping.py:
/// StagingStoreCleaner`). As there, only files named after a UUID go, and none that is named after an image that is
/// there. Answers how many went.
///
/// # Errors
/// [`Error::Unavailable`] when the folder or the database cannot be read.
pub async fn clean_staging(db: &Db, staging: &Staging, untouched: Duration) -> Result<usize> {
    let mut deleted = 0_usize;
    // As in `examine`, files before rows. No location ever points here.
    let files = list(&staging.store).await?;
    let rows = ledger(db, &staging.store).await?;
    for orphan in orphans(&files, &rows, &[]) {
        let stem = orphan.name.split('.').next().unwrap_or_default().to_owned();
        if !is_uuid(&stem) {
            continue;
        }
        let modified = staging.modified(&orphan.name, orphan.unfinished).await;
        let modified = modified.map_err(|e| Error::Unavailable(e.to_string()))?;
        let stale = modified.and_then(|then| then.elapsed().ok()).is_some_and(|age| age >= untouched);
        if !stale || db.read("image.find", move |conn| db::images::find(conn, &stem)).await?.is_some() {
            continue;
        }
        if delete(db, &staging.store, &orphan).await? {
            tracing::warn!(file = orphan.name, "stale staged data that nothing knows was deleted");
            deleted = deleted.saturating_add(1);
        }
    }
    Ok(deleted)
}

/// Gives the data that was stored under ids of stores which are not configured here to the stores whose URLs it
/// has: after a change from a single store to several, or of a store's id. Answers how many locations moved.
/// Blocking; for the time before the server starts.
///
/// # Errors
/// Only the database's.
pub fn adopt(db: &Db, stores: &Stores) -> DbResult<usize> {
    let known: Vec<String> = stores.iter().map(|named| named.id.clone()).collect();
    let (mut after, mut moved) = (String::new(), 0_usize);
    loop {
        let batch = db.write_blocking(|conn| db::ledger::strays(conn, &known, &after, BATCH))?;
        let Some(last) = batch.last() else { return Ok(moved) };
        after.clone_from(&last.id);
        for location in &batch {
            let Some(named) = stores.for_location(location) else { continue };
            match db.write_blocking(|conn| db::ledger::adopt(conn, location, &named.id, Timestamp::now())) {
                Ok(()) => moved = moved.saturating_add(1),
                Err(DbError::Duplicate(_)) => {
                    tracing::warn!(url = %location.url, store = %named.id, "two blobs claim the same file");
                }
                Err(other) => return Err(other),
            }
        }
    }
}

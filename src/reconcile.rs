//! Holding a store against the ledger: files without a row, rows without a file, and rows under a store's former id.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, future::ready, stream};

use crate::{
    db::{self, Db, DbError, DbResult, ledger::Placed},
    model::{
        blob::{Blob, BlobState},
        error::{Error, Result},
        image::is_uuid,
    },
    store::{ListStream, Listed, NamedStore, StoreErrorKind, Stores, UNFINISHED, staging::Staging},
};

/// For how long, in seconds, nobody else takes up a deletion that [`delete`] has begun.
const DELETION_SECONDS: i64 = 60;
/// Files, rows or locations that are held at once.
const BATCH: usize = 500;
/// Rows whose data is looked for at the same time.
const LOOKS: usize = 16;

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

/// The files of a store that neither a row nor a URL knows, found a batch at a time: a bucket has millions of names, of
/// which no more than [`BATCH`] are held at once. Servers may be at work meanwhile: a row is there before its file, and
/// each file is listed before its row is asked for.
pub struct Orphans<'a> {
    db: &'a Db,
    named: &'a NamedStore,
    list: ListStream,
    /// Files that were listed so far.
    pub files: usize,
}

impl<'a> Orphans<'a> {
    /// Begins to list a store.
    pub fn of(db: &'a Db, named: &'a NamedStore) -> Self {
        Self { db, named, list: named.list(), files: 0 }
    }

    /// The next ones; none at the end.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store or the database cannot be read.
    pub async fn next(&mut self) -> Result<Vec<Orphan>> {
        loop {
            let files = self.batch().await?;
            if files.is_empty() {
                return Ok(Vec::new());
            }
            self.files = self.files.saturating_add(files.len());
            let orphans = unknown(self.db, self.named, files).await?;
            if !orphans.is_empty() {
                return Ok(orphans);
            }
        }
    }

    async fn batch(&mut self) -> Result<Vec<Orphan>> {
        let mut files = Vec::with_capacity(BATCH);
        while files.len() < BATCH {
            match self.list.try_next().await.map_err(|e| Error::Unavailable(e.to_string()))? {
                // Hidden files are never ours.
                Some(file) if file.name.starts_with('.') => {}
                Some(Listed { name, unfinished }) => files.push(Orphan { name, unfinished }),
                None => break,
            }
        }
        Ok(files)
    }
}

/// The files that neither a row nor a URL knows, in order.
async fn unknown(db: &Db, named: &NamedStore, mut files: Vec<Orphan>) -> Result<Vec<Orphan>> {
    let of = |unfinished| {
        files.iter().filter(move |f| f.unfinished == unfinished).map(|f| f.name.clone()).collect::<Vec<_>>()
    };
    let (store, names, ids) = (named.id.clone(), of(false), of(true));
    let (names, ids) = db
        .read("reconcile.known", move |conn| {
            let names = db::ledger::known_names(conn, &store, &names)?;
            let mut known = db::ledger::known_ids(conn, &store, &ids)?;
            // Some stores know what is unfinished by the name that it is to have.
            known.extend(db::ledger::known_names(conn, &store, &ids)?);
            Ok((names, known))
        })
        .await?;
    let (names, ids): (HashSet<_>, HashSet<_>) = (names.into_iter().collect(), ids.into_iter().collect());
    files.retain(|file| !if file.unfinished { &ids } else { &names }.contains(&file.name));
    let mut after = String::new();
    while files.iter().any(|file| !file.unfinished) {
        let from = after.clone();
        let urls = db
            .read("reconcile.urls", move |conn| db::ledger::urls_without_blob(conn, &from, BATCH as i64))
            .await?;
        let Some((last, _)) = urls.last() else { break };
        after.clone_from(last);
        let names = urls.iter().flat_map(|(_, url)| [named.name_of(url), url.rsplit('/').next()]);
        let taken: HashSet<&str> = names.flatten().collect();
        files.retain(|file| file.unfinished || !taken.contains(file.name.as_str()));
    }
    files.sort();
    Ok(files)
}

/// The images whose data is not where the ledger says, found a batch at a time. Each row is looked for by itself: the
/// names of a whole store would not fit into memory.
pub struct Losses<'a> {
    db: &'a Db,
    named: &'a NamedStore,
    after: Option<String>,
}

impl<'a> Losses<'a> {
    /// Begins to look for the data of a store.
    pub fn of(db: &'a Db, named: &'a NamedStore) -> Self {
        Self { db, named, after: Some(String::new()) }
    }

    /// The next ones; none at the end.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the store or the database cannot be read.
    pub async fn next(&mut self) -> Result<Vec<Missing>> {
        while let Some(after) = self.after.take() {
            let store = self.named.id.clone();
            let read = self.db.read("reconcile.live", move |conn| {
                db::ledger::live_of_store(conn, &store, &after, BATCH as i64)
            });
            let rows = read.await?;
            self.after = rows.last().map(|row| row.id.clone());
            let looks = stream::iter(rows).map(|row| self.is_gone(row)).buffered(LOOKS);
            let gone: Vec<_> = looks.try_filter_map(|gone| ready(Ok(gone))).try_collect().await?;
            if !gone.is_empty() {
                return Ok(gone);
            }
        }
        Ok(Vec::new())
    }

    /// The row, if there is no data and it is live all the same: a row is live after its data is there, and dies before
    /// its data goes.
    async fn is_gone(&self, row: Placed) -> Result<Option<Missing>> {
        match self.named.stat(row.url.full()).await {
            Ok(_) => return Ok(None),
            Err(error) if error.kind == StoreErrorKind::NotFound => {}
            Err(error) => return Err(Error::Unavailable(error.to_string())),
        }
        let Placed { id, name, image_id, .. } = row;
        let live = self.db.read("reconcile.is_live", move |conn| db::ledger::is_live(conn, &id)).await?;
        Ok(live.then_some(Missing { name, image_id }))
    }
}

/// How many rows the ledger has of a store.
///
/// # Errors
/// Only the database's.
pub async fn rows(db: &Db, named: &NamedStore) -> Result<i64> {
    let id = named.id.clone();
    Ok(db.read("reconcile.count", move |conn| db::ledger::count_of_store(conn, &id)).await?)
}

/// What the row of an unfinished blob is called that nothing knows: no other blob has such a name.
fn unfinished(name: &str) -> String {
    format!("{name}{UNFINISHED}")
}

/// Whether a name is one that a blob takes where that of its image is taken (`Blob::name_of_its_own`).
fn is_name_of_its_own(name: &str) -> bool {
    name.split_once('.').is_some_and(|(image, blob)| is_uuid(image) && is_uuid(blob))
}

/// Deletes a file that nothing knows; says whether it did. The file is first entered into the ledger as a blob to
/// delete, so that no upload can take its name meanwhile, and so that the reaper goes on if this fails.
///
/// # Errors
/// [`Error::Unavailable`] when the store or the database cannot be changed.
pub async fn delete(db: &Db, named: &NamedStore, orphan: &Orphan) -> Result<bool> {
    let now = db.clock.now();
    let image = orphan.name.get(..36).filter(|id| is_uuid(id)).unwrap_or_default();
    let fresh = uuid::Uuid::new_v4().to_string();
    let (id, name) = match orphan.unfinished {
        true if is_name_of_its_own(&orphan.name) => (fresh, unfinished(&orphan.name)),
        true => (orphan.name.clone(), unfinished(&orphan.name)),
        false => (fresh, orphan.name.clone()),
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
        holder: uuid::Uuid::new_v4().to_string(),
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
    named.delete(&blob.id, &blob.name).await.map_err(|e| Error::Unavailable(e.to_string()))?;
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
    let mut orphans = Orphans::of(db, &staging.store);
    loop {
        let batch = orphans.next().await?;
        if batch.is_empty() {
            return Ok(deleted);
        }
        for orphan in batch {
            if is_stale(db, staging, &orphan, untouched).await? && delete(db, &staging.store, &orphan).await?
            {
                tracing::warn!(file = orphan.name, "stale staged data that nothing knows was deleted");
                deleted = deleted.saturating_add(1);
            }
        }
    }
}

/// Whether a staged file is named after a UUID that is no image's, and nobody has written to it for a while.
async fn is_stale(db: &Db, staging: &Staging, orphan: &Orphan, untouched: Duration) -> Result<bool> {
    let stem = orphan.name.split('.').next().unwrap_or_default().to_owned();
    if !is_uuid(&stem) {
        return Ok(false);
    }
    let modified = staging.modified(&orphan.name, orphan.unfinished).await;
    let modified = modified.map_err(|e| Error::Unavailable(e.to_string()))?;
    let stale = modified.and_then(|then| then.elapsed().ok()).is_some_and(|age| age >= untouched);
    Ok(stale && db.read("image.find", move |conn| db::images::find(conn, &stem)).await?.is_none())
}

/// What [`adopt`] did about one former id of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// For each store, how many rows are its own now.
    pub moved: BTreeMap<String, usize>,
    /// Rows that no store could take.
    pub left: usize,
}

/// Gives the data that was stored under ids of stores which are not configured here to the stores whose URLs it has:
/// after a change from a single store to several, or of a store's id. Only an operator knows that no other node has
/// these stores, so nothing does this by itself. `from` is the only former id to look at; the empty one is that of
/// locations which name none. Answers what became of each. Blocking.
///
/// # Errors
/// Only the database's.
pub fn adopt(db: &Db, stores: &Stores, from: Option<&str>) -> DbResult<BTreeMap<String, Adopted>> {
    let known = ids(stores);
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
    let known = ids(stores);
    db.write_blocking(|conn| db::ledger::former_stores(conn, &known))
}

fn ids(stores: &Stores) -> Vec<String> {
    stores.iter().map(|named| named.id.clone()).collect()
}

//! Goes through a whole store: its listing and the rows of the database are sorted and compared side by side, in
//! constant memory.
//!
//! The store is listed before the database is read, because a row exists before its object. Every suspicious row and
//! object is checked again before it is reported, because servers are running meanwhile.

use std::{collections::HashMap, path::PathBuf};

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    judge::{Named, Object, Times, judge},
    pieces::{NAMES, Piece, aside, disk_fault, groups, key, keys_of, pair, push},
    sorted::{Merged, Sorter},
    twins,
};
use crate::{
    db::{self, Db, stored::Kept},
    model::{
        blob::BlobState,
        finding::{Finding, ObjectState},
    },
    store::{Listed, NamedStore, StoreError, StoreErrorKind},
    work::{Done, Failure},
};

/// Rows that are read at once.
const ROWS: i64 = 2000;
/// Objects that a store is asked about at the same time.
const LOOKS: usize = 16;

/// The scope of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Sizes are compared.
    pub sizes: bool,
    /// Only names that begin so.
    pub prefix: String,
    /// Only objects of this image.
    pub image_id: Option<String>,
    /// Only objects at least this many seconds old, and missing ones.
    pub older_seconds: Option<i64>,
    /// Seconds for which an unreferenced object is left alone.
    pub grace_seconds: i64,
}

/// A store that is being looked through.
pub struct Scan<'a> {
    db: &'a Db,
    named: &'a NamedStore,
    wanted: Wanted,
    times: Times,
    merged: Option<Merged>,
    /// Objects that were listed.
    pub objects: u64,
    /// Rows of the ledger.
    pub rows: u64,
}

/// The job's error for a failure of a store.
pub(super) fn store_fault(error: StoreError) -> Failure {
    Failure::of_absence(&error).unwrap_or_else(|| match error.kind {
        StoreErrorKind::Unsupported | StoreErrorKind::Gone => Failure::Final(error.to_string()),
        _ => Failure::Again(error.to_string()),
    })
}

/// The times by which objects of a store are judged.
///
/// # Errors
/// [`Failure::Again`] when the store or the database does not answer.
pub async fn times(db: &Db, named: &NamedStore, grace_seconds: i64) -> Done<Times> {
    let now = db.clock.now();
    let there = match named.time().await {
        Ok(there) => there,
        Err(error) if error.kind == StoreErrorKind::Unsupported => now,
        Err(error) => return Err(store_fault(error)),
    };
    let oldest = db.read("reconcile.oldest_job", db::jobs::oldest_open).await?;
    let work_seconds = oldest.map_or(0, |begun| now.0.saturating_sub(begun.0) / 1_000_000);
    Ok(Times { now, there, grace_seconds, work_seconds })
}

impl<'a> Scan<'a> {
    /// Lists a store, reads its rows in the database, and sorts both in files of this folder. `check` is called
    /// periodically to decide whether to continue.
    ///
    /// # Errors
    /// What `check` says; [`Failure::Again`] when the store or the database cannot be read.
    pub async fn begin(
        db: &'a Db,
        named: &'a NamedStore,
        folder: PathBuf,
        wanted: Wanted,
        check: &(dyn Fn() -> Done<()> + Sync),
    ) -> Done<Self> {
        let times = times(db, named, wanted.grace_seconds).await?;
        let mut scan = Self { db, named, wanted, times, merged: None, objects: 0, rows: 0 };
        let (mut sorter, mut hashes) = (Sorter::new(folder.clone()), Sorter::new(folder));
        sorter = scan.list(sorter, check).await?;
        (sorter, hashes) = scan.read_rows(sorter, hashes, check).await?;
        let prefix = scan.wanted.prefix.clone();
        sorter = aside(move || twins::enter(sorter, hashes.finish()?, &prefix)).await?;
        sorter = scan.read_elsewhere(sorter, check).await?;
        scan.merged = Some(aside(move || sorter.finish()).await?);
        Ok(scan)
    }

    async fn list(&mut self, mut sorter: Sorter, check: &(dyn Fn() -> Done<()> + Sync)) -> Done<Sorter> {
        let mut pages = self.named.list().ready_chunks(NAMES);
        while let Some(page) = pages.next().await {
            check()?;
            let page = page.into_iter().collect::<Result<Vec<Listed>, _>>().map_err(store_fault)?;
            let prefix = self.wanted.prefix.clone();
            // What is hidden is never ours.
            let is_seen = move |of: &Listed| !of.name.starts_with('.') && of.name.starts_with(&prefix);
            let page: Vec<Listed> = page.into_iter().filter(is_seen).collect();
            self.objects = self.objects.saturating_add(page.len() as u64);
            let pairs = move || {
                let piece = |of: &Listed| {
                    Piece::Object(Object { size: of.size, modified: of.modified.map(|time| time.0) })
                };
                page.iter().map(|of| pair(key(&of.name, of.unfinished), &piece(of))).collect()
            };
            sorter = push(sorter, pairs).await?;
        }
        Ok(sorter)
    }

    /// The same with the rows of the ledger, and their hashes.
    async fn read_rows(
        &mut self,
        mut sorter: Sorter,
        mut hashes: Sorter,
        check: &(dyn Fn() -> Done<()> + Sync),
    ) -> Done<(Sorter, Sorter)> {
        let mut after = String::new();
        loop {
            check()?;
            let (store, from) = (self.named.id.clone(), after.clone());
            let read = move |conn: &mut db::Conn| db::stored::of_store(conn, &store, &from, ROWS);
            let rows = self.db.read("reconcile.rows", read).await?;
            let Some(last) = rows.last() else { return Ok((sorter, hashes)) };
            after.clone_from(&last.id);
            let hashed = twins::hashes(&rows);
            hashes = push(hashes, move || Ok(hashed)).await?;
            self.rows = self.rows.saturating_add(rows.len() as u64);
            let prefix = self.wanted.prefix.clone();
            let pairs = move || {
                let mut pairs = Vec::with_capacity(rows.len());
                for row in rows {
                    let keys = keys_of(&row, &prefix);
                    let piece = Piece::Row(Box::new(row));
                    for key in keys {
                        pairs.push(pair(key, &piece)?);
                    }
                }
                Ok(pairs)
            };
            sorter = push(sorter, pairs).await?;
        }
    }

    async fn read_elsewhere(
        &self,
        mut sorter: Sorter,
        check: &(dyn Fn() -> Done<()> + Sync),
    ) -> Done<Sorter> {
        let mut after = String::new();
        loop {
            check()?;
            let from = after.clone();
            let read = move |conn: &mut db::Conn| db::stored::elsewhere(conn, &from, ROWS);
            let found = self.db.read("reconcile.elsewhere", read).await?;
            let Some(last) = found.last() else { return Ok(sorter) };
            after.clone_from(&last.id);
            let mut pairs = Vec::new();
            for location in &found {
                // Rather one name too many than that something in use passes for nobody's.
                let names = [self.named.name_of(&location.url), location.url.rsplit('/').next()];
                for name in names.into_iter().flatten().filter(|name| name.starts_with(&self.wanted.prefix)) {
                    let piece = Piece::Elsewhere(location.image_id.clone());
                    pairs.push(pair(key(name, false), &piece).map_err(disk_fault)?);
                }
            }
            sorter = push(sorter, move || Ok(pairs)).await?;
        }
    }

    /// The state of the next names; empty at the end.
    ///
    /// # Errors
    /// [`Failure::Again`] when the store or the database cannot be read.
    pub async fn next(&mut self) -> Done<Vec<Finding>> {
        while let Some(merged) = self.merged.take() {
            let (names, rest) = aside(move || groups(merged)).await?;
            self.merged = rest;
            let names = self.measured(names).await?;
            let (mut found, mut odd) = (Vec::with_capacity(names.len()), Vec::new());
            for named in names {
                match judge(&named, &self.times, self.wanted.sizes) {
                    Some(finding) if needs_another_look(&finding) => odd.push(named),
                    Some(finding) => found.push(finding),
                    None => {}
                }
            }
            found.extend(self.looked_at_again(odd).await?);
            found.retain(|finding| self.is_wanted(finding));
            if !found.is_empty() {
                found.sort_by(|a, b| (&a.name, a.unfinished).cmp(&(&b.name, b.unfinished)));
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    fn is_wanted(&self, finding: &Finding) -> bool {
        let of_image = self.wanted.image_id.as_ref();
        let age = finding.modified.map(|time| self.times.there.0.saturating_sub(time) / 1_000_000);
        of_image.is_none_or(|image| finding.image_id.as_ref() == Some(image))
            && self.wanted.older_seconds.is_none_or(|least| age.is_none_or(|age| age >= least))
    }

    /// The same with the sizes that the list did not have, where they matter.
    async fn measured(&self, names: Vec<Named>) -> Done<Vec<Named>> {
        let looks = names.into_iter().map(|mut named| async move {
            let is_unknown = named.object.as_ref().is_some_and(|object| object.size.is_none());
            let live = named.rows.iter().find(|row| row.blob_state() == Some(BlobState::Live));
            if let Some(live) = live.filter(|_| is_unknown && self.wanted.sizes && !named.unfinished) {
                let size = self.size_of(&live.id).await?.flatten();
                if let Some(object) = &mut named.object {
                    object.size = size;
                }
            }
            Ok::<_, Failure>(named)
        });
        stream::iter(looks).buffered(LOOKS).try_collect().await
    }

    /// The bytes of a live blob: `None` when it is not live any more, and in that `None` when it is not there.
    async fn size_of(&self, blob: &str) -> Done<Option<Option<u64>>> {
        let id = blob.to_owned();
        let read = move |conn: &mut db::Conn| db::stored::place_of(conn, &id);
        let Some(url) = self.db.read("reconcile.place", read).await? else { return Ok(None) };
        match self.named.stat(url.full()).await {
            Ok(size) => Ok(Some(Some(size))),
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(Some(None)),
            Err(error) => Err(store_fault(error)),
        }
    }

    /// What is to be said of names that looked wrong: with the rows that there are now, and the objects.
    async fn looked_at_again(&self, odd: Vec<Named>) -> Done<Vec<Finding>> {
        if odd.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = odd.iter().map(|named| named.name.clone()).collect();
        let fresh = rows_of(self.db, &self.named.id, &names).await?;
        let looks = odd.into_iter().map(|named| {
            let rows = fresh.get(&named.name).cloned().unwrap_or_default();
            self.look(Named { rows, ..named })
        });
        let found: Vec<Option<Finding>> = stream::iter(looks).buffered(LOOKS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Learns of an object that nothing refers to how old it is, where the list did not say so.
    async fn date(&self, named: &mut Named) -> Done<()> {
        let (name, unfinished) = (&named.name, named.unfinished);
        let undated =
            named.object.as_mut().filter(|object| object.modified.is_none() && named.rows.is_empty());
        if let Some(object) = undated {
            let modified = self.named.modified(name, unfinished).await.map_err(store_fault)?;
            object.modified = modified.map(|time| time.0);
        }
        Ok(())
    }

    async fn look(&self, mut named: Named) -> Done<Option<Finding>> {
        let live = named.rows.iter().find(|row| row.blob_state() == Some(BlobState::Live));
        match live.filter(|_| !named.unfinished) {
            Some(live) => match self.size_of(&live.id).await? {
                None => return Ok(None),
                Some(None) => named.object = None,
                Some(size) => {
                    let modified = named.object.and_then(|object| object.modified);
                    named.object = Some(Object { size, modified });
                }
            },
            None if named.unfinished || named.object.is_none() => self.date(&mut named).await?,
            None => match self.named.holds(&named.name).await {
                Ok(true) => self.date(&mut named).await?,
                Ok(false) => return Ok(None),
                // A name that no object of ours could have.
                Err(error) if error.kind == StoreErrorKind::BadUrl => {}
                Err(error) => return Err(store_fault(error)),
            },
        }
        Ok(judge(&named, &self.times, self.wanted.sizes))
    }
}

/// The rows that stand for names, or for ids of what is unfinished, as they are now.
pub(super) async fn rows_of(db: &Db, store: &str, names: &[String]) -> Done<HashMap<String, Vec<Kept>>> {
    let (store, asked) = (store.to_owned(), names.to_vec());
    let rows = db.read("reconcile.known", move |conn| db::stored::named(conn, &store, &asked)).await?;
    let mut by_name: HashMap<String, Vec<Kept>> = HashMap::new();
    for row in rows {
        if row.id != row.name {
            by_name.entry(row.id.clone()).or_default().push(row.clone());
        }
        by_name.entry(row.name.clone()).or_default().push(row);
    }
    Ok(by_name)
}

/// Whether something may only look wrong because others were at work.
fn needs_another_look(finding: &Finding) -> bool {
    use ObjectState::{Foreign, Missing, Orphan, SizeMismatch, SizeUnknown, StaleStaging, Young};
    matches!(finding.state, Missing | Orphan | SizeMismatch | SizeUnknown | StaleStaging | Young | Foreign)
}

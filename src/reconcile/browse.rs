//! The contents of a store, in pages ordered by name. The store is listed from its beginning for each page, and at
//! most a page of it is held in memory.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use serde_json::json;

use super::{
    judge::{Named, Object, Times, judge},
    scan::{rows_of, times},
    stores::{enforce, named},
};
use crate::{
    db::{self, Conn, stored::OfImage},
    image::Images,
    model::{
        blob::BlobState,
        caller::Caller,
        error::{Error, Result},
        finding::{Finding, ObjectState},
    },
    store::{NamedStore, StoreErrorKind},
    work::Failure,
};

/// Names that are looked at for a page of which only some are wanted.
const NAMES: usize = 5000;
/// Locations that are read at once.
const ROWS: i64 = 2000;

/// The query for the objects of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Only what is read so.
    pub state: Option<ObjectState>,
    /// Only names that begin so.
    pub prefix: String,
    /// Only names after this one.
    pub after: Option<Place>,
    /// Rows of the page at most.
    pub limit: usize,
}

/// Where a page begins: after this name, among what is unfinished or not.
pub type Place = (String, bool);

/// An object in a store.
pub struct Lying {
    /// Its state.
    pub finding: Finding,
    /// Its image.
    pub image: Option<OfImage>,
    /// Its age in seconds, by the store's clock.
    pub age: Option<i64>,
}

/// A page; it may be short, or empty, although there is a next one.
pub struct Page {
    /// In the order of the names.
    pub objects: Vec<Lying>,
    /// Where the next one begins; `None` after the last.
    pub next: Option<Place>,
}

/// Looks into a store.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::NotFound`] without the store, [`Error::Unavailable`] when it does not
/// answer.
pub async fn browse(images: &Images, caller: &Caller, store: &str, asked: &Asked) -> Result<Page> {
    enforce(images, caller).await?;
    let named = &named(images, store)?;
    let held = if asked.state.is_some() { NAMES.max(asked.limit) } else { asked.limit };
    let (objects, is_all) = names(named, asked, held).await?;
    let last = objects.last_key_value().map(|(place, _)| place.clone());
    let grace = images.settings.orphan_grace_seconds;
    let times = times(&images.db, named, grace).await.map_err(unanswered)?;
    let names: Vec<String> = objects.keys().map(|(name, _)| name.clone()).collect();
    let rows = rows_of(&images.db, &named.id, &names).await.map_err(unanswered)?;
    let all = objects.into_iter().map(|((name, unfinished), object)| {
        let rows = rows.get(&name).cloned().unwrap_or_default();
        Named { name, unfinished, object: Some(object), rows, ..Named::default() }
    });
    let all = with_elsewhere(images, named, all.collect()).await?;
    let all = with_twins(images, named, all).await?;
    let mut lying: Vec<Lying> = all.into_iter().filter_map(|of| lies(of, &times)).collect();
    lying.retain(|of| asked.state.is_none_or(|state| of.finding.state == state));
    let is_cut = lying.len() > asked.limit;
    lying.truncate(asked.limit);
    let next = match (is_cut, is_all) {
        (true, _) => lying.last().map(|of| (of.finding.name.clone(), of.finding.unfinished)),
        (false, true) => None,
        (false, false) => last,
    };
    Ok(Page { objects: lying, next })
}

fn unanswered(failure: Failure) -> Error {
    Error::Unavailable(failure.to_string())
}

/// The first `held` names after a place, and whether there are no more.
async fn names(named: &NamedStore, asked: &Asked, held: usize) -> Result<(BTreeMap<Place, Object>, bool)> {
    let (mut first, mut is_all, mut list) = (BTreeMap::new(), true, named.list());
    loop {
        let next = list.try_next().await.map_err(|error| match error.kind {
            StoreErrorKind::Unsupported => {
                Error::conflict(error.to_string()).because("not-supported", json!({}))
            }
            StoreErrorKind::Gone => Error::Unavailable(error.to_string()).because("store-missing", json!({})),
            _ => Error::Unavailable(error.to_string()),
        })?;
        let Some(listed) = next else { return Ok((first, is_all)) };
        let place = (listed.name, listed.unfinished);
        let is_passed = asked.after.as_ref().is_some_and(|after| place <= *after);
        // What is hidden is never ours.
        if is_passed || place.0.starts_with('.') || !place.0.starts_with(&asked.prefix) {
            continue;
        }
        let modified = listed.modified.map(|time| time.0);
        first.insert(place, Object { size: listed.size, modified });
        if first.len() > held {
            first.pop_last();
            is_all = false;
        }
    }
}

/// The same with the images that have objects without a row of the ledger.
async fn with_elsewhere(images: &Images, store: &NamedStore, mut all: Vec<Named>) -> Result<Vec<Named>> {
    let is_unknown = |of: &Named| of.rows.is_empty() && !of.unfinished;
    let mut unknown: BTreeMap<String, usize> = all
        .iter()
        .enumerate()
        .filter(|(_, of)| is_unknown(of))
        .map(|(at, of)| (of.name.clone(), at))
        .collect();
    let mut after = String::new();
    while !unknown.is_empty() {
        let from = after.clone();
        let read = move |conn: &mut Conn| db::stored::elsewhere(conn, &from, ROWS);
        let found = images.db.read("store.elsewhere", read).await?;
        let Some(last) = found.last() else { break };
        after.clone_from(&last.id);
        for location in &found {
            let names = [store.name_of(&location.url), location.url.rsplit('/').next()];
            for name in names.into_iter().flatten() {
                if let Some(of) = unknown.remove(name).and_then(|at| all.get_mut(at)) {
                    of.elsewhere = Some(location.image_id.clone());
                }
            }
        }
    }
    Ok(all)
}

/// The same with the names of others that have the same hash, by the rows of the whole store.
async fn with_twins(images: &Images, store: &NamedStore, mut all: Vec<Named>) -> Result<Vec<Named>> {
    let hashes: BTreeSet<String> = all.iter().filter_map(|of| hash_of(of).cloned()).collect();
    let (id, hashes) = (store.id.clone(), Vec::from_iter(hashes));
    let read = move |conn: &mut Conn| db::stored::twins(conn, &id, &hashes);
    let found = images.db.read("store.twins", read).await?;
    for of in &mut all {
        let twins = hash_of(of).and_then(|hash| found.get(hash));
        of.twin = twins.map(|(first, last)| if *first == of.name { last } else { first }.clone());
    }
    Ok(all)
}

/// The hash of the image that has an object.
fn hash_of(of: &Named) -> Option<&String> {
    let live = of.rows.iter().find(|row| row.blob_state() == Some(BlobState::Live));
    live.filter(|_| !of.unfinished)?.image.as_ref()?.hash.as_ref()
}

fn lies(of: Named, times: &Times) -> Option<Lying> {
    let finding = judge(&of, times, true)?;
    let age = of.object.as_ref().and_then(|object| times.age(object));
    let row = of.rows.into_iter().find(|row| Some(&row.id) == finding.blob_id.as_ref());
    Some(Lying { finding, image: row.and_then(|row| row.image), age })
}

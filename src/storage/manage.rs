//! Adds, changes and removes storages.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Storages, enforce, kind_of, refresh, several};
use crate::{
    access,
    db::{self, Conn, DbError, DbResult, storages::Uses},
    model::{
        caller::Caller,
        error::{Error, Result},
        storage::Storage,
    },
    store::{NamedStore, StoreErrorKind, Stores, given::Given},
};

/// What a call does, or would do.
#[derive(Debug)]
pub struct Done {
    /// The storage as it is then.
    pub storage: Storage,
    /// Where it keeps its data, without secrets; `None` where that is many places.
    pub place: Option<String>,
}

fn cannot(reason: &str) -> Error {
    Error::invalid(format!("The storage cannot be used: {reason}.")).because("cannot-open", json!({}))
}

fn taken(id: &str) -> Error {
    Error::conflict(format!("There is a store {id} already.")).because("store-exists", json!({}))
}

/// Adds a storage, after it was opened and asked something; with `dry_run` nothing but that.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::Invalid`] for what cannot be a storage or be opened, [`Error::Conflict`] for an id or a
/// place that another store has, for the mark of another database, and beyond the number that there may be.
pub async fn add(storages: &Storages, caller: &Caller, body: &Value, dry_run: bool) -> Result<Done> {
    let images = &storages.images;
    access::mutating(caller)?;
    enforce(images, caller).await?;
    several(images)?;
    let (storage, options) = Storage::parse(body, images.db.clock.now())?;
    let kind = kind_of(&storage.kind)
        .ok_or_else(|| Error::invalid(format!("{:?} is no type of storages.", storage.kind)))?;
    let given = Given::none(kind).with(&options).map_err(|why| Error::invalid(format!("options: {why}.")))?;
    if images.stores.has(&storage.id) || images.stores.is_configured(&storage.id) {
        return Err(taken(&storage.id));
    }
    let named = opened(storages, &storage, given.clone()).await?;
    if let Some(other) = images.stores.iter().find(|other| other.overlaps(&named)) {
        let text = format!("The store {} keeps its data in the same place.", other.id);
        return Err(Error::conflict(text).because("place-taken", json!({"store": other.id})));
    }
    let mark = mark_of(&named).await?;
    let storage = storages.sealed(storage, &given).await?;
    let (row, place, stores) = (storage.clone(), named.place(), Arc::clone(&images.stores));
    let insert = move |conn: &mut Conn| {
        if db::storages::count(conn)? >= db::storages::LIST_MAX {
            let text =
                format!("There are {} storages, which is as many as there may be.", db::storages::LIST_MAX);
            return Err(Error::conflict(text).because("too-many", json!({})).into());
        }
        if db::storages::find(conn, &row.id)?.is_some() {
            return Err(taken(&row.id).into());
        }
        check_former(conn, &stores, &row.id, mark.as_deref())?;
        let is_ours = db::storages::inherit(conn, &row.id, mark.as_deref())?;
        if let Some(mark) = mark.as_ref().filter(|_| !is_ours) {
            let text =
                format!("The storage bears the mark {mark} of another database, whose data it may have.");
            return Err(Error::conflict(text).because("store-shared", json!({})).into());
        }
        db::storages::insert(conn, &row).map_err(|error| match error {
            DbError::Duplicate(_) => taken(&row.id).into(),
            other => other,
        })
    };
    // What the transaction would refuse is found out in it.
    images.db.write_or_rehearse("storages.insert", dry_run, insert).await?;
    if !dry_run {
        refresh::refresh(storages).await?;
    }
    Ok(Done { storage, place })
}

/// Requires of a mark that no store that is still used bears it, which then is at the same place by another path.
fn check_former(conn: &mut Conn, stores: &Stores, id: &str, mark: Option<&str>) -> DbResult<()> {
    let Some(mark) = mark else { return Ok(()) };
    let Some(former) = db::storages::store_of_mark(conn, mark)?.filter(|former| former != id) else {
        return Ok(());
    };
    if stores.is_configured(&former) || db::storages::find(conn, &former)?.is_some() {
        let text = format!("The store {former} keeps its data in the same place.");
        return Err(Error::conflict(text).because("place-taken", json!({"store": former})).into());
    }
    Ok(())
}

/// Opens a storage and requires an answer of it.
async fn opened(storages: &Storages, storage: &Storage, given: Given) -> Result<NamedStore> {
    let named = refresh::try_open(storages, storage, given).await.map_err(|why| cannot(&why))?;
    match tokio::time::timeout(refresh::PATIENCE, named.probe()).await {
        Ok(Ok(())) => Ok(named),
        Ok(Err(error)) => Err(cannot(&error.to_string())),
        Err(_) => Err(cannot("it does not answer")),
    }
}

/// The mark that says whose storage it is.
async fn mark_of(named: &NamedStore) -> Result<Option<String>> {
    match named.mark(None).await {
        Err(error) if error.kind == StoreErrorKind::Unsupported => Ok(None),
        mark => mark.map_err(|error| cannot(&error.to_string())),
    }
}

/// The storage of an id.
async fn found(storages: &Storages, id: &str) -> Result<Storage> {
    let images = &storages.images;
    if images.stores.is_configured(id) {
        let text = format!("Store {id} is in the configuration of the service, which alone can change it.");
        return Err(Error::conflict(text).because("store-configured", json!({})));
    }
    let key = id.to_owned();
    let found = images.db.read("storages.find", move |conn| db::storages::find(conn, &key)).await?;
    found.ok_or_else(|| Error::NotFound(format!("There is no store {id}.")))
}

/// Changes a storage; other options are used only after it was opened with them, and may not lead elsewhere.
///
/// # Errors
/// As [`add`], and [`Error::NotFound`], [`Error::Conflict`] for a configured store, and when somebody else changes it.
pub async fn change(
    storages: &Storages,
    caller: &Caller,
    id: &str,
    body: &Value,
    dry_run: bool,
) -> Result<Done> {
    let images = &storages.images;
    access::mutating(caller)?;
    enforce(images, caller).await?;
    let before = found(storages, id).await?;
    let (after, options) = before.changed(body, images.db.clock.now())?;
    let known = images.stores.get(id);
    let (after, place) = match options {
        None => (after, known.and_then(|named| named.place())),
        Some(options) => reopened(storages, &before, after, &options).await?,
    };
    if !dry_run {
        let (from, to) = (before, after.clone());
        let update = move |conn: &mut Conn| match db::storages::update(conn, &from, &to)? {
            true => Ok(()),
            false => {
                Err(Error::conflict("The storage was changed by somebody else at the same time.").into())
            }
        };
        images.db.write("storages.update", update).await?;
        refresh::refresh(storages).await?;
    }
    Ok(Done { storage: after, place })
}

/// A storage with other options, of which those that nobody can decrypt any more are given anew.
async fn reopened(
    storages: &Storages,
    before: &Storage,
    after: Storage,
    options: &Map<String, Value>,
) -> Result<(Storage, Option<String>)> {
    let kind = kind_of(&before.kind).ok_or_else(|| cannot("this version has no stores of its type"))?;
    let known = match storages.given(before).await? {
        Ok(known) => known,
        Err(_) => Given::none(kind).with(&before.options).map_err(|why| cannot(&why))?,
    };
    let given = known.with(options).map_err(|why| Error::invalid(format!("options: {why}.")))?;
    let named = opened(storages, &after, given.clone()).await?;
    let others = storages.images.stores.iter().filter(|other| other.id != after.id);
    if let Some(other) = others.into_iter().find(|other| other.overlaps(&named)) {
        let text = format!("The store {} keeps its data in the same place.", other.id);
        return Err(Error::conflict(text).because("place-taken", json!({"store": other.id})));
    }
    // While it cannot be opened here its place is not known, but its mark may be.
    let (mark, id) = (mark_of(&named).await?, after.id.clone());
    let state = storages.images.db.read("storages.mark", move |conn| db::stores::find(conn, &id)).await?;
    let known = state.filter(|state| state.marked).map(|state| state.mark);
    if known.is_some() && known != mark {
        let text = "At this place is not the mark of the storage: it is another one, or not mounted.";
        return Err(Error::conflict(text).because("place-changes", json!({})));
    }
    let elsewhere = storages.images.stores.get(&after.id).filter(|now| now.fault.is_none());
    if elsewhere.is_some_and(|now| now.place() != named.place()) {
        let text = "These options lead to another place, which has none of the data. Add another storage.";
        return Err(Error::conflict(text).because("place-changes", json!({})));
    }
    Ok((storages.sealed(after, &given).await?, named.place()))
}

/// Removes a storage that nothing depends on; with `dry_run` only that is found out. Its data, if any is left that is not
/// the service's, stays where it is.
///
/// # Errors
/// [`Error::Forbidden`], [`Error::NotFound`], and [`Error::Conflict`] with what depends on it, or for a configured store.
pub async fn remove(storages: &Storages, caller: &Caller, id: &str, dry_run: bool) -> Result<()> {
    let images = &storages.images;
    access::mutating(caller)?;
    enforce(images, caller).await?;
    let storage = found(storages, id).await?;
    let remove = move |conn: &mut Conn| {
        let Some(storage) = db::storages::hold(conn, &storage.id)? else {
            return Err(Error::NotFound(format!("There is no store {}.", storage.id)).into());
        };
        let uses = db::storages::uses(conn, &storage.id)?;
        if uses != Uses::default() {
            return Err(not_empty(&storage.id, uses).into());
        }
        db::storages::delete(conn, &storage.id)
    };
    images.db.write_or_rehearse("storages.delete", dry_run, remove).await?;
    if !dry_run {
        refresh::refresh(storages).await?;
    }
    Ok(())
}

fn not_empty(id: &str, uses: Uses) -> Error {
    let Uses { locations, objects, quarantined, rules } = uses;
    let text = format!(
        "Store {id} is in use: by {locations} locations of images, {objects} objects, {quarantined} objects in \
         quarantine and {rules} placement rules."
    );
    let details = json!({"locations": locations, "objects": objects, "quarantined": quarantined, "placement_rules": rules});
    Error::conflict(text).because("store-not-empty", details)
}

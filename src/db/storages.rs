//! Storages, which administrators add beside the configured stores.

use diesel::{dsl::count_star, prelude::*};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Conn, DbError, DbResult,
    schema::{
        blobs, image_locations,
        stores::{placement_rules, quarantine, storages, store_states},
    },
};
use crate::model::{
    consumer::InUse,
    error::Error,
    storage::{Storage, Terms},
    time::Timestamp,
};

/// Storages that are read at most.
pub const LIST_MAX: i64 = 100;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = storages)]
#[diesel(treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false)]
struct StorageRow {
    id: String,
    kind: String,
    description: Option<String>,
    weight: i64,
    read_only: bool,
    bindings: String,
    options: String,
    sealed: Option<String>,
    created_at: i64,
    updated_at: i64,
}

/// What a storage is bound to, and what it is for.
#[derive(Serialize, Deserialize)]
struct Bindings {
    hosts: Vec<String>,
    zones: Vec<String>,
    roles: Vec<String>,
    #[serde(default)]
    in_use_delete: Option<String>,
}

impl StorageRow {
    fn of(storage: &Storage) -> Self {
        Self {
            id: storage.id.clone(),
            kind: storage.kind.clone(),
            description: storage.description.clone(),
            weight: storage.weight,
            read_only: storage.terms.read_only,
            bindings: storage.bindings().to_string(),
            options: Value::Object(storage.options.clone()).to_string(),
            sealed: storage.sealed.clone(),
            created_at: storage.created_at.0,
            updated_at: storage.updated_at.0,
        }
    }

    fn into_storage(self) -> DbResult<Storage> {
        let bad = |e: serde_json::Error| DbError::Other(format!("storage {}: unreadable: {e}", self.id));
        let Bindings { hosts, zones, roles, in_use_delete } =
            serde_json::from_str(&self.bindings).map_err(bad)?;
        let in_use = in_use_delete.as_deref().and_then(InUse::parse);
        let options: Map<String, Value> = serde_json::from_str(&self.options).map_err(bad)?;
        Ok(Storage {
            id: self.id,
            kind: self.kind,
            description: self.description,
            weight: self.weight,
            terms: Terms { managed: true, read_only: self.read_only, hosts, zones, roles, in_use },
            options,
            sealed: self.sealed,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

/// All storages, by id.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn) -> DbResult<Vec<Storage>> {
    let rows: Vec<StorageRow> =
        storages::table.order(storages::id).limit(LIST_MAX).select(StorageRow::as_select()).load(conn)?;
    rows.into_iter().map(StorageRow::into_storage).collect()
}

/// The ids of all storages.
///
/// # Errors
/// Only the database's own.
pub fn ids(conn: &mut Conn) -> DbResult<Vec<String>> {
    Ok(storages::table.order(storages::id).limit(LIST_MAX).select(storages::id).load(conn)?)
}

/// A storage by its id.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, id: &str) -> DbResult<Option<Storage>> {
    let row: Option<StorageRow> =
        storages::table.find(id).select(StorageRow::as_select()).first(conn).optional()?;
    row.map(StorageRow::into_storage).transpose()
}

/// How many there are.
///
/// # Errors
/// Only the database's own.
pub fn count(conn: &mut Conn) -> DbResult<i64> {
    Ok(storages::table.select(count_star()).first(conn)?)
}

/// Enters a storage.
///
/// # Errors
/// [`DbError::Duplicate`] for an id that another one has.
pub fn insert(conn: &mut Conn, storage: &Storage) -> DbResult<()> {
    diesel::insert_into(storages::table).values(StorageRow::of(storage)).execute(conn)?;
    Ok(())
}

/// Replaces a storage that is still as it was `before`; returns whether it was.
///
/// # Errors
/// Only the database's own.
pub fn update(conn: &mut Conn, before: &Storage, after: &Storage) -> DbResult<bool> {
    let same = storages::table.find(&before.id).filter(storages::updated_at.eq(before.updated_at.0));
    Ok(diesel::update(same).set(StorageRow::of(after)).execute(conn)? == 1)
}

/// Replaces the sealed options by newly encrypted ones, which is no change of the storage.
///
/// # Errors
/// Only the database's own.
pub fn set_sealed(conn: &mut Conn, id: &str, before: &str, after: &str) -> DbResult<()> {
    let same = storages::table.find(id).filter(storages::sealed.eq(before));
    diesel::update(same).set(storages::sealed.eq(after)).execute(conn)?;
    Ok(())
}

/// Removes a storage.
///
/// # Errors
/// Only the database's own.
pub fn delete(conn: &mut Conn, id: &str) -> DbResult<()> {
    diesel::delete(storages::table.find(id)).execute(conn)?;
    Ok(())
}

/// Keeps others from beginning data in a storage, or from removing it, until the transaction ends; and returns it.
///
/// # Errors
/// Only the database's own.
pub fn hold(conn: &mut Conn, id: &str) -> DbResult<Option<Storage>> {
    // Rows that an update leaves as they are do not count as changed on MariaDB, but are locked all the same.
    diesel::update(storages::table.find(id)).set(storages::id.eq(id)).execute(conn)?;
    find(conn, id)
}

/// Requires that a storage is still there and takes data, which stays so until the transaction ends: a node may not yet
/// know of a change that another has made.
///
/// # Errors
/// [`Error::Conflict`]
pub fn admit(conn: &mut Conn, id: &str) -> DbResult<()> {
    match hold(conn, id)? {
        Some(storage) if !storage.terms.read_only => Ok(()),
        _ => Err(Error::conflict(format!("The store {id} takes no new images any more.")).into()),
    }
}

/// What depends on a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Locations of images.
    pub locations: i64,
    /// Data that is there, is written, or waits for its deletion.
    pub objects: i64,
    /// Objects in quarantine.
    pub quarantined: i64,
    /// Rules of placement.
    pub rules: i64,
}

/// What depends on a store.
///
/// # Errors
/// Only the database's own.
pub fn uses(conn: &mut Conn, id: &str) -> DbResult<Uses> {
    let locations = image_locations::table.filter(image_locations::store.eq(id));
    let rules = placement_rules::table.filter(placement_rules::store.eq(id));
    Ok(Uses {
        locations: locations.select(count_star()).first(conn)?,
        objects: blobs::table.filter(blobs::store.eq(id)).select(count_star()).first(conn)?,
        quarantined: quarantine::table.filter(quarantine::store.eq(id)).select(count_star()).first(conn)?,
        rules: rules.select(count_star()).first(conn)?,
    })
}

/// The store of this database that bears a mark.
///
/// # Errors
/// Only the database's own.
pub fn store_of_mark(conn: &mut Conn, mark: &str) -> DbResult<Option<String>> {
    use store_states as states;
    Ok(states::table.filter(states::mark.eq(mark)).select(states::store).first(conn).optional()?)
}

/// Gives the record of a store of this database that bears a mark to the store `id`, and forgets what that had; returns
/// whether there is such a record.
///
/// # Errors
/// Only the database's own.
pub fn inherit(conn: &mut Conn, id: &str, mark: Option<&str>) -> DbResult<bool> {
    use store_states as states;
    let known = match mark {
        Some(mark) => store_of_mark(conn, mark)?,
        None => None,
    };
    if known.as_deref() != Some(id) {
        diesel::delete(states::table.filter(states::store.eq(id))).execute(conn)?;
    }
    if let Some(former) = known.as_deref().filter(|former| *former != id) {
        let row = states::table.filter(states::store.eq(former));
        diesel::update(row).set(states::store.eq(id)).execute(conn)?;
    }
    Ok(known.is_some())
}

//! Resource types, and the associations of namespaces with them.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::shared::{KEYS_AT_ONCE, Stamp};
use crate::{
    db::{
        Conn, DbError, DbResult,
        metadefs::tables::{
            metadef_namespace_resource_types as associations, metadef_resource_types as types,
        },
    },
    model::{
        metadef::{Association, Stored},
        time::Timestamp,
    },
};

/// Every resource type, in the order in which they came.
///
/// # Errors
/// Only the database's own.
pub fn all(conn: &mut Conn) -> DbResult<Vec<Stored<String>>> {
    let rows: Vec<(i64, String, i64, Option<i64>)> = types::table
        .order(types::id)
        .select((types::id, types::name, types::created_at, types::updated_at))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .map(|(id, value, created_at, updated_at)| Stored {
            id,
            value,
            created_at: Timestamp(created_at),
            updated_at: updated_at.map(Timestamp),
        })
        .collect())
}

/// Whether there is a resource type of this name.
///
/// # Errors
/// Only the database's own.
pub fn exists(conn: &mut Conn, name: &str) -> DbResult<bool> {
    let found: Option<i64> =
        types::table.filter(types::name.eq(name)).select(types::id).first(conn).optional()?;
    Ok(found.is_some())
}

type AssociationRow = (i64, i64, String, Option<String>, Option<String>, i64, Option<i64>);

fn stored(row: AssociationRow) -> (i64, Stored<Association>) {
    let (id, namespace_id, name, prefix, properties_target, created_at, updated_at) = row;
    let value = Association { name, prefix, properties_target };
    let (created_at, updated_at) = (Timestamp(created_at), updated_at.map(Timestamp));
    (namespace_id, Stored { id, value, created_at, updated_at })
}

/// The associations of namespaces, each with its namespace's row number, in the order in which they came.
///
/// # Errors
/// Only the database's own.
pub fn of_namespaces(conn: &mut Conn, ids: &[i64]) -> DbResult<Vec<(i64, Stored<Association>)>> {
    let rows: Vec<AssociationRow> = associations::table
        .inner_join(types::table)
        .filter(associations::namespace_id.eq_any(ids))
        .order(associations::id)
        .select((
            associations::id,
            associations::namespace_id,
            types::name,
            associations::prefix,
            associations::properties_target,
            associations::created_at,
            associations::updated_at,
        ))
        .load(conn)?;
    Ok(rows.into_iter().map(stored).collect())
}

/// One association.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, namespace_id: i64, name: &str) -> DbResult<Option<Stored<Association>>> {
    let found = of_namespaces(conn, &[namespace_id])?;
    Ok(found.into_iter().map(|(_, association)| association).find(|a| a.value.name == name))
}

/// Inserts associations, each with the row number of its namespace; resource types that are not there yet
/// come into being.
///
/// # Errors
/// [`DbError::Duplicate`] for an association that the namespace has.
pub fn insert(
    conn: &mut Conn,
    new: &[(i64, &Association)],
    stamp: Stamp,
    new_types_protected: bool,
) -> DbResult<()> {
    if new.is_empty() {
        return Ok(());
    }
    let ids = types_by_name(conn, new, stamp, new_types_protected)?;
    for (namespace_id, association) in new {
        let type_id = ids
            .get(&association.name)
            .ok_or_else(|| DbError::stale("metadef resource type", &association.name))?;
        diesel::insert_into(associations::table)
            .values((
                associations::namespace_id.eq(*namespace_id),
                associations::resource_type_id.eq(*type_id),
                associations::prefix.eq(association.prefix.as_deref()),
                associations::properties_target.eq(association.properties_target.as_deref()),
                associations::created_at.eq(stamp.created_at.0),
                associations::updated_at.eq(stamp.updated_at.map(|t| t.0)),
            ))
            .execute(conn)?;
    }
    Ok(())
}

fn types_by_name(
    conn: &mut Conn,
    new: &[(i64, &Association)],
    stamp: Stamp,
    protected: bool,
) -> DbResult<HashMap<String, i64>> {
    let mut seen = BTreeSet::new();
    let wanted: Vec<&str> =
        new.iter().map(|(_, association)| association.name.as_str()).filter(|n| seen.insert(*n)).collect();
    let known = load_types(conn, &wanted)?;
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !known.contains_key(*name)).collect();
    if missing.is_empty() {
        return Ok(known);
    }
    for name in missing {
        let row = (
            types::name.eq(name),
            types::protected.eq(protected),
            types::created_at.eq(stamp.created_at.0),
            types::updated_at.eq(stamp.updated_at.map(|t| t.0)),
        );
        diesel::insert_into(types::table).values(row).execute(conn).map_err(|error| {
            match DbError::from(error) {
                // Another request made the same type a moment ago; the next attempt finds it.
                DbError::Duplicate(key) => DbError::Retry(key.to_string()),
                other => other,
            }
        })?;
    }
    load_types(conn, &wanted)
}

fn load_types(conn: &mut Conn, names: &[&str]) -> DbResult<HashMap<String, i64>> {
    let mut found = HashMap::new();
    for part in names.chunks(KEYS_AT_ONCE) {
        let rows: Vec<(String, i64)> =
            types::table.filter(types::name.eq_any(part)).select((types::name, types::id)).load(conn)?;
        found.extend(rows);
    }
    Ok(found)
}

/// Replaces prefix and target of an association.
///
/// # Errors
/// Only the database's own.
pub fn update(
    conn: &mut Conn,
    id: i64,
    association: &Association,
    updated_at: Option<Timestamp>,
) -> DbResult<()> {
    diesel::update(associations::table.filter(associations::id.eq(id)))
        .set((
            associations::prefix.eq(association.prefix.as_deref()),
            associations::properties_target.eq(association.properties_target.as_deref()),
            associations::updated_at.eq(updated_at.map(|t| t.0)),
        ))
        .execute(conn)?;
    Ok(())
}

/// Ends an association; the resource type stays.
///
/// # Errors
/// Only the database's own.
pub fn delete(conn: &mut Conn, id: i64) -> DbResult<()> {
    diesel::delete(associations::table.filter(associations::id.eq(id))).execute(conn)?;
    Ok(())
}

/// Deletes every resource type; nothing may be associated any more.
///
/// # Errors
/// Only the database's own.
pub fn delete_all(conn: &mut Conn) -> DbResult<()> {
    diesel::delete(types::table).execute(conn)?;
    Ok(())
}

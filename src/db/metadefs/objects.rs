//! Objects of namespaces.

use diesel::prelude::*;
use serde_json::Value;

use super::Stamp;
use crate::{
    db::{Conn, DbError, DbResult, metadefs::tables::metadef_objects},
    model::{
        metadef::{Object, Stored},
        time::Timestamp,
    },
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = metadef_objects)]
struct ObjectRow {
    id: i64,
    namespace_id: i64,
    name: String,
    description: Option<String>,
    required: String,
    properties: String,
    created_at: i64,
    updated_at: Option<i64>,
}

impl ObjectRow {
    fn into_object(self) -> DbResult<Stored<Object>> {
        let unreadable = |e| DbError::Other(format!("metadef object {}: {e}", self.id));
        Ok(Stored {
            id: self.id,
            value: Object {
                name: self.name,
                description: self.description,
                required: Some(serde_json::from_str(&self.required).map_err(unreadable)?),
                properties: Some(serde_json::from_str(&self.properties).map_err(unreadable)?),
            },
            created_at: Timestamp(self.created_at),
            updated_at: self.updated_at.map(Timestamp),
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = metadef_objects)]
#[diesel(treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false)]
struct ObjectColumns<'a> {
    name: &'a str,
    description: Option<&'a str>,
    required: String,
    properties: String,
    updated_at: Option<i64>,
}

impl<'a> ObjectColumns<'a> {
    fn of(object: &'a Object, updated_at: Option<Timestamp>) -> Self {
        let required: Vec<Value> = object.required.iter().flatten().cloned().map(Value::String).collect();
        Self {
            name: &object.name,
            description: object.description.as_deref(),
            required: Value::Array(required).to_string(),
            properties: Value::Object(object.properties.clone().unwrap_or_default()).to_string(),
            updated_at: updated_at.map(|t| t.0),
        }
    }
}

/// The objects of a namespace, by name.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, namespace_id: i64) -> DbResult<Vec<Stored<Object>>> {
    let found = of_namespaces(conn, &[namespace_id])?;
    Ok(found.into_iter().map(|(_, object)| object).collect())
}

/// The objects of several namespaces, each with its namespace's row number, by name.
///
/// # Errors
/// Only the database's own.
pub fn of_namespaces(conn: &mut Conn, ids: &[i64]) -> DbResult<Vec<(i64, Stored<Object>)>> {
    let rows: Vec<ObjectRow> = metadef_objects::table
        .filter(metadef_objects::namespace_id.eq_any(ids))
        .order((metadef_objects::namespace_id, metadef_objects::name))
        .select(ObjectRow::as_select())
        .load(conn)?;
    rows.into_iter().map(|row| Ok((row.namespace_id, row.into_object()?))).collect()
}

/// One object.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, namespace_id: i64, name: &str) -> DbResult<Option<Stored<Object>>> {
    let row: Option<ObjectRow> = metadef_objects::table
        .filter(metadef_objects::namespace_id.eq(namespace_id))
        .filter(metadef_objects::name.eq(name))
        .select(ObjectRow::as_select())
        .first(conn)
        .optional()?;
    row.map(ObjectRow::into_object).transpose()
}

/// Inserts objects, each with the row number of its namespace.
///
/// # Errors
/// [`DbError::Duplicate`] for a name that the namespace has.
pub fn insert(conn: &mut Conn, objects: &[(i64, &Object)], stamp: Stamp) -> DbResult<()> {
    for (id, object) in objects {
        let row = (
            ObjectColumns::of(object, stamp.updated_at),
            metadef_objects::namespace_id.eq(*id),
            metadef_objects::created_at.eq(stamp.created_at.0),
        );
        diesel::insert_into(metadef_objects::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Replaces an object.
///
/// # Errors
/// [`DbError::Duplicate`] for a new name that the namespace has, [`DbError::Stale`] when the object is gone.
pub fn update(conn: &mut Conn, id: i64, object: &Object, updated_at: Option<Timestamp>) -> DbResult<()> {
    let changed = diesel::update(metadef_objects::table.filter(metadef_objects::id.eq(id)))
        .set(ObjectColumns::of(object, updated_at))
        .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(DbError::stale("metadef object", &object.name)) }
}

/// Deletes an object.
///
/// # Errors
/// Only the database's own.
pub fn delete(conn: &mut Conn, id: i64) -> DbResult<()> {
    diesel::delete(metadef_objects::table.filter(metadef_objects::id.eq(id))).execute(conn)?;
    Ok(())
}

/// Deletes every object of a namespace.
///
/// # Errors
/// Only the database's own.
pub fn delete_all(conn: &mut Conn, namespace_id: i64) -> DbResult<()> {
    diesel::delete(metadef_objects::table.filter(metadef_objects::namespace_id.eq(namespace_id)))
        .execute(conn)?;
    Ok(())
}

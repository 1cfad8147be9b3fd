//! Properties of namespaces.

use diesel::{
    prelude::*,
    sql_types::{Nullable, Text},
};
use serde_json::Value;

use super::Stamp;
use crate::{
    db::{Conn, DbError, DbResult, metadefs::tables::metadef_properties, statement::Statement},
    model::{
        lint::Catalogue,
        metadef::{Property, Stored},
        time::Timestamp,
    },
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = metadef_properties)]
struct PropertyRow {
    id: i64,
    namespace_id: i64,
    name: String,
    json_schema: String,
    created_at: i64,
    updated_at: Option<i64>,
}

impl PropertyRow {
    fn into_property(self) -> DbResult<Stored<Property>> {
        let schema = serde_json::from_str(&self.json_schema)
            .map_err(|e| DbError::Other(format!("metadef property {}: {e}", self.id)))?;
        Ok(Stored {
            id: self.id,
            value: Property { name: self.name, schema },
            created_at: Timestamp(self.created_at),
            updated_at: self.updated_at.map(Timestamp),
        })
    }
}

fn json(property: &Property) -> String {
    Value::Object(property.schema.clone()).to_string()
}

/// The properties of a namespace, by name.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, namespace_id: i64) -> DbResult<Vec<Stored<Property>>> {
    let found = of_namespaces(conn, &[namespace_id])?;
    Ok(found.into_iter().map(|(_, property)| property).collect())
}

/// The properties of several namespaces, each with its namespace's row number, by name.
///
/// # Errors
/// Only the database's own.
pub fn of_namespaces(conn: &mut Conn, ids: &[i64]) -> DbResult<Vec<(i64, Stored<Property>)>> {
    let rows: Vec<PropertyRow> = metadef_properties::table
        .filter(metadef_properties::namespace_id.eq_any(ids))
        .order((metadef_properties::namespace_id, metadef_properties::name))
        .select(PropertyRow::as_select())
        .load(conn)?;
    rows.into_iter().map(|row| Ok((row.namespace_id, row.into_property()?))).collect()
}

/// One property.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, namespace_id: i64, name: &str) -> DbResult<Option<Stored<Property>>> {
    let row: Option<PropertyRow> = metadef_properties::table
        .filter(metadef_properties::namespace_id.eq(namespace_id))
        .filter(metadef_properties::name.eq(name))
        .select(PropertyRow::as_select())
        .first(conn)
        .optional()?;
    row.map(PropertyRow::into_property).transpose()
}

/// Inserts properties, each with the row number of its namespace.
///
/// # Errors
/// [`DbError::Duplicate`] for a name that the namespace has.
pub fn insert(conn: &mut Conn, properties: &[(i64, &Property)], stamp: Stamp) -> DbResult<()> {
    for (id, property) in properties {
        let row = (
            metadef_properties::namespace_id.eq(*id),
            metadef_properties::name.eq(property.name.as_str()),
            metadef_properties::json_schema.eq(json(property)),
            metadef_properties::created_at.eq(stamp.created_at.0),
            metadef_properties::updated_at.eq(stamp.updated_at.map(|t| t.0)),
        );
        diesel::insert_into(metadef_properties::table).values(row).execute(conn)?;
    }
    Ok(())
}

/// Replaces a property.
///
/// # Errors
/// [`DbError::Duplicate`] for a new name that the namespace has, [`DbError::Stale`] when the property is gone.
pub fn update(conn: &mut Conn, id: i64, property: &Property, updated_at: Option<Timestamp>) -> DbResult<()> {
    let changed = diesel::update(metadef_properties::table.filter(metadef_properties::id.eq(id)))
        .set((
            metadef_properties::name.eq(&property.name),
            metadef_properties::json_schema.eq(json(property)),
            metadef_properties::updated_at.eq(updated_at.map(|t| t.0)),
        ))
        .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(DbError::stale("metadef property", &property.name)) }
}

/// Deletes a property.
///
/// # Errors
/// Only the database's own.
pub fn delete(conn: &mut Conn, id: i64) -> DbResult<()> {
    diesel::delete(metadef_properties::table.filter(metadef_properties::id.eq(id))).execute(conn)?;
    Ok(())
}

/// Deletes every property of a namespace.
///
/// # Errors
/// Only the database's own.
pub fn delete_all(conn: &mut Conn, namespace_id: i64) -> DbResult<()> {
    diesel::delete(metadef_properties::table.filter(metadef_properties::namespace_id.eq(namespace_id)))
        .execute(conn)?;
    Ok(())
}

#[derive(QueryableByName)]
struct DefinedRow {
    #[diesel(sql_type = Nullable<Text>)]
    prefix: Option<String>,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    json_schema: String,
}

/// The values that public definitions for images name for these properties, whose prefixes may be in their namespaces.
///
/// # Errors
/// Only the database's own.
pub fn catalogue(conn: &mut Conn, names: &[&'static str]) -> DbResult<Catalogue> {
    // A prefix ends somewhere in the name; most do behind an underscore.
    let ends = |name: &'static str| {
        name.match_indices('_').filter_map(move |(at, _)| name.get(at.saturating_add(1)..))
    };
    let candidates: Vec<&str> = names.iter().flat_map(|name| ends(name).chain([*name])).collect();
    let rows: Vec<DefinedRow> = Statement::new(
        "SELECT a.prefix AS prefix, p.name AS name, p.json_schema AS json_schema FROM metadef_resource_types t \
         JOIN metadef_namespace_resource_types a ON a.resource_type_id = t.id \
         JOIN metadef_namespaces n ON n.id = a.namespace_id JOIN metadef_properties p ON p.namespace_id = n.id \
         WHERE t.name = 'OS::Glance::Image' AND n.visibility = 'public' AND p.name IN ",
    )
    .texts(candidates)
    .load(conn)?;
    let mut catalogue = Catalogue::default();
    for row in rows {
        let full = row.prefix.unwrap_or_default() + &row.name;
        let Some(name) = names.iter().find(|name| **name == full) else { continue };
        let schema: Value = serde_json::from_str(&row.json_schema).unwrap_or_default();
        let values = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let values: Vec<String> = values.map(str::to_owned).collect();
        if !values.is_empty() {
            catalogue.add(name, values);
        }
    }
    Ok(catalogue)
}

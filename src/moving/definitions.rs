//! Metadata definitions: those of the source replace all that are here.

use serde_json::{Value, json};

use super::{
    plan::Plan,
    values::{boolean, micros, text, time, value},
};
use crate::db::{
    Conn, DbResult,
    glance::{self, Table, columns, tables},
    rows::{self, Row},
};

pub(super) const NAMESPACES: Table = Table {
    name: "metadef_namespaces",
    columns: "id namespace display_name description visibility protected owner created_at updated_at",
};
pub(super) const TYPES: Table =
    Table { name: "metadef_resource_types", columns: "id name protected created_at updated_at" };
pub(super) const LINKS: Table = Table {
    name: "metadef_namespace_resource_types",
    columns: "id namespace_id resource_type_id prefix properties_target created_at updated_at",
};
pub(super) const OBJECTS: Table = Table {
    name: "metadef_objects",
    columns: "id namespace_id name description required properties created_at updated_at",
};
pub(super) const PROPERTIES: Table =
    Table { name: "metadef_properties", columns: "id namespace_id name json_schema created_at updated_at" };
pub(super) const TAGS: Table =
    Table { name: "metadef_tags", columns: "id namespace_id name created_at updated_at" };

/// A table of ours, the columns that are read of Glance's, their order, and how a row of it becomes one of ours.
type Reading = (Table, &'static str, &'static str, fn(usize, &Row) -> Row);

/// What is read, in the order in which it can be written.
const ALL: [Reading; 6] = [
    (NAMESPACES, NAMESPACES.columns, "id", namespace),
    (TYPES, TYPES.columns, "id", resource_type),
    (
        LINKS,
        "namespace_id resource_type_id prefix properties_target created_at updated_at",
        "namespace_id, resource_type_id",
        link,
    ),
    (OBJECTS, "id namespace_id name description required json_schema created_at updated_at", "id", object),
    (PROPERTIES, PROPERTIES.columns, "id", property),
    (TAGS, TAGS.columns, "id", tag),
];

/// Writes all definitions. Returns the number of namespaces. If the source lacks their tables, ours are unchanged.
///
/// # Errors
/// Only the database's.
pub fn take(plan: &Plan<'_>) -> DbResult<u64> {
    let read = |conn: &mut Conn| -> DbResult<Option<Vec<Vec<Row>>>> {
        if columns(conn, NAMESPACES.name)?.is_empty() {
            return Ok(None);
        }
        let rows = |(table, columns, order, make): &Reading, conn: &mut Conn| {
            let found = tables::all(conn, table.name, columns, order)?;
            Ok(found.iter().enumerate().map(|(at, row)| make(at, row)).collect())
        };
        ALL.iter().map(|one| rows(one, conn)).collect::<DbResult<Vec<_>>>().map(Some)
    };
    let Some(found) = plan.source.read_blocking(read)? else { return Ok(0) };
    let namespaces = found.first().map_or(0, Vec::len) as u64;
    if !plan.dry_run {
        plan.target.write_blocking(|conn| write(conn, &found))?;
    }
    Ok(namespaces)
}

fn write(conn: &mut Conn, found: &[Vec<Row>]) -> DbResult<()> {
    for (table, ..) in ALL.iter().rev() {
        glance::clear(conn, table.name)?;
    }
    for ((table, ..), rows) in ALL.iter().zip(found) {
        glance::insert(conn, *table, rows)?;
        rows::renumber(conn, table.name, "id")?;
    }
    // The catalogue that is built in does not come on top.
    glance::clear(conn, "metadef_seed")?;
    let seed = Table { name: "metadef_seed", columns: "id seeded_at" };
    glance::insert(conn, seed, &[vec![json!(1), json!(0)]])
}

fn stamps(row: &Row, at: usize) -> [Value; 2] {
    [json!(time(row, at).unwrap_or_default().0), micros(time(row, at.saturating_add(1)))]
}

fn with_stamps(mut values: Row, row: &Row, at: usize) -> Row {
    values.extend(stamps(row, at));
    values
}

fn namespace(_: usize, row: &Row) -> Row {
    let visibility = text(row, 4).unwrap_or("private");
    let values = vec![
        value(row, 0),
        value(row, 1),
        value(row, 2),
        value(row, 3),
        json!(visibility),
        json!(boolean(row, 5)),
        json!(text(row, 6).unwrap_or_default()),
    ];
    with_stamps(values, row, 7)
}

fn resource_type(_: usize, row: &Row) -> Row {
    with_stamps(vec![value(row, 0), value(row, 1), json!(boolean(row, 2))], row, 3)
}

fn link(at: usize, row: &Row) -> Row {
    let id = json!(at.saturating_add(1));
    with_stamps(vec![id, value(row, 0), value(row, 1), value(row, 2), value(row, 3)], row, 4)
}

/// A text of JSON; a file without properties left `null`.
fn schema(row: &Row, at: usize) -> Value {
    let found =
        text(row, at).filter(|text| serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()));
    json!(found.unwrap_or("{}"))
}

fn object(_: usize, row: &Row) -> Row {
    let required = text(row, 4).unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    let required = json!(required.collect::<Vec<_>>()).to_string();
    let values =
        vec![value(row, 0), value(row, 1), value(row, 2), value(row, 3), json!(required), schema(row, 5)];
    with_stamps(values, row, 6)
}

fn property(_: usize, row: &Row) -> Row {
    with_stamps(vec![value(row, 0), value(row, 1), value(row, 2), schema(row, 3)], row, 4)
}

fn tag(_: usize, row: &Row) -> Row {
    with_stamps(vec![value(row, 0), value(row, 1), value(row, 2)], row, 3)
}

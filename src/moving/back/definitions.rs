//! Metadata definitions: ours replace all that are in Glance's database.

use serde_json::{Value, json};

use super::{
    super::{
        definitions::{LINKS, NAMESPACES, OBJECTS, PROPERTIES, TAGS, TYPES},
        values::{boolean, text, value},
    },
    plan::{Back, stamp},
};
use crate::db::{
    Conn, DbResult,
    glance::{self, Table, columns, tables},
    rows::{self, Row},
};

/// Glance's tables, in the order in which they can be written, with ours and how one of our rows becomes one of theirs.
type Writing = (Table, Table, fn(&Conn, &Row) -> Row);

const ALL: [Writing; 6] = [
    (
        Table {
            name: "metadef_namespaces",
            columns: "id namespace display_name description visibility protected owner created_at:timestamp \
            updated_at:timestamp",
        },
        NAMESPACES,
        namespace,
    ),
    (
        Table {
            name: "metadef_resource_types",
            columns: "id name protected created_at:timestamp updated_at:timestamp",
        },
        TYPES,
        resource_type,
    ),
    (
        Table {
            name: "metadef_namespace_resource_types",
            columns: "namespace_id resource_type_id prefix properties_target created_at:timestamp updated_at:timestamp",
        },
        LINKS,
        link,
    ),
    (
        Table {
            name: "metadef_objects",
            columns: "id namespace_id name description required json_schema created_at:timestamp updated_at:timestamp",
        },
        OBJECTS,
        object,
    ),
    (
        Table {
            name: "metadef_properties",
            columns: "id namespace_id name json_schema created_at:timestamp updated_at:timestamp",
        },
        PROPERTIES,
        |conn, row| dated(conn, row, 4, 4),
    ),
    (
        Table {
            name: "metadef_tags",
            columns: "id namespace_id name created_at:timestamp updated_at:timestamp",
        },
        TAGS,
        |conn, row| dated(conn, row, 3, 3),
    ),
];

/// Writes all definitions. Returns how many namespaces there are.
///
/// # Errors
/// Only the databases'.
pub fn take(plan: &Back<'_>) -> DbResult<u64> {
    let found: Vec<Vec<Row>> = plan.ours.read_blocking(|conn| {
        ALL.iter().map(|(_, own, _)| tables::all(conn, own.name, own.columns, "id")).collect()
    })?;
    let namespaces = found.first().map_or(0, Vec::len) as u64;
    if !plan.dry_run {
        plan.glance.write_blocking(|conn| write(conn, &found))?;
    }
    Ok(namespaces)
}

fn write(conn: &mut Conn, found: &[Vec<Row>]) -> DbResult<()> {
    for (table, ..) in ALL.iter().rev() {
        glance::clear(conn, table.name)?;
    }
    for ((table, _, make), own) in ALL.iter().zip(found) {
        let made: Vec<Row> = own.iter().map(|row| make(conn, row)).collect();
        glance::insert(conn, *table, &made)?;
        if columns(conn, table.name)?.iter().any(|name| name == "id") {
            rows::renumber(conn, table.name, "id")?;
        }
    }
    Ok(())
}

/// The first values as they are, then the two times.
fn dated(conn: &Conn, row: &Row, count: usize, times: usize) -> Row {
    let values = (0..count).map(|at| value(row, at)).collect();
    with_times(conn, values, row, times)
}

fn with_times(conn: &Conn, mut values: Row, row: &Row, at: usize) -> Row {
    values.extend([stamp(conn, row, at), stamp(conn, row, at.saturating_add(1))]);
    values
}

fn namespace(conn: &Conn, row: &Row) -> Row {
    let mut values: Row = (0..5).map(|at| value(row, at)).collect();
    values.extend([json!(boolean(row, 5)), value(row, 6)]);
    with_times(conn, values, row, 7)
}

fn resource_type(conn: &Conn, row: &Row) -> Row {
    with_times(conn, vec![value(row, 0), value(row, 1), json!(boolean(row, 2))], row, 3)
}

fn link(conn: &Conn, row: &Row) -> Row {
    with_times(conn, (1..5).map(|at| value(row, at)).collect(), row, 5)
}

fn object(conn: &Conn, row: &Row) -> Row {
    let mut values: Row = (0..4).map(|at| value(row, at)).collect();
    let names =
        text(row, 4).and_then(|text| serde_json::from_str::<Vec<String>>(text).ok()).unwrap_or_default();
    let required = if names.is_empty() { Value::Null } else { json!(names.join(",")) };
    values.extend([required, value(row, 5)]);
    with_times(conn, values, row, 6)
}

//! The columns read from Glance's tables.

use serde_json::Value;

use super::{among, select};
use crate::db::{Conn, DbResult, rows::Row, statement::Statement};

/// Columns of `images`.
pub const IMAGE: &str = "id name owner status visibility disk_format container_format size virtual_size checksum os_hash_algo \
    os_hash_value min_disk min_ram protected os_hidden deleted created_at updated_at deleted_at";
/// Columns of `image_properties`.
pub const PROPERTY: &str = "image_id name value";
/// Columns of `image_tags`.
pub const TAG: &str = "image_id value";
/// Columns of `image_members`.
pub const MEMBER: &str = "image_id member status created_at updated_at";
/// Columns of `image_locations`.
pub const LOCATION: &str = "image_id id value meta_data status";
/// Columns of `tasks` and `task_info`.
pub const TASK: &str = "t.id t.type t.status t.owner t.expires_at t.created_at t.updated_at t.image_id t.request_id \
    t.user_id i.input i.result i.message";

/// The tables of an image's parts, all of which say when a row was made, changed and deleted.
const PARTS: [&str; 4] = ["image_properties", "image_tags", "image_members", "image_locations"];

/// Rows of a table in the order of their ids, from the id after `after` on.
///
/// # Errors
/// Only the database's own.
pub fn after(
    conn: &mut Conn,
    table: &str,
    columns: &'static str,
    after: &str,
    count: usize,
) -> DbResult<Vec<Row>> {
    let rest = Statement::new("WHERE id > ").text(after).sql(&format!(" ORDER BY id LIMIT {count}"));
    select(conn, table, columns, rest)
}

/// Rows of images with these ids, Glance's or ours.
///
/// # Errors
/// Only the database's own.
pub fn images_of(conn: &mut Conn, columns: &'static str, ids: &[String]) -> DbResult<Vec<Row>> {
    select(conn, "images", columns, Statement::new("WHERE ").then(among("id", ids)).sql(" ORDER BY id"))
}

/// Ids of the images that were created, changed or deleted since a time; `since` is in SQL's format.
///
/// # Errors
/// Only the database's own.
pub fn changed_since(conn: &mut Conn, since: &str) -> DbResult<Vec<String>> {
    let changed =
        format!("WHERE created_at >= '{since}' OR updated_at >= '{since}' OR deleted_at >= '{since}'");
    let mut ids = Vec::new();
    for (table, column) in [("images", "id")].into_iter().chain(PARTS.map(|table| (table, "image_id"))) {
        let rows = select(conn, table, column, Statement::new(&format!("{changed} GROUP BY {column}")))?;
        ids.extend(rows.into_iter().filter_map(|row| row.first().and_then(Value::as_str).map(str::to_owned)));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// How many images there are, the deleted ones included.
///
/// # Errors
/// Only the database's own.
pub fn count_images(conn: &mut Conn) -> DbResult<u64> {
    let rows = select(conn, "images", "COUNT(*)", Statement::default())?;
    Ok(rows.first().and_then(|row| row.first()).and_then(Value::as_u64).unwrap_or_default())
}

/// Rows of a table of parts that are not deleted, of these images, in the order in which they were made.
///
/// # Errors
/// Only the database's own.
pub fn parts_of(conn: &mut Conn, table: &str, columns: &'static str, ids: &[String]) -> DbResult<Vec<Row>> {
    let rest = Statement::new("WHERE ").then(among("image_id", ids)).sql(" AND (deleted = ").boolean(false);
    // A location that waits for the scrubber is deleted as a row, and its data is still there.
    let rest = match table {
        "image_locations" => rest.sql(" AND status = 'active' OR status = 'pending_delete')"),
        _ => rest.sql(")"),
    };
    select(conn, table, columns, rest.sql(" ORDER BY id"))
}

/// Rows of tasks that are not deleted, in the order of their ids, from the id after `after` on.
///
/// # Errors
/// Only the database's own.
pub fn tasks_after(conn: &mut Conn, after: &str, count: usize) -> DbResult<Vec<Row>> {
    let rest = Statement::new("WHERE t.deleted = ").boolean(false).sql(" AND t.id > ").text(after);
    let rest = rest.sql(&format!(" ORDER BY t.id LIMIT {count}"));
    select(conn, "tasks t LEFT JOIN task_info i ON i.task_id = t.id", TASK, rest)
}

/// All rows of a table of metadata definitions.
///
/// # Errors
/// Only the database's own.
pub fn all(conn: &mut Conn, table: &str, columns: &'static str, order: &str) -> DbResult<Vec<Row>> {
    select(conn, table, columns, Statement::new(&format!("ORDER BY {order}")))
}

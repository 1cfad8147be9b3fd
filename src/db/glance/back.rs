//! The columns of Glance's tables, and our rows from which they are made.

use serde_json::Value;

use super::{Table, among, clear, columns, insert, select, tables, target};
use crate::{
    db::{
        Conn, DbResult, dialect, location_urls,
        rows::{self, Row},
        statement::Statement,
    },
    model::time::Timestamp,
};

/// `images`.
pub const IMAGES: Table = Table {
    name: "images",
    columns: "id name owner status visibility:image_visibility disk_format container_format size virtual_size \
    checksum os_hash_algo os_hash_value min_disk min_ram protected os_hidden deleted created_at:timestamp \
    updated_at:timestamp deleted_at:timestamp",
};
/// `image_properties`.
pub const PROPERTIES: Table = Table {
    name: "image_properties",
    columns: "image_id name value deleted created_at:timestamp updated_at:timestamp",
};
/// `image_tags`.
pub const TAGS: Table =
    Table { name: "image_tags", columns: "image_id value deleted created_at:timestamp updated_at:timestamp" };
/// `image_members`.
pub const MEMBERS: Table = Table {
    name: "image_members",
    columns: "image_id member status can_share deleted created_at:timestamp updated_at:timestamp \
    deleted_at:timestamp",
};
/// `image_locations`.
pub const LOCATIONS: Table = Table {
    name: "image_locations",
    columns: "image_id value meta_data status deleted created_at:timestamp updated_at:timestamp \
    deleted_at:timestamp",
};
/// `tasks`.
pub const TASKS: Table = Table {
    name: "tasks",
    columns: "id type status owner image_id request_id user_id deleted expires_at:timestamp \
    created_at:timestamp updated_at:timestamp",
};
/// `task_info`.
pub const TASK_INFO: Table = Table { name: "task_info", columns: "task_id input result message" };
/// `node_reference`.
pub const NODES: Table = Table { name: "node_reference", columns: "node_reference_id node_reference_url" };
/// `cached_images`.
pub const CACHED: Table = Table {
    name: "cached_images",
    columns: "image_id node_reference_id size hits checksum last_accessed:timestamp last_modified:timestamp",
};

/// Columns of our `image_properties`.
pub const OWN_PROPERTY: &str = "image_id name value";
/// Columns of our `image_locations`, and where the URL is among them.
const OWN_LOCATION: (&str, usize) = ("image_id url metadata store", 1);
/// Columns of our `image_members`.
pub const OWN_MEMBER: &str = "image_id member status deleted created_at updated_at";
/// Columns of our ledger.
pub const OWN_BLOB: &str = "image_id store name state";

/// Glance's tables of an image's parts, children first.
const PARTS: [&str; 4] = ["image_properties", "image_tags", "image_members", "image_locations"];

/// The columns that Glance's tables lack for an export; a database without tables lacks none.
///
/// # Errors
/// Only the database's own.
pub fn lacking(conn: &mut Conn) -> DbResult<Option<(&'static str, String)>> {
    for table in [IMAGES, PROPERTIES, TAGS, MEMBERS, LOCATIONS, TASKS, TASK_INFO] {
        let there = columns(conn, table.name)?;
        let wanted =
            super::names(table.columns).into_iter().map(|name| name.split(':').next().unwrap_or(name));
        let missing = wanted.into_iter().find(|name| !there.iter().any(|column| column == name));
        if let Some(column) = missing {
            return Ok(Some((table.name, column.to_owned())));
        }
    }
    Ok(None)
}

/// Whether Glance's tables have no image, no task and no definition.
///
/// # Errors
/// Only the database's own.
pub fn is_empty(conn: &mut Conn) -> DbResult<bool> {
    Ok(rows::is_empty(conn, IMAGES.name)?
        && rows::is_empty(conn, TASKS.name)?
        && rows::is_empty(conn, "metadef_namespaces")?)
}

/// Ids of our images that have changed since a time.
///
/// # Errors
/// Only the database's own.
pub fn changed_since(conn: &mut Conn, since: Timestamp) -> DbResult<Vec<String>> {
    let mut ids = Vec::new();
    for (table, column) in [("images", "id"), ("image_members", "image_id")] {
        let rest = Statement::new("WHERE updated_at >= ").integer(since.0);
        let found = select(conn, table, column, rest.sql(&format!(" GROUP BY {column}")))?;
        ids.extend(found.into_iter().filter_map(|row| Some(row.first()?.as_str()?.to_owned())));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Rows of one of our tables that belong to these images.
///
/// # Errors
/// Only the database's own.
pub fn own_parts(
    conn: &mut Conn,
    table: &str,
    columns: &'static str,
    order: &str,
    ids: &[String],
) -> DbResult<Vec<Row>> {
    let rest =
        Statement::new("WHERE ").then(among("image_id", ids)).sql(&format!(" ORDER BY image_id, {order}"));
    select(conn, table, columns, rest)
}

/// The locations of these images, with their URLs in the clear where these can be decrypted.
///
/// # Errors
/// Only the database's own.
pub fn own_locations(conn: &mut Conn, ids: &[String]) -> DbResult<Vec<Row>> {
    let (columns, url) = OWN_LOCATION;
    let mut rows = own_parts(conn, "image_locations", columns, "position", ids)?;
    for value in rows.iter_mut().filter_map(|row| row.get_mut(url)) {
        if let Some(text) = value.as_str() {
            *value = Value::from(location_urls::read(text.to_owned()));
        }
    }
    Ok(rows)
}

/// The blobs of these images besides the data of active ones: staged data, and data that waits for deletion.
///
/// # Errors
/// Only the database's own.
pub fn own_remains(conn: &mut Conn, ids: &[String]) -> DbResult<Vec<Row>> {
    let rest = Statement::new("WHERE ").then(among("image_id", ids));
    let rest = rest.sql(" AND (state = 'doomed' OR store LIKE 'os_glance_staging_store@%') ORDER BY name");
    select(conn, "blobs", OWN_BLOB, rest)
}

/// Our nodes whose URL is known, and what they hold in their caches.
///
/// # Errors
/// Only the database's own.
pub fn own_cache(conn: &mut Conn) -> DbResult<(Vec<Row>, Vec<Row>)> {
    let known = "node_reference_url IS NOT NULL";
    let nodes = select(
        conn,
        "node_reference",
        "MAX(node_reference_id) node_reference_url",
        Statement::new(&format!("WHERE {known} GROUP BY node_reference_url")),
    )?;
    let numbers: Vec<i64> = nodes.iter().filter_map(|row| row.first()?.as_i64()).collect();
    let mut cached = Vec::new();
    for number in numbers {
        let rest = Statement::new("WHERE node_reference_id = ").integer(number).sql(" ORDER BY id");
        cached.extend(select(
            conn,
            "cached_images",
            "image_id node_reference_id size hits checksum last_accessed last_modified",
            rest,
        )?);
    }
    Ok((nodes, cached))
}

/// Removes images with their parts from Glance's tables, to be written again.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, ids: &[String]) -> DbResult<()> {
    for table in PARTS {
        super::remove(conn, table, "image_id", ids)?;
    }
    super::remove(conn, "images", "id", ids)
}

/// Of these images, those that Glance has: id and time of the last change.
///
/// # Errors
/// Only the database's own.
pub fn known(conn: &mut Conn, ids: &[String]) -> DbResult<Vec<(String, Timestamp)>> {
    let rest = Statement::new("WHERE ").then(among("id", ids));
    let found = select(conn, "images", "id updated_at", rest)?;
    let pair = |row: Row| {
        let changed = row.get(1)?.as_str().and_then(Timestamp::parse_iso).unwrap_or_default();
        Some((row.first()?.as_str()?.to_owned(), changed))
    };
    Ok(found.into_iter().filter_map(pair).collect())
}

/// Our jobs in the order of their ids, from the id after `after` on.
///
/// # Errors
/// Only the database's own.
pub fn jobs_after(conn: &mut Conn, after: &str, count: usize) -> DbResult<Vec<Row>> {
    tables::after(conn, target::JOBS.name, target::JOBS.columns, after, count)
}

/// Writes the records of caches replacing those that are there, where Glance keeps any in its database.
///
/// # Errors
/// Only the database's own.
pub fn replace_cache(conn: &mut Conn, nodes: &[Row], cached: &[Row]) -> DbResult<()> {
    if columns(conn, CACHED.name)?.is_empty() {
        return Ok(());
    }
    clear(conn, CACHED.name)?;
    clear(conn, NODES.name)?;
    insert(conn, NODES, nodes)?;
    insert(conn, CACHED, cached)?;
    rows::renumber(conn, NODES.name, "node_reference_id")
}

/// A time as the database keeps it: MySQL has no fractions in Glance's columns, and would round.
pub fn spelled(conn: &Conn, time: Timestamp) -> Value {
    let text = time.database_time().replace('T', " ");
    let length = if dialect::of(conn).has_fractions() { text.len() } else { WHOLE_SECONDS };
    Value::from(text.get(..length).unwrap_or(&text))
}

/// Characters of a time without its fraction.
const WHOLE_SECONDS: usize = "YYYY-MM-DD HH:MM:SS".len();

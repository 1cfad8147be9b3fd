//! Writes our rows to Glance's tables, replacing those with the same keys.

use serde_json::Value;

use super::{Table, among, select};
use crate::db::{Conn, DbResult, location_urls, rows::Row, statement::Statement};

/// Images.
pub const IMAGES: Table = Table {
    name: "images",
    columns: "id revision name owner visibility status disk_format container_format size virtual_size checksum \
    os_hash_algo os_hash_value min_disk min_ram protected os_hidden deleted created_at updated_at \
    deleted_at",
};
/// Their properties.
pub const PROPERTIES: Table = Table { name: "image_properties", columns: "image_id name value position" };
/// Their tags.
pub const TAGS: Table = Table { name: "image_tags", columns: "image_id value" };
/// Their members.
pub const MEMBERS: Table = Table {
    name: "image_members",
    columns: "image_id member status deleted image_created_at created_at updated_at",
};
/// The ledger of their data.
pub const BLOBS: Table = Table {
    name: "blobs",
    columns: "id image_id store name state size holder lease_until delete_after attempts reserved created_at \
    updated_at",
};
/// Their locations.
const LOCATIONS: Table =
    Table { name: "image_locations", columns: "id image_id position url metadata store blob_id" };
/// Jobs.
pub const JOBS: Table = Table {
    name: "jobs",
    columns: "id kind status image_id owner user_id request_id input result message state bytes_done attempts \
    run_after cancel_requested lease_until expires_at created_at updated_at",
};

/// Where [`LOCATIONS`] has the URL.
const URL: usize = 3;

/// The tables of an image's parts and its data, children first.
const PARTS: [&str; 6] =
    ["image_properties", "image_tags", "image_members", "image_locations", "image_slugs", "blobs"];

/// Of these images, those that are here: id, time of the last change, whether deleted.
///
/// # Errors
/// Only the database's own.
pub fn known(conn: &mut Conn, ids: &[String]) -> DbResult<Vec<(String, i64)>> {
    let rest = Statement::new("WHERE ").then(among("id", ids));
    let rows = select(conn, "images", "id updated_at", rest)?;
    let pair = |row: Row| Some((row.first()?.as_str()?.to_owned(), row.get(1)?.as_i64()?));
    Ok(rows.into_iter().filter_map(pair).collect())
}

/// Removes images with their parts, to be written again. Their data is not touched.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, ids: &[String]) -> DbResult<()> {
    for table in PARTS {
        super::remove(conn, table, "image_id", ids)?;
    }
    super::remove(conn, "images", "id", ids)
}

/// Which of these names the ledger of a store has for images other than `but`.
///
/// # Errors
/// Only the database's own.
pub fn taken(conn: &mut Conn, store: &str, names: &[String], but: &[String]) -> DbResult<Vec<String>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rest = Statement::new("WHERE store = ").text(store).sql(" AND ").then(among("name", names));
    let rows = select(conn, "blobs", "name image_id", rest)?;
    let of_another = |row: Row| {
        let (name, image) = (row.first()?.as_str()?, row.get(1)?.as_str()?);
        (!but.iter().any(|id| id == image)).then(|| name.to_owned())
    };
    Ok(rows.into_iter().filter_map(of_another).collect())
}

/// The last recorded state of the import from a source.
///
/// # Errors
/// Only the database's own.
pub fn mark(conn: &mut Conn, source: &str) -> DbResult<Option<String>> {
    let rest = Statement::new("WHERE source = ").text(source);
    let rows = select(conn, "moved_in", "state", rest)?;
    Ok(rows.first().and_then(|row| row.first()).and_then(Value::as_str).map(str::to_owned))
}

/// Records the state of the import from a source.
///
/// # Errors
/// Only the database's own.
pub fn set_mark(conn: &mut Conn, source: &str, state: &str) -> DbResult<()> {
    Statement::new("DELETE FROM moved_in WHERE source = ").text(source).execute_on(conn)?;
    let insert = Statement::new("INSERT INTO moved_in (source, state) VALUES (").text(source).sql(", ");
    insert.text(state).sql(")").execute_on(conn)
}

/// Writes locations.
///
/// # Errors
/// The database's own, and that a URL cannot be encrypted.
pub fn insert_locations(conn: &mut Conn, found: &[Row]) -> DbResult<()> {
    let mut rows = found.to_vec();
    for url in rows.iter_mut().filter_map(|row| row.get_mut(URL)) {
        if let Some(text) = url.as_str() {
            *url = Value::from(location_urls::written(text)?);
        }
    }
    super::insert(conn, LOCATIONS, &rows)
}

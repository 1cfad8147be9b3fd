//! Looking over the whole ledger of blobs: to compare it with a store, and to follow stores that were renamed.

use diesel::prelude::*;
use serde_json::{Map, Value};

use super::{
    Conn, DbError, DbResult,
    blobs::BlobRow,
    schema::{blobs, image_locations},
};
use crate::model::{blob::Blob, image::Location, time::Timestamp};

/// Every blob of one store.
///
/// # Errors
/// Only the database's own.
pub fn of_store(conn: &mut Conn, store: &str) -> DbResult<Vec<Blob>> {
    let rows: Vec<BlobRow> =
        blobs::table.filter(blobs::store.eq(store)).select(BlobRow::as_select()).load(conn)?;
    rows.into_iter().map(BlobRow::into_blob).collect()
}

/// URLs of locations whose bytes the ledger does not know.
///
/// # Errors
/// Only the database's own.
pub fn urls_without_blob(conn: &mut Conn) -> DbResult<Vec<String>> {
    Ok(image_locations::table
        .filter(image_locations::blob_id.is_null())
        .select(image_locations::url)
        .load(conn)?)
}

/// Locations that name none of the stores `known`, from the id after `after` on.
///
/// # Errors
/// Only the database's own.
pub fn strays(conn: &mut Conn, known: &[String], after: &str, count: i64) -> DbResult<Vec<Location>> {
    type Row = (String, String, String, Option<String>, Option<String>);
    let rows: Vec<Row> = image_locations::table
        .filter(image_locations::id.gt(after))
        .filter(image_locations::store.is_null().or(image_locations::store.ne_all(known)))
        .order(image_locations::id)
        .limit(count)
        .select((
            image_locations::id,
            image_locations::url,
            image_locations::metadata,
            image_locations::store,
            image_locations::blob_id,
        ))
        .load(conn)?;
    rows.into_iter()
        .map(|(id, url, metadata, store, blob_id)| {
            let metadata: Map<String, Value> = serde_json::from_str(&metadata)
                .map_err(|e| DbError::Other(format!("location {id}: unreadable metadata: {e}")))?;
            Ok(Location { id, url, metadata, store, blob_id })
        })
        .collect()
}

/// Records that a location, and the blob behind it, are in `store` now.
///
/// # Errors
/// [`DbError::Duplicate`] when the ledger of that store has another blob of the same name.
pub fn adopt(conn: &mut Conn, location: &Location, store: &str, now: Timestamp) -> DbResult<()> {
    if let Some(blob) = &location.blob_id {
        diesel::update(blobs::table.filter(blobs::id.eq(blob)))
            .set((blobs::store.eq(store), blobs::updated_at.eq(now.0)))
            .execute(conn)?;
    }
    diesel::update(image_locations::table.filter(image_locations::id.eq(&location.id)))
        .set(image_locations::store.eq(Some(store)))
        .execute(conn)?;
    Ok(())
}

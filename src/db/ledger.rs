//! Iterates over all blobs: to compare them with a store, and to follow renamed stores.

use diesel::{dsl::count_star, prelude::*};
use serde_json::{Map, Value};

use super::{
    Conn, DbError, DbResult, images, location_urls,
    schema::{blobs, image_locations},
    usage,
};
use crate::model::{blob::BlobState, image::Location, time::Timestamp};

/// Former stores that are told at most.
const FORMER_MAX: i64 = 20;

/// How many blobs the ledger has of one store.
///
/// # Errors
/// Only the database's own.
pub fn count_of_store(conn: &mut Conn, store: &str) -> DbResult<i64> {
    Ok(blobs::table.filter(blobs::store.eq(store)).count().get_result(conn)?)
}

/// Those of `names` that blobs of one store have.
///
/// # Errors
/// Only the database's own.
pub fn known_names(conn: &mut Conn, store: &str, names: &[String]) -> DbResult<Vec<String>> {
    let of_store = blobs::table.filter(blobs::store.eq(store));
    Ok(of_store.filter(blobs::name.eq_any(names)).select(blobs::name).load(conn)?)
}

/// Those of `ids` that blobs of one store have.
///
/// # Errors
/// Only the database's own.
pub fn known_ids(conn: &mut Conn, store: &str, ids: &[String]) -> DbResult<Vec<String>> {
    let of_store = blobs::table.filter(blobs::store.eq(store));
    Ok(of_store.filter(blobs::id.eq_any(ids)).select(blobs::id).load(conn)?)
}

/// Ids of the blobs of one store, whatever their state, from the id after `after` on.
///
/// # Errors
/// Only the database's own.
pub fn ids_of_store(conn: &mut Conn, store: &str, after: &str, count: i64) -> DbResult<Vec<String>> {
    let of_store = blobs::table.filter(blobs::store.eq(store)).filter(blobs::id.gt(after));
    Ok(of_store.order(blobs::id).limit(count).select(blobs::id).load(conn)?)
}

/// Whether a blob is live.
///
/// # Errors
/// Only the database's own.
pub fn is_live(conn: &mut Conn, id: &str) -> DbResult<bool> {
    let live = blobs::table.filter(blobs::id.eq(id)).filter(blobs::state.eq(BlobState::Live.as_str()));
    Ok(live.count().get_result::<i64>(conn)? > 0)
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
            Ok(Location { id, url: location_urls::read(url), metadata, store, blob_id })
        })
        .collect()
}

/// Records that a location, and the blob behind it, are in `store` now.
///
/// # Errors
/// [`DbError::Duplicate`] when the ledger of that store has another blob of the same name.
pub fn adopt(conn: &mut Conn, location: &Location, store: &str, now: Timestamp) -> DbResult<()> {
    if let Some(blob) = &location.blob_id {
        adopt_blob(conn, blob, store, now)?;
    }
    let row = || image_locations::table.filter(image_locations::id.eq(&location.id));
    let image: Option<String> = row().select(image_locations::image_id).first(conn).optional()?;
    let before = image.as_deref().map(|id| images::find(conn, id)).transpose()?.flatten();
    diesel::update(row()).set(image_locations::store.eq(Some(store))).execute(conn)?;
    // What is charged for by store continues by the name that the store has now.
    if let Some(before) = before
        && let Some(after) = images::find(conn, &before.id)?
    {
        usage::record(conn, &before, &after, now)?;
    }
    Ok(())
}

/// Records that a blob is in `store` now.
///
/// # Errors
/// [`DbError::Duplicate`] when the ledger of that store has another blob of the same name.
pub fn adopt_blob(conn: &mut Conn, id: &str, store: &str, now: Timestamp) -> DbResult<()> {
    diesel::update(blobs::table.filter(blobs::id.eq(id)))
        .set((blobs::store.eq(store), blobs::updated_at.eq(now.0)))
        .execute(conn)?;
    Ok(())
}

/// Stores outside `known` that locations name, with the number of locations; the most frequent ones.
///
/// # Errors
/// Only the database's own.
pub fn former_stores(conn: &mut Conn, known: &[String]) -> DbResult<Vec<(String, i64)>> {
    let rows: Vec<(Option<String>, i64)> = image_locations::table
        .filter(image_locations::store.is_not_null())
        .filter(image_locations::store.ne_all(known))
        .group_by(image_locations::store)
        .select((image_locations::store, count_star()))
        .order(count_star().desc())
        .limit(FORMER_MAX)
        .load(conn)?;
    Ok(rows.into_iter().filter_map(|(store, count)| Some((store?, count))).collect())
}

//! The records of the image cache: which node holds a copy of which image
//! (`glance/db/sqlalchemy/api.py`, the functions about cached images).

use diesel::prelude::*;

use super::{
    Conn, DbResult,
    schema::{cached_images, images, node_reference},
};
use crate::model::{
    cached_image::{CachedImage, Hits},
    time::Timestamp,
};

/// Ids that one statement names at most.
const BATCH: usize = 500;

#[derive(Queryable, Selectable)]
#[diesel(table_name = cached_images)]
struct CachedImageRow {
    id: i64,
    image_id: String,
    size: i64,
    hits: i64,
    checksum: Option<String>,
    content: String,
    last_accessed: i64,
    last_modified: i64,
}

impl From<CachedImageRow> for CachedImage {
    fn from(row: CachedImageRow) -> Self {
        Self {
            id: row.id,
            image_id: row.image_id,
            size: row.size,
            hits: row.hits,
            checksum: row.checksum,
            content: row.content,
            last_accessed: Timestamp(row.last_accessed),
            last_modified: Timestamp(row.last_modified),
        }
    }
}

/// The number of the node with this cache folder, which gets one when it is new. Another folder of a node of the same
/// URL is an earlier one; what it held is forgotten.
///
/// # Errors
/// [`super::DbError::Duplicate`] when another process makes the node at the same time; then it is there.
pub fn node(conn: &mut Conn, folder: &str, url: Option<&str>) -> DbResult<i64> {
    let known = find_node(conn, folder)?;
    if known.is_some() {
        diesel::update(node_reference::table.filter(node_reference::folder.eq(folder)))
            .set(node_reference::node_reference_url.eq(url))
            .execute(conn)?;
    } else {
        diesel::insert_into(node_reference::table)
            .values((node_reference::folder.eq(folder), node_reference::node_reference_url.eq(url)))
            .execute(conn)?;
    }
    if let Some(url) = url {
        let others: Vec<i64> = node_reference::table
            .filter(node_reference::node_reference_url.eq(url))
            .filter(node_reference::folder.ne(folder))
            .select(node_reference::node_reference_id)
            .load(conn)?;
        for other in others {
            remove_all(conn, other)?;
        }
    }
    match known {
        Some(number) => Ok(number),
        None => Ok(find_node(conn, folder)?.unwrap_or_default()),
    }
}

fn find_node(conn: &mut Conn, folder: &str) -> DbResult<Option<i64>> {
    Ok(node_reference::table
        .filter(node_reference::folder.eq(folder))
        .select(node_reference::node_reference_id)
        .first(conn)
        .optional()?)
}

/// The record of an image on a node.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, node: i64, image_id: &str) -> DbResult<Option<CachedImage>> {
    let row: Option<CachedImageRow> = cached_images::table
        .filter(cached_images::image_id.eq(image_id))
        .filter(cached_images::node_reference_id.eq(node))
        .select(CachedImageRow::as_select())
        .first(conn)
        .optional()?;
    Ok(row.map(Into::into))
}

/// All records of a node, oldest first.
///
/// # Errors
/// Only the database's own.
pub fn list(conn: &mut Conn, node: i64) -> DbResult<Vec<CachedImage>> {
    let rows: Vec<CachedImageRow> = cached_images::table
        .filter(cached_images::node_reference_id.eq(node))
        .order(cached_images::id)
        .select(CachedImageRow::as_select())
        .load(conn)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// URLs of the nodes that hold an image; nodes without a URL are left out.
///
/// # Errors
/// Only the database's own.
pub fn nodes_of(conn: &mut Conn, image_id: &str) -> DbResult<Vec<String>> {
    let urls: Vec<Option<String>> = node_reference::table
        .inner_join(cached_images::table)
        .filter(cached_images::image_id.eq(image_id))
        .order(node_reference::node_reference_id)
        .select(node_reference::node_reference_url)
        .load(conn)?;
    Ok(urls.into_iter().flatten().collect())
}

/// Records a copy, replacing an earlier one. Returns whether it did; copies of deleted images are not recorded.
///
/// # Errors
/// [`super::DbError::Duplicate`] when another process records the same at the same time.
pub fn insert(conn: &mut Conn, node: i64, copy: &CachedImage) -> DbResult<bool> {
    if alive(conn, std::slice::from_ref(&copy.image_id))?.is_empty() {
        return Ok(false);
    }
    remove(conn, node, &copy.image_id)?;
    diesel::insert_into(cached_images::table)
        .values((
            cached_images::image_id.eq(&copy.image_id),
            cached_images::node_reference_id.eq(node),
            cached_images::size.eq(copy.size),
            cached_images::hits.eq(copy.hits),
            cached_images::checksum.eq(&copy.checksum),
            cached_images::content.eq(&copy.content),
            cached_images::last_accessed.eq(copy.last_accessed.0),
            cached_images::last_modified.eq(copy.last_modified.0),
        ))
        .execute(conn)?;
    Ok(true)
}

/// Counts downloads that were served from a copy.
///
/// # Errors
/// Only the database's own.
pub fn count(conn: &mut Conn, node: i64, image_id: &str, hits: Hits) -> DbResult<()> {
    diesel::update(
        cached_images::table
            .filter(cached_images::image_id.eq(image_id))
            .filter(cached_images::node_reference_id.eq(node)),
    )
    .set((
        cached_images::hits.eq(cached_images::hits + hits.count),
        cached_images::last_accessed.eq(hits.last.0),
    ))
    .execute(conn)?;
    Ok(())
}

/// Deletes the record of a copy. It is not an error if there is none.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, node: i64, image_id: &str) -> DbResult<()> {
    diesel::delete(
        cached_images::table
            .filter(cached_images::image_id.eq(image_id))
            .filter(cached_images::node_reference_id.eq(node)),
    )
    .execute(conn)?;
    Ok(())
}

/// Forgets every copy that a node holds.
///
/// # Errors
/// Only the database's own.
pub fn remove_all(conn: &mut Conn, node: i64) -> DbResult<()> {
    diesel::delete(cached_images::table.filter(cached_images::node_reference_id.eq(node))).execute(conn)?;
    Ok(())
}

/// Deletes the records of an image on all nodes; call it in the transaction that deletes the image. Each node then
/// finds a file without a record, of an image that is gone.
///
/// # Errors
/// Only the database's own.
pub fn forget_image(conn: &mut Conn, image_id: &str) -> DbResult<()> {
    diesel::delete(cached_images::table.filter(cached_images::image_id.eq(image_id))).execute(conn)?;
    Ok(())
}

/// Those of the images that exist and are not deleted.
///
/// # Errors
/// Only the database's own.
pub fn alive(conn: &mut Conn, ids: &[String]) -> DbResult<Vec<String>> {
    let mut found = Vec::new();
    for batch in ids.chunks(BATCH) {
        found.extend(
            images::table
                .filter(images::id.eq_any(batch))
                .filter(images::deleted.eq(false))
                .select(images::id)
                .load::<String>(conn)?,
        );
    }
    Ok(found)
}

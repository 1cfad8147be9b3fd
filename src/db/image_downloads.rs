//! When images were last downloaded.

use diesel::prelude::*;

use super::{
    Conn, DbError, DbResult,
    schema::{image_downloads, images},
};
use crate::model::time::Timestamp;

/// Records a download, unless a later one is known or the image is gone.
///
/// # Errors
/// [`DbError::Retry`] when another node does so for the first time at the same moment.
pub fn put(conn: &mut Conn, image_id: &str, at: Timestamp) -> DbResult<()> {
    let row = image_downloads::table.filter(image_downloads::image_id.eq(image_id));
    let known: Option<i64> = row.select(image_downloads::downloaded_at).first(conn).optional()?;
    if known.is_some() {
        let later = row.filter(image_downloads::downloaded_at.lt(at.0));
        diesel::update(later).set(image_downloads::downloaded_at.eq(at.0)).execute(conn)?;
        return Ok(());
    }
    let image = images::table.filter(images::id.eq(image_id)).filter(images::deleted.eq(false));
    if image.select(images::id).first::<String>(conn).optional()?.is_none() {
        return Ok(());
    }
    let row = (image_downloads::image_id.eq(image_id), image_downloads::downloaded_at.eq(at.0));
    match diesel::insert_into(image_downloads::table).values(row).execute(conn).map_err(DbError::from) {
        Err(DbError::Duplicate(_)) => Err(DbError::Retry("the download was noted meanwhile".to_owned())),
        other => other.map(drop),
    }
}

/// The last downloads of images; those that nobody has downloaded are left out.
///
/// # Errors
/// Only the database's own.
pub fn of(conn: &mut Conn, image_ids: &[String]) -> DbResult<Vec<(String, Timestamp)>> {
    let rows: Vec<(String, i64)> =
        image_downloads::table.filter(image_downloads::image_id.eq_any(image_ids)).load(conn)?;
    Ok(rows.into_iter().map(|(id, at)| (id, Timestamp(at))).collect())
}

/// Forgets an image that is purged.
///
/// # Errors
/// Only the database's own.
pub fn forget(conn: &mut Conn, image_id: &str) -> DbResult<()> {
    diesel::delete(image_downloads::table.filter(image_downloads::image_id.eq(image_id))).execute(conn)?;
    Ok(())
}

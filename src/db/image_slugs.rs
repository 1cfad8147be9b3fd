//! The short names of images: a row for each, by which it is the only one in its project. It comes when the name is set, and
//! goes with the image, or when that is gone from the bin.

use diesel::prelude::*;

use super::{Conn, DbResult, schema::image_slugs};

/// Enters the short name of an image.
///
/// # Errors
/// [`super::DbError::Duplicate`] when another image of the project has it.
pub fn insert(conn: &mut Conn, (owner, slug): (&str, &str), image_id: &str) -> DbResult<()> {
    let row = (image_slugs::owner.eq(owner), image_slugs::slug.eq(slug), image_slugs::image_id.eq(image_id));
    diesel::insert_into(image_slugs::table).values(row).execute(conn)?;
    Ok(())
}

/// Forgets the short names of images.
///
/// # Errors
/// Only the database's own.
pub fn forget(conn: &mut Conn, image_ids: &[&str]) -> DbResult<()> {
    diesel::delete(image_slugs::table.filter(image_slugs::image_id.eq_any(image_ids))).execute(conn)?;
    Ok(())
}

/// The id of the image that has a short name in a project.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, (owner, slug): (&str, &str)) -> DbResult<Option<String>> {
    let row = image_slugs::table.filter(image_slugs::owner.eq(owner)).filter(image_slugs::slug.eq(slug));
    Ok(row.select(image_slugs::image_id).first(conn).optional()?)
}

//! Images with their properties, tags and locations: insert, find, save by revision, delete.

use std::collections::HashMap;

use diesel::{
    prelude::*,
    sql_types::{BigInt, Bool, Nullable, Text},
};

use super::{
    Conn, DbError, DbResult, Key, image_downloads, image_parts, purge,
    schema::{blobs, image_locations, image_members, image_properties, image_tags, images, purged_images},
    statement::Statement,
};
use crate::model::{
    image::Image, properties::Properties, status::Status, time::Timestamp, visibility::Visibility,
};

/// The columns of [`ImageRow`], of the table `images` as `i`.
pub(super) const COLUMNS: &str = "i.id, i.revision, i.name, i.owner, i.visibility, i.status, i.disk_format, \
     i.container_format, i.size, i.virtual_size, i.checksum, i.os_hash_algo, i.os_hash_value, i.min_disk, i.min_ram, \
     i.protected, i.os_hidden, i.deleted, i.created_at, i.updated_at";

/// One row of `images`.
#[derive(Clone, Debug, Queryable, Selectable, QueryableByName)]
#[diesel(table_name = images)]
pub(super) struct ImageRow {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = BigInt)]
    revision: i64,
    #[diesel(sql_type = Nullable<Text>)]
    name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    owner: Option<String>,
    #[diesel(sql_type = Text)]
    visibility: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Nullable<Text>)]
    disk_format: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    container_format: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    size: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    virtual_size: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    checksum: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    os_hash_algo: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    os_hash_value: Option<String>,
    #[diesel(sql_type = BigInt)]
    min_disk: i64,
    #[diesel(sql_type = BigInt)]
    min_ram: i64,
    #[diesel(sql_type = Bool)]
    protected: bool,
    #[diesel(sql_type = Bool)]
    os_hidden: bool,
    #[diesel(sql_type = Bool)]
    pub deleted: bool,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
    #[diesel(sql_type = BigInt)]
    updated_at: i64,
}

impl ImageRow {
    /// The image from its row alone, without parts.
    pub(super) fn into_image(self) -> DbResult<Image> {
        let unreadable =
            |what: &str, value: &str| DbError::Other(format!("image {}: unknown {what} {value:?}", self.id));
        Ok(Image {
            visibility: Visibility::parse(&self.visibility)
                .ok_or_else(|| unreadable("visibility", &self.visibility))?,
            status: Status::parse(&self.status).ok_or_else(|| unreadable("status", &self.status))?,
            id: self.id,
            revision: self.revision,
            name: self.name,
            owner: self.owner,
            disk_format: self.disk_format,
            container_format: self.container_format,
            size: self.size,
            virtual_size: self.virtual_size,
            checksum: self.checksum,
            os_hash_algo: self.os_hash_algo,
            os_hash_value: self.os_hash_value,
            min_disk: self.min_disk,
            min_ram: self.min_ram,
            protected: self.protected,
            os_hidden: self.os_hidden,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            properties: Properties::default(),
            tags: Vec::new(),
            locations: Vec::new(),
            member: None,
        })
    }
}

/// What of a row changes can change.
struct ImageColumns<'a> {
    revision: i64,
    name: Option<&'a str>,
    owner: Option<&'a str>,
    visibility: &'a str,
    status: &'a str,
    disk_format: Option<&'a str>,
    container_format: Option<&'a str>,
    size: Option<i64>,
    virtual_size: Option<i64>,
    checksum: Option<&'a str>,
    os_hash_algo: Option<&'a str>,
    os_hash_value: Option<&'a str>,
    min_disk: i64,
    min_ram: i64,
    protected: bool,
    os_hidden: bool,
    updated_at: i64,
}

impl<'a> ImageColumns<'a> {
    fn of(image: &'a Image, revision: i64) -> Self {
        Self {
            revision,
            name: image.name.as_deref(),
            // The empty text is nobody, as in Glance.
            owner: image.owner.as_deref().filter(|owner| !owner.is_empty()),
            visibility: image.visibility.as_str(),
            status: image.status.as_str(),
            disk_format: image.disk_format.as_deref(),
            container_format: image.container_format.as_deref(),
            size: image.size,
            virtual_size: image.virtual_size,
            checksum: image.checksum.as_deref(),
            os_hash_algo: image.os_hash_algo.as_deref(),
            os_hash_value: image.os_hash_value.as_deref(),
            min_disk: image.min_disk,
            min_ram: image.min_ram,
            protected: image.protected,
            os_hidden: image.os_hidden,
            updated_at: image.updated_at.0,
        }
    }
}

impl ImageColumns<'_> {
    /// The row of a new image.
    fn insert(&self, image: &Image) -> Statement {
        Statement::new(
            "INSERT INTO images (id, deleted, created_at, revision, name, owner, visibility, status, disk_format, \
             container_format, size, virtual_size, checksum, os_hash_algo, os_hash_value, min_disk, min_ram, protected, \
             os_hidden, updated_at) VALUES (",
        )
        .text(&image.id)
        .sql(", ")
        .boolean(false)
        .sql(", ")
        .integer(image.created_at.0)
        .sql(", ")
        .integer(self.revision)
        .maybe_texts([self.name, self.owner, Some(self.visibility), Some(self.status)])
        .maybe_texts([self.disk_format, self.container_format])
        .sql(", ")
        .maybe_integer(self.size)
        .sql(", ")
        .maybe_integer(self.virtual_size)
        .maybe_texts([self.checksum, self.os_hash_algo, self.os_hash_value])
        .sql(", ")
        .integer(self.min_disk)
        .sql(", ")
        .integer(self.min_ram)
        .sql(", ")
        .boolean(self.protected)
        .sql(", ")
        .boolean(self.os_hidden)
        .sql(", ")
        .integer(self.updated_at)
        .sql(")")
        .kept()
    }

    /// The change of a row that is still `before`. The text is always the same, which diesel's own is not said to be.
    fn update(&self, before: &Image) -> Statement {
        Statement::new("UPDATE images SET revision = ")
            .integer(self.revision)
            .sql(", name = ")
            .maybe_text(self.name)
            .sql(", owner = ")
            .maybe_text(self.owner)
            .sql(", visibility = ")
            .text(self.visibility)
            .sql(", status = ")
            .text(self.status)
            .sql(", disk_format = ")
            .maybe_text(self.disk_format)
            .sql(", container_format = ")
            .maybe_text(self.container_format)
            .sql(", size = ")
            .maybe_integer(self.size)
            .sql(", virtual_size = ")
            .maybe_integer(self.virtual_size)
            .sql(", checksum = ")
            .maybe_text(self.checksum)
            .sql(", os_hash_algo = ")
            .maybe_text(self.os_hash_algo)
            .sql(", os_hash_value = ")
            .maybe_text(self.os_hash_value)
            .sql(", min_disk = ")
            .integer(self.min_disk)
            .sql(", min_ram = ")
            .integer(self.min_ram)
            .sql(", protected = ")
            .boolean(self.protected)
            .sql(", os_hidden = ")
            .boolean(self.os_hidden)
            .sql(", updated_at = ")
            .integer(self.updated_at)
            .sql(" WHERE id = ")
            .text(&before.id)
            .sql(" AND revision = ")
            .integer(before.revision)
            .sql(" AND deleted = ")
            .boolean(false)
            .kept()
    }
}

/// Inserts a new image with its properties, tags and locations, under a chosen id.
///
/// # Errors
/// [`DbError::Duplicate`] when the id is in use or was ever used.
pub fn insert(conn: &mut Conn, image: &Image) -> DbResult<()> {
    insert_drawn(conn, image)?;
    // Looked for after the row is there: whoever drops the old one meanwhile is seen.
    if purge::is_purged(conn, &image.id)? {
        return Err(DbError::Duplicate(Key { table: "images".to_owned(), name: "purged_images".to_owned() }));
    }
    Ok(())
}

/// The same under a new random id.
///
/// # Errors
/// Only the database's own.
pub fn insert_drawn(conn: &mut Conn, image: &Image) -> DbResult<()> {
    ImageColumns::of(image, 1).insert(image).execute(conn)?;
    image_parts::save_properties(conn, &image.id, &Properties::default(), &image.properties)?;
    image_parts::save_tags(conn, &image.id, &[], &image.tags)?;
    image_parts::save_locations(conn, &image.id, &[], &image.locations)
}

/// Loads an image that is not deleted, with its properties, tags and locations.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, id: &str) -> DbResult<Option<Image>> {
    let row = images::table
        .filter(images::id.eq(id))
        .filter(images::deleted.eq(false))
        .select(ImageRow::as_select())
        .first(conn)
        .optional()?;
    match row {
        Some(row) => Ok(load_parts(conn, vec![row])?.into_iter().next()),
        None => Ok(None),
    }
}

/// Turns rows into images, loading their parts with one query; keeps the order of the rows.
pub(super) fn load_parts(conn: &mut Conn, rows: Vec<ImageRow>) -> DbResult<Vec<Image>> {
    let ids: Vec<String> = rows.iter().map(|r| r.id.clone()).collect();
    let mut list = rows.into_iter().map(ImageRow::into_image).collect::<DbResult<Vec<_>>>()?;
    let places: HashMap<&str, usize> = ids.iter().enumerate().map(|(i, id)| (id.as_str(), i)).collect();
    for (image_id, part) in image_parts::load(conn, &ids)? {
        let Some(image) = places.get(image_id.as_str()).and_then(|i| list.get_mut(*i)) else { continue };
        part.hang_on(image);
    }
    Ok(list)
}

/// Saves the difference between two states of one image, if `before` is still what the database has. Returns the new
/// revision.
///
/// # Errors
/// [`DbError::Stale`] when another change came first or the image is deleted.
pub fn save(conn: &mut Conn, before: &Image, after: &Image) -> DbResult<i64> {
    let revision = before.revision.wrapping_add(1);
    let changed = ImageColumns::of(after, revision).update(before).execute(conn)?;
    if changed != 1 {
        return Err(DbError::stale("image", &before.id));
    }
    image_parts::save_properties(conn, &before.id, &before.properties, &after.properties)?;
    image_parts::save_tags(conn, &before.id, &before.tags, &after.tags)?;
    image_parts::save_locations(conn, &before.id, &before.locations, &after.locations)?;
    Ok(revision)
}

/// Deletes an image but keeps its row, so that its id is never used again; its parts are deleted.
///
/// # Errors
/// [`DbError::Stale`] when `image` is no longer what the database has.
pub fn delete(conn: &mut Conn, image: &Image, now: Timestamp) -> DbResult<()> {
    // Not diesel's own text, which it would have read and planned again each time.
    let delete = Statement::new("UPDATE images SET deleted = ")
        .boolean(true)
        .sql(", status = ")
        .text(Status::Deleted.as_str())
        .sql(", deleted_at = ")
        .integer(now.0)
        .sql(", updated_at = ")
        .integer(now.0)
        .sql(", revision = ")
        .integer(image.revision.wrapping_add(1))
        .sql(" WHERE id = ")
        .text(&image.id)
        .sql(" AND revision = ")
        .integer(image.revision)
        .sql(" AND deleted = ")
        .boolean(false);
    let changed = delete.kept().execute(conn)?;
    if changed != 1 {
        return Err(DbError::stale("image", &image.id));
    }
    let id = image.id.as_str();
    // The row was still what the image is, and so are its parts; members come and go without it.
    if !image.properties.is_empty() {
        diesel::delete(image_properties::table.filter(image_properties::image_id.eq(id))).execute(conn)?;
    }
    if !image.tags.is_empty() {
        diesel::delete(image_tags::table.filter(image_tags::image_id.eq(id))).execute(conn)?;
    }
    if !image.locations.is_empty() {
        diesel::delete(image_locations::table.filter(image_locations::image_id.eq(id))).execute(conn)?;
    }
    diesel::delete(image_members::table.filter(image_members::image_id.eq(id))).execute(conn)?;
    Ok(())
}

/// Undoes [`delete`]: restores an image with its parts. Returns the new revision.
///
/// # Errors
/// [`DbError::Stale`] when `image` is no longer what the database has.
pub fn restore(conn: &mut Conn, image: &Image) -> DbResult<i64> {
    let revision = image.revision.wrapping_add(1);
    let restore = Statement::new("UPDATE images SET deleted = ")
        .boolean(false)
        .sql(", deleted_at = NULL, status = ")
        .text(image.status.as_str())
        .sql(", updated_at = ")
        .integer(image.updated_at.0)
        .sql(", revision = ")
        .integer(revision)
        .sql(" WHERE id = ")
        .text(&image.id)
        .sql(" AND revision = ")
        .integer(image.revision)
        .sql(" AND deleted = ")
        .boolean(true);
    if restore.execute(conn)? != 1 {
        return Err(DbError::stale("image", &image.id));
    }
    image_parts::save_properties(conn, &image.id, &Properties::default(), &image.properties)?;
    image_parts::save_tags(conn, &image.id, &[], &image.tags)?;
    image_parts::save_locations(conn, &image.id, &[], &image.locations)?;
    Ok(revision)
}

/// Deletes the rows of images that were deleted before a time and have no data any more, the oldest first, at most
/// `count`. Their ids are kept separately, so that none is given to other data (OSSN-0075). Returns how many were
/// deleted.
///
/// # Errors
/// Only the database's own.
pub fn forget(conn: &mut Conn, before: Timestamp, count: i64, now: Timestamp) -> DbResult<usize> {
    let ids: Vec<String> = images::table
        .filter(images::deleted.eq(true))
        .filter(images::deleted_at.lt(before.0))
        .filter(diesel::dsl::not(diesel::dsl::exists(blobs::table.filter(blobs::image_id.eq(images::id)))))
        .order((images::deleted_at, images::id))
        .select(images::id)
        .limit(count)
        .load(conn)?;
    let mut dropped = 0_usize;
    for id in &ids {
        // Another purge may have been faster.
        if diesel::delete(images::table.filter(images::id.eq(id))).execute(conn)? == 1 {
            diesel::insert_into(purged_images::table)
                .values((purged_images::id.eq(id), purged_images::purged_at.eq(now.0)))
                .execute(conn)?;
            image_downloads::forget(conn, id)?;
            dropped = dropped.saturating_add(1);
        }
    }
    Ok(dropped)
}

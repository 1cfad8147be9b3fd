//! Deleted images that can be restored.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Conn, DbError, DbResult, image_slugs,
    images::ImageRow,
    location_urls,
    schema::{images, trash},
};
use crate::model::{
    image::{Image, Location},
    member::Member,
    status::Status,
    time::Timestamp,
};

/// What hung on an image.
#[derive(Serialize, Deserialize)]
struct Record {
    status: String,
    properties: Vec<(String, Option<String>)>,
    tags: Vec<String>,
    locations: Vec<Place>,
    members: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Place {
    id: String,
    url: String,
    metadata: Map<String, Value>,
    store: Option<String>,
    blob_id: Option<String>,
}

impl Record {
    fn of(image: &Image, members: &[Member]) -> DbResult<Self> {
        let place = |location: &Location| -> DbResult<Place> {
            Ok(Place {
                id: location.id.clone(),
                url: location_urls::written(&location.url)?.into_owned(),
                metadata: location.metadata.clone(),
                store: location.store.clone(),
                blob_id: location.blob_id.clone(),
            })
        };
        let member = |member: &Member| (member.member.clone(), member.status.as_str().to_owned());
        Ok(Self {
            status: image.status.as_str().to_owned(),
            properties: image.properties.iter().map(|p| (p.name.clone(), p.value.clone())).collect(),
            tags: image.tags.clone(),
            locations: image.locations.iter().map(place).collect::<DbResult<_>>()?,
            members: members.iter().map(member).collect(),
        })
    }
}

/// A deleted image that can come back.
#[derive(Clone, Debug)]
pub struct Binned {
    /// The image; in lists without what hung on it, and deleted.
    pub image: Image,
    /// The projects that it was shared with, and what they had answered; empty in lists.
    pub members: Vec<(String, String)>,
    /// When it was deleted.
    pub deleted_at: Timestamp,
    /// When it is deleted for good.
    pub expires_at: Timestamp,
}

/// Keeps the parts of an image that is about to be deleted.
///
/// # Errors
/// Only the database's own.
pub fn put(
    conn: &mut Conn,
    image: &Image,
    members: &[Member],
    now: Timestamp,
    expires_at: Timestamp,
) -> DbResult<()> {
    let record = serde_json::to_string(&Record::of(image, members)?)
        .map_err(|e| DbError::Other(format!("what hangs on image {}: {e}", image.id)))?;
    let row = (
        trash::image_id.eq(&image.id),
        trash::owner.eq(image.owner.as_deref()),
        trash::deleted_at.eq(now.0),
        trash::expires_at.eq(expires_at.0),
        trash::record.eq(record),
    );
    diesel::insert_into(trash::table).values(row).execute(conn)?;
    Ok(())
}

/// A deleted image as it was.
///
/// # Errors
/// Only the database's own, and a record that cannot be read.
pub fn find(conn: &mut Conn, image_id: &str) -> DbResult<Option<Binned>> {
    let found: Option<(ImageRow, i64, i64, String)> = trash::table
        .inner_join(images::table.on(images::id.eq(trash::image_id)))
        .filter(trash::image_id.eq(image_id))
        .filter(images::deleted.eq(true))
        .select((ImageRow::as_select(), trash::deleted_at, trash::expires_at, trash::record))
        .first(conn)
        .optional()?;
    let Some((row, deleted_at, expires_at, record)) = found else { return Ok(None) };
    let unreadable = |what: &str| DbError::Other(format!("image {image_id} in the trash: unreadable {what}"));
    let record: Record = serde_json::from_str(&record).map_err(|_| unreadable("record"))?;
    let mut image = row.into_image()?;
    image.status = Status::parse(&record.status).ok_or_else(|| unreadable("status"))?;
    for (name, value) in record.properties {
        image.set_property(&name, value);
    }
    image.tags = record.tags;
    let location = |place: Place| Location {
        id: place.id,
        url: location_urls::read(place.url),
        metadata: place.metadata,
        store: place.store,
        blob_id: place.blob_id,
    };
    image.locations = record.locations.into_iter().map(location).collect();
    let (deleted_at, expires_at) = (Timestamp(deleted_at), Timestamp(expires_at));
    Ok(Some(Binned { image, members: record.members, deleted_at, expires_at }))
}

/// Images in the trash that have not expired, the latest first, after one of them, up to `count`; of one project if `owner`
/// names it.
///
/// # Errors
/// Only the database's own.
pub fn list(
    conn: &mut Conn,
    owner: Option<&str>,
    after: Option<(Timestamp, &str)>,
    now: Timestamp,
    count: i64,
) -> DbResult<Vec<Binned>> {
    let mut query = trash::table
        .inner_join(images::table.on(images::id.eq(trash::image_id)))
        .filter(trash::expires_at.gt(now.0))
        .filter(images::deleted.eq(true))
        .into_boxed();
    if let Some(owner) = owner {
        query = query.filter(trash::owner.eq(owner));
    }
    if let Some((time, id)) = after {
        let same = trash::deleted_at.eq(time.0).and(trash::image_id.lt(id));
        query = query.filter(trash::deleted_at.lt(time.0).or(same));
    }
    let rows: Vec<(ImageRow, i64, i64)> = query
        .order((trash::deleted_at.desc(), trash::image_id.desc()))
        .limit(count)
        .select((ImageRow::as_select(), trash::deleted_at, trash::expires_at))
        .load(conn)?;
    let binned = |(row, deleted_at, expires_at): (ImageRow, i64, i64)| {
        let (deleted_at, expires_at) = (Timestamp(deleted_at), Timestamp(expires_at));
        Ok(Binned { image: row.into_image()?, members: Vec::new(), deleted_at, expires_at })
    };
    rows.into_iter().map(binned).collect()
}

/// Forgets what hung on an image. Returns whether it was there.
///
/// # Errors
/// Only the database's own.
pub fn remove(conn: &mut Conn, image_id: &str) -> DbResult<bool> {
    Ok(diesel::delete(trash::table.filter(trash::image_id.eq(image_id))).execute(conn)? > 0)
}

/// Forgets up to `count` images that are gone for good. Returns how many.
///
/// # Errors
/// Only the database's own.
pub fn expire(conn: &mut Conn, now: Timestamp, count: i64) -> DbResult<usize> {
    let ids: Vec<String> = trash::table
        .filter(trash::expires_at.le(now.0))
        .order(trash::expires_at)
        .limit(count)
        .select(trash::image_id)
        .load(conn)?;
    let gone: Vec<&str> = ids.iter().map(String::as_str).collect();
    image_slugs::forget(conn, &gone)?;
    Ok(diesel::delete(trash::table.filter(trash::image_id.eq_any(&gone))).execute(conn)?)
}

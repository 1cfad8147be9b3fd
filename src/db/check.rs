//! What must hold between images, their locations and the ledger of blobs.

use diesel::{dsl::exists, dsl::not, prelude::*};

use super::{
    Conn, DbResult, location_urls,
    schema::{blobs, image_locations, image_properties, images, trash},
};
use crate::model::{blob::BlobState, bundle::SET_PROPERTY, status::Status, store_url::is_sealed};

/// What something is called, and what is wrong with it.
pub type Fault = (String, String);

/// Locations that are read at once.
const LOCATIONS: i64 = 1000;

/// Statuses in which an image has data.
const WITH_DATA: [Status; 2] = [Status::Active, Status::Deactivated];

/// Ids of images that have data, from the one after `after` on.
///
/// # Errors
/// Only the database's own.
pub fn with_data(conn: &mut Conn, after: &str, count: i64) -> DbResult<Vec<String>> {
    let having = images::table
        .filter(images::deleted.eq(false))
        .filter(images::status.eq_any(WITH_DATA.map(Status::as_str)));
    Ok(having.filter(images::id.gt(after)).order(images::id).limit(count).select(images::id).load(conn)?)
}

/// Up to `count` images that have to have data and no location that leads to any; bundles have none of their own.
///
/// # Errors
/// Only the database's own.
pub fn without_locations(conn: &mut Conn, count: i64) -> DbResult<Vec<Fault>> {
    let of_image = image_locations::table.filter(image_locations::image_id.eq(images::id));
    let of_bundle = image_properties::table
        .filter(image_properties::image_id.eq(images::id))
        .filter(image_properties::name.eq(SET_PROPERTY))
        .filter(image_properties::value.eq(images::id.nullable()));
    let ids: Vec<String> = images::table
        .filter(images::deleted.eq(false))
        .filter(images::status.eq_any(WITH_DATA.map(Status::as_str)))
        .filter(not(exists(of_image)))
        .filter(not(exists(of_bundle)))
        .order(images::id)
        .limit(count)
        .select(images::id)
        .load(conn)?;
    Ok(ids
        .into_iter()
        .map(|id| (format!("image {id}"), "it is active and has no location".to_owned()))
        .collect())
}

/// Up to `count` locations that lead to blobs which are not there, not live, of another image or of another size.
///
/// # Errors
/// Only the database's own.
pub fn astray(conn: &mut Conn, count: i64) -> DbResult<Vec<Fault>> {
    type Row = (String, String, Option<String>, Option<String>, Option<i64>, Option<i64>);
    let rows: Vec<Row> = image_locations::table
        .inner_join(images::table.on(images::id.eq(image_locations::image_id)))
        .left_join(blobs::table.on(image_locations::blob_id.eq(blobs::id.nullable())))
        .filter(images::deleted.eq(false))
        .filter(image_locations::blob_id.is_not_null())
        .filter(
            blobs::id
                .nullable()
                .is_null()
                .or(blobs::state.nullable().ne(BlobState::Live.as_str()))
                .or(blobs::image_id.nullable().ne(images::id.nullable()))
                .or(blobs::size.nullable().ne(images::size)),
        )
        .order(image_locations::id)
        .limit(count)
        .select((
            images::id,
            image_locations::id,
            blobs::state.nullable(),
            blobs::image_id.nullable(),
            blobs::size.nullable(),
            images::size,
        ))
        .load(conn)?;
    let fault = |(image, location, state, of, size, wanted): Row| {
        let why = match (state, of) {
            (None, _) => "it leads to a blob that is not there".to_owned(),
            (Some(state), _) if state != BlobState::Live.as_str() => {
                format!("it leads to a blob that is {state}")
            }
            (_, Some(of)) if of != image => format!("it leads to a blob of image {of}"),
            _ => format!("it leads to a blob of {size:?} bytes, and the image has {wanted:?}"),
        };
        (format!("location {location} of image {image}"), why)
    };
    Ok(rows.into_iter().map(fault).collect())
}

/// Up to `count` live blobs of some stores to which no location leads, and that are of no image in the trash.
///
/// # Errors
/// Only the database's own.
pub fn unused(conn: &mut Conn, stores: &[String], count: i64) -> DbResult<Vec<Fault>> {
    let led = image_locations::table.filter(image_locations::blob_id.eq(blobs::id.nullable()));
    let kept = trash::table.filter(trash::image_id.eq(blobs::image_id));
    let rows: Vec<(String, String, String)> = blobs::table
        .filter(blobs::state.eq(BlobState::Live.as_str()))
        .filter(blobs::store.eq_any(stores))
        .filter(not(exists(led)))
        .filter(not(exists(kept)))
        .order(blobs::id)
        .limit(count)
        .select((blobs::id, blobs::store, blobs::image_id))
        .load(conn)?;
    let fault = |(id, store, image): (String, String, String)| {
        (
            format!("blob {id} of image {image} in {store}"),
            "it is live and no location leads to it".to_owned(),
        )
    };
    Ok(rows.into_iter().map(fault).collect())
}

/// Up to `count` locations whose URLs the key does not decrypt, or that are encrypted and there is no key.
///
/// # Errors
/// Only the database's own.
pub fn sealed(conn: &mut Conn, count: usize) -> DbResult<Vec<Fault>> {
    let (mut faults, mut after) = (Vec::new(), String::new());
    loop {
        let rows = locations(conn, &after)?;
        let Some((last, ..)) = rows.last() else { return Ok(faults) };
        after.clone_from(last);
        for (id, image, url) in rows {
            if faults.len() >= count {
                return Ok(faults);
            }
            if is_sealed(&location_urls::read(url)) {
                let why = "its URL cannot be decrypted with the metadata_encryption_key".to_owned();
                faults.push((format!("location {id} of image {image}"), why));
            }
        }
    }
}

/// How many of the first locations are such, and how many these are; their ids are random, and so are they.
///
/// # Errors
/// Only the database's own.
pub fn sealed_of_some(conn: &mut Conn) -> DbResult<(usize, usize)> {
    let rows = locations(conn, "")?;
    let all = rows.len();
    let urls = rows.into_iter().map(|(.., url)| location_urls::read(url));
    Ok((urls.filter(|url| is_sealed(url)).count(), all))
}

/// Id, image and URL of the locations from the id after `after` on.
fn locations(conn: &mut Conn, after: &str) -> DbResult<Vec<(String, String, String)>> {
    Ok(image_locations::table
        .filter(image_locations::id.gt(after))
        .order(image_locations::id)
        .limit(LOCATIONS)
        .select((image_locations::id, image_locations::image_id, image_locations::url))
        .load(conn)?)
}

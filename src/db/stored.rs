//! The blobs of a store with their images, for comparison with the contents of the store.

use std::collections::HashMap;

use diesel::{prelude::*, sql_types::BigInt};
use serde::{Deserialize, Serialize};

use super::{
    Conn, DbResult, dialect, gone_servers, location_urls,
    schema::{blobs, image_locations, images},
    statement::Statement,
};
use crate::model::{
    blob::BlobState,
    store_url::{StoreUrl, is_sealed},
};

/// Locations that are read at once.
const LOCATIONS: i64 = 1000;

/// The image of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfImage {
    /// `active`, or another status.
    pub status: String,
    /// Bytes, if known.
    pub size: Option<i64>,
    /// The project that owns it.
    pub owner: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// `disk_format`.
    pub disk_format: Option<String>,
    /// Bytes of the disk in it.
    pub virtual_size: Option<i64>,
    /// Its `os_hash_algo` and `os_hash_value` in one; it is not kept with what is sorted by name.
    #[serde(skip)]
    pub hash: Option<String>,
    /// The server that it was captured from, if that is gone ([`gone_servers::sources`]).
    pub gone_source: Option<String>,
}

/// A row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// The name in the store.
    pub name: String,
    /// The image that it was written for.
    pub image_id: String,
    /// As [`BlobState::as_str`].
    pub state: String,
    /// Bytes, once known.
    pub size: Option<i64>,
    /// When its writer's lease expires, in microseconds since 1970.
    pub lease_until: i64,
    /// The image, if it is there or was.
    pub image: Option<OfImage>,
}

impl Kept {
    /// Its state.
    pub fn blob_state(&self) -> Option<BlobState> {
        BlobState::parse(&self.state)
    }
}

type Row = (
    (String, String, String, String, Option<i64>, i64),
    (Option<String>, Option<i64>, Option<String>, Option<String>, Option<String>, Option<i64>),
    Hash,
);
/// Algorithm and value.
type Hash = (Option<String>, Option<String>);

/// A hash in one.
fn hash_of((algorithm, value): Hash) -> Option<String> {
    Some(format!("{}:{}", algorithm?, value?))
}

fn kept(((id, name, image_id, state, size, lease_until), image, hash): Row) -> Kept {
    let (status, bytes, owner, called, disk_format, virtual_size) = image;
    let hash = hash_of(hash);
    let image = status.map(|status| OfImage {
        status,
        size: bytes,
        owner,
        name: called,
        disk_format,
        virtual_size,
        hash,
        gone_source: None,
    });
    Kept { id, name, image_id, state, size, lease_until, image }
}

/// The columns of a row and of its image.
macro_rules! columns {
    () => {
        (
            (blobs::id, blobs::name, blobs::image_id, blobs::state, blobs::size, blobs::lease_until),
            (
                images::status.nullable(),
                images::size.nullable(),
                images::owner.nullable(),
                images::name.nullable(),
                images::disk_format.nullable(),
                images::virtual_size.nullable(),
            ),
            (images::os_hash_algo.nullable(), images::os_hash_value.nullable()),
        )
    };
}

/// Rows, with the servers of their images that are gone.
fn with_sources(conn: &mut Conn, rows: Vec<Row>) -> DbResult<Vec<Kept>> {
    let mut all: Vec<Kept> = rows.into_iter().map(kept).collect();
    let ids: Vec<&str> = all.iter().map(|row| row.image_id.as_str()).collect();
    let gone: HashMap<String, String> = gone_servers::sources(conn, &ids)?.into_iter().collect();
    for row in &mut all {
        if let Some(image) = &mut row.image {
            image.gone_source = gone.get(&row.image_id).cloned();
        }
    }
    Ok(all)
}

/// Of these hashes, those that several live blobs of a store have, with the first and the last name of such a blob.
///
/// # Errors
/// Only the database's own.
pub fn twins(conn: &mut Conn, store: &str, hashes: &[String]) -> DbResult<HashMap<String, (String, String)>> {
    let values: Vec<&str> = hashes.iter().filter_map(|hash| Some(hash.split_once(':')?.1)).collect();
    let (first, last) = (diesel::dsl::min(blobs::name), diesel::dsl::max(blobs::name));
    let rows: Vec<(Hash, Option<String>, Option<String>)> = blobs::table
        .inner_join(images::table.on(images::id.eq(blobs::image_id)))
        .filter(blobs::store.eq(store).and(blobs::state.eq(BlobState::Live.as_str())))
        .filter(images::os_hash_value.eq_any(values))
        .group_by((images::os_hash_algo, images::os_hash_value))
        .having(first.ne(last))
        .select(((images::os_hash_algo, images::os_hash_value), first, last))
        .load(conn)?;
    let several =
        |(hash, first, last): (Hash, Option<String>, Option<String>)| Some((hash_of(hash)?, (first?, last?)));
    Ok(rows.into_iter().filter_map(several).collect())
}

/// Rows of a store, from the id after `after` on.
///
/// # Errors
/// Only the database's own.
pub fn of_store(conn: &mut Conn, store: &str, after: &str, count: i64) -> DbResult<Vec<Kept>> {
    let rows: Vec<Row> = blobs::table
        .left_join(images::table.on(images::id.eq(blobs::image_id)))
        .filter(blobs::store.eq(store).and(blobs::id.gt(after)))
        .order(blobs::id)
        .limit(count)
        .select(columns!())
        .load(conn)?;
    with_sources(conn, rows)
}

/// The rows of a store that have one of these names, or one of these as their id.
///
/// # Errors
/// Only the database's own.
pub fn named(conn: &mut Conn, store: &str, names: &[String]) -> DbResult<Vec<Kept>> {
    let rows: Vec<Row> = blobs::table
        .left_join(images::table.on(images::id.eq(blobs::image_id)))
        .filter(blobs::store.eq(store).and(blobs::name.eq_any(names).or(blobs::id.eq_any(names))))
        .select(columns!())
        .load(conn)?;
    with_sources(conn, rows)
}

/// Where a live blob is; `None` when it is not live any more, or nobody can tell ([`is_sealed`]).
///
/// # Errors
/// Only the database's own.
pub fn place_of(conn: &mut Conn, id: &str) -> DbResult<Option<StoreUrl>> {
    let url: Option<String> = blobs::table
        .inner_join(image_locations::table.on(image_locations::blob_id.eq(blobs::id.nullable())))
        .filter(blobs::id.eq(id).and(blobs::state.eq(BlobState::Live.as_str())))
        .select(image_locations::url)
        .first(conn)
        .optional()?;
    Ok(url.map(location_urls::read).filter(|url| !is_sealed(url)).map(StoreUrl::new))
}

/// A location whose bytes the ledger does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its id.
    pub id: String,
    /// Where it is, if that can be told ([`is_sealed`]).
    pub url: String,
    /// The image it belongs to.
    pub image_id: String,
}

/// Such locations, from the id after `after` on.
///
/// # Errors
/// Only the database's own.
pub fn elsewhere(conn: &mut Conn, after: &str, count: i64) -> DbResult<Vec<Elsewhere>> {
    let rows: Vec<(String, String, String)> = image_locations::table
        .filter(image_locations::blob_id.is_null())
        .filter(image_locations::id.gt(after))
        .order(image_locations::id)
        .limit(count)
        .select((image_locations::id, image_locations::url, image_locations::image_id))
        .load(conn)?;
    let found = |(id, url, image_id)| Elsewhere { id, url: location_urls::read(url), image_id };
    Ok(rows.into_iter().map(found).collect())
}

/// Whether a location without a blob row may refer to an object of this name: what cannot be decrypted may refer to any.
/// Reads all of them that are encrypted.
///
/// # Errors
/// Only the database's own.
pub fn is_named_elsewhere(conn: &mut Conn, name: &str) -> DbResult<bool> {
    let mut literal = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '%' | '_' | '!') {
            literal.push('!');
        }
        literal.push(character);
    }
    let names = |text: String| {
        // The database has found the name in one that is clear.
        let is_clear = !is_sealed(&text);
        let url = location_urls::read(text);
        is_clear || is_sealed(&url) || url.contains(name)
    };
    let mut after = String::new();
    loop {
        let url = image_locations::url;
        let rows: Vec<(String, String)> = image_locations::table
            .filter(image_locations::blob_id.is_null().and(image_locations::id.gt(&after)))
            .filter(url.like(format!("%{literal}%")).escape('!').or(url.not_like("%://%")))
            .order(image_locations::id)
            .limit(LOCATIONS)
            .select((image_locations::id, url))
            .load(conn)?;
        let Some((last, _)) = rows.last() else { return Ok(false) };
        after.clone_from(last);
        if rows.into_iter().any(|(_, text)| names(text)) {
            return Ok(true);
        }
    }
}

/// How many blobs the images have in a store, and how many bytes.
///
/// # Errors
/// Only the database's own.
pub fn count(conn: &mut Conn, store: &str) -> DbResult<(i64, i64)> {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = BigInt)]
        objects: i64,
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    let sum = dialect::of(conn).sum("size");
    let counted =
        Statement::new(&format!("SELECT COUNT(*) AS objects, {sum} AS bytes FROM blobs WHERE state = "))
            .text(BlobState::Live.as_str())
            .sql(" AND store = ")
            .text(store);
    let counted: Vec<Counted> = counted.load(conn)?;
    Ok(counted.first().map_or((0, 0), |counted| (counted.objects, counted.bytes)))
}

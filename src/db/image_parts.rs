//! Properties, tags and locations of images: loaded together, saved as the difference between two states.

use std::collections::{HashMap, HashSet};

use diesel::{
    dsl::max,
    prelude::*,
    sql_types::{Integer, Nullable, Text},
};
use serde_json::Value;

use super::{
    Conn, DbError, DbResult, location_urls,
    schema::{image_locations, image_properties, image_tags},
    statement::Statement,
};
use crate::model::{
    image::{Image, Location},
    properties::Properties,
};

/// How many images the statements that are kept prepared are about; a number between is filled up.
const KEPT_COUNTS: [usize; 3] = [1, 25, 100];

/// Rows that are inserted at once at most.
const ROWS_AT_ONCE: usize = 100;
/// Up to how many rows a statement that inserts them is kept prepared.
const KEPT_ROWS: usize = 8;

/// The parts of an image.
pub(super) enum Part {
    /// A property: its name and its value.
    Property(String, Option<String>),
    /// A tag.
    Tag(String),
    /// A location.
    Location(Location),
}

impl Part {
    /// Adds it to what the image has.
    pub(super) fn hang_on(self, image: &mut Image) {
        match self {
            Self::Property(name, value) => image.properties.set(name, value),
            Self::Tag(tag) => image.tags.push(tag),
            Self::Location(location) => image.locations.push(location),
        }
    }
}

/// A row of any of the three tables; all is NULL in that of an image on which nothing hangs.
#[derive(QueryableByName)]
pub(super) struct PartRow {
    #[diesel(sql_type = Nullable<Text>)]
    kind: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    image_id: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    position: Option<i32>,
    /// Name of a property, text of a tag, id of a location.
    #[diesel(sql_type = Nullable<Text>)]
    part: Option<String>,
    /// Value of a property, URL of a location.
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    metadata: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    store: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    blob_id: Option<String>,
}

/// A query of the properties, tags and locations of these images, as [`PartRow`]s.
pub(super) fn parts_of<'a, I: IntoIterator<Item = &'a str>>(ids: impl Fn() -> I) -> Statement {
    Statement::new(
        "SELECT 'p' AS kind, image_id, position, name AS part, value, NULL AS metadata, NULL AS store, \
         NULL AS blob_id FROM image_properties WHERE image_id IN ",
    )
    .texts(ids())
    .sql(" UNION ALL SELECT 't', image_id, 0, value, NULL, NULL, NULL, NULL FROM image_tags WHERE image_id IN ")
    .texts(ids())
    .sql(" UNION ALL SELECT 'l', image_id, position, id, url, metadata, store, blob_id FROM image_locations ")
    .sql("WHERE image_id IN ")
    .texts(ids())
}

/// The parts in such rows, with the ids of their images, for each image in order: properties and locations by position,
/// tags by their bytes.
///
/// # Errors
/// Metadata that is no JSON.
pub(super) fn read(mut rows: Vec<PartRow>) -> DbResult<Vec<(String, Part)>> {
    rows.sort_unstable_by(|a, b| (a.position, &a.part).cmp(&(b.position, &b.part)));
    rows.into_iter().filter_map(|row| row.read().transpose()).collect()
}

/// The properties, tags and locations of these images, as [`read`] has it.
///
/// # Errors
/// Those of the database, and metadata that is no JSON.
pub(super) fn load(conn: &mut Conn, ids: &[String]) -> DbResult<Vec<(String, Part)>> {
    let Some(first) = ids.first() else { return Ok(Vec::new()) };
    let kept = KEPT_COUNTS.into_iter().find(|count| *count >= ids.len());
    let filled = kept.unwrap_or(ids.len()).saturating_sub(ids.len());
    let statement = parts_of(|| ids.iter().chain(std::iter::repeat_n(first, filled)).map(String::as_str));
    read(if kept.is_some() { statement.kept().load(conn)? } else { statement.load(conn)? })
}

impl PartRow {
    fn read(self) -> DbResult<Option<(String, Part)>> {
        let (Some(kind), Some(image_id), Some(part)) = (self.kind, self.image_id, self.part) else {
            return Ok(None);
        };
        let part = match &*kind {
            "p" => Part::Property(part, self.value),
            "t" => Part::Tag(part),
            _ => {
                let metadata = self.metadata.unwrap_or_default();
                let metadata = serde_json::from_str(&metadata)
                    .map_err(|e| DbError::Other(format!("location {part}: unreadable metadata: {e}")))?;
                Part::Location(Location {
                    id: part,
                    url: location_urls::read(self.value.unwrap_or_default()),
                    metadata,
                    store: self.store,
                    blob_id: self.blob_id,
                })
            }
        };
        Ok(Some((image_id, part)))
    }
}

/// Saves what differs between two lists of properties, one by one.
///
/// # Errors
/// Only the database's own.
pub(super) fn save_properties(
    conn: &mut Conn,
    id: &str,
    before: &Properties,
    after: &Properties,
) -> DbResult<()> {
    for gone in before.iter().filter(|b| after.get(&b.name).is_none()) {
        diesel::delete(
            image_properties::table
                .filter(image_properties::image_id.eq(id))
                .filter(image_properties::name.eq(&gone.name)),
        )
        .execute(conn)?;
    }
    let places: HashMap<&str, usize> =
        before.iter().enumerate().map(|(i, property)| (property.name.as_str(), i)).collect();
    let mut new = Vec::new();
    for (position, property) in after.iter().enumerate() {
        let position = i32::try_from(position).unwrap_or(i32::MAX);
        match places.get(property.name.as_str()) {
            None => new.push(
                row(id, &property.name)
                    .sql(", ")
                    .maybe_text(property.value.as_deref())
                    .sql(", ")
                    .integer(position.into())
                    .sql(")"),
            ),
            Some(old)
                if before.get(&property.name) != Some(property)
                    || i32::try_from(*old).ok() != Some(position) =>
            {
                diesel::update(
                    image_properties::table
                        .filter(image_properties::image_id.eq(id))
                        .filter(image_properties::name.eq(&property.name)),
                )
                .set((
                    image_properties::value.eq(property.value.as_deref()),
                    image_properties::position.eq(position),
                ))
                .execute(conn)?;
            }
            Some(_) => {}
        }
    }
    insert(conn, "image_properties (image_id, name, value, position)", new)
}

/// The beginning of a row: the image, and what it is called there.
fn row(id: &str, name: &str) -> Statement {
    Statement::new("(").text(id).sql(", ").text(name)
}

/// Inserts rows, many at once.
fn insert(conn: &mut Conn, into: &str, rows: Vec<Statement>) -> DbResult<()> {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let batch: Vec<Statement> = rows.by_ref().take(ROWS_AT_ONCE).collect();
        let is_kept = batch.len() <= KEPT_ROWS;
        let mut statement = Statement::new(&format!("INSERT INTO {into} VALUES "));
        for (index, row) in batch.into_iter().enumerate() {
            statement = statement.sql(if index > 0 { ", " } else { "" }).then(row);
        }
        if is_kept { statement.kept().execute_on(conn)? } else { statement.execute_on(conn)? }
    }
    Ok(())
}

/// Saves what differs between two lists of tags, one by one.
///
/// # Errors
/// Only the database's own.
pub(super) fn save_tags(conn: &mut Conn, id: &str, before: &[String], after: &[String]) -> DbResult<()> {
    let (old, new): (HashSet<&String>, HashSet<&String>) = (before.iter().collect(), after.iter().collect());
    for gone in before.iter().filter(|b| !new.contains(b)) {
        diesel::delete(
            image_tags::table.filter(image_tags::image_id.eq(id)).filter(image_tags::value.eq(gone)),
        )
        .execute(conn)?;
    }
    let new = after.iter().filter(|a| !old.contains(a)).map(|tag| row(id, tag).sql(")")).collect();
    insert(conn, "image_tags (image_id, value)", new)
}

/// Saves what differs between two lists of locations.
///
/// Those that are there keep their places and new ones come last, whatever the order of the list, which is often that of
/// the weights of stores: as in Glance, whose locations are in the order of their rows.
///
/// # Errors
/// Only the database's own.
pub(super) fn save_locations(
    conn: &mut Conn,
    image_id: &str,
    before: &[Location],
    after: &[Location],
) -> DbResult<()> {
    if before == after {
        return Ok(());
    }
    for gone in before.iter().filter(|b| !after.iter().any(|a| a.id == b.id)) {
        diesel::delete(image_locations::table.filter(image_locations::id.eq(&gone.id))).execute(conn)?;
    }
    let last: Option<i32> = image_locations::table
        .filter(image_locations::image_id.eq(image_id))
        .select(max(image_locations::position))
        .get_result(conn)?;
    let mut position = last.map_or(0, |last| last.saturating_add(1));
    for location in after {
        let known = before.iter().any(|b| b.id == location.id);
        let metadata = Value::Object(location.metadata.clone()).to_string();
        let values = (
            image_locations::image_id.eq(image_id),
            image_locations::url.eq(location_urls::written(&location.url)?),
            image_locations::metadata.eq(&metadata),
            image_locations::store.eq(location.store.as_deref()),
            image_locations::blob_id.eq(location.blob_id.as_deref()),
        );
        if known {
            diesel::update(image_locations::table.filter(image_locations::id.eq(&location.id)))
                .set(values)
                .execute(conn)?;
        } else {
            diesel::insert_into(image_locations::table)
                .values((
                    image_locations::id.eq(&location.id),
                    image_locations::position.eq(position),
                    values,
                ))
                .execute(conn)?;
            position = position.saturating_add(1);
        }
    }
    Ok(())
}

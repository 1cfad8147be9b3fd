//! Images with their properties, tags, members and locations, as Glance's rows.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::{
    super::{
        images::SHOWN,
        plan::{Note, Told},
        values::{boolean, ids as ids_of, integer, text, value},
    },
    plan::{Back, stamp},
};
use crate::{
    db::{
        Conn, DbError, DbResult,
        blobs::STAGING_PREFIX,
        glance::{self, back},
        opened_url,
        rows::Row,
    },
    model::{status::Status, time::Timestamp},
};

/// Our rows of a batch of images, with parts by image id.
pub struct Found {
    images: Vec<Row>,
    properties: Parts,
    tags: Parts,
    members: Parts,
    locations: Parts,
    remains: Parts,
}

type Parts = HashMap<String, Vec<Row>>;

/// Reads the parts of images.
///
/// # Errors
/// Only the database's.
pub fn read(conn: &mut Conn, images: Vec<Row>, ids: &[String]) -> DbResult<Found> {
    if ids.is_empty() {
        let none = Parts::new;
        return Ok(Found {
            images,
            properties: none(),
            tags: none(),
            members: none(),
            locations: none(),
            remains: none(),
        });
    }
    let mut of = |table: &str, columns: &'static str, order: &str| {
        back::own_parts(conn, table, columns, order, ids).map(by_image)
    };
    Ok(Found {
        properties: of("image_properties", back::OWN_PROPERTY, "position, name")?,
        tags: of("image_tags", "image_id value", "value")?,
        members: of("image_members", back::OWN_MEMBER, "created_at, member")?,
        locations: by_image(back::own_locations(conn, ids)?),
        remains: by_image(back::own_remains(conn, ids)?),
        images,
    })
}

fn by_image(rows: Vec<Row>) -> Parts {
    let mut parts = Parts::new();
    for row in rows {
        let Some(id) = text(&row, 0).map(str::to_owned) else { continue };
        parts.entry(id).or_default().push(row);
    }
    parts
}

/// Glance's rows of one image.
struct Sent {
    id: String,
    image: Row,
    properties: Vec<Row>,
    tags: Vec<Row>,
    members: Vec<Row>,
    locations: Vec<Row>,
}

/// Writes images, replacing those with the same ids in Glance. Returns how many.
///
/// # Errors
/// Only the databases'; what Glance's does not take of one image is told and left out.
pub fn take(plan: &Back<'_>, found: Found, told: &mut dyn Told) -> DbResult<u64> {
    let ids = ids_of(&found.images);
    let (known, sent) = plan.glance.read_blocking(|conn| {
        let known: BTreeMap<String, Timestamp> = match ids.is_empty() {
            true => BTreeMap::new(),
            false => back::known(conn, &ids)?.into_iter().collect(),
        };
        let mut maker = Maker { plan, conn, told: &mut *told };
        let sent: Vec<Sent> =
            found.images.iter().filter_map(|row| maker.image(row, &found, &known)).collect();
        Ok((known, sent))
    })?;
    if plan.dry_run {
        return Ok(sent.len() as u64);
    }
    let write = |some: &[Sent]| {
        let old: Vec<String> =
            some.iter().map(|one| one.id.clone()).filter(|id| known.contains_key(id)).collect();
        plan.glance.write_blocking(|conn| write(conn, some, &old))
    };
    match write(&sent) {
        Ok(()) => Ok(sent.len() as u64),
        Err(DbError::Other(_) | DbError::Duplicate(_)) => {
            // Something of one of them does not fit; the others are taken.
            let mut count = 0_u64;
            for one in sent.chunks(1) {
                match write(one) {
                    Ok(()) => count = count.saturating_add(1),
                    Err(error @ (DbError::Other(_) | DbError::Duplicate(_))) => {
                        one.iter().for_each(|one| {
                            told.note(Note::of_image(
                                &one.id,
                                format!("left out: Glance's database does not take it: {error}"),
                            ));
                        });
                    }
                    Err(other) => return Err(other),
                }
            }
            Ok(count)
        }
        Err(other) => Err(other),
    }
}

fn write(conn: &mut Conn, sent: &[Sent], old: &[String]) -> DbResult<()> {
    back::remove(conn, old)?;
    let images: Vec<&Row> = sent.iter().map(|one| &one.image).collect();
    let all = |parts: fn(&Sent) -> &Vec<Row>| -> Vec<&Row> { sent.iter().flat_map(parts).collect() };
    glance::insert(conn, back::IMAGES, &images)?;
    glance::insert(conn, back::PROPERTIES, &all(|one| &one.properties))?;
    glance::insert(conn, back::TAGS, &all(|one| &one.tags))?;
    glance::insert(conn, back::MEMBERS, &all(|one| &one.members))?;
    glance::insert(conn, back::LOCATIONS, &all(|one| &one.locations))
}

/// Places of what is needed of one of our rows.
const OWNER: usize = 3;
const SIZE: usize = 8;
const DELETED: usize = 17;
const CREATED_AT: usize = 18;
const UPDATED_AT: usize = 19;
const DELETED_AT: usize = 20;

struct Maker<'a, 'b> {
    plan: &'a Back<'b>,
    conn: &'a mut Conn,
    told: &'a mut dyn Told,
}

impl Maker<'_, '_> {
    fn note(&mut self, id: &str, why: impl Into<String>) {
        self.told.note(Note::of_image(id, why));
    }

    /// Glance's rows of an image; `None` when it is left as in Glance.
    fn image(&mut self, row: &Row, found: &Found, known: &BTreeMap<String, Timestamp>) -> Option<Sent> {
        let id = text(row, 0)?.to_owned();
        let updated_at = Timestamp(integer(row, UPDATED_AT).unwrap_or_default());
        if known.get(&id).is_some_and(|there| *there > updated_at) {
            self.note(&id, "left as it is: it was changed in Glance since");
            return None;
        }
        let remains = self.remains(row, &id, found);
        let status = self.status(row, &id, found, !remains.is_empty());
        let is_empty = status == Status::Queued;
        let image = self.fields(row, status, is_empty);
        let of = |parts: &Parts| parts.get(&id).cloned().unwrap_or_default();
        let mut sent = Sent {
            id: id.clone(),
            image,
            properties: vec![],
            tags: vec![],
            members: vec![],
            locations: remains,
        };
        if boolean(row, DELETED) {
            return Some(sent);
        }
        let times = [CREATED_AT, UPDATED_AT].map(|at| stamp(self.conn, row, at));
        let dated = |mut values: Row| {
            values.push(json!(false));
            values.extend(times.clone());
            values
        };
        let is_shown = |name: &str| !name.starts_with("os_glance_") || SHOWN.contains(&name);
        let properties = of(&found.properties).into_iter();
        sent.properties = properties.filter(|row| text(row, 1).is_some_and(is_shown)).map(dated).collect();
        sent.tags = of(&found.tags).into_iter().map(dated).collect();
        sent.members = of(&found.members).iter().map(|row| self.member(row)).collect();
        for location in of(&found.locations) {
            let mut values = self.location(&id, &location)?;
            values.extend(times.clone());
            values.push(Value::Null);
            sent.locations.push(values);
        }
        Some(sent)
    }

    fn fields(&self, row: &Row, status: Status, is_empty: bool) -> Row {
        let keeps = |at: usize| if is_empty { Value::Null } else { value(row, at) };
        vec![
            value(row, 0),
            value(row, 2),
            value(row, OWNER),
            json!(status.as_str()),
            value(row, 4),
            value(row, 6),
            value(row, 7),
            keeps(SIZE),
            keeps(9),
            keeps(10),
            keeps(11),
            keeps(12),
            value(row, 13),
            value(row, 14),
            json!(boolean(row, 15)),
            json!(boolean(row, 16)),
            json!(boolean(row, DELETED)),
            stamp(self.conn, row, CREATED_AT),
            stamp(self.conn, row, UPDATED_AT),
            stamp(self.conn, row, DELETED_AT),
        ]
    }

    fn status(&mut self, row: &Row, id: &str, found: &Found, data_waits: bool) -> Status {
        let status = text(row, 5).and_then(Status::parse).unwrap_or(Status::Queued);
        let is_staged = || {
            let staging = self.plan.staging.as_ref().map(|staging| staging.id.as_str());
            let mut remains = found.remains.get(id).into_iter().flatten();
            // Glance finds it by the id of the image.
            remains.any(|row| {
                text(row, 3) == Some("live") && text(row, 1) == staging && text(row, 2) == Some(id)
            })
        };
        match status {
            Status::Deleted if data_waits => Status::PendingDelete,
            Status::Uploading | Status::Importing if is_staged() => Status::Uploading,
            Status::Saving | Status::Uploading | Status::Importing => {
                self.note(id, format!("queued: it was {status}, and what had come of its data is not where Glance would look for it"));
                Status::Queued
            }
            other => other,
        }
    }

    /// The locations of data that waits for its deletion, which Glance's scrubber sees to where the image is deleted.
    fn remains(&mut self, row: &Row, id: &str, found: &Found) -> Vec<Row> {
        let mut locations = Vec::new();
        let remains: Vec<Row> = found.remains.get(id).cloned().unwrap_or_default();
        for blob in remains.iter().filter(|blob| text(blob, 3) == Some("doomed")) {
            let (store, name) = (text(blob, 1).unwrap_or_default(), text(blob, 2).unwrap_or_default());
            if store.starts_with(STAGING_PREFIX) {
                continue;
            }
            let url = self.plan.stores.get(store).map(|named| named.urls_of(name)).unwrap_or_default();
            let mut url = url.into_iter().filter(|url| is_there(url)).peekable();
            if !boolean(row, DELETED) || url.peek().is_none() {
                self.note(
                    id,
                    format!(
                        "{name} in the store {store} waits for its deletion, which Glance will not see to"
                    ),
                );
                continue;
            }
            let metadata = if self.plan.stores.multiple { json!({"store": store}) } else { json!({}) };
            let Some(value) = url.next().and_then(|url| self.sealed(id, &url)) else { continue };
            locations.push(vec![
                json!(id),
                json!(value),
                json!(metadata.to_string()),
                json!("pending_delete"),
                json!(true),
                stamp(self.conn, row, CREATED_AT),
                stamp(self.conn, row, UPDATED_AT),
                stamp(self.conn, row, DELETED_AT),
            ]);
        }
        locations
    }

    /// A URL as Glance keeps it: with the keys of the store where it wants them there, and encrypted if there is a key.
    fn sealed(&mut self, id: &str, url: &str) -> Option<String> {
        let sealed = || -> Result<String, String> {
            let key = self.plan.key.as_deref();
            let url = opened_url(url, key)?;
            let url = match self.plan.stores.for_url(&url) {
                Some(named) => named.url_for_glance(&url).into_full(),
                None => url,
            };
            key.map_or(Ok(url.clone()), |key| key.seal(&url))
        };
        match sealed() {
            Ok(value) => Some(value),
            Err(why) => {
                self.note(id, format!("left out: {why}"));
                None
            }
        }
    }

    /// The beginning of Glance's row of a location.
    fn location(&mut self, id: &str, row: &Row) -> Option<Row> {
        let url = self.sealed(id, text(row, 1).unwrap_or_default())?;
        let metadata = text(row, 2).and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
        let mut metadata = metadata.unwrap_or_default();
        if let (true, Some(store)) = (self.plan.stores.multiple, text(row, 3)) {
            metadata.entry("store").or_insert_with(|| json!(store));
        }
        let metadata = Value::Object(metadata).to_string();
        Some(vec![json!(id), json!(url), json!(metadata), json!("active"), json!(false)])
    }

    fn member(&self, row: &Row) -> Row {
        let is_deleted = boolean(row, 3);
        let [made, changed] = [4, 5].map(|at| stamp(self.conn, row, at));
        let deleted_at = if is_deleted { changed.clone() } else { Value::Null };
        vec![
            value(row, 0),
            value(row, 1),
            value(row, 2),
            json!(false),
            json!(is_deleted),
            made,
            changed,
            deleted_at,
        ]
    }
}

/// Whether a file is there; of other stores nobody is asked.
fn is_there(url: &str) -> bool {
    url.strip_prefix("file://").is_none_or(|path| std::path::Path::new(path).exists())
}

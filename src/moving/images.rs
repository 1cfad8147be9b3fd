//! Images with what hangs on them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::{
    crypt,
    plan::{Note, Plan, Told},
    values::{boolean, integer, micros, text, time, value},
};
use crate::{
    db::{
        Conn, DbResult,
        glance::{self, tables, target},
        rows::Row,
    },
    model::{
        blob::BlobState, image::Location, member::MemberStatus, status::Status, time::Timestamp,
        visibility::Visibility,
    },
};

/// Glance's own properties that callers see.
const SHOWN: [&str; 2] = ["os_glance_failed_import", "os_glance_importing_to_stores"];

/// Rows of Glance's, of one batch of images.
pub struct Found {
    images: Vec<Row>,
    properties: Vec<Row>,
    tags: Vec<Row>,
    members: Vec<Row>,
    locations: Vec<Row>,
}

impl Found {
    /// How many images there are.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// The id of the last.
    pub fn last_id(&self) -> Option<String> {
        self.images.last().and_then(|row| text(row, 0)).map(str::to_owned)
    }
}

/// Reads what hangs on images.
///
/// # Errors
/// Only the database's.
pub fn read(conn: &mut Conn, images: Vec<Row>) -> DbResult<Found> {
    let ids: Vec<String> = images.iter().filter_map(|row| text(row, 0)).map(str::to_owned).collect();
    if ids.is_empty() {
        let none = Vec::new;
        return Ok(Found { images, properties: none(), tags: none(), members: none(), locations: none() });
    }
    Ok(Found {
        properties: tables::parts_of(conn, "image_properties", tables::PROPERTY, &ids)?,
        tags: tables::parts_of(conn, "image_tags", tables::TAG, &ids)?,
        members: tables::parts_of(conn, "image_members", tables::MEMBER, &ids)?,
        locations: tables::parts_of(conn, "image_locations", tables::LOCATION, &ids)?,
        images,
    })
}

/// Rows of ours.
#[derive(Default)]
struct Taken {
    ids: Vec<String>,
    images: Vec<Row>,
    properties: Vec<Row>,
    tags: Vec<Row>,
    members: Vec<Row>,
    locations: Vec<Row>,
    blobs: Vec<Row>,
    notes: Vec<Note>,
}

/// What the parts of an image need to know of it.
#[derive(Clone, Copy)]
struct Of {
    created_at: Timestamp,
    updated_at: Timestamp,
    deleted_at: Option<Timestamp>,
    size: Option<i64>,
    has_data: bool,
}

/// Writes images in the place of those that are here by their ids; `mark` is noted in the same transaction. Answers how many.
///
/// # Errors
/// Only the database's.
pub fn take(plan: &Plan<'_>, found: Found, mark: Option<&str>, told: &mut dyn Told) -> DbResult<u64> {
    let ids: Vec<String> = found.images.iter().filter_map(|row| text(row, 0)).map(str::to_owned).collect();
    let known = match ids.is_empty() {
        true => BTreeMap::new(),
        false => plan.target.read_blocking(|conn| target::known(conn, &ids))?.into_iter().collect(),
    };
    let mut taken = Taken::default();
    let mut images = BTreeMap::new();
    for row in &found.images {
        if let Some((id, of)) = taken.image(row, &known) {
            images.insert(id, of);
        }
    }
    taken.properties(&found.properties, &images);
    taken.tags(&found.tags, &images);
    taken.members(&found.members, &images);
    taken.locations(&found.locations, &images, plan);
    if !plan.dry_run {
        let old: Vec<String> = taken.ids.iter().filter(|id| known.contains_key(*id)).cloned().collect();
        taken.spare_names(plan, &old)?;
        plan.target.write_blocking(|conn| write(conn, &taken, &old, plan.name, mark))?;
    }
    taken.notes.into_iter().for_each(|note| told.note(note));
    Ok(taken.ids.len() as u64)
}

fn write(conn: &mut Conn, taken: &Taken, old: &[String], source: &str, mark: Option<&str>) -> DbResult<()> {
    target::remove(conn, old)?;
    glance::insert(conn, target::IMAGES, &taken.images)?;
    glance::insert(conn, target::PROPERTIES, &taken.properties)?;
    glance::insert(conn, target::TAGS, &taken.tags)?;
    glance::insert(conn, target::MEMBERS, &taken.members)?;
    glance::insert(conn, target::BLOBS, &taken.blobs)?;
    glance::insert(conn, target::LOCATIONS, &taken.locations)?;
    match mark {
        Some(mark) => target::set_mark(conn, source, mark),
        None => Ok(()),
    }
}

impl Taken {
    fn note(&mut self, id: &str, why: impl Into<String>) {
        self.notes.push(Note::of_image(id, why));
    }

    fn image(&mut self, row: &Row, known: &BTreeMap<String, i64>) -> Option<(String, Of)> {
        let id = text(row, 0)?.to_owned();
        let created_at = time(row, 17).unwrap_or_default();
        let updated_at = time(row, 18).unwrap_or(created_at);
        if known.get(&id).is_some_and(|here| *here > updated_at.0) {
            self.note(&id, "left as it is: it was changed here since");
            return None;
        }
        let Some(found) = text(row, 3).and_then(Status::parse) else {
            self.note(&id, format!("left out: its status is {}", value(row, 3)));
            return None;
        };
        let deleted = boolean(row, 16);
        let (status, has_data) = match found {
            _ if deleted => (Status::Deleted, found == Status::PendingDelete),
            Status::Saving | Status::Uploading | Status::Importing => {
                self.note(
                    &id,
                    format!("queued: it was {found}, and what had come of its data is on a node of Glance"),
                );
                (Status::Queued, false)
            }
            other => (other, true),
        };
        let visibility = match text(row, 4).and_then(Visibility::parse) {
            Some(visibility) => visibility,
            None => {
                self.note(&id, "shared: its visibility is not known");
                Visibility::Shared
            }
        };
        let keeps = |at: usize| if has_data || deleted { value(row, at) } else { Value::Null };
        let deleted_at = time(row, 19).filter(|_| deleted);
        self.images.push(vec![
            json!(id),
            json!(1),
            value(row, 1),
            value(row, 2),
            json!(visibility.as_str()),
            json!(status.as_str()),
            value(row, 5),
            value(row, 6),
            keeps(7),
            keeps(8),
            keeps(9),
            keeps(10),
            keeps(11),
            json!(integer(row, 12).unwrap_or_default()),
            json!(integer(row, 13).unwrap_or_default()),
            json!(boolean(row, 14)),
            json!(boolean(row, 15)),
            json!(deleted),
            json!(created_at.0),
            json!(updated_at.0),
            micros(deleted_at),
        ]);
        self.ids.push(id.clone());
        Some((id, Of { created_at, updated_at, deleted_at, size: integer(row, 7), has_data }))
    }

    fn properties(&mut self, rows: &[Row], images: &BTreeMap<String, Of>) {
        let mut positions: BTreeMap<&str, i64> = BTreeMap::new();
        let mut seen = HashSet::new();
        for row in rows {
            let (Some(image), Some(name)) = (text(row, 0), text(row, 1)) else { continue };
            // How imports ended is shown to callers; what was under way is not any more.
            let is_of_its_own = name.starts_with("os_glance_") && !SHOWN.contains(&name);
            let is_alive = images.get(image).is_some_and(|of| of.deleted_at.is_none());
            if is_of_its_own || !is_alive || !seen.insert((image, name)) {
                continue;
            }
            let position = positions.entry(image).or_default();
            let text = text(row, 2).unwrap_or_default();
            self.properties.push(vec![json!(image), json!(name), json!(text), json!(*position)]);
            *position = position.saturating_add(1);
        }
    }

    fn tags(&mut self, rows: &[Row], images: &BTreeMap<String, Of>) {
        let distinct: BTreeSet<(&str, &str)> =
            rows.iter().filter_map(|row| Some((text(row, 0)?, text(row, 1)?))).collect();
        for (image, tag) in distinct {
            if images.get(image).is_some_and(|of| of.deleted_at.is_none()) {
                self.tags.push(vec![json!(image), json!(tag)]);
            }
        }
    }

    fn members(&mut self, rows: &[Row], images: &BTreeMap<String, Of>) {
        let mut latest: BTreeMap<(&str, &str), &Row> = BTreeMap::new();
        for row in rows {
            let (Some(image), Some(member)) = (text(row, 0), text(row, 1)) else { continue };
            let newest = latest.entry((image, member)).or_insert(row);
            if time(newest, 4) < time(row, 4) {
                *newest = row;
            }
        }
        for ((image, member), row) in latest {
            let Some(of) = images.get(image).filter(|of| of.deleted_at.is_none()) else { continue };
            let status = text(row, 2).and_then(MemberStatus::parse).unwrap_or(MemberStatus::Pending);
            let made = time(row, 3).unwrap_or(of.created_at);
            self.members.push(vec![
                json!(image),
                json!(member),
                json!(status.as_str()),
                json!(false),
                json!(of.created_at.0),
                json!(made.0),
                json!(time(row, 4).unwrap_or(made).0),
            ]);
        }
    }

    fn locations(&mut self, rows: &[Row], images: &BTreeMap<String, Of>, plan: &Plan<'_>) {
        let mut positions: BTreeMap<&str, i64> = BTreeMap::new();
        let mut with_data: BTreeSet<&str> = BTreeSet::new();
        for row in rows {
            let Some((image, of)) = text(row, 0).and_then(|id| images.get_key_value(id)) else { continue };
            if !of.has_data {
                continue;
            }
            let url = match crypt::url(text(row, 2).unwrap_or_default(), plan.key.as_ref()) {
                Ok(url) => url,
                Err(why) => {
                    self.note(image, format!("without location {}: {why}", value(row, 1)));
                    continue;
                }
            };
            let metadata = metadata(text(row, 3));
            let store = metadata.get("store").and_then(Value::as_str).map(str::to_owned);
            let location =
                Location { id: uuid::Uuid::new_v4().to_string(), url, metadata, store, blob_id: None };
            let blob = self.blob(image, *of, &location, plan);
            with_data.insert(image);
            if of.deleted_at.is_some() {
                continue;
            }
            let position = positions.entry(image).or_default();
            let store = plan.stores.for_location(&location).map(|named| named.id.clone()).or(location.store);
            self.locations.push(vec![
                json!(location.id),
                json!(image),
                json!(*position),
                json!(location.url),
                json!(Value::Object(location.metadata).to_string()),
                json!(store),
                json!(blob),
            ]);
            *position = position.saturating_add(1);
        }
        for (id, of) in images {
            if of.has_data && of.deleted_at.is_none() && of.size.is_some() && !with_data.contains(id.as_str())
            {
                self.note(id, "without data: it has no location that can be read");
            }
        }
    }

    /// Enters data into the ledger where it is in a store of ours that writes; answers the id of the row.
    fn blob(&mut self, image: &str, of: Of, location: &Location, plan: &Plan<'_>) -> Option<String> {
        let Some(named) = plan.stores.for_location(location) else {
            self.note(image, format!("its location {} is of no store that is configured", shown(location)));
            return None;
        };
        let name = named.name_of(&location.url)?.to_owned();
        let id = uuid::Uuid::new_v4().to_string();
        let (state, delete_after) = match of.deleted_at {
            None => (BlobState::Live, 0),
            Some(then) => (BlobState::Doomed, then.plus_seconds(plan.delay_seconds).0),
        };
        self.blobs.push(vec![
            json!(id),
            json!(image),
            json!(named.id),
            json!(name),
            json!(state.as_str()),
            json!(of.size),
            json!(""),
            json!(0),
            json!(delete_after),
            json!(0),
            json!(of.created_at.0),
            json!(of.updated_at.0),
        ]);
        Some(id)
    }

    /// Leaves the data that another image owns already to that one: it is deleted with it alone.
    fn spare_names(&mut self, plan: &Plan<'_>, old: &[String]) -> DbResult<()> {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in &self.blobs {
            if let (Some(store), Some(name)) = (text(row, 2), text(row, 3)) {
                names.entry(store.to_owned()).or_default().push(name.to_owned());
            }
        }
        let mut owned: HashSet<(String, String)> = HashSet::new();
        for (store, names) in names {
            let taken = plan.target.read_blocking(|conn| target::taken(conn, &store, &names, old))?;
            owned.extend(taken.into_iter().map(|name| (store.clone(), name)));
        }
        let mut dropped = Vec::new();
        self.blobs.retain(|row| {
            let key =
                (text(row, 2).unwrap_or_default().to_owned(), text(row, 3).unwrap_or_default().to_owned());
            let is_free = owned.insert(key);
            if !is_free {
                dropped.push((
                    text(row, 0).unwrap_or_default().to_owned(),
                    text(row, 1).unwrap_or_default().to_owned(),
                ));
            }
            is_free
        });
        for (blob, image) in dropped {
            for row in self.locations.iter_mut().filter(|row| text(row, 6) == Some(&blob)) {
                if let Some(owner) = row.get_mut(6) {
                    *owner = Value::Null;
                }
            }
            self.note(&image, "its data is another image's, too, and is deleted with that one");
        }
        Ok(())
    }
}

/// A location without what may be secret of it.
fn shown(location: &Location) -> String {
    crate::model::store_url::StoreUrl::new(location.url.as_str()).to_string()
}

/// The metadata of a location; earlier releases wrote `backend` for `store`, and what is no object says nothing.
fn metadata(text: Option<&str>) -> Map<String, Value> {
    let mut metadata = match text.map(serde_json::from_str::<Value>) {
        Some(Ok(Value::Object(metadata))) => metadata,
        _ => Map::new(),
    };
    if let Some(store) = metadata.remove("backend") {
        metadata.entry("store").or_insert(store);
    }
    metadata
}

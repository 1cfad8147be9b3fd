//! Images with their properties, tags, members and locations.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use super::{
    plan::{Note, Plan, Told},
    values::{self, boolean, integer, micros, text, time, value},
};
use crate::{
    db::{
        self, Conn, DbResult,
        glance::{self, tables, target},
        rows::Row,
    },
    model::{member::MemberStatus, status::Status, time::Timestamp, visibility::Visibility},
};

/// Glance's own properties that callers see.
pub(super) const SHOWN: [&str; 2] = ["os_glance_failed_import", "os_glance_importing_to_stores"];

/// Rows of Glance's, of one batch of images.
pub struct Found {
    images: Vec<Row>,
    properties: Vec<Row>,
    tags: Vec<Row>,
    members: Vec<Row>,
    locations: Vec<Row>,
}

/// Reads the parts of images.
///
/// # Errors
/// Only the database's.
pub fn read(conn: &mut Conn, images: Vec<Row>, ids: &[String]) -> DbResult<Found> {
    if ids.is_empty() {
        let none = Vec::new;
        return Ok(Found { images, properties: none(), tags: none(), members: none(), locations: none() });
    }
    Ok(Found {
        properties: tables::parts_of(conn, "image_properties", tables::PROPERTY, ids)?,
        tags: tables::parts_of(conn, "image_tags", tables::TAG, ids)?,
        members: tables::parts_of(conn, "image_members", tables::MEMBER, ids)?,
        locations: tables::parts_of(conn, "image_locations", tables::LOCATION, ids)?,
        images,
    })
}

/// Our rows.
#[derive(Default)]
pub(super) struct Taken {
    ids: Vec<String>,
    images: Vec<Row>,
    properties: Vec<Row>,
    tags: Vec<Row>,
    members: Vec<Row>,
    pub(super) locations: Vec<Row>,
    pub(super) blobs: Vec<Row>,
    notes: Vec<Note>,
}

/// What the parts of an image need to know about it.
#[derive(Clone, Copy)]
pub(super) struct Of {
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    pub size: Option<i64>,
    pub has_data: bool,
}

/// Writes images, replacing those with the same ids; `mark` is recorded in the same transaction. Returns how many.
///
/// # Errors
/// Only the database's.
pub fn take(plan: &Plan<'_>, found: Found, mark: Option<&str>, told: &mut dyn Told) -> DbResult<u64> {
    let ids = values::ids(&found.images);
    let known = match ids.is_empty() {
        true => BTreeMap::new(),
        false => plan.target.read_blocking(|conn| target::known(conn, &ids))?.into_iter().collect(),
    };
    let mut taken = Taken::default();
    let mut images = BTreeMap::new();
    for row in &found.images {
        if let Some((id, of)) = taken.image(row, &known, plan) {
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
        let now = plan.target.clock.now();
        plan.target.write_blocking(|conn| write(conn, (&taken, now), &old, plan.name, mark))?;
    }
    taken.notes.into_iter().for_each(|note| told.note(note));
    Ok(taken.ids.len() as u64)
}

fn write(
    conn: &mut Conn,
    (taken, now): (&Taken, Timestamp),
    old: &[String],
    source: &str,
    mark: Option<&str>,
) -> DbResult<()> {
    target::remove(conn, old)?;
    glance::insert(conn, target::IMAGES, &taken.images)?;
    glance::insert(conn, target::PROPERTIES, &taken.properties)?;
    glance::insert(conn, target::TAGS, &taken.tags)?;
    glance::insert(conn, target::MEMBERS, &taken.members)?;
    glance::insert(conn, target::BLOBS, &taken.blobs)?;
    target::insert_locations(conn, &taken.locations)?;
    db::usage::settle(conn, &taken.ids, now)?;
    match mark {
        Some(mark) => target::set_mark(conn, source, mark),
        None => Ok(()),
    }
}

impl Taken {
    pub(super) fn note(&mut self, id: &str, why: impl Into<String>) {
        self.notes.push(Note::of_image(id, why));
    }

    fn image(&mut self, row: &Row, known: &BTreeMap<String, i64>, plan: &Plan<'_>) -> Option<(String, Of)> {
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
        let deleted_at = deleted.then(|| time(row, 19).unwrap_or(updated_at));
        let of = Of { created_at, updated_at, deleted_at, size: integer(row, 7), has_data: false };
        let (status, has_data) = match found {
            _ if deleted => (Status::Deleted, found == Status::PendingDelete),
            Status::Uploading if self.staged(&id, of, plan) => (Status::Uploading, false),
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
        let lost_its_data = status != found && !deleted;
        let keeps = |at: usize| if lost_its_data { Value::Null } else { value(row, at) };
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
        Some((id, Of { has_data, ..of }))
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
}

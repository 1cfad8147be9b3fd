//! Locations of images, and blob rows for data in our stores.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use super::{
    images::{Of, Taken},
    plan::Plan,
    values::{text, value},
};
use crate::{
    db::{DbResult, glance::target, opened_url, rows::Row},
    model::{
        blob::BlobState,
        image::{Location, is_uuid},
        store_url::without_keys,
    },
};

impl Taken {
    /// Takes the locations of images that were taken.
    pub(super) fn locations(&mut self, rows: &[Row], images: &BTreeMap<String, Of>, plan: &Plan<'_>) {
        let mut positions: BTreeMap<&str, i64> = BTreeMap::new();
        let mut with_data: BTreeSet<&str> = BTreeSet::new();
        for row in rows {
            let Some((image, of)) = text(row, 0).and_then(|id| images.get_key_value(id)) else { continue };
            if !of.has_data {
                continue;
            }
            let url = match opened_url(text(row, 2).unwrap_or_default(), plan.key.as_deref()) {
                Ok(url) => without_keys(&url).into_owned(),
                Err(why) => {
                    self.note(image, format!("without location {}: {why}", value(row, 1)));
                    continue;
                }
            };
            let metadata = metadata(text(row, 3));
            let store = metadata.get("store").and_then(Value::as_str).map(str::to_owned);
            let mut location =
                Location { id: uuid::Uuid::new_v4().to_string(), url, metadata, store, blob_id: None };
            if let Some(named) = plan.stores.for_location(&location) {
                location.url = named.written(&location.url).into_full();
            }
            let blob = self.blob(image, *of, &location, plan);
            with_data.insert(image);
            if of.deleted_at.is_some() {
                continue;
            }
            let position = positions.entry(image).or_default();
            let store = plan.stores.for_location(&location).map(|named| named.id).or(location.store);
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

    /// Enters data into the ledger where it is in one of our stores that writes; answers the id of the row.
    fn blob(&mut self, image: &str, of: Of, location: &Location, plan: &Plan<'_>) -> Option<String> {
        let Some(named) = plan.stores.for_location(location) else {
            self.note(image, format!("its location {} is of no store that is configured", shown(location)));
            return None;
        };
        let name = named.name_of(&location.url)?.to_owned();
        let fate = match of.deleted_at {
            None => (BlobState::Live, 0),
            Some(then) => (BlobState::Doomed, then.plus_seconds(plan.delay_seconds).0),
        };
        Some(self.enter(image, of, (&named.id, &name), fate, 0))
    }

    /// Takes over what a client has staged where it is in the folder of this node; returns whether it is. Glance names
    /// the file after the image.
    pub(super) fn staged(&mut self, image: &str, of: Of, plan: &Plan<'_>) -> bool {
        let (Some(staging), Some(size)) = (&plan.staging, of.size) else { return false };
        let file = is_uuid(image).then(|| std::fs::metadata(staging.folder.join(image)).ok()).flatten();
        let is_there = file.is_some_and(|file| file.is_file() && i64::try_from(file.len()) == Ok(size));
        if is_there {
            self.enter(image, of, (&staging.id, image), (BlobState::Live, 0), size);
        }
        is_there
    }

    fn enter(
        &mut self,
        image: &str,
        of: Of,
        (store, name): (&str, &str),
        (state, delete_after): (BlobState, i64),
        reserved: i64,
    ) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.blobs.push(vec![
            json!(id),
            json!(image),
            json!(store),
            json!(name),
            json!(state.as_str()),
            json!(of.size),
            json!(""),
            json!(0),
            json!(delete_after),
            json!(0),
            json!(reserved),
            json!(of.created_at.0),
            json!(of.updated_at.0),
        ]);
        id
    }

    /// Leaves data that another image owns to that image: it is deleted only with it.
    pub(super) fn spare_names(&mut self, plan: &Plan<'_>, old: &[String]) -> DbResult<()> {
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

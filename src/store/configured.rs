//! The configured stores: by id, by URL, by location, and in the order of their weights.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    ByteStream, NamedStore, StoreResult,
    shared::{SharedReads, Sharing},
};
use crate::model::image::Location;

/// The configured stores.
#[derive(Clone)]
pub struct Stores {
    by_id: BTreeMap<String, NamedStore>,
    order: Vec<String>,
    default: String,
    /// Whether store ids are part of the API (`enabled_backends` is set).
    pub multiple: bool,
    sharing: Sharing,
    reads: SharedReads,
}

impl Stores {
    /// Gathers the stores in configuration order.
    ///
    /// # Errors
    /// A sentence when two have one id or the default is not among them.
    pub fn new(list: Vec<NamedStore>, default: &str, multiple: bool) -> Result<Self, String> {
        let order: Vec<String> = list.iter().map(|s| s.id.clone()).collect();
        if !order.iter().any(|id| id == default) {
            return Err(format!(
                "default_backend: {default:?} is not one of the stores {}",
                order.join(", ")
            ));
        }
        let by_id: BTreeMap<String, NamedStore> = list.into_iter().map(|s| (s.id.clone(), s)).collect();
        if by_id.len() != order.len() {
            return Err("enabled_backends: two stores have the same id".to_owned());
        }
        let (sharing, reads) = (Sharing::default(), SharedReads::default());
        Ok(Self { by_id, order, default: default.to_owned(), multiple, sharing, reads })
    }

    /// The same stores, with shared reads for those selected.
    pub fn sharing(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    /// Opens all `size` bytes of a blob for reading, sharing the read with others if that is enabled for its store;
    /// `whose` is the reader's project.
    ///
    /// # Errors
    /// The store's, here and in the stream.
    pub async fn read_with_others(
        &self,
        named: &NamedStore,
        (url, size): (&str, u64),
        whose: &str,
    ) -> StoreResult<ByteStream> {
        match self.sharing.concerns(named.capabilities().remote) {
            true => self.reads.read(named, (url, size), whose).await,
            false => named.read(url, None).await,
        }
    }

    /// The default store.
    pub fn default_id(&self) -> &str {
        &self.default
    }

    /// A store by its id.
    pub fn get(&self, id: &str) -> Option<&NamedStore> {
        self.by_id.get(id)
    }

    /// The store of a URL: the first match in configuration order.
    pub fn for_url(&self, url: &str) -> Option<&NamedStore> {
        self.iter().find(|named| named.owns(url))
    }

    /// The store that serves a location: the one that it names, if that is configured here, else the one whose
    /// URLs look like this one (`glance/common/store_utils.py: update_store_in_locations`).
    pub fn for_location(&self, location: &Location) -> Option<&NamedStore> {
        let named = if self.multiple { location.metadata.get("store").and_then(Value::as_str) } else { None };
        [named, location.store.as_deref()]
            .into_iter()
            .flatten()
            .find_map(|id| self.get(id))
            .or_else(|| self.for_url(&location.url))
    }

    /// Names the store of each location that says none which is configured here, and puts the heavier stores
    /// first (`glance/common/utils.py: sort_image_locations`). Nothing to do without several stores.
    ///
    /// The result is what callers see; it reaches the database with the next change of the image, so that
    /// reading never writes.
    pub fn settle(&self, locations: &mut [Location]) {
        if !self.multiple {
            return;
        }
        for location in locations.iter_mut() {
            if let Some(id) = self.for_location(location).map(|named| named.id.clone()) {
                location.metadata.insert("store".to_owned(), Value::String(id.clone()));
                location.store = Some(id);
            }
        }
        locations.sort_by_key(|location| std::cmp::Reverse(self.weight(location)));
    }

    /// The location that `direct_url` names: the first of those whose store is the heaviest, also where the
    /// locations themselves are shown as a caller has just given them.
    pub fn preferred<'a>(&self, locations: &'a [Location]) -> Option<&'a Location> {
        if self.multiple {
            locations.iter().min_by_key(|location| std::cmp::Reverse(self.weight(location)))
        } else {
            locations.first()
        }
    }

    /// The weight of the store of a location: 0 where it names none that is configured.
    fn weight(&self, location: &Location) -> i64 {
        location.store.as_deref().and_then(|id| self.get(id)).map_or(0, |named| named.weight)
    }

    /// Every store in configuration order.
    pub fn iter(&self) -> impl Iterator<Item = &NamedStore> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }
}

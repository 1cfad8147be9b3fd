//! The stores: by id, by URL, by location, and in the order of their weights. The configured ones stay; storages that
//! administrators keep in the database are replaced while the server runs.
//!
//! Whoever works with a store holds a [`NamedStore`] of its own, so that a transfer ends as it began when the store is
//! replaced or goes.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde_json::Value;

use super::{
    ByteStream, NamedStore, StoreResult,
    shared::{SharedReads, Sharing},
};
use crate::model::{consumer::InUse, image::Location, placement::Rule};

/// The stores.
pub struct Stores {
    now: RwLock<Arc<Snapshot>>,
    configured: Vec<NamedStore>,
    configured_ids: Arc<[String]>,
    default: String,
    /// Whether store ids are part of the API (`enabled_backends` is set).
    pub multiple: bool,
    sharing: Sharing,
    reads: SharedReads,
}

/// The stores at one time.
struct Snapshot {
    by_id: BTreeMap<String, NamedStore>,
    order: Vec<String>,
    rules: Arc<[Rule]>,
}

impl Snapshot {
    fn of(list: Vec<NamedStore>, rules: Vec<Rule>) -> Self {
        let order = list.iter().map(|named| named.id.clone()).collect();
        let by_id = list.into_iter().map(|named| (named.id.clone(), named)).collect();
        Self { by_id, order, rules: rules.into() }
    }

    fn iter(&self) -> impl Iterator<Item = &NamedStore> {
        self.order.iter().filter_map(|id| self.by_id.get(id))
    }

    fn for_url(&self, url: &str) -> Option<&NamedStore> {
        self.iter().find(|named| named.owns(url))
    }

    fn for_location(&self, location: &Location, multiple: bool) -> Option<&NamedStore> {
        if location.is_sealed() {
            return None;
        }
        let named = if multiple { location.metadata.get("store").and_then(Value::as_str) } else { None };
        [named, location.store.as_deref()]
            .into_iter()
            .flatten()
            .find_map(|id| self.by_id.get(id))
            .or_else(|| self.for_url(&location.url))
    }

    /// The weight of the store of a location: 0 where it names none that is known.
    fn weight(&self, location: &Location) -> i64 {
        location.store.as_deref().and_then(|id| self.by_id.get(id)).map_or(0, |named| named.weight)
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("ids", &self.configured_ids).finish_non_exhaustive()
    }
}

impl Stores {
    /// Gathers the stores in configuration order.
    ///
    /// # Errors
    /// A sentence when two have one id or the default is not among them.
    pub fn new(list: Vec<NamedStore>, default: &str, multiple: bool) -> Result<Self, String> {
        let order: Vec<&str> = list.iter().map(|s| s.id.as_str()).collect();
        if !order.contains(&default) {
            return Err(format!(
                "default_backend: {default:?} is not one of the stores {}",
                order.join(", ")
            ));
        }
        let snapshot = Snapshot::of(list.clone(), Vec::new());
        if snapshot.by_id.len() != snapshot.order.len() {
            return Err("enabled_backends: two stores have the same id".to_owned());
        }
        let (sharing, reads) = (Sharing::default(), SharedReads::default());
        let now = RwLock::new(Arc::new(snapshot));
        let configured_ids = list.iter().map(|named| named.id.clone()).collect();
        Ok(Self {
            now,
            configured: list,
            configured_ids,
            default: default.to_owned(),
            multiple,
            sharing,
            reads,
        })
    }

    /// The same stores, with shared reads for those selected.
    pub fn sharing(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    fn now(&self) -> Arc<Snapshot> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the storages that stand beside the configured stores, and the rules of placement. What is under way
    /// goes on with the stores that it has.
    pub fn take_up(&self, storages: Vec<NamedStore>, rules: Vec<Rule>) {
        let mut list = self.configured.clone();
        list.extend(storages.into_iter().filter(|named| !self.is_configured(&named.id)));
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Snapshot::of(list, rules));
    }

    /// Whether the configuration has a store of this id.
    pub fn is_configured(&self, id: &str) -> bool {
        self.configured.iter().any(|named| named.id == id)
    }

    /// The ids of the stores that the configuration has.
    pub fn configured_ids(&self) -> Arc<[String]> {
        Arc::clone(&self.configured_ids)
    }

    /// The rules of placement, in their order.
    pub fn rules(&self) -> Arc<[Rule]> {
        Arc::clone(&self.now().rules)
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
    pub fn get(&self, id: &str) -> Option<NamedStore> {
        self.now().by_id.get(id).cloned()
    }

    /// Whether there is a store of this id.
    pub fn has(&self, id: &str) -> bool {
        self.now().by_id.contains_key(id)
    }

    /// The store of a URL: the first match in configuration order.
    pub fn for_url(&self, url: &str) -> Option<NamedStore> {
        self.now().for_url(url).cloned()
    }

    /// The store that serves a location: the one that it names, if that is known here, else the one whose
    /// URLs look like this one (`glance/common/store_utils.py: update_store_in_locations`). None serves one whose URL
    /// cannot be decrypted.
    pub fn for_location(&self, location: &Location) -> Option<NamedStore> {
        self.now().for_location(location, self.multiple).cloned()
    }

    /// What DELETE does with images in use that have data at these locations, where it does `all` unless a store says
    /// otherwise: the strictest of what their stores say.
    pub fn in_use(&self, all: InUse, locations: &[Location]) -> InUse {
        let now = self.now();
        let of = |location| now.for_location(location, self.multiple).and_then(|named| named.terms.in_use);
        locations.iter().map(|location| of(location).unwrap_or(all)).max().unwrap_or(all)
    }

    /// Names the store of each location that says none which is known here, and puts the heavier stores
    /// first (`glance/common/utils.py: sort_image_locations`). Nothing to do without several stores.
    ///
    /// The result is what callers see; it reaches the database with the next change of the image, so that
    /// reading never writes.
    pub fn settle(&self, locations: &mut [Location]) {
        if !self.multiple {
            return;
        }
        let now = self.now();
        for location in locations.iter_mut() {
            if let Some(id) = now.for_location(location, true).map(|named| named.id.clone()) {
                location.metadata.insert("store".to_owned(), Value::String(id.clone()));
                location.store = Some(id);
            }
        }
        locations.sort_by_key(|location| std::cmp::Reverse(now.weight(location)));
    }

    /// The location that `direct_url` names: the first of those whose store is the heaviest, also where the
    /// locations themselves are shown as a caller has just given them.
    pub fn preferred<'a>(&self, locations: &'a [Location]) -> Option<&'a Location> {
        if self.multiple {
            let now = self.now();
            locations.iter().min_by_key(|location| std::cmp::Reverse(now.weight(location)))
        } else {
            locations.first()
        }
    }

    /// Every store: in configuration order, then the storages of the database in the order of their ids.
    pub fn iter(&self) -> std::vec::IntoIter<NamedStore> {
        self.now().iter().cloned().collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::{
        super::{
            conformance::{get, put},
            file::FileStore,
            limit::Limits,
        },
        *,
    };

    fn store(folder: &tempfile::TempDir, id: &str, weight: i64) -> NamedStore {
        let backend = Arc::new(FileStore::open(&folder.path().join(id)).unwrap());
        NamedStore::new(id.to_owned(), None, weight, backend, &Limits::default())
    }

    fn ids(stores: &Stores) -> Vec<String> {
        stores.iter().map(|named| named.id).collect()
    }

    /// Proves that storages come and go beside the configured stores, which no storage can replace, and that whoever has a
    /// store goes on with it after it is gone.
    #[tokio::test]
    async fn storages_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let stores = Stores::new(vec![store(&folder, "b", 0), store(&folder, "a", 0)], "b", true).unwrap();
        stores.take_up(vec![store(&folder, "c", 5), store(&folder, "a", 9)], Vec::new());
        assert_eq!(ids(&stores), ["b", "a", "c"]);
        assert_eq!(stores.get("a").unwrap().weight, 0);
        let held = stores.get("c").unwrap();
        let url = put(&held, "blob", "name", b"data").await.unwrap();
        assert_eq!(stores.for_url(&url).unwrap().id, "c");
        stores.take_up(Vec::new(), Vec::new());
        assert!(!stores.has("c") && stores.get("c").is_none() && stores.for_url(&url).is_none());
        assert_eq!((ids(&stores), stores.default_id()), (vec!["b".to_owned(), "a".to_owned()], "b"));
        assert_eq!(get(&held, &url, None).await.unwrap(), b"data");
        assert_eq!(stores.get("c").map(|named| named.id), None);
    }
}

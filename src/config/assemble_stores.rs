//! The stores: `[DEFAULT] enabled_backends`, or those of `[glance_store]`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::check::{Finding, Topic};
use super::registry::{GLANCE_STORE, STAGING};
use super::{Loaded, StoreName};
use crate::{
    model::consumer::InUse,
    store::{
        backend::{Options, Settings},
        kinds::{self, file, http},
        limit::Fencing,
        shared::Sharing,
    },
};

/// The option of each store that says in which format it keeps disks.
const DISK_FORMAT: &str = "vitrine_disk_format";

/// The option of each store that says what DELETE does with images in use that have data there.
const IN_USE_DELETE: &str = "vitrine_in_use_delete";

/// The stores to open.
#[derive(Clone, Debug)]
pub struct Stores {
    /// In the order written.
    pub list: Vec<StoreSettings>,
    /// Id of the store for requests that name none.
    pub default: String,
    /// Whether ids of stores are part of the API.
    pub multiple: bool,
    /// Folder of staged uploads; `None` is the one in the data folder.
    pub staging: Option<PathBuf>,
    /// When a store that does not answer is fenced.
    pub fencing: Fencing,
    /// Which stores are read once for all who want the same at the same time.
    pub shared_reads: Sharing,
    /// The folders below which file storages may be added at run time.
    pub storage_folders: Vec<PathBuf>,
}

/// One store.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Its id.
    pub id: String,
    /// Its description for clients.
    pub description: Option<String>,
    /// Preference for reading; larger first.
    pub weight: i64,
    /// Format in which it keeps disks; `None` is as they come.
    pub disk_format: Option<String>,
    /// What DELETE does with images in use that have data there; `None` is `[vitrine] in_use_delete`.
    pub in_use: Option<InUse>,
    /// Its type and options.
    pub settings: Arc<dyn Settings>,
}

impl StoreSettings {
    /// A store that has an id and nothing else to say.
    pub fn new(id: &str, settings: impl Settings + 'static) -> Self {
        Self::plain(id, Arc::new(settings))
    }

    fn plain(id: &str, settings: Arc<dyn Settings>) -> Self {
        Self { id: id.to_owned(), description: None, weight: 0, disk_format: None, in_use: None, settings }
    }
}

impl Default for Stores {
    /// A folder and, as in Glance, web servers to read from.
    fn default() -> Stores {
        let embedded = file::Settings { folders: Vec::new(), ..file::Settings::of_folder(PathBuf::new()) };
        Stores {
            list: vec![
                StoreSettings::new("file", embedded),
                StoreSettings::new("http", http::Settings::default()),
            ],
            default: "file".to_owned(),
            multiple: false,
            staging: None,
            fencing: Fencing::default(),
            shared_reads: Sharing::default(),
            storage_folders: Vec::new(),
        }
    }
}

/// Assembles the stores. Stores of unsupported types have been reported at load; none of them can be the default.
pub(super) fn stores(loaded: &Loaded, findings: &mut Vec<Finding>) -> Stores {
    let option = "default_backend";
    let default = loaded.nonempty(GLANCE_STORE, option).unwrap_or_default();
    if loaded.stores().is_empty() {
        return single(loaded, findings);
    }
    let list: Vec<_> =
        loaded.stores().iter().filter_map(|store| one_of_several(loaded, store, findings)).collect();
    if !list.iter().any(|store| store.id == default) {
        findings.push(refused(loaded, option, "names a store that cannot be used"));
    }
    let staging = staging(loaded, true, findings);
    Stores {
        list,
        default,
        multiple: true,
        staging,
        fencing: fencing(loaded),
        shared_reads: sharing(loaded),
        storage_folders: storage_folders(loaded),
    }
}

/// The folder of staged uploads: that of the store which Glance adds for itself, or with one store an option.
fn staging(loaded: &Loaded, multiple: bool, findings: &mut Vec<Finding>) -> Option<PathBuf> {
    let (section, option) = (STAGING, "filesystem_store_datadir");
    let of_several = loaded.path(section, option).filter(|_| loaded.is_set(section, option));
    let of_one = node_staging(loaded, findings);
    if multiple { of_several } else { of_one }
}

fn fencing(loaded: &Loaded) -> Fencing {
    let default = Fencing::default();
    let seconds = |option, or| loaded.u64("vitrine", option).map_or(or, Duration::from_secs);
    Fencing {
        after: loaded
            .u64("vitrine", "fence_store_after")
            .map_or(default.after, |count| u32::try_from(count).unwrap_or(u32::MAX)),
        patience: default.patience,
        pause: seconds("fenced_store_pause", default.pause),
        longest_pause: seconds("fenced_store_longest_pause", default.longest_pause),
    }
}

fn sharing(loaded: &Loaded) -> Sharing {
    let text = loaded.string("vitrine", "shared_reads");
    text.and_then(|text| Sharing::parse(&text)).unwrap_or_default()
}

fn storage_folders(loaded: &Loaded) -> Vec<PathBuf> {
    let folders = loaded.list("vitrine", "storage_folders");
    folders.into_iter().filter(|folder| !folder.is_empty()).map(PathBuf::from).collect()
}

fn refused(loaded: &Loaded, option: &str, reason: &str) -> Finding {
    let origin = loaded.origin(GLANCE_STORE, option);
    Finding::of_option(Topic::Refused, GLANCE_STORE, option, origin, reason)
}

/// Stores without ids: one of each type, of which the scheme says where data goes.
fn single(loaded: &Loaded, findings: &mut Vec<Finding>) -> Stores {
    let types = loaded.list(GLANCE_STORE, "stores");
    if let Some(kind) = types.iter().find(|kind| kinds::find(kind).is_none()) {
        let reason = format!("stores of type `{kind}` cannot be used");
        findings.push(refused(loaded, "stores", &reason));
    }
    let mut list = Vec::new();
    for kind in kinds::ALL {
        // Those that are not used are read too: a value that cannot be used is a fault wherever it stands.
        let settings = read(loaded, GLANCE_STORE, kind.read, true, findings);
        if types.iter().any(|name| name == kind.name) {
            let disk_format = loaded.nonempty(GLANCE_STORE, DISK_FORMAT);
            let in_use = in_use(loaded, GLANCE_STORE);
            list.push(StoreSettings { disk_format, in_use, ..StoreSettings::plain(kind.name, settings) });
        }
    }
    let scheme = loaded.string(GLANCE_STORE, "default_store").unwrap_or_default().to_lowercase();
    let default = list.iter().find(|store| store.settings.kind().schemes.contains(&scheme.as_str()));
    let default = match default {
        Some(store) => store.id.clone(),
        None => {
            findings.push(refused(loaded, "default_store", "it is no scheme of the types in `stores`"));
            String::new()
        }
    };
    let staging = staging(loaded, false, findings);
    Stores {
        list,
        default,
        multiple: false,
        staging,
        fencing: fencing(loaded),
        shared_reads: sharing(loaded),
        storage_folders: storage_folders(loaded),
    }
}

/// `node_staging_uri`, the staging folder when there is one store.
fn node_staging(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<PathBuf> {
    let (section, option) = ("DEFAULT", "node_staging_uri");
    let url = loaded.nonempty(section, option)?;
    if !loaded.is_set(section, option) {
        return None;
    }
    let path = url.strip_prefix("file://").filter(|path| path.starts_with('/'));
    if path.is_none() {
        let origin = loaded.origin(section, option);
        let reason = format!("`{url}` is not of the form file:///folder");
        findings.push(Finding::of_option(Topic::Bad, section, option, origin, reason));
    }
    path.map(PathBuf::from)
}

fn one_of_several(loaded: &Loaded, store: &StoreName, findings: &mut Vec<Finding>) -> Option<StoreSettings> {
    let section = store.id.as_str();
    let description = loaded.nonempty(section, "store_description");
    let weight = loaded.i64(section, "weight").unwrap_or(0);
    let kind = kinds::find(&store.kind)?;
    let settings = read(loaded, section, kind.read, false, findings);
    let disk_format = loaded.nonempty(section, DISK_FORMAT);
    let in_use = in_use(loaded, section);
    Some(StoreSettings { id: store.id.clone(), description, weight, disk_format, in_use, settings })
}

fn in_use(loaded: &Loaded, section: &str) -> Option<InUse> {
    loaded.nonempty(section, IN_USE_DELETE).and_then(|text| InUse::parse(&text))
}

fn read(
    loaded: &Loaded,
    section: &str,
    read: fn(&mut dyn Options) -> Arc<dyn Settings>,
    single: bool,
    findings: &mut Vec<Finding>,
) -> Arc<dyn Settings> {
    read(&mut OfSection { loaded, section, single, findings })
}

/// The options of a store in their section.
struct OfSection<'a> {
    loaded: &'a Loaded,
    section: &'a str,
    single: bool,
    findings: &'a mut Vec<Finding>,
}

impl Options for OfSection<'_> {
    fn is_single(&self) -> bool {
        self.single
    }

    fn is_set(&self, option: &str) -> bool {
        self.loaded.is_set(self.section, option)
    }

    fn bool(&self, option: &str) -> bool {
        self.loaded.bool(self.section, option)
    }

    fn i64(&self, option: &str) -> Option<i64> {
        self.loaded.i64(self.section, option)
    }

    fn u64(&self, option: &str) -> Option<u64> {
        self.loaded.u64(self.section, option)
    }

    fn text(&self, option: &str) -> Option<String> {
        self.loaded.nonempty(self.section, option)
    }

    fn path(&self, option: &str) -> Option<PathBuf> {
        self.loaded.path(self.section, option)
    }

    fn list(&self, option: &str) -> Vec<String> {
        self.loaded.list(self.section, option)
    }

    fn dict(&self, option: &str) -> Vec<(String, String)> {
        self.loaded.dict(self.section, option)
    }

    fn refuse(&mut self, option: &str, reason: String) {
        let origin = self.loaded.origin(self.section, option);
        self.findings.push(Finding::of_option(Topic::Bad, self.section, option, origin, reason));
    }
}

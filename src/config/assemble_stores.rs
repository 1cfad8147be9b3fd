//! The stores: `[DEFAULT] enabled_backends`, or the one store of `[glance_store]`.

use std::{path::PathBuf, time::Duration};

use super::check::{Finding, Topic};
use super::registry::{GLANCE_STORE, STAGING};
use super::{Loaded, StoreName};
use crate::store::{file, http};

/// The stores to open.
#[derive(Clone, Debug)]
pub struct Stores {
    /// In the order written.
    pub list: Vec<StoreSettings>,
    /// Id of the one that takes data when the request names none.
    pub default: String,
    /// Whether ids of stores are part of the API.
    pub multiple: bool,
    /// Folder of staged uploads; `None` is the one in the data folder.
    pub staging: Option<PathBuf>,
}

/// One store.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Its id.
    pub id: String,
    /// What clients are told about it.
    pub description: Option<String>,
    /// Preference for reading; larger first.
    pub weight: i64,
    /// What it is.
    pub kind: StoreKind,
}

/// The types of stores that can be opened.
#[derive(Clone, Debug)]
pub enum StoreKind {
    /// Folders; none of them means the one in the data folder.
    File(file::Settings),
    /// Other people's web servers.
    Http(http::Settings),
}

impl Default for Stores {
    /// A folder and, as in Glance, web servers to read from.
    fn default() -> Stores {
        Stores {
            list: vec![
                of_one("file", StoreKind::File(embedded())),
                of_one("http", StoreKind::Http(http::Settings::default())),
            ],
            default: "file".to_owned(),
            multiple: false,
            staging: None,
        }
    }
}

/// A file store in the data folder, wherever that is.
fn embedded() -> file::Settings {
    file::Settings { folders: Vec::new(), ..file::Settings::of_folder(PathBuf::new()) }
}

fn of_one(id: &str, kind: StoreKind) -> StoreSettings {
    StoreSettings { id: id.to_owned(), description: None, weight: 0, kind }
}

/// Assembles the stores. Those whose type cannot be opened were named in a warning by the load; such
/// a one cannot be the default.
pub(super) fn stores(loaded: &Loaded, findings: &mut Vec<Finding>) -> Stores {
    let option = "default_backend";
    let default = loaded.nonempty(GLANCE_STORE, option).unwrap_or_default();
    if loaded.stores().is_empty() {
        return single(loaded, findings);
    }
    let list: Vec<_> =
        loaded.stores().iter().filter_map(|store| one_of_several(loaded, store, findings)).collect();
    let reason = match list.iter().find(|store| store.id == default) {
        Some(StoreSettings { kind: StoreKind::File(_), .. }) => None,
        Some(_) => Some("names a store that cannot be written to"),
        None => Some("names a store that cannot be used"),
    };
    if let Some(reason) = reason {
        findings.push(refused(loaded, option, reason));
    }
    let web: Vec<_> = list.iter().filter(|store| matches!(store.kind, StoreKind::Http(_))).collect();
    if let [_, second, ..] = web.as_slice() {
        let (section, option) = ("DEFAULT", "enabled_backends");
        let reason = format!("store `{}`: there can be one store of type `http` only", second.id);
        let origin = loaded.origin(section, option);
        findings.push(Finding::of_option(Topic::Refused, section, option, origin, reason));
    }
    let staging = staging(loaded, true, findings);
    Stores { list, default, multiple: true, staging }
}

/// The folder of staged uploads: that of the store which Glance adds for itself, or with one store an option.
fn staging(loaded: &Loaded, multiple: bool, findings: &mut Vec<Finding>) -> Option<PathBuf> {
    let (section, option) = (STAGING, "filesystem_store_datadir");
    let of_several = loaded.path(section, option).filter(|_| loaded.is_set(section, option));
    let of_one = node_staging(loaded, findings);
    if multiple { of_several } else { of_one }
}

fn refused(loaded: &Loaded, option: &str, reason: &str) -> Finding {
    let origin = loaded.origin(GLANCE_STORE, option);
    Finding::of_option(Topic::Refused, GLANCE_STORE, option, origin, reason)
}

fn single(loaded: &Loaded, findings: &mut Vec<Finding>) -> Stores {
    let types = loaded.list(GLANCE_STORE, "stores");
    let scheme = loaded.string(GLANCE_STORE, "default_store");
    if !matches!(scheme.as_deref(), Some("file" | "filesystem")) {
        findings.push(refused(loaded, "default_store", "only a store of type file can be the default"));
    }
    if let Some(kind) = types.iter().find(|kind| !["file", "http"].contains(&kind.as_str())) {
        let reason = format!("stores of type `{kind}` cannot be used");
        findings.push(refused(loaded, "stores", &reason));
    }
    if !types.iter().any(|kind| kind == "file") {
        findings.push(refused(loaded, "stores", "a store of type file must be among them"));
    }
    // The default of Glance is a folder of its own package; ours is in the data folder.
    let is_set = |option| loaded.is_set(GLANCE_STORE, option);
    let own_folder = !is_set("filesystem_store_datadir") && !is_set("filesystem_store_datadirs");
    let mut files = file(loaded, GLANCE_STORE, findings);
    if own_folder {
        files.folders.clear();
    }
    let web = http(loaded, GLANCE_STORE, findings);
    let mut list = vec![of_one("file", StoreKind::File(files))];
    if types.iter().any(|kind| kind == "http") {
        list.push(of_one("http", StoreKind::Http(web)));
    }
    let staging = staging(loaded, false, findings);
    Stores { list, default: "file".to_owned(), multiple: false, staging }
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
    let kind = match store.kind.as_str() {
        "file" => StoreKind::File(file(loaded, section, findings)),
        "http" => StoreKind::Http(http(loaded, section, findings)),
        _ => return None,
    };
    Some(StoreSettings { id: store.id.clone(), description, weight, kind })
}

fn file(loaded: &Loaded, section: &str, findings: &mut Vec<Finding>) -> file::Settings {
    let mut bad = |option: &str, reason: String| {
        let origin = loaded.origin(section, option);
        findings.push(Finding::of_option(Topic::Bad, section, option, origin, reason));
    };
    let (one, several) = ("filesystem_store_datadir", "filesystem_store_datadirs");
    let (folder, list) = (loaded.path(section, one), loaded.list(section, several));
    let mut settings = embedded();
    match (folder, list.is_empty()) {
        (Some(_), false) if loaded.is_set(section, one) => {
            bad(several, format!("there is also {one}; keep one of them"));
        }
        (_, false) => match file::parse_folders(&list) {
            Ok(folders) => settings.folders = folders,
            Err(reason) => bad(several, reason),
        },
        (Some(path), true) => settings.folders = file::Settings::of_folder(path).folders,
        (None, true) => bad(one, "the value is empty".to_owned()),
    }
    match file::parse_file_perm(loaded.i64(section, "filesystem_store_file_perm").unwrap_or(0)) {
        Ok(mode) => settings.file_perm = mode,
        Err(reason) => bad("filesystem_store_file_perm", reason),
    }
    let option = "filesystem_store_metadata_file";
    if let Some(path) = loaded.path(section, option) {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("it cannot be read: {error}"));
        match text.and_then(|text| file::parse_mounts(&text)) {
            Ok(mounts) => settings.mounts = mounts,
            Err(reason) => bad(option, format!("{}: {reason}", path.display())),
        }
    }
    let option = "filesystem_store_chunk_size";
    let chunk_size = loaded.u64(section, option).filter(|_| loaded.is_set(section, option));
    settings.chunk_size = chunk_size.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    settings.thin_provisioning = loaded.bool(section, "filesystem_thin_provisioning");
    let seconds = loaded.u64(section, "filesystem_store_timeout").filter(|seconds| *seconds > 0);
    settings.timeout = seconds.map(Duration::from_secs);
    if let Some(size) = loaded.u64(section, "filesystem_store_thread_pool_size") {
        settings.thread_pool_size = usize::try_from(size).unwrap_or(usize::MAX);
    }
    if let Some(percent) = loaded.u64(section, "filesystem_store_threadpool_threshold") {
        settings.threadpool_threshold = percent;
    }
    settings
}

fn http(loaded: &Loaded, section: &str, findings: &mut Vec<Finding>) -> http::Settings {
    let option = "https_ca_certificates_file";
    let mut ca_certificates = None;
    if let Some(path) = loaded.path(section, option) {
        match std::fs::read(&path) {
            Ok(pem) => ca_certificates = Some(pem),
            Err(error) => {
                let origin = loaded.origin(section, option);
                let reason = format!("{} cannot be read: {error}", path.display());
                findings.push(Finding::of_option(Topic::Bad, section, option, origin, reason));
            }
        }
    }
    http::Settings {
        ca_certificates,
        insecure: loaded.bool(section, "https_insecure"),
        proxies: loaded.dict(section, "http_proxy_information"),
    }
}

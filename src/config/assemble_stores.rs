//! The stores: `[DEFAULT] enabled_backends`, or the one store of `[glance_store]`.

use std::path::PathBuf;

use super::check::{Finding, Topic};
use super::registry::GLANCE_STORE;
use super::{Loaded, StoreName};
use crate::store::http;

/// The stores to open.
#[derive(Clone, Debug)]
pub struct Stores {
    /// In the order written.
    pub list: Vec<StoreSettings>,
    /// Id of the one that takes data when the request names none.
    pub default: String,
    /// Whether ids of stores are part of the API.
    pub multiple: bool,
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
    /// A folder; `None` is the one in the data folder.
    File(Option<PathBuf>),
    /// Other people's web servers.
    Http(http::Settings),
}

impl Default for Stores {
    /// A folder and, as in Glance, web servers to read from.
    fn default() -> Stores {
        Stores {
            list: vec![
                of_one("file", StoreKind::File(None)),
                of_one("http", StoreKind::Http(http::Settings::default())),
            ],
            default: "file".to_owned(),
            multiple: false,
        }
    }
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
    Stores { list, default, multiple: true }
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
    let option = "filesystem_store_datadir";
    // The default of Glance is a folder of its own package; ours is in the data folder.
    let folder = loaded.path(GLANCE_STORE, option).filter(|_| loaded.is_set(GLANCE_STORE, option));
    let web = http(loaded, GLANCE_STORE, findings);
    let mut list = vec![of_one("file", StoreKind::File(folder))];
    if types.iter().any(|kind| kind == "http") {
        list.push(of_one("http", StoreKind::Http(web)));
    }
    Stores { list, default: "file".to_owned(), multiple: false }
}

fn one_of_several(loaded: &Loaded, store: &StoreName, findings: &mut Vec<Finding>) -> Option<StoreSettings> {
    let section = store.id.as_str();
    let description = loaded.nonempty(section, "store_description");
    let weight = loaded.i64(section, "weight").unwrap_or(0);
    let kind = match store.kind.as_str() {
        "file" => {
            let option = "filesystem_store_datadir";
            let folder = loaded.path(section, option);
            if folder.is_none() {
                let origin = loaded.origin(section, option);
                findings.push(Finding::of_option(Topic::Bad, section, option, origin, "the value is empty"));
            }
            StoreKind::File(Some(folder?))
        }
        "http" => StoreKind::Http(http(loaded, section, findings)),
        _ => return None,
    };
    Some(StoreSettings { id: store.id.clone(), description, weight, kind })
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

//! Opens the stores of the configuration, for the server and for commands that look into them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{StartError, failed};
use crate::{
    config::{self, StoreKind, StoreSettings},
    store::{
        Backend, NamedStore, Stores,
        file::{self, FileStore},
        http::HttpStore,
        limit::Limits,
    },
};

/// Opens every store. Blocking.
///
/// One of several stores that cannot be opened is left out with an error in the log, as Glance does
/// (`glance_store/multi_backend.py: _load_stores`); its images can be read again after a start that finds it.
///
/// # Errors
/// [`StartError`] when the default store cannot be opened.
pub fn open(settings: &config::Stores, data_dir: &Path) -> Result<Stores, StartError> {
    let mut list = Vec::new();
    for one in &settings.list {
        match open_one(one, data_dir) {
            Ok(store) => list.push(NamedStore::new(
                one.id.clone(),
                one.description.clone(),
                one.weight,
                store,
                &Limits::default(),
            )),
            Err(reason) if settings.multiple && one.id != settings.default => {
                tracing::error!(store = %one.id, reason, "the store is left out, because it cannot be used");
            }
            Err(reason) => return Err(failed(&format!("store {} cannot be used", one.id), reason)),
        }
    }
    Stores::new(list, &settings.default, settings.multiple).map_err(StartError)
}

fn open_one(settings: &StoreSettings, data_dir: &Path) -> Result<Arc<dyn Backend>, String> {
    match &settings.kind {
        StoreKind::File(settings) => {
            let mut settings = settings.clone();
            if settings.folders.is_empty() {
                settings.folders = file::Settings::of_folder(data_dir.join("images")).folders;
            }
            Ok(Arc::new(FileStore::with(&settings).map_err(|e| e.to_string())?))
        }
        StoreKind::Http(settings) => Ok(Arc::new(HttpStore::new(settings)?)),
    }
}

/// Folder of staged uploads (`os_glance_staging_store`, or `node_staging_uri` with one store).
pub fn staging_folder(settings: &config::Stores, data_dir: &Path) -> PathBuf {
    settings.staging.clone().unwrap_or_else(|| data_dir.join("staging"))
}

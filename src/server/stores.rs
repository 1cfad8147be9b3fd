//! Opens the configured stores, for the server and for commands.

use std::path::{Path, PathBuf};

use super::{
    error::{StartError, failed},
    options::Options,
};
use crate::{
    config, import,
    model::storage::Terms,
    store::{
        NamedStore, Stores,
        backend::Site,
        limit::{Fencing, Limits},
        opening::Opener,
    },
};

/// Opens every store; the import settings restrict what http stores may read and how long that may take. Blocking.
///
/// If one of several stores cannot be opened it is left out with an error in the log, as in Glance
/// (`glance_store/multi_backend.py: _load_stores`); its images are readable again after a start that can open it.
///
/// # Errors
/// [`StartError`] when the default store cannot be opened.
pub fn open(
    settings: &config::Stores,
    data_dir: &Path,
    imports: &import::Settings,
) -> Result<Stores, StartError> {
    let mut list = Vec::new();
    for one in &settings.list {
        match open_one(one, &settings.fencing, data_dir, imports) {
            Ok(store) => list.push(store),
            Err(reason) if settings.multiple && one.id != settings.default => {
                tracing::error!(store = %one.id, reason, "the store is left out, because it cannot be used");
            }
            Err(reason) => return Err(failed(&format!("store {} cannot be used", one.id), reason)),
        }
    }
    let stores = Stores::new(list, &settings.default, settings.multiple).map_err(StartError)?;
    Ok(stores.sharing(settings.shared_reads))
}

/// Opens one of them. Blocking.
///
/// # Errors
/// A sentence for the operator.
pub fn open_one(
    one: &config::StoreSettings,
    fencing: &Fencing,
    data_dir: &Path,
    imports: &import::Settings,
) -> Result<NamedStore, String> {
    let (filter, patience) = (&imports.filter, imports.patience);
    let backend = one.settings.open(&Site { id: &one.id, data_dir, filter, patience })?;
    let limits = Limits { fencing: fencing.clone(), ..Limits::default() };
    let store = NamedStore::new(one.id.clone(), one.description.clone(), one.weight, backend, &limits);
    let terms = Terms { in_use: one.in_use, ..Terms::default() };
    Ok(store.keeping(one.disk_format.clone()).on(terms))
}

/// How storages of the database are opened: as configured stores are.
pub fn opener(options: &Options) -> Opener {
    Opener {
        data_dir: options.data_dir.clone(),
        filter: options.imports.filter.clone(),
        patience: options.imports.patience,
        fencing: options.stores.fencing.clone(),
        folders: options.stores.storage_folders.clone(),
    }
}

/// Folder of staged uploads (`os_glance_staging_store`, or `node_staging_uri` with one store).
pub fn staging_folder(settings: &config::Stores, data_dir: &Path) -> PathBuf {
    settings.staging.clone().unwrap_or_else(|| data_dir.join("staging"))
}

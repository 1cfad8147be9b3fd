//! Opens storages, which administrators add while the service runs, as configured stores are opened at its start.

use std::{
    any::Any,
    path::{Component, PathBuf},
    sync::Arc,
};

use super::{
    NamedStore,
    absent::Absent,
    backend::{Kind, Settings, Site},
    given::Given,
    kinds::file,
    limit::{Fencing, Limits},
};
use crate::{
    model::storage::Storage,
    outbound::{Filter, Patience},
};

/// Where storages are opened, and what they may be.
#[derive(Clone, Debug)]
pub struct Opener {
    /// Folder of everything that this server keeps for itself.
    pub data_dir: PathBuf,
    /// Where data that users name may come from.
    pub filter: Filter,
    /// Time limits for reading from elsewhere.
    pub patience: Patience,
    /// When a storage that does not answer is fenced.
    pub fencing: Fencing,
    /// `[vitrine] storage_folders`: below these file storages may lie.
    pub folders: Vec<PathBuf>,
}

impl Opener {
    /// Opens a storage with these options. Blocking.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn open(&self, storage: &Storage, given: Given) -> Result<NamedStore, String> {
        let settings = given.settings()?;
        self.check(settings.as_ref())?;
        let (filter, patience) = (&self.filter, self.patience);
        let site = Site { id: &storage.id, data_dir: &self.data_dir, filter, patience };
        let backend = settings.open(&site)?;
        let limits = Limits { fencing: self.fencing.clone(), ..Limits::default() };
        Ok(named(storage, NamedStore::new(storage.id.clone(), None, 0, backend, &limits)))
    }

    /// What stands for a storage that cannot be opened here, for this reason.
    pub fn absent(storage: &Storage, kind: &'static Kind, reason: &str) -> NamedStore {
        let backend = Arc::new(Absent { kind, id: storage.id.clone(), reason: reason.to_owned() });
        // It never answers, which says nothing of a server.
        let limits = Limits { fencing: Fencing { after: 0, ..Fencing::default() }, ..Limits::default() };
        let absent = NamedStore::new(storage.id.clone(), None, 0, backend, &limits);
        let mut absent = named(storage, absent);
        absent.fault = Some(reason.into());
        absent
    }

    /// Requires of the folders of a file storage that they are there, since one that is made anew would take the place of
    /// a file system that is not mounted; and that they lie where the operator allows it, since whoever may add storages
    /// could read any file of this machine else.
    fn check(&self, settings: &dyn Settings) -> Result<(), String> {
        let settings: &dyn Any = settings;
        let Some(settings) = settings.downcast_ref::<file::Settings>() else { return Ok(()) };
        if settings.folders.is_empty() {
            return Err("filesystem_store_datadir must name a folder".to_owned());
        }
        let allowed: Vec<PathBuf> =
            self.folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
        for folder in &settings.folders {
            let (path, shown) = (folder.path.canonicalize(), folder.path.display());
            let is_allowed = |path: &PathBuf| allowed.iter().any(|root| path.starts_with(root));
            match path {
                // Nothing is said of what lies elsewhere.
                Ok(path) if !is_allowed(&path) => {
                    return Err(format!("the folder {shown} is not below one of [vitrine] storage_folders"));
                }
                Ok(path) if path != folder.path => {
                    return Err(format!("the folder {shown} must be given as {}", path.display()));
                }
                Ok(path) if !path.is_dir() => return Err(format!("{shown} is no folder")),
                Ok(_) => {}
                Err(_)
                    if folder.path.components().any(|part| part == Component::ParentDir)
                        || !folder.path.is_absolute()
                        || !self.folders.iter().any(|root| folder.path.starts_with(root)) =>
                {
                    return Err(format!("the folder {shown} is not below one of [vitrine] storage_folders"));
                }
                Err(error) => return Err(format!("the folder {shown} cannot be used: {error}")),
            }
        }
        Ok(())
    }
}

/// A store as the row of its storage describes it.
pub fn named(storage: &Storage, named: NamedStore) -> NamedStore {
    let (description, weight) = (storage.description.clone(), storage.weight);
    let mut named = named.on(storage.terms.clone());
    (named.description, named.weight) = (description, weight);
    named
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::model::time::Timestamp;

    fn opened(root: &Path, folder: &Path) -> Result<NamedStore, String> {
        let opener = Opener {
            data_dir: root.to_owned(),
            filter: Filter::default(),
            patience: Patience::default(),
            fencing: Fencing::default(),
            folders: vec![root.to_owned()],
        };
        let body = json!({"id": "a", "type": "file", "options": {"datadir": folder}});
        let (storage, options) = Storage::parse(&body, Timestamp(1)).unwrap();
        opener.open(&storage, Given::none(&file::KIND).with(&options).unwrap())
    }

    /// Proves that folders are used only where the operator allows it, by links neither, and that none is made.
    #[test]
    fn file_storages_lie_where_they_may() {
        let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = root.path().canonicalize().unwrap();
        let (good, link, missing) = (root.join("good"), root.join("link"), root.join("missing"));
        std::fs::create_dir(&good).unwrap();
        std::os::unix::fs::symlink(other.path(), &link).unwrap();
        std::fs::write(root.join("file"), "x").unwrap();
        assert_eq!(opened(&root, &good).unwrap().id, "a");
        for folder in [
            other.path().to_owned(),
            link,
            missing.clone(),
            root.join("file"),
            root.join("good/../../etc"),
            PathBuf::from("good"),
        ] {
            assert!(opened(&root, &folder).is_err(), "{}", folder.display());
        }
        assert!(!missing.exists());
    }
}

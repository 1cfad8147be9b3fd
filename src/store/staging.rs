//! The staging folder: data that waits to be imported. It is a file store with its own place in the table of blobs.
//!
//! Nodes that share the folder share its place, identified by a file in it; a folder that only one node reaches is a
//! place of that node. Jobs and blobs name the place, so that nobody else touches what is there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{
    NamedStore, StoreError, StoreErrorKind, StoreResult,
    file::{FileStore, PARTS},
    limit::Limits,
    private::keep,
};
use crate::telemetry;

/// Glance's name for the store; the ledger adds the place.
pub const STAGING_STORE: &str = "os_glance_staging_store";
/// Names the place; FileStore keeps away from names that begin with a dot.
const PLACE_FILE: &str = ".place";

/// The staging folder of this node.
#[derive(Clone)]
pub struct Staging {
    /// As a store; its id is the one in the ledger.
    pub store: NamedStore,
    folder: PathBuf,
}

impl Staging {
    /// Opens a folder, creating it when it is missing. Blocking.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be created or written to.
    pub fn open(folder: &Path) -> StoreResult<Self> {
        let store = FileStore::open(folder)?;
        let folder = folder.canonicalize().map_err(|e| StoreError::io(folder.display().to_string(), e))?;
        let place = place(&folder).map_err(|e| StoreError::io(folder.display().to_string(), e))?;
        let id = format!("{STAGING_STORE}@{place}");
        let store = NamedStore::new(id, None, 0, Arc::new(store), &Limits::default());
        Ok(Self { store, folder })
    }

    /// Whether a folder was ever opened as one.
    pub fn is_one(folder: &Path) -> bool {
        folder.join(PLACE_FILE).is_file()
    }

    /// The id in the ledger, and what jobs that need this folder name.
    pub fn id(&self) -> &str {
        &self.store.id
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file of a staged blob.
    pub fn path(&self, blob_id: &str) -> PathBuf {
        self.folder.join(blob_id)
    }

    /// When a file in the folder was last written to, finished or not; `None` when it is gone.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be read.
    pub async fn modified(&self, name: &str, unfinished: bool) -> StoreResult<Option<SystemTime>> {
        let path = if unfinished { self.folder.join(PARTS).join(name) } else { self.folder.join(name) };
        let found = match tokio::fs::metadata(&path).await {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.and_then(|metadata| metadata.modified()),
        };
        found.map(Some).map_err(|e| StoreError::io(path.display().to_string(), e))
    }

    /// Makes the names of the files in the folder durable, as whoever wrote a file makes its bytes.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be synced.
    pub async fn sync(&self) -> StoreResult<()> {
        let (folder, place) = (self.folder.clone(), self.folder.display().to_string());
        match telemetry::blocking(move || fs::File::open(folder)?.sync_all()).await {
            Ok(synced) => synced.map_err(|e| StoreError::io(place, e)),
            Err(fault) => Err(StoreError::new(StoreErrorKind::Io, place, fault.to_string())),
        }
    }

    /// The URL of a staged blob.
    pub fn url(&self, blob_id: &str) -> String {
        format!("file://{}", self.path(blob_id).display())
    }
}

/// Reads the place's name, giving it one when it has none. Several nodes may do so at once: the first link wins.
pub(super) fn place(folder: &Path) -> io::Result<String> {
    let path = folder.join(PLACE_FILE);
    if !path.exists() {
        keep(folder, PLACE_FILE, &uuid::Uuid::new_v4().to_string())?;
    }
    let text = fs::read_to_string(&path)?;
    match uuid::Uuid::parse_str(text.trim()) {
        Ok(place) => Ok(place.to_string()),
        Err(_) => Err(io::Error::other(format!("{} does not hold a UUID; remove it", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_folder_keeps_its_place_and_two_folders_differ() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Staging::open(one.path()).unwrap();
        assert_eq!(first.id(), Staging::open(one.path()).unwrap().id());
        assert_ne!(first.id(), Staging::open(two.path()).unwrap().id());
        assert!(first.id().starts_with("os_glance_staging_store@"));
    }
}

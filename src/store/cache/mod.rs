//! The folder of the image cache, with Glance's layout (`glance/image_cache/drivers/base.py`): complete files by
//! name, `incomplete/` for files being written, `invalid/` for data with a wrong hash, and `queue/` for the names of
//! wanted files.
//!
//! Names are UUIDs; nothing else in the folder is touched. All calls but [`CacheFolder::run`] block.

mod incomplete;
#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub use incomplete::Incomplete;
use incomplete::{remove_if_there, sync_folder};

use super::{
    StoreError, StoreErrorKind, StoreResult,
    private::{make_folder, new_file},
    staging,
};
use crate::{
    model::{image::is_uuid, time::Timestamp},
    telemetry,
};

const INCOMPLETE: &str = "incomplete";
const INVALID: &str = "invalid";
const QUEUE: &str = "queue";

/// A file in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was last written to.
    pub modified: Timestamp,
}

/// The folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CacheFolder {
    root: Arc<Path>,
    id: Arc<str>,
}

impl CacheFolder {
    /// Opens a folder, creating what is missing.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be created or written to.
    pub fn open(root: &Path) -> StoreResult<Self> {
        let failed = |e| StoreError::io(root.display().to_string(), e);
        let root_made = std::path::absolute(root).map_err(failed)?;
        for name in [INCOMPLETE, INVALID, QUEUE] {
            make_folder(&root_made.join(name)).map_err(failed)?;
        }
        let id = staging::place(&root_made).map_err(failed)?;
        let probe = root_made.join(INCOMPLETE).join(format!(".probe-{}", uuid::Uuid::new_v4()));
        new_file(&probe).and_then(|_| fs::remove_file(&probe)).map_err(failed)?;
        Ok(Self { root: root_made.into(), id: id.into() })
    }

    /// A UUID that stays with the folder, kept in a file of its own.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Runs something that blocks.
    ///
    /// # Errors
    /// That of `work`.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> StoreResult<T> {
        let (folder, place) = (self.clone(), self.root.display().to_string());
        match telemetry::blocking(move || work(&folder)).await {
            Ok(result) => result.map_err(|e| StoreError::io(place, e)),
            Err(fault) => Err(StoreError::new(StoreErrorKind::Io, place, fault.to_string())),
        }
    }

    fn path(&self, below: &str, name: &str) -> io::Result<PathBuf> {
        if !is_uuid(name) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name in the cache must be a UUID"));
        }
        Ok(self.root.join(below).join(name))
    }

    /// The whole files.
    ///
    /// # Errors
    /// The file system's.
    pub fn entries(&self) -> io::Result<Vec<Held>> {
        held(&self.root)
    }

    /// Opens a complete file; also returns its size in bytes, or `None` if there is no such file.
    ///
    /// # Errors
    /// The file system's.
    pub fn open_entry(&self, name: &str) -> io::Result<Option<(File, u64)>> {
        match File::open(self.path("", name)?) {
            Ok(file) => {
                let size = file.metadata()?.len();
                Ok(Some((file, size)))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Removes a complete file; returns whether it existed. Readers can continue to read it.
    ///
    /// # Errors
    /// The file system's.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        remove_if_there(&self.path("", name)?)
    }

    /// Begins a file; `None` if it exists, or somebody is writing it. Remains of a dead process do not count.
    ///
    /// # Errors
    /// The file system's.
    pub fn begin(&self, name: &str) -> io::Result<Option<Incomplete>> {
        Incomplete::begin(self.path(INCOMPLETE, name)?, self.path("", name)?, self.path(INVALID, name)?)
    }

    /// Bytes of data that was not what it should be.
    ///
    /// # Errors
    /// The file system's.
    pub fn invalid_bytes(&self) -> io::Result<u64> {
        let files = held(&self.root.join(INVALID))?;
        Ok(files.iter().fold(0, |sum, file| sum.saturating_add(file.size)))
    }

    /// Removes data that was not what it should be; returns how many files that were.
    ///
    /// # Errors
    /// The file system's.
    pub fn clean_invalid(&self) -> io::Result<usize> {
        let folder = self.root.join(INVALID);
        let files = held(&folder)?;
        for file in &files {
            remove_if_there(&folder.join(&file.name))?;
        }
        Ok(files.len())
    }

    /// Removes abandoned incomplete files, and those unchanged for `stall`. Returns how many.
    ///
    /// # Errors
    /// The file system's.
    pub fn clean_incomplete(&self, stall: Duration) -> io::Result<usize> {
        let folder = self.root.join(INCOMPLETE);
        let oldest = SystemTime::now().checked_sub(stall).map_or(Timestamp(0), timestamp);
        let mut removed = 0_usize;
        for file in held(&folder)? {
            let path = folder.join(&file.name);
            if file.modified < oldest || incomplete::is_left(&path)? {
                removed = removed.saturating_add(usize::from(remove_if_there(&path)?));
            }
        }
        Ok(removed)
    }

    /// Queues a file; one that is queued already keeps its position.
    ///
    /// # Errors
    /// The file system's.
    pub fn queue(&self, name: &str) -> io::Result<()> {
        let path = self.path(QUEUE, name)?;
        match new_file(&path) {
            Ok(file) => file.sync_all().and_then(|()| sync_folder(&self.root.join(QUEUE))),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Strikes a file off that list; returns whether it was on it.
    ///
    /// # Errors
    /// The file system's.
    pub fn unqueue(&self, name: &str) -> io::Result<bool> {
        remove_if_there(&self.path(QUEUE, name)?)
    }

    /// The names of the queued files, in order.
    ///
    /// # Errors
    /// The file system's.
    pub fn queued(&self) -> io::Result<Vec<String>> {
        let mut files = held(&self.root.join(QUEUE))?;
        files.sort_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        Ok(files.into_iter().map(|file| file.name).collect())
    }
}

/// The files in a folder whose names are UUIDs.
fn held(folder: &Path) -> io::Result<Vec<Held>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !is_uuid(&name) || !entry.file_type()?.is_file() {
            continue;
        }
        match entry.metadata() {
            Ok(found) => {
                files.push(Held { name, size: found.len(), modified: timestamp(found.modified()?) });
            }
            // It went while we looked.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(files)
}

fn timestamp(time: SystemTime) -> Timestamp {
    let micros = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    Timestamp(i64::try_from(micros).unwrap_or(i64::MAX))
}

//! A file of the cache while it is written. The lock on it shows that its writer is alive, so the next writer takes
//! over what a killed process left.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::store::private::FILE_MODE;

/// How often a name is tried whose file goes away at that very moment.
const TRIES: usize = 8;

/// A file that is being written. Dropped before it is committed, it goes.
#[derive(Debug)]
pub struct Incomplete {
    file: File,
    path: PathBuf,
    target: PathBuf,
    invalid: PathBuf,
    is_done: bool,
}

impl Incomplete {
    pub(super) fn begin(path: PathBuf, target: PathBuf, invalid: PathBuf) -> io::Result<Option<Self>> {
        for _ in 0..TRIES {
            let file =
                OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(e)) => return Err(e),
            }
            // Between opening and locking, its writer may have committed it.
            if !is_at(&file, &path)? {
                continue;
            }
            let part = Self { file, path, target, invalid, is_done: false };
            if part.target.exists() {
                return Ok(None);
            }
            part.file.set_len(0)?;
            return Ok(Some(part));
        }
        Ok(None)
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.file.write_all(chunk)
    }

    /// Makes everything durable without showing it.
    ///
    /// # Errors
    /// The file system's.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Shows the file under its name, in one step.
    ///
    /// # Errors
    /// The file system's; [`io::ErrorKind::NotFound`] when somebody removed the file meanwhile.
    pub fn commit(mut self) -> io::Result<()> {
        self.still_here()?;
        fs::rename(&self.path, &self.target)?;
        self.is_done = true;
        self.target.parent().map_or(Ok(()), sync_folder)
    }

    /// Moves the file to those with invalid data, for inspection.
    ///
    /// # Errors
    /// As for [`Incomplete::commit`].
    pub fn reject(mut self) -> io::Result<()> {
        self.still_here()?;
        fs::rename(&self.path, &self.invalid)?;
        self.is_done = true;
        Ok(())
    }

    fn still_here(&self) -> io::Result<()> {
        if is_at(&self.file, &self.path)? {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "the incomplete file was removed"))
    }
}

impl Drop for Incomplete {
    fn drop(&mut self) {
        if self.is_done || !is_at(&self.file, &self.path).unwrap_or(false) {
            return;
        }
        if let Err(error) = remove_if_there(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "an incomplete file was left in the cache");
        }
    }
}

/// Whether the path leads to this very file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Whether the file at this path is abandoned.
pub(super) fn is_left(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    match file.try_lock() {
        Ok(()) => is_at(&file, path),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(e)) => Err(e),
    }
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

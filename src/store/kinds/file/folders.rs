//! The folders of a file store: opening them, choosing one for new data, finding a file in them.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::sys::statvfs::{Statvfs, statvfs};

use super::settings::{SCHEMES, Settings};
use crate::store::{
    StoreError, StoreErrorKind, StoreResult, StoreUrl,
    backend::Room,
    private::{make_folder, new_file},
};

/// Sub-folder for blobs that are being written.
pub const PARTS: &str = ".parts";

/// An opened folder.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// As the operator wrote it, made absolute; URLs have this form.
    pub(super) folder: PathBuf,
    /// Without symbolic links, as URLs may have been written by others.
    pub(super) real: PathBuf,
    /// Where blobs are written.
    pub(super) parts: PathBuf,
    priority: i64,
}

/// The folders of a store, those to fill first at the front.
#[derive(Clone, Debug)]
pub(super) struct Folders(Vec<Place>);

impl Folders {
    /// Opens all folders, creating those that are missing. Blocking.
    pub(super) fn open(settings: &Settings) -> StoreResult<Self> {
        let mut places = Vec::with_capacity(settings.folders.len());
        for folder in &settings.folders {
            let shown = folder.path.display().to_string();
            let place = open(&folder.path, folder.priority, settings.file_perm.unwrap_or(0));
            places.push(place.map_err(|e| StoreError::io(shown, e))?);
        }
        if places.is_empty() {
            return Err(StoreError::new(StoreErrorKind::Io, "file store", "it has no folder"));
        }
        // A stable sort: among equals the order of the configuration stays.
        places.sort_by_key(|place| std::cmp::Reverse(place.priority));
        Ok(Self(places))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.0.iter()
    }

    /// The folder for a new blob: of the highest priority that has room, the one with most room. Blocking.
    pub(super) fn choose(&self, size: u64) -> io::Result<Place> {
        if let [only] = self.0.as_slice() {
            return only.check().map(|()| only.clone());
        }
        let mut best: Option<(u64, &Place)> = None;
        let mut fault = None;
        for place in &self.0 {
            if best.is_some_and(|(_, best)| best.priority > place.priority) {
                break;
            }
            match place.check().and_then(|()| free_bytes(&place.folder)) {
                Ok(free) if free >= size && best.is_none_or(|(most, _)| free > most) => {
                    best = Some((free, place));
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(folder = %place.folder.display(), %error, "a folder cannot be used now");
                    fault = Some(error);
                }
            }
        }
        let full = || io::Error::new(io::ErrorKind::StorageFull, "no folder of the store has room");
        best.map(|(_, place)| place.clone()).ok_or_else(|| fault.unwrap_or_else(full))
    }

    /// The room of all folders; those on one file system share it. Blocking.
    pub(super) fn room(&self) -> io::Result<Room> {
        let (mut room, mut seen) = (Room { free: 0, total: 0 }, Vec::with_capacity(self.0.len()));
        for place in &self.0 {
            let device = fs::metadata(&place.folder)?.dev();
            if seen.contains(&device) {
                continue;
            }
            seen.push(device);
            let found = statvfs(&place.folder).map_err(io::Error::from)?;
            room.free = room.free.saturating_add(free(&found));
            room.total = room.total.saturating_add(found.blocks().saturating_mul(found.fragment_size()));
        }
        Ok(room)
    }

    /// Whether a file has that name in any of the folders. Blocking.
    pub(super) fn hold(&self, name: &str) -> io::Result<bool> {
        for place in &self.0 {
            match fs::symlink_metadata(place.folder.join(name)) {
                Ok(_) => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::NotFound => place.check()?,
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }

    /// Removes all data of a blob. While the blob is unfinished, a file of its name is not its own unless it is the
    /// same file: it may be older, or belong to others. Blocking.
    pub(super) fn remove(&self, blob_id: &str, name: &str) -> io::Result<()> {
        let part_in = |place: &Place| place.parts.join(blob_id);
        let mut unfinished = None;
        for place in &self.0 {
            place.check()?;
            unfinished = unfinished.or(identity(&part_in(place))?);
        }
        for place in &self.0 {
            let file = place.folder.join(name);
            let own = unfinished.is_none() || identity(&file)? == unfinished;
            if own && remove_if_there(&file)? {
                sync_folder(&place.folder)?;
            }
        }
        self.0.iter().try_for_each(|place| remove_if_there(&part_in(place)).map(drop))
    }

    /// Refuses a name that a file has in any of the folders. Blocking.
    pub(super) fn check_unused(&self, name: &str) -> io::Result<()> {
        match self.0.iter().map(|place| place.folder.join(name)).find(|path| path.exists()) {
            None => Ok(()),
            Some(rival) => {
                let reason = format!("{} has that name already", rival.display());
                Err(io::Error::new(io::ErrorKind::AlreadyExists, reason))
            }
        }
    }

    /// The file of a URL, which must be directly in one of the folders.
    pub(super) fn path_of(&self, url: &StoreUrl) -> StoreResult<PathBuf> {
        path_in(url, |folder| self.0.iter().any(|place| folder == place.folder || folder == place.real))
    }
}

/// A unique identity of a file, whatever its names; `None` if it does not exist.
pub(super) fn identity(path: &Path) -> io::Result<Option<(u64, u64)>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some((found.dev(), found.ino()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The file of a URL, which must be directly in one of our folders. Accesses no file.
///
/// # Errors
/// [`StoreErrorKind::BadUrl`] when it does not.
pub(crate) fn path_in(url: &StoreUrl, is_ours: impl Fn(&Path) -> bool) -> StoreResult<PathBuf> {
    let bad = |why: &'static str| StoreError::new(StoreErrorKind::BadUrl, url.to_string(), why);
    let path = file_of(url)?;
    let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(|| bad("no file name"))?;
    let parent = path.parent().ok_or_else(|| bad("no folder"))?;
    if !is_ours(parent) {
        return Err(bad("outside the folders of this store"));
    }
    check_name(name)?;
    Ok(parent.join(name))
}

/// The path in a URL.
pub(super) fn file_of(url: &StoreUrl) -> StoreResult<PathBuf> {
    let path = url.full().split_once("://").filter(|(scheme, _)| SCHEMES.contains(scheme));
    let path = path.map(|(_, path)| PathBuf::from(path));
    path.ok_or_else(|| StoreError::new(StoreErrorKind::BadUrl, url.to_string(), "not a file URL"))
}

impl Place {
    /// Checks that a folder exists, as it did at the start: an unmounted file system must not pass for an empty one.
    /// Blocking.
    pub(super) fn check(&self) -> io::Result<()> {
        check_parts(&self.parts)
    }
}

/// As [`Place::check`], for the folder that a file should be in. Blocking.
pub(super) fn check_folder_of(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |folder| check_parts(&folder.join(PARTS)))
}

/// Classifies the failure of a call: [`Gone`] travels inside an [`io::Error`].
pub(super) fn classified(place: impl Into<String>, error: io::Error) -> StoreError {
    match error.get_ref().is_some_and(|cause| cause.is::<Gone>()) {
        true => StoreError::new(StoreErrorKind::Gone, place, error),
        false => StoreError::io(place, error),
    }
}

/// A folder that was there when the server started is not there now.
#[derive(Debug, thiserror::Error)]
#[error("{} is not there; is its file system mounted?", .0.display())]
struct Gone(PathBuf);

fn check_parts(parts: &Path) -> io::Result<()> {
    if parts.is_dir() {
        return Ok(());
    }
    Err(io::Error::other(Gone(parts.to_owned())))
}

/// Refuses names that a blob cannot have.
pub(super) fn check_name(name: &str) -> StoreResult<()> {
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
        return Err(StoreError::new(StoreErrorKind::BadUrl, name, "not a name of a blob"));
    }
    Ok(())
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes a file; returns whether it was there.
pub(super) fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

fn open(path: &Path, priority: i64, file_perm: u32) -> io::Result<Place> {
    let folder = std::path::absolute(path)?;
    let parts = folder.join(PARTS);
    make_folder(&parts)?;
    let real = folder.canonicalize()?;
    let probe = parts.join(format!(".probe-{}", uuid::Uuid::new_v4()));
    new_file(&probe).and_then(|_| fs::remove_file(&probe))?;
    let passage = passage(file_perm);
    let mode = fs::metadata(&folder)?.permissions().mode();
    if mode & passage != passage {
        fs::set_permissions(&folder, Permissions::from_mode(mode & 0o7777 | passage))?;
    }
    Ok(Place { folder, real, parts, priority })
}

/// The bits that a folder needs so that those who may read its files can get at them.
fn passage(file_perm: u32) -> u32 {
    let group = if file_perm & 0o070 == 0 { 0 } else { 0o010 };
    let others = if file_perm & 0o007 == 0 { 0 } else { 0o001 };
    group | others
}

pub(super) fn free_bytes(folder: &Path) -> io::Result<u64> {
    statvfs(folder).map(|found| free(&found)).map_err(io::Error::from)
}

fn free(found: &Statvfs) -> u64 {
    found.blocks_available().saturating_mul(found.fragment_size())
}

pub(super) fn url_of(file: &Path) -> StoreUrl {
    StoreUrl::new(format!("file://{}", file.display()))
}

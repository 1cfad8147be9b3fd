//! The signing key files of an earlier version: they are moved to the database once.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use crate::{db::identity::keys::NewKey, model::time::Timestamp};

const SUFFIX: &str = ".pem";
/// Bytes of a key file at most; a real one has about 240.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("signing key {name}: {reason}")]
pub struct KeyError {
    /// Key id, or the file that it was in.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

fn at(path: &Path) -> impl Fn(io::Error) -> KeyError {
    let name = path.display().to_string();
    move |error| KeyError { name: name.clone(), reason: error.to_string() }
}

/// The keys in a folder, the oldest first; none when there is no folder. Files of other names are left alone. Blocking.
///
/// # Errors
/// [`KeyError`] naming what cannot be read.
pub fn read(folder: &Path) -> Result<Vec<NewKey>, KeyError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(folder)(error)),
    };
    let mut keys = Vec::new();
    for entry in entries {
        let path = entry.map_err(at(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(kid) = name.strip_suffix(SUFFIX).filter(|kid| !kid.starts_with('.')) else { continue };
        let Some(seconds) = kid.split('-').next().and_then(|text| text.parse().ok()) else { continue };
        let mut private_key = String::new();
        let file = File::open(&path).map_err(at(&path))?;
        file.take(FILE_BYTES_MAX).read_to_string(&mut private_key).map_err(at(&path))?;
        let created_at = Timestamp::default().plus_seconds(seconds);
        keys.push(NewKey { kid: kid.to_owned(), private_key, created_at });
    }
    keys.sort_by(|a, b| (a.created_at, &a.kid).cmp(&(b.created_at, &b.kid)));
    Ok(keys)
}

/// Removes the files of these keys, and the folder if nothing else is in it. Blocking.
///
/// # Errors
/// [`KeyError`] naming the file that stays.
pub fn remove(folder: &Path, keys: &[NewKey]) -> Result<(), KeyError> {
    for key in keys {
        let path = folder.join(format!("{}{SUFFIX}", key.kid));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&path)(error)),
            _ => {}
        }
    }
    if let Err(error) = fs::remove_dir(folder) {
        tracing::debug!(folder = %folder.display(), %error, "the folder of former signing keys stays");
    }
    Ok(())
}

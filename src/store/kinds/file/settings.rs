//! The options of a file store, parsed (`glance_store/_drivers/filesystem.py`).

use std::{path::PathBuf, time::Duration};

use serde_json::{Map, Value};

/// Bits of a mode that `filesystem_store_file_perm` may have.
const MODE_BITS: u32 = 0o777;
/// The bit without which we could not read our own files.
const OWNER_READ: u32 = 0o400;

/// The schemes of the URLs; new ones have the first.
pub(super) const SCHEMES: [&str; 2] = ["file", "filesystem"];

/// One folder of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Which folder is filled first: the larger number.
    pub priority: i64,
}

/// The options of a file store; names and defaults are Glance's.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `filesystem_store_datadir`, or each of `filesystem_store_datadirs`. Not empty.
    pub folders: Vec<Folder>,
    /// `filesystem_store_metadata_file`, read: what to say in locations below each mount point.
    pub mounts: Vec<Mount>,
    /// `filesystem_store_file_perm`: mode of finished files; `None` is ours, 0600.
    pub file_perm: Option<u32>,
    /// `filesystem_store_chunk_size`: bytes read at once, and unit of holes; `None` is the best measured value,
    /// although Glance's default is reported.
    pub chunk_size: Option<usize>,
    /// `filesystem_thin_provisioning`: runs of zeros become holes.
    pub thin_provisioning: bool,
    /// `filesystem_store_timeout`: time limit for metadata calls and deletions; `None` is unlimited.
    pub timeout: Option<Duration>,
    /// `filesystem_store_thread_pool_size`: calls with a limit of time that may be under way at once.
    pub thread_pool_size: usize,
    /// `filesystem_store_threadpool_threshold`: percentage of busy threads above which a warning is logged.
    pub threadpool_threshold: u64,
}

impl Settings {
    /// One folder and Glance's defaults.
    pub fn of_folder(path: PathBuf) -> Self {
        Self {
            folders: vec![Folder { path, priority: 0 }],
            mounts: Vec::new(),
            file_perm: None,
            chunk_size: None,
            thin_provisioning: false,
            timeout: None,
            thread_pool_size: 10,
            threadpool_threshold: 75,
        }
    }
}

/// Reads `filesystem_store_datadirs`: each `path` or `path:priority`. A folder that is named twice with one
/// priority counts once.
///
/// # Errors
/// A sentence that names the value at fault.
pub fn folders(values: &[String]) -> Result<Vec<Folder>, String> {
    let mut folders: Vec<Folder> = Vec::new();
    for value in values {
        let (path, priority) = match value.rsplit_once(':') {
            Some((path, priority)) => (path.trim(), priority.trim()),
            None => (value.trim(), ""),
        };
        if path.is_empty() {
            return Err(format!("`{value}` names no folder"));
        }
        let priority = match priority {
            "" => 0,
            text => text.parse().map_err(|_| format!("`{text}` in `{value}` is not a whole number"))?,
        };
        let path = PathBuf::from(path);
        match folders.iter().find(|folder| folder.path == path) {
            None => folders.push(Folder { path, priority }),
            Some(known) if known.priority == priority => {
                tracing::warn!(folder = %path.display(), "a folder of a store is named twice");
            }
            Some(_) => return Err(format!("{} has two different priorities", path.display())),
        }
    }
    Ok(folders)
}

/// Reads `filesystem_store_file_perm`: decimal digits that mean octal ones; 0 and less leave the mode alone.
///
/// # Errors
/// A sentence that says why it is no mode.
pub fn file_perm(digits: i64) -> Result<Option<u32>, String> {
    if digits <= 0 {
        return Ok(None);
    }
    let mode = u32::from_str_radix(&digits.to_string(), 8)
        .ok()
        .filter(|mode| mode & !MODE_BITS == 0)
        .ok_or_else(|| format!("`{digits}` is not a mode of three octal digits"))?;
    if mode & OWNER_READ == 0 {
        return Err(format!("`{digits}` does not let the owner read, which Vitrine must"));
    }
    Ok(Some(mode))
}

/// The configured description of a mount point.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// Prefix of the paths it is about.
    pub mountpoint: String,
    /// The whole entry, as it goes into the metadata of locations.
    pub entry: Map<String, Value>,
}

/// Reads the text of `filesystem_store_metadata_file`: an object or a list of objects, each with the texts `id`
/// and `mountpoint`.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn mounts(text: &str) -> Result<Vec<Mount>, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))?;
    let entries = match value {
        Value::Array(entries) => entries,
        one => vec![one],
    };
    let read = |entry: Value| {
        let Value::Object(entry) = entry else { return Err("an entry is not an object".to_owned()) };
        let text = |name: &str| {
            let value = entry.get(name).and_then(Value::as_str).map(str::to_owned);
            value.ok_or_else(|| format!("an entry has no text {name:?}"))
        };
        text("id")?;
        Ok(Mount { mountpoint: text("mountpoint")?, entry })
    };
    entries.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves how folders and their priorities are read, and which lists are refused.
    #[test]
    fn folders_are_read_with_their_priorities() {
        let read = |list: &[&str]| {
            let list: Vec<_> = list.iter().map(|s| (*s).to_owned()).collect();
            let folders = folders(&list)?;
            Ok::<_, String>(
                folders.iter().map(|f| (f.path.display().to_string(), f.priority)).collect::<Vec<_>>(),
            )
        };
        let pair = |path: &str, priority| (path.to_owned(), priority);
        assert_eq!(
            read(&["/a", "/b:200", " /c : -3 "]).unwrap(),
            [pair("/a", 0), pair("/b", 200), pair("/c", -3)]
        );
        assert_eq!(read(&["/a:", "/a:0"]).unwrap(), [pair("/a", 0)]);
        assert_eq!(read(&["/a:b:7"]).unwrap(), [pair("/a:b", 7)]);
        for bad in [&["/a:1", "/a:2"][..], &["/a:x"], &[":5"], &[""]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    /// Proves that the digits of a mode are octal ones and that the owner keeps the right to read.
    #[test]
    fn modes_are_octal_digits() {
        for (digits, expected) in
            [(0, Ok(None)), (-640, Ok(None)), (640, Ok(Some(0o640))), (444, Ok(Some(0o444)))]
        {
            assert_eq!(file_perm(digits), expected, "{digits}");
        }
        for digits in [8, 240, 888, 1777, i64::MAX] {
            assert!(file_perm(digits).is_err(), "{digits}");
        }
    }

    /// Proves which metadata files are understood.
    #[test]
    fn metadata_files_hold_one_entry_or_a_list() {
        let one = mounts(r#"{"id": "f", "mountpoint": "/m", "share": "s"}"#).unwrap();
        assert_eq!((one[0].mountpoint.as_str(), one[0].entry.len()), ("/m", 3));
        assert_eq!(
            mounts(r#"[{"id": "f", "mountpoint": "/m"}, {"id": "g", "mountpoint": "/n"}]"#).unwrap().len(),
            2
        );
        assert_eq!(mounts("[]").unwrap(), []);
        for bad in ["", "[1]", "{}", r#"{"id": 1, "mountpoint": "/m"}"#, r#"{"id": "f"}"#] {
            assert!(mounts(bad).is_err(), "{bad}");
        }
    }
}

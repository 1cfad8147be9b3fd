//! The options of a file store in the configuration (`glance_store/_drivers/filesystem.py`).

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::settings::{Folder, SCHEMES, Settings, file_perm, folders, mounts};
use crate::store::backend::{self, Declared, Form, Kind, NamedBy, Options};

/// The file store.
pub static KIND: Kind =
    Kind { name: "file", schemes: &SCHEMES, named_by: NamedBy::Nobody, writes: true, options: OPTIONS, read };

const FOLDER: &str = "filesystem_store_datadir";
const FOLDERS: &str = "filesystem_store_datadirs";
const MOUNTS: &str = "filesystem_store_metadata_file";
const MODE: &str = "filesystem_store_file_perm";
const CHUNK: &str = "filesystem_store_chunk_size";
const THIN: &str = "filesystem_thin_provisioning";
const TIMEOUT: &str = "filesystem_store_timeout";
const THREADS: &str = "filesystem_store_thread_pool_size";
const THRESHOLD: &str = "filesystem_store_threadpool_threshold";

const OPTIONS: &[Declared] = &[
    Declared::new(FOLDER, Form::Text, "/var/lib/glance/images", "Folder of the data."),
    Declared::unset(
        FOLDERS,
        Form::Multi,
        "Several folders instead, each as path or path:priority; needs filesystem_store_datadir to \
         be empty.",
    ),
    Declared::unset(MOUNTS, Form::Text, "JSON file that gives the location metadata of each mount point."),
    Declared::new(
        MODE,
        Form::Int(i64::MIN, i64::MAX),
        "0",
        "Mode of the files, in octal digits; 0 leaves it to the umask.",
    ),
    Declared::new(CHUNK, Form::Int(1, i64::MAX), "65536", "Bytes that are read or written at once."),
    Declared::new(THIN, Form::Bool, "false", "Leave holes in place of runs of zeros."),
    Declared::new(
        TIMEOUT,
        Form::Int(0, i64::MAX),
        "0",
        "Seconds that a call of the file system may take; 0 is no limit.",
    ),
    Declared::new(THREADS, Form::Int(1, i64::MAX), "10", "Threads for calls with a limit of time."),
    Declared::new(
        THRESHOLD,
        Form::Int(0, 100),
        "75",
        "Percentage of busy threads above which a warning is logged.",
    ),
];

fn read(options: &mut dyn Options) -> Arc<dyn backend::Settings> {
    let mut settings = Settings { folders: folders_of(options), ..Settings::of_folder(PathBuf::new()) };
    match file_perm(options.i64(MODE).unwrap_or(0)) {
        Ok(mode) => settings.file_perm = mode,
        Err(reason) => options.refuse(MODE, reason),
    }
    if let Some(path) = options.path(MOUNTS) {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("it cannot be read: {error}"));
        match text.and_then(|text| mounts(&text)) {
            Ok(mounts) => settings.mounts = mounts,
            Err(reason) => options.refuse(MOUNTS, format!("{}: {reason}", path.display())),
        }
    }
    let chunk_size = options.u64(CHUNK).filter(|_| options.is_set(CHUNK));
    settings.chunk_size = chunk_size.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    settings.thin_provisioning = options.bool(THIN);
    let seconds = options.u64(TIMEOUT).filter(|seconds| *seconds > 0);
    settings.timeout = seconds.map(Duration::from_secs);
    if let Some(size) = options.u64(THREADS) {
        settings.thread_pool_size = usize::try_from(size).unwrap_or(usize::MAX);
    }
    if let Some(percent) = options.u64(THRESHOLD) {
        settings.threadpool_threshold = percent;
    }
    Arc::new(settings)
}

/// The folders; none of them means the one in the data folder.
fn folders_of(options: &mut dyn Options) -> Vec<Folder> {
    let (folder, list) = (options.path(FOLDER), options.list(FOLDERS));
    let folders = match (folder, list.is_empty()) {
        (Some(_), false) if options.is_set(FOLDER) => {
            options.refuse(FOLDERS, format!("there is also {FOLDER}; keep one of them"));
            Vec::new()
        }
        (_, false) => folders(&list).unwrap_or_else(|reason| {
            options.refuse(FOLDERS, reason);
            Vec::new()
        }),
        (Some(path), true) => Settings::of_folder(path).folders,
        (None, true) => {
            options.refuse(FOLDER, "the value is empty".to_owned());
            Vec::new()
        }
    };
    // The default of Glance is a folder of its own package; ours is in the data folder.
    if options.is_single() && !options.is_set(FOLDER) && !options.is_set(FOLDERS) {
        return Vec::new();
    }
    folders
}

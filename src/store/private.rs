//! Creates files and folders that only the service can access, whatever the umask.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// Mode of a file unless the operator sets another.
pub const FILE_MODE: u32 = 0o600;
/// Mode of a folder that the service makes; one that was there before keeps its own.
const FOLDER_MODE: u32 = 0o700;

/// Makes a folder, and those above it, where they are missing. Blocking.
///
/// # Errors
/// The file system's.
pub fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

/// Opens a new file for writing. Blocking.
///
/// # Errors
/// The file system's; [`io::ErrorKind::AlreadyExists`] when there is one.
pub fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Opens a file for writing at its end, and makes it if there is none. Blocking.
///
/// # Errors
/// The file system's.
pub fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

/// Makes a file of this name and text durable in a folder, unless there is one: the first of several who do so at once
/// wins. Blocking.
///
/// # Errors
/// The file system's.
pub fn keep(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let draft = folder.join(format!("{name}-{}", uuid::Uuid::new_v4()));
    let mut file = new_file(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, folder.join(name));
    fs::remove_file(&draft)?;
    match linked {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => File::open(folder)?.sync_all(),
    }
}

//! Files and folders for nobody but the service, whatever the umask is.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
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

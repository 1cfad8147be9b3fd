//! The data folder: one server at a time.

use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

use super::{
    database,
    error::{StartError, failed},
};

/// Creates the data folder, readable by its owner only, and locks it for this process. Blocking.
///
/// # Errors
/// [`StartError`], which names the folder.
pub fn lock(folder: &Path) -> Result<File, StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let shown = folder.display();
    let unusable = |e: std::io::Error| {
        failed(&format!("cannot use the data folder {shown}"), format!("{e}. Choose another with --data-dir"))
    };
    if !folder.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    }
    let lock = database::private_file(&folder.join("lock")).map_err(unusable)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError(format!(
            "another Vitrine uses the data folder {shown}; stop it or choose another with --data-dir"
        ))),
        Err(TryLockError::Error(e)) => Err(unusable(e)),
    }
}

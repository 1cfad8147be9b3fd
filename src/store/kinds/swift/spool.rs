//! Processes the data of a segment as it passes: its MD5, and a copy in a file if the operator enables it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use openssl::hash::{Hasher, MessageDigest};

use crate::{model::hash::hex, store::private::FILE_MODE, telemetry::relay::Taker};

/// Measures the bytes of a segment, and copies them.
pub(super) struct Spool {
    hasher: Hasher,
    folder: Option<PathBuf>,
    copy: Option<File>,
}

/// What there is to know of a segment that is there as a whole.
#[derive(Clone, Debug)]
pub(super) struct Spooled {
    /// Its MD5 in hexadecimal digits.
    pub(super) md5: String,
    /// Its copy, if there is one and it is not empty.
    pub(super) copy: Option<Arc<File>>,
}

/// A file without a name, gone with whoever has it open. Blocking.
///
/// # Errors
/// The file system's.
pub(super) fn new_file(folder: &Path) -> io::Result<File> {
    let unnamed = nix::fcntl::OFlag::O_TMPFILE.bits();
    OpenOptions::new().read(true).write(true).mode(FILE_MODE).custom_flags(unnamed).open(folder)
}

impl Spool {
    /// Begins, with a copy in this folder if there is one.
    ///
    /// # Errors
    /// OpenSSL's.
    pub(super) fn new(folder: Option<&Path>) -> io::Result<Self> {
        let hasher = Hasher::new(MessageDigest::md5())?;
        Ok(Self { hasher, folder: folder.map(Path::to_owned), copy: None })
    }

    /// Ends.
    ///
    /// # Errors
    /// OpenSSL's.
    pub(super) fn finish(mut self) -> io::Result<Spooled> {
        let md5 = hex(&self.hasher.finish()?);
        Ok(Spooled { md5, copy: self.copy.map(Arc::new) })
    }
}

impl Taker for Spool {
    type Error = io::Error;

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hasher.update(piece)?;
        if let (Some(folder), None) = (&self.folder, &self.copy) {
            self.copy = Some(new_file(folder)?);
        }
        match &mut self.copy {
            Some(copy) => copy.write_all(piece),
            None => Ok(()),
        }
    }
}

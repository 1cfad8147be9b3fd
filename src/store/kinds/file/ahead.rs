//! Allocates disk space for a file of known size in steps ahead of its data: a full disk is noticed early, files are
//! less fragmented, and a merely declared size takes no space from others.

use std::{fs::File, io, path::Path};

use nix::{
    errno::Errno,
    fcntl::{FallocateFlags, fallocate},
};

use super::folders::free_bytes;

/// Bytes taken before the first one has come.
pub(super) const FIRST_STEP: u64 = 1 << 20;
/// Bytes taken at once at most: as much as has come, up to so many.
const LONGEST_STEP: u64 = 64 << 20;

/// How far space is allocated ahead of the data.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Bytes of the whole file; `None` where nothing is taken ahead.
    size: Option<u64>,
    /// Bytes for which there is room.
    until: u64,
}

impl Ahead {
    /// Takes the first step for a file of `size` bytes in `folder`, if that is known. Where all of it would not fit now,
    /// that is said at once. Blocking.
    pub(super) fn begin(file: &File, folder: &Path, size: Option<u64>) -> io::Result<Self> {
        let mut ahead = Self { size: size.filter(|size| *size > 0), until: 0 };
        ahead.cover(file, 0)?;
        match ahead.size {
            Some(size) if size.saturating_sub(ahead.until) > free_bytes(folder)? => {
                Err(io::Error::new(io::ErrorKind::StorageFull, "the disk has no room for the whole file"))
            }
            _ => Ok(ahead),
        }
    }

    /// Makes sure that there is room for the first `bytes`, and for a step more. Blocking.
    pub(super) fn cover(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        let Some(size) = self.size.filter(|size| *size > self.until && bytes >= self.until) else {
            return Ok(());
        };
        let until = bytes.saturating_add(bytes.clamp(FIRST_STEP, LONGEST_STEP)).min(size);
        if take(file, self.until, until.saturating_sub(self.until))? {
            self.until = until;
        } else {
            self.size = None;
        }
        Ok(())
    }
}

/// Takes room for a part of a file; answers false where the file system cannot.
fn take(file: &File, from: u64, bytes: u64) -> io::Result<bool> {
    let (Ok(from), Ok(bytes)) = (i64::try_from(from), i64::try_from(bytes)) else { return Ok(false) };
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, from, bytes) {
        Ok(()) => Ok(true),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => Ok(false),
        Err(errno) => Err(io::Error::from(errno)),
    }
}

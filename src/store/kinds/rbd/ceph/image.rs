//! Images of a pool.

use std::{
    ffi::{CStr, c_int},
    io,
    ptr::{null, null_mut},
    sync::Arc,
};

use nix::libc::timespec;

use super::{CLONE_PARENT, Calls, Handle, Pool, Result, TEXT_BYTES, check, text};

shared!(Image);

/// An open image.
pub(crate) struct Image {
    pool: Arc<Pool>,
    handle: Handle,
    settled: super::super::settled::Settled,
}

impl Image {
    /// Opens an image to write to it.
    pub(crate) fn open(pool: &Arc<Pool>, name: &str) -> Result<Self> {
        let (name, mut handle) = (text(name)?, null_mut());
        ask!(pool.cluster.calls, rbd_open(pool.handle, name.as_ptr(), &raw mut handle, null()))?;
        Ok(Self { pool: Arc::clone(pool), handle, settled: super::super::settled::Settled::now() })
    }

    /// Opens an image, or one of its snapshots, to read.
    pub(crate) fn read_only(pool: &Arc<Pool>, name: &str, snapshot: Option<&str>) -> Result<Self> {
        let (name, mut handle) = (text(name)?, null_mut());
        let snapshot = snapshot.map(text).transpose()?;
        let (calls, shot) = (pool.cluster.calls, snapshot.as_ref().map_or(null(), |text| text.as_ptr()));
        ask!(calls, rbd_open_read_only(pool.handle, name.as_ptr(), &raw mut handle, shot))?;
        Ok(Self { pool: Arc::clone(pool), handle, settled: super::super::settled::Settled::now() })
    }

    fn calls(&self) -> &'static Calls {
        self.pool.cluster.calls
    }

    /// The id that it keeps under whatever name.
    pub(crate) fn id(&self) -> Result<String> {
        told!(self.calls(), rbd_get_id(self.handle))
    }

    /// When it was made, and when it was last written to, each in microseconds since 1970 by the cluster's clock.
    pub(crate) fn times(&self) -> Result<(i64, i64)> {
        let mut times = [timespec { tv_sec: 0, tv_nsec: 0 }; 2];
        let [made, written] = &mut times;
        ask!(self.calls(), rbd_get_create_timestamp(self.handle, &raw mut *made))?;
        ask!(self.calls(), rbd_get_modify_timestamp(self.handle, &raw mut *written))?;
        let [made, written] =
            times.map(|time| time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_nsec / 1000));
        Ok((made, written))
    }

    /// Its size in bytes.
    pub(crate) fn size(&self) -> Result<u64> {
        let mut size = 0;
        ask!(self.calls(), rbd_get_size(self.handle, &raw mut size))?;
        Ok(size)
    }

    pub(crate) fn resize(&self, size: u64) -> Result<()> {
        ask!(self.calls(), rbd_resize(self.handle, size))
    }

    /// Fills the buffer from `at` on; a part that was never written is zeros.
    pub(crate) fn read(&self, at: u64, buffer: &mut [u8]) -> Result<()> {
        let pointer = buffer.as_mut_ptr().cast();
        // SAFETY: the call writes no more than the length of the buffer.
        let read = unsafe { (self.calls().rbd_read)(self.handle, at, buffer.len(), pointer) };
        all(read, buffer.len())
    }

    pub(crate) fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        // SAFETY: the call reads no more than the length of the bytes.
        let written =
            unsafe { (self.calls().rbd_write)(self.handle, at, bytes.len(), bytes.as_ptr().cast()) };
        all(written, bytes.len())
    }

    /// Whether the snapshot that is open has clones which need it to be protected.
    pub(crate) fn has_clones(&self) -> Result<bool> {
        let (mut count, mut operations) = (0, 0);
        // With a count of 0 nothing is written but the count.
        match ask!(self.calls(), rbd_list_children3(self.handle, null_mut(), &raw mut count)) {
            Ok(()) => return Ok(false),
            Err(error) if error.raw_os_error() == Some(nix::libc::ERANGE) => {}
            Err(error) => return Err(error),
        }
        ask!(self.calls(), rbd_get_op_features(self.handle, &raw mut operations))?;
        Ok(operations & CLONE_PARENT == 0)
    }
}

/// Calls that name a snapshot.
macro_rules! snapshot_calls {
    ($($name:ident: $call:ident),+) => {
        impl Image {
            $(pub(crate) fn $name(&self, snapshot: &str) -> Result<()> {
                let snapshot = text(snapshot)?;
                ask!(self.calls(), $call(self.handle, snapshot.as_ptr()))
            })+
        }
    };
}

snapshot_calls! {
    snapshot: rbd_snap_create,
    protect: rbd_snap_protect,
    unprotect: rbd_snap_unprotect,
    remove_snapshot: rbd_snap_remove
}

/// Requires that all bytes were read or written.
fn all(done: isize, wanted: usize) -> Result<()> {
    match usize::try_from(done) {
        Ok(done) if done == wanted => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the image is shorter")),
        Err(_) => check(c_int::try_from(done).unwrap_or(c_int::MIN)),
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: nothing uses the handle any more. What a close that fails leaves to do, the cluster does in time.
        let _ = unsafe { (self.calls().rbd_close)(self.settled.handle(self.handle)) };
    }
}

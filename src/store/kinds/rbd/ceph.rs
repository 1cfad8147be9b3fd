//! Ceph's own libraries, loaded when a store needs them: unsafe code behind a safe interface.
//!
//! Every call blocks. The libraries allow any number of threads to use the same handle, and everything passed to a
//! call lives until it returns; that and the signatures in `librados.h` and `librbd.h` make these calls sound.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_uchar, c_void},
    io,
    path::Path,
    ptr::{null, null_mut},
    sync::{Arc, OnceLock},
};

use libloading::Library;
use nix::libc::timespec;

/// Result of a call: the error is the system's, by its number.
pub(super) type Result<T> = io::Result<T>;

/// The operations that an image was subject to: it has clones that do not need their parent's snapshot to be protected.
const CLONE_PARENT: u64 = 1;
/// Longest value of an option, and longest id.
const TEXT_BYTES: usize = 4096;

/// Declares the functions that are used, and finds them.
macro_rules! calls {
    (($rados:ident, $rbd:ident) $($library:ident: $name:ident($($argument:ty),*) $(-> $answer:ty)?;)+) => {
        struct Calls {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $answer)?,)+
        }

        impl Calls {
            fn find($rados: &Library, $rbd: &Library) -> std::result::Result<Self, libloading::Error> {
                // SAFETY: the types are those of the headers of these libraries, which keep what a name means, and the
                // libraries are never unloaded.
                unsafe { Ok(Self { $($name: *$library.get(stringify!($name))?,)+ }) }
            }
        }
    };
}

/// Makes a call that answers the number of an error, or none.
macro_rules! ask {
    ($calls:expr, $name:ident($($argument:expr),* $(,)?)) => {
        // SAFETY: see the file's head.
        check(unsafe { ($calls.$name)($($argument),*) })
    };
}

/// Makes a call that leaves a text in a buffer.
macro_rules! told {
    ($calls:expr, $name:ident($($argument:expr),*)) => {{
        let mut buffer = vec![0_u8; TEXT_BYTES];
        // The call writes no more than the length of the buffer.
        ask!($calls, $name($($argument,)* buffer.as_mut_ptr().cast(), buffer.len()))?;
        let end = CStr::from_bytes_until_nul(&buffer).map_err(io::Error::other)?;
        Ok(end.to_string_lossy().into_owned())
    }};
}

type Handle = *mut c_void;
type Text = *const c_char;

calls! {
    (rados, rbd)
    rados: rados_create(*mut Handle, Text) -> c_int;
    rados: rados_conf_read_file(Handle, Text) -> c_int;
    rados: rados_conf_set(Handle, Text, Text) -> c_int;
    rados: rados_conf_get(Handle, Text, *mut c_char, usize) -> c_int;
    rados: rados_connect(Handle) -> c_int;
    rados: rados_shutdown(Handle);
    rados: rados_cluster_fsid(Handle, *mut c_char, usize) -> c_int;
    rados: rados_ioctx_create(Handle, Text, *mut Handle) -> c_int;
    rados: rados_ioctx_destroy(Handle);
    rados: rados_set_pool_full_try(Handle);
    rados: rados_create_read_op() -> Handle;
    rados: rados_release_read_op(Handle);
    rados: rados_read_op_omap_get_vals2(Handle, Text, Text, u64, *mut Handle, *mut c_uchar, *mut c_int);
    rados: rados_read_op_operate(Handle, Handle, Text, c_int) -> c_int;
    rados: rados_omap_get_next2(Handle, *mut *mut c_char, *mut *mut c_char, *mut usize, *mut usize) -> c_int;
    rados: rados_omap_get_end(Handle);
    rbd: rbd_create2(Handle, Text, u64, u64, *mut c_int) -> c_int;
    rbd: rbd_open(Handle, Text, *mut Handle, Text) -> c_int;
    rbd: rbd_open_read_only(Handle, Text, *mut Handle, Text) -> c_int;
    rbd: rbd_close(Handle) -> c_int;
    rbd: rbd_get_id(Handle, *mut c_char, usize) -> c_int;
    rbd: rbd_get_size(Handle, *mut u64) -> c_int;
    rbd: rbd_get_op_features(Handle, *mut u64) -> c_int;
    rbd: rbd_list_children3(Handle, *mut c_void, *mut usize) -> c_int;
    rbd: rbd_resize(Handle, u64) -> c_int;
    rbd: rbd_read(Handle, u64, usize, *mut c_char) -> isize;
    rbd: rbd_write(Handle, u64, usize, Text) -> isize;
    rbd: rbd_snap_create(Handle, Text) -> c_int;
    rbd: rbd_snap_protect(Handle, Text) -> c_int;
    rbd: rbd_snap_unprotect(Handle, Text) -> c_int;
    rbd: rbd_snap_remove(Handle, Text) -> c_int;
    rbd: rbd_remove(Handle, Text) -> c_int;
    rbd: rbd_rename(Handle, Text, Text) -> c_int;
    rbd: rbd_trash_move(Handle, Text, u64) -> c_int;
    rbd: rbd_get_create_timestamp(Handle, *mut timespec) -> c_int;
    rbd: rbd_get_modify_timestamp(Handle, *mut timespec) -> c_int;
    rbd: rbd_pool_metadata_get(Handle, Text, *mut c_char, *mut usize) -> c_int;
    rbd: rbd_pool_metadata_set(Handle, Text, Text) -> c_int;
}

/// Ceph's libraries, loaded.
pub(super) struct Ceph(Calls);

impl Ceph {
    /// Loads them, once for all stores of the process.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn load() -> std::result::Result<&'static Self, String> {
        static LOADED: OnceLock<std::result::Result<Ceph, String>> = OnceLock::new();
        LOADED.get_or_init(|| Self::open("librados.so.2", "librbd.so.1")).as_ref().map_err(Clone::clone)
    }

    fn open(rados: &str, rbd: &str) -> std::result::Result<Self, String> {
        let missing = |error| {
            format!(
                "Ceph's libraries cannot be used ({error}); install {rados} and {rbd} (Debian: librados2, librbd1)"
            )
        };
        // SAFETY: what these libraries do when they are loaded is to prepare themselves.
        let (rados, rbd) = unsafe { (Library::new(rados), Library::new(rbd)) };
        let (rados, rbd) = (rados.map_err(missing)?, rbd.map_err(missing)?);
        let calls = Calls::find(&rados, &rbd).map_err(missing)?;
        // Their threads and their functions are used until the process ends.
        std::mem::forget((rados, rbd));
        Ok(Self(calls))
    }
}

fn text(of: &str) -> Result<CString> {
    CString::new(of).map_err(|_| io::Error::from_raw_os_error(nix::libc::EINVAL))
}

/// What a call answered: a count, or the negative number of an error.
fn check(answer: c_int) -> Result<()> {
    if answer < 0 { Err(io::Error::from_raw_os_error(answer.saturating_neg())) } else { Ok(()) }
}

/// Lets threads share handles.
macro_rules! shared {
    ($($handle:ty),+) => {$(
        // SAFETY: the libraries let any thread use a handle, also several at once.
        unsafe impl Send for $handle {}
        // SAFETY: as above.
        unsafe impl Sync for $handle {}
    )+};
}

shared!(Cluster, Pool);

/// A cluster, configured, and connected once [`Cluster::connect`] has been called.
pub(super) struct Cluster {
    calls: &'static Calls,
    handle: Handle,
}

impl Cluster {
    /// A cluster as its configuration says, `None` being wherever Ceph looks for it, to be used by `user`, `None` being
    /// Ceph's default.
    pub(super) fn configured(ceph: &'static Ceph, user: Option<&str>, conf: Option<&Path>) -> Result<Self> {
        let (calls, mut handle) = (&ceph.0, null_mut());
        let user = user.map(text).transpose()?;
        let conf = conf.map(|path| text(&path.to_string_lossy())).transpose()?;
        let pointer = |text: &Option<CString>| text.as_ref().map_or(null(), |text| text.as_ptr());
        ask!(calls, rados_create(&raw mut handle, pointer(&user)))?;
        let cluster = Self { calls, handle };
        ask!(calls, rados_conf_read_file(handle, pointer(&conf)))?;
        Ok(cluster)
    }

    pub(super) fn set(&self, option: &str, value: &str) -> Result<()> {
        let (option, value) = (text(option)?, text(value)?);
        ask!(self.calls, rados_conf_set(self.handle, option.as_ptr(), value.as_ptr()))
    }

    pub(super) fn option(&self, name: &str) -> Result<String> {
        let name = text(name)?;
        told!(self.calls, rados_conf_get(self.handle, name.as_ptr()))
    }

    pub(super) fn connect(&self) -> Result<()> {
        let connected = ask!(self.calls, rados_connect(self.handle));
        super::exit::at_once();
        connected
    }

    /// Its id, once it is connected.
    pub(super) fn fsid(&self) -> Result<String> {
        told!(self.calls, rados_cluster_fsid(self.handle))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SAFETY: pools and images keep the cluster, so that nothing uses the handle any more.
        unsafe { (self.calls.rados_shutdown)(self.handle) }
    }
}

/// A pool of a connected cluster.
pub(super) struct Pool {
    cluster: Arc<Cluster>,
    handle: Handle,
}

impl Pool {
    /// A pool by its name, in which writing fails when it is full, instead of waiting.
    pub(super) fn open(cluster: Arc<Cluster>, name: &str) -> Result<Self> {
        let (name, mut handle, calls) = (text(name)?, null_mut(), cluster.calls);
        ask!(calls, rados_ioctx_create(cluster.handle, name.as_ptr(), &raw mut handle))?;
        // SAFETY: see the file's head.
        unsafe { (calls.rados_set_pool_full_try)(handle) }
        Ok(Self { cluster, handle })
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Makes an image of `size` bytes in objects of two to the power of `order` bytes.
    pub(super) fn create(&self, name: &str, size: u64, features: u64, order: i32) -> Result<()> {
        let (name, mut order) = (text(name)?, order);
        ask!(self.cluster.calls, rbd_create2(self.handle, name.as_ptr(), size, features, &raw mut order))
    }

    /// Removes an image that has no snapshots, or what is left of one.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let name = text(name)?;
        ask!(self.cluster.calls, rbd_remove(self.handle, name.as_ptr()))
    }

    /// Moves an image to the trash, where it may be purged at once.
    pub(super) fn trash(&self, name: &str) -> Result<()> {
        let name = text(name)?;
        ask!(self.cluster.calls, rbd_trash_move(self.handle, name.as_ptr(), 0))
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (text(from)?, text(to)?);
        ask!(self.cluster.calls, rbd_rename(self.handle, from.as_ptr(), to.as_ptr()))
    }

    /// What the pool says of itself under this key; `None` where it says nothing.
    pub(super) fn told(&self, key: &str) -> Result<Option<String>> {
        let (key, mut buffer, mut length) = (text(key)?, vec![0_u8; TEXT_BYTES], TEXT_BYTES);
        let (handle, pointer) = (self.handle, buffer.as_mut_ptr().cast());
        // The call writes no more than the length.
        match ask!(self.cluster.calls, rbd_pool_metadata_get(handle, key.as_ptr(), pointer, &raw mut length))
        {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        }
        let end = CStr::from_bytes_until_nul(&buffer).map_err(io::Error::other)?;
        Ok(Some(end.to_string_lossy().into_owned()))
    }

    /// Has the pool say this of itself.
    pub(super) fn tell(&self, key: &str, value: &str) -> Result<()> {
        let (key, value) = (text(key)?, text(value)?);
        ask!(self.cluster.calls, rbd_pool_metadata_set(self.handle, key.as_ptr(), value.as_ptr()))
    }

    /// Keys of an object's map that begin with `prefix`, after the key `after`, up to `most`.
    pub(super) fn keys(&self, object: &str, after: &str, prefix: &str, most: u64) -> Result<Vec<String>> {
        let (object, after, prefix) = (text(object)?, text(after)?, text(prefix)?);
        let calls = self.cluster.calls;
        let (mut found, mut more, mut failed) = (null_mut(), 0, 0);
        // SAFETY: the operation is released after it is done; what it fills in lives longer than that.
        let done = unsafe {
            let operation = (calls.rados_create_read_op)();
            let get = calls.rados_read_op_omap_get_vals2;
            let (after, prefix) = (after.as_ptr(), prefix.as_ptr());
            get(operation, after, prefix, most, &raw mut found, &raw mut more, &raw mut failed);
            let done = (calls.rados_read_op_operate)(operation, self.handle, object.as_ptr(), 0);
            (calls.rados_release_read_op)(operation);
            done
        };
        let keys = check(done).and_then(|()| check(failed)).and_then(|()| self.collect(found));
        if !found.is_null() {
            // SAFETY: nothing of what was found is used any more; keys are copies.
            unsafe { (calls.rados_omap_get_end)(found) }
        }
        keys
    }

    fn collect(&self, found: Handle) -> Result<Vec<String>> {
        let mut keys = Vec::new();
        while !found.is_null() {
            let (mut key, mut value, mut length, mut value_length) = (null_mut(), null_mut(), 0, 0);
            let next = self.cluster.calls.rados_omap_get_next2;
            // SAFETY: see the file's head; a key that is there has `length` bytes, until what was found is given back.
            let key = unsafe {
                let next = next(found, &raw mut key, &raw mut value, &raw mut length, &raw mut value_length);
                check(next)?;
                if key.is_null() {
                    break;
                }
                std::slice::from_raw_parts(key.cast::<u8>(), length)
            };
            keys.push(String::from_utf8_lossy(key).into_owned());
        }
        Ok(keys)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // SAFETY: images keep the pool, so that nothing uses the handle any more.
        unsafe { (self.cluster.calls.rados_ioctx_destroy)(self.handle) }
    }
}

pub(super) mod image;

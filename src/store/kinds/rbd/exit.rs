//! Ends a process that has used Ceph at once. Otherwise its libraries would clean up while their own threads and ours
//! still use them, and one in ten processes would end by a signal instead of its exit code.
#![allow(unsafe_code)]

use std::{
    ffi::{c_int, c_void},
    ptr::null_mut,
    sync::Once,
};

unsafe extern "C" {
    /// Of the C library: has a function called with the exit code when the process ends, before those that were there
    /// already.
    fn on_exit(function: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
}

extern "C" fn end(code: c_int, _: *mut c_void) {
    // SAFETY: nothing comes after it. What Rust does at the end, it has done before.
    unsafe { nix::libc::_exit(code) }
}

/// Has the process end without more ado once it ends. To be called when the libraries have started what they start.
pub(super) fn at_once() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function lives as long as the process, and looks at no argument.
        if unsafe { on_exit(end, null_mut()) } != 0 {
            tracing::warn!("there is no memory to prepare the end of the process, which may end by a signal");
        }
    });
}

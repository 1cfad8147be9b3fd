//! Sockets that a service manager opened for this process (`sd_listen_fds(3)`).

#![allow(unsafe_code)]

use std::{
    env,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::io::{FdFlags, fcntl_setfd};

/// The first of them.
const FIRST: RawFd = 3;
/// So many at most.
const MOST: RawFd = 64;

/// Whether they were taken.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The sockets, once, and the name of each, which may be empty; none if they are for another process.
///
/// # Errors
/// A sentence for the operator.
pub fn sockets() -> Result<Vec<(OwnedFd, String)>, String> {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse::<i64>().ok());
    if number("LISTEN_PID") != Some(i64::from(std::process::id())) || TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(Vec::new());
    }
    let count = number("LISTEN_FDS").and_then(|count| RawFd::try_from(count).ok()).unwrap_or(0);
    if !(0..=MOST).contains(&count) {
        return Err(format!("LISTEN_FDS is {count}; at most {MOST} sockets are taken"));
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut sockets = Vec::new();
    for fd in FIRST..FIRST.saturating_add(count) {
        // SAFETY: LISTEN_PID and LISTEN_FDS say that this descriptor was opened for this process before it began, and
        // `TAKEN` that nobody else here has taken it.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        // Child processes have no use for it.
        fcntl_setfd(&socket, FdFlags::CLOEXEC)
            .map_err(|error| format!("LISTEN_FDS: descriptor {fd} is of no use: {error}"))?;
        sockets.push((socket, names.next().unwrap_or_default().to_owned()));
    }
    Ok(sockets)
}

//! The meaning of Ceph's error codes.

use std::io;

use nix::libc;

use crate::{
    store::{StoreError, StoreErrorKind},
    telemetry::crew::NoAnswer,
};

/// Whether it has this number.
pub(super) fn is(error: &io::Error, number: i32) -> bool {
    error.raw_os_error() == Some(number)
}

/// Whether the connection is of no use any more: the cluster has shut this client out.
pub(super) fn is_end_of_connection(error: &io::Error) -> bool {
    is(error, libc::ESHUTDOWN) || is(error, libc::ENOTCONN)
}

/// The failure of a call at `place`.
pub(super) fn classified(place: impl Into<String>, error: io::Error) -> StoreError {
    let kind = match error.raw_os_error() {
        Some(libc::ETIMEDOUT | libc::ESHUTDOWN | libc::ENOTCONN | libc::EAGAIN) => {
            StoreErrorKind::Unavailable
        }
        Some(libc::EBUSY | libc::ENOTEMPTY) => StoreErrorKind::InUse,
        Some(libc::EPERM) => StoreErrorKind::Denied,
        _ => return StoreError::io(place, error),
    };
    StoreError::new(kind, place, error)
}

/// That a call has no answer.
pub(super) fn unanswered(place: impl Into<String>, why: NoAnswer) -> StoreError {
    let kind = match why {
        NoAnswer::Busy => StoreErrorKind::Unavailable,
        NoAnswer::Died => StoreErrorKind::Io,
    };
    StoreError::new(kind, place, why)
}

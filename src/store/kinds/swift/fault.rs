//! The meaning of refusals by Swift or Keystone, and which can be retried.

use std::{error::Error, fmt, time::Duration};

use crate::{
    outbound::{OutboundError, StatusCode},
    store::{StoreError, StoreErrorKind},
};

/// Why a request failed. Its text contains nothing that the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Swift answered so.
    Refused(StatusCode),
    /// Whoever knows the account does not let it in.
    Login(String),
    /// There was no connection, or it broke off.
    Broken(String),
    /// Nothing came for so long.
    Silent(Duration),
    /// What Swift has is not what was sent.
    Corrupt,
    /// An answer that makes no sense.
    Nonsense(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status) => write!(f, "Swift answered {}", status.as_u16()),
            Self::Login(why) | Self::Broken(why) | Self::Nonsense(why) => f.write_str(why),
            Self::Silent(time) => write!(f, "nothing came for {} s", time.as_secs()),
            Self::Corrupt => f.write_str("Swift has other data than was sent"),
        }
    }
}

impl Error for Fault {}

impl From<OutboundError> for Fault {
    fn from(error: OutboundError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Fault {
    /// Whether another try may help.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Silent(_) | Self::Corrupt => true,
            Self::Refused(status) => match status.as_u16() {
                501 | 507 => false,
                // 422: what came was not what its ETag says.
                408 | 422 | 429 | 498 => true,
                _ => status.is_server_error(),
            },
            Self::Login(_) | Self::Nonsense(_) => false,
        }
    }

    /// Whether it is that the token is not accepted any more.
    pub(super) fn is_of_the_token(&self) -> bool {
        *self == Self::Refused(StatusCode::UNAUTHORIZED)
    }

    /// Whether the object does not exist.
    pub(super) fn is_absence(&self) -> bool {
        *self == Self::Refused(StatusCode::NOT_FOUND)
    }

    /// What it is to the rest of the house (`glance_store/_drivers/swift/store.py: add`).
    fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Login(_) => StoreErrorKind::Denied,
            Self::Refused(status) => match status.as_u16() {
                404 => StoreErrorKind::NotFound,
                401 | 403 => StoreErrorKind::Denied,
                409 | 412 => StoreErrorKind::Exists,
                413 | 507 => StoreErrorKind::Full,
                _ if self.passes() => StoreErrorKind::Unavailable,
                _ => StoreErrorKind::Io,
            },
            _ => StoreErrorKind::Unavailable,
        }
    }

    /// As a failure at `place`.
    pub(super) fn at(self, place: impl Into<String>) -> StoreError {
        StoreError::new(self.kind(), place, self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves what each refusal means to the rest of the house, and which are tried again.
    #[test]
    fn refusals_are_understood() {
        for (status, kind, passes) in [
            (404, StoreErrorKind::NotFound, false),
            (401, StoreErrorKind::Denied, false),
            (403, StoreErrorKind::Denied, false),
            (409, StoreErrorKind::Exists, false),
            (412, StoreErrorKind::Exists, false),
            (413, StoreErrorKind::Full, false),
            (507, StoreErrorKind::Full, false),
            (422, StoreErrorKind::Unavailable, true),
            (429, StoreErrorKind::Unavailable, true),
            (503, StoreErrorKind::Unavailable, true),
            (501, StoreErrorKind::Io, false),
            (400, StoreErrorKind::Io, false),
        ] {
            let fault = Fault::Refused(StatusCode::from_u16(status).unwrap());
            assert_eq!((fault.kind(), fault.passes()), (kind, passes), "{status}");
        }
    }
}

//! The meaning of a server's refusals, and which can be retried.

use std::{error::Error, fmt};

use http::StatusCode;

use crate::store::{StoreError, StoreErrorKind};

/// Codes of refusals that pass, or that a sound repetition mends.
const PASSING: [&str; 9] = [
    "SlowDown",
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "IncompleteBody",
    "BadDigest",
    "XAmzContentSHA256Mismatch",
    "OperationAborted",
    "ConditionalRequestConflict",
];
/// Codes of refusals for lack of room.
const FULL: [&str; 6] = [
    "QuotaExceeded",
    "EntityTooLarge",
    "InsufficientCapacity",
    "ServiceQuotaExceeded",
    "TooManyParts",
    "XMinioStorageFull",
];

/// Why a request failed. Its text contains only the server's error code: responses may have keys and signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answered so, and with this code if it gave one.
    Refused(StatusCode, Option<String>),
    /// It could not be reached, or the answer broke off.
    Broken(String),
    /// It took nothing and said nothing for this many seconds.
    Silent(u64),
    /// What it has is not what was sent.
    Corrupt,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(status, None) => write!(f, "the server answered {}", status.as_u16()),
            Self::Refused(status, Some(code)) => write!(f, "the server answered {} {code}", status.as_u16()),
            Self::Broken(why) => f.write_str(why),
            Self::Silent(seconds) => write!(f, "the server did nothing for {seconds} s"),
            Self::Corrupt => f.write_str("the server has other data than was sent"),
        }
    }
}

impl Error for Fault {}

impl Fault {
    /// The refusal of an answer with this body.
    pub fn refused(status: StatusCode, body: &[u8]) -> Self {
        Self::Refused(status, code_in(body))
    }

    /// Whether another try may help.
    pub fn passes(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Silent(_) | Self::Corrupt => true,
            Self::Refused(status, code) => {
                status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED && status.as_u16() != 507
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
                    || code.as_deref().is_some_and(|code| PASSING.contains(&code))
            }
        }
    }

    /// The corresponding kind of store error.
    pub fn kind(&self) -> StoreErrorKind {
        let Self::Refused(status, code) = self else { return StoreErrorKind::Unavailable };
        let code = code.as_deref().unwrap_or_default();
        match status.as_u16() {
            _ if FULL.contains(&code) => StoreErrorKind::Full,
            507 => StoreErrorKind::Full,
            404 if code == "NoSuchBucket" => StoreErrorKind::Gone,
            404 => StoreErrorKind::NotFound,
            401 | 403 => StoreErrorKind::Denied,
            409 | 412 => StoreErrorKind::Exists,
            _ if self.passes() => StoreErrorKind::Unavailable,
            _ => StoreErrorKind::Io,
        }
    }

    /// Whether the server does not know what a condition of a request means.
    pub fn is_of_a_condition(&self) -> bool {
        matches!(self, Self::Refused(status, _) if *status == StatusCode::NOT_IMPLEMENTED)
    }

    /// The fault behind an error of the library's, if it is one of ours.
    pub fn behind(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(fault) = error.downcast_ref::<Self>() {
                return Some(fault.clone());
            }
            cause = error.source();
        }
        None
    }

    /// As a failure at `place`.
    pub fn at(self, place: impl Into<String>) -> StoreError {
        StoreError::new(self.kind(), place, self)
    }
}

/// A failure of the library's at `place`.
pub fn classified(place: impl Into<String>, error: &object_store::Error) -> StoreError {
    match Fault::behind(error) {
        Some(fault) => fault.at(place),
        // Answers that make no sense; what they were is not told, for the same reason.
        None => StoreError::new(StoreErrorKind::Unavailable, place, "the server's answer is not understood"),
    }
}

/// The code in an error's body: `<Error><Code>…</Code>`.
fn code_in(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let plain = !code.is_empty() && code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves what each refusal means, which are tried again, and that nothing of an answer but its code is told.
    #[test]
    fn refusals_are_understood() {
        for (status, code, kind, passes) in [
            (404, "NoSuchKey", StoreErrorKind::NotFound, false),
            (404, "NoSuchBucket", StoreErrorKind::Gone, false),
            (403, "SignatureDoesNotMatch", StoreErrorKind::Denied, false),
            (403, "QuotaExceeded", StoreErrorKind::Full, false),
            (507, "Anything", StoreErrorKind::Full, false),
            (412, "PreconditionFailed", StoreErrorKind::Exists, false),
            (503, "SlowDown", StoreErrorKind::Unavailable, true),
            (400, "BadDigest", StoreErrorKind::Unavailable, true),
            (400, "InvalidArgument", StoreErrorKind::Io, false),
            (501, "NotImplemented", StoreErrorKind::Io, false),
        ] {
            let body = format!("<Error><Code>{code}</Code><AWSAccessKeyId>hush</AWSAccessKeyId></Error>");
            let fault = Fault::refused(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!((fault.kind(), fault.passes()), (kind, passes), "{status} {code}");
            assert_eq!(fault.to_string(), format!("the server answered {status} {code}"));
        }
        assert_eq!(code_in(b"<Code>a b</Code>"), None);
    }
}

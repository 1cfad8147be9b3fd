//! The only table from errors to HTTP statuses, and to `Retry-After`.

use actix_web::http::{
    StatusCode,
    header::{HeaderName, HeaderValue, RETRY_AFTER},
};

use crate::model::error::Error;

/// The status of each kind of failure, for every mount.
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::ImageNotFound(_) | Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Gone(_) => StatusCode::GONE,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
        Error::HeaderTooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Error::Slow(_) => StatusCode::REQUEST_TIMEOUT,
        Error::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Because(because) => status_of(&because.error),
        Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Seconds after which what is away may be back.
const AWAY_SECONDS: u64 = 2;

/// The value of `Retry-After`, if it is useful.
pub fn retry_after(error: &Error) -> Option<(HeaderName, HeaderValue)> {
    let seconds = match error {
        Error::TooMany { after, .. } => *after,
        Error::Unavailable(_) => AWAY_SECONDS,
        Error::Because(because) => return retry_after(&because.error),
        _ => return None,
    };
    Some((RETRY_AFTER, HeaderValue::from(seconds)))
}

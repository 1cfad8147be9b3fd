//! Errors, in Glance's terms. HTTP statuses are chosen only in `api/status.rs`.

use std::fmt::Display;

use serde_json::Value;

/// A failure of a use case, worded for the caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request contradicts the rules of the API.
    #[error("{0}")]
    Invalid(String),
    /// No usable identity was presented.
    #[error("Authentication is required: {0}")]
    Unauthenticated(String),
    /// The caller may see the thing but not do this to it.
    #[error("{0}")]
    Forbidden(String),
    /// The image does not exist, is deleted, or is hidden from the caller.
    #[error("No image found with ID {0}")]
    ImageNotFound(String),
    /// Something other than an image is missing; the text names it.
    #[error("{0}")]
    NotFound(String),
    /// The state of things does not allow the request now.
    #[error("{0}")]
    Conflict(String),
    /// The image vanished while work on it was under way.
    #[error("{0}")]
    Gone(String),
    /// A quota, a size limit or the store's capacity is exceeded.
    #[error("{0}")]
    TooLarge(String),
    /// The media type, or the disk format of the data, is not acceptable.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// A byte range outside the data; carries the size of the data in bytes.
    #[error("Invalid byte range for an image of {size} bytes")]
    RangeNotSatisfiable {
        /// Size of the image's data in bytes.
        size: u64,
    },
    /// A header is longer than allowed.
    #[error("{0}")]
    HeaderTooLarge(String),
    /// A client that exceeds its share; it may retry after this many seconds.
    #[error("{text}")]
    TooMany {
        /// What there is too much of.
        text: String,
        /// Seconds.
        after: u64,
    },
    /// The client is too slow: what it was to send, or take, did not come, or go, in time.
    #[error("{0}")]
    Slow(String),
    /// Something that we depend on is away; the client may retry.
    #[error("{0}")]
    Unavailable(String),
    /// Another failure, with a word for programs and the details that they want; only extensions show these.
    #[error("{}", .0.error)]
    Because(Box<Because>),
    /// A fault of ours. `message` is for the log, never for the caller.
    #[error("{message}")]
    Internal {
        /// What was being done, and what failed.
        message: String,
    },
}

/// Why, for programs.
#[derive(Debug)]
pub struct Because {
    /// The error.
    pub error: Error,
    /// The reason word.
    pub reason: &'static str,
    /// An object.
    pub details: Value,
}

impl Error {
    /// This error, with a reason word for programs and an object with details.
    #[must_use]
    pub fn because(self, reason: &'static str, details: Value) -> Self {
        Self::Because(Box::new(Because { error: self, reason, details }))
    }

    /// Whether programs are told this reason.
    pub fn is_because(&self, reason: &str) -> bool {
        matches!(self, Self::Because(because) if because.reason == reason)
    }

    /// Bad input, in words that name the fault.
    pub fn invalid(text: impl Display) -> Self {
        Self::Invalid(text.to_string())
    }

    /// A refusal, in words that name what is not allowed.
    pub fn forbidden(text: impl Display) -> Self {
        Self::Forbidden(text.to_string())
    }

    /// A conflict with the present state.
    pub fn conflict(text: impl Display) -> Self {
        Self::Conflict(text.to_string())
    }

    /// An internal error while doing `what`.
    pub fn internal(what: &str, source: impl Display) -> Self {
        Self::Internal { message: format!("{what}: {source}") }
    }
}

/// The result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

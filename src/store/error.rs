//! Errors of stores: a kind for decisions, and the typed cause.

use std::{error::Error, io};

use crate::telemetry::trace::Span;

/// The kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// There is no blob at this place.
    NotFound,
    /// There is one already under this name.
    Exists,
    /// No room left.
    Full,
    /// The store refuses us.
    Denied,
    /// The store does not do this at all.
    Unsupported,
    /// The URL is not one of this store's.
    BadUrl,
    /// The data does not have the declared size.
    SizeMismatch,
    /// The data is not what the image says of it.
    Corrupt,
    /// The store cannot be reached now.
    Unavailable,
    /// Others make use of the blob, so that it stays.
    InUse,
    /// The place where the store keeps its data is not there: somebody has to bring it back.
    Gone,
    /// Anything else.
    Io,
}

/// A failure of a store: what kind, where, and why.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {source}")]
pub struct StoreError {
    /// For deciding.
    pub kind: StoreErrorKind,
    /// The file, URL or store concerned; for the log, without secrets.
    pub place: String,
    /// The cause.
    pub source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// Has a span say that it failed: by the kind of error alone, for the rest may be somebody's URL.
    pub(super) fn tell(&self, span: &mut Span) {
        span.fail(format!("{:?}", self.kind), String::new);
    }

    /// A failure whose kind the store knows, with its cause or a sentence.
    pub fn new(
        kind: StoreErrorKind,
        place: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind, place: place.into(), source: source.into() }
    }

    /// Whether the store was not called because it is fenced.
    pub fn is_left_alone(&self) -> bool {
        self.source.is::<LeftAlone>()
    }

    /// Classifies an I/O failure at `place`.
    pub fn io(place: impl Into<String>, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => StoreErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => StoreErrorKind::Exists,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                StoreErrorKind::Full
            }
            io::ErrorKind::StaleNetworkFileHandle => StoreErrorKind::Unavailable,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::Denied,
            _ => StoreErrorKind::Io,
        };
        Self::new(kind, place, source)
    }
}

/// The error of calls to a fenced store.
#[derive(Debug, thiserror::Error)]
#[error("it is left alone until it answers again; last: {0}")]
pub(super) struct LeftAlone(pub(super) String);

/// Result of a store.
pub type StoreResult<T> = Result<T, StoreError>;

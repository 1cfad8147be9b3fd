//! Errors of stores in terms that callers understand; the log gets the location and the cause.

use crate::{
    model::{blob::Blob, error::Error},
    store::{StoreError, StoreErrorKind},
};

/// The caller's error for a failure of a store while writing.
pub fn store_fault(error: &StoreError) -> Error {
    match error.kind {
        StoreErrorKind::Full => {
            tracing::warn!(%error, "store is full");
            Error::TooLarge("There is not enough disk space on the image storage media.".to_owned())
        }
        StoreErrorKind::Denied => {
            tracing::error!(%error, "store denies writing");
            Error::Unavailable("Insufficient permissions on image storage media.".to_owned())
        }
        StoreErrorKind::Unavailable | StoreErrorKind::Gone => {
            tracing::error!(%error, "store is away");
            Error::Unavailable("The image storage media cannot be reached at the moment.".to_owned())
        }
        StoreErrorKind::Unsupported => Error::Gone("This store does not take uploads.".to_owned()),
        StoreErrorKind::SizeMismatch => Error::invalid("The data does not have the declared size."),
        StoreErrorKind::Exists => {
            tracing::error!(%error, "the store has an unknown object of this name");
            Error::conflict("The store already holds an object under the name of this image.")
        }
        _ => Error::internal("store", error),
    }
}

/// The error of a complete upload that could not be recorded.
pub fn gone(blob: &Blob) -> Error {
    Error::Gone(format!("Image {} was deleted or changed during the upload.", blob.image_id))
}

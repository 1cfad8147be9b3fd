//! Bytes out (`glance/api/v2/image_data.py: ImageDataController.download`).

use crate::{
    app::App,
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        range::Span,
        status::Status,
    },
    store::{ByteRange, ByteStream, StoreError, StoreErrorKind},
};

use super::access;

/// The data of an image, or the fact that there is none yet.
pub enum Data {
    /// The image has no data, or its data is missing in the store.
    None,
    /// Bytes to send.
    Some {
        /// The whole data or the part that was asked for.
        stream: ByteStream,
        /// The part, if one was asked for.
        span: Option<Span>,
        /// Size of the whole data in bytes.
        size: u64,
        /// MD5 of the whole data.
        checksum: Option<String>,
    },
}

/// Opens the data of an image. `range` reads the request's range headers against the size of the data.
///
/// # Errors
/// [`Error::Forbidden`] for deactivated images and without the right; what `range` answers; a store's failure.
pub async fn download(
    app: &App,
    caller: &Caller,
    id: &str,
    range: impl Fn(u64) -> Result<Option<Span>>,
) -> Result<Data> {
    let image = access::find(app, caller, id).await?;
    if image.status == Status::Deactivated && !caller.is_admin {
        return Err(Error::forbidden(
            "The requested image has been deactivated. Image data download is forbidden.",
        ));
    }
    access::enforce(app, caller, "download_image", &image).await?;
    if image.locations.is_empty() {
        return Ok(Data::None);
    }
    open(app, &image, range).await
}

async fn open(app: &App, image: &Image, range: impl Fn(u64) -> Result<Option<Span>>) -> Result<Data> {
    let mut last_error: Option<StoreError> = None;
    for location in &image.locations {
        let named = location.store.as_deref().unwrap_or(app.stores.default_id());
        let Some(named) = app.stores.get(named) else {
            last_error =
                Some(StoreError::other(StoreErrorKind::Io, named, "the store is not configured here"));
            continue;
        };
        let size = match image.size.and_then(|size| u64::try_from(size).ok()) {
            Some(size) => size,
            None => match named.store.size(&location.url).await {
                Ok(size) => size,
                Err(error) => {
                    last_error = Some(error);
                    continue;
                }
            },
        };
        let span = range(size)?;
        let part = span.map(|s| ByteRange { first: s.first, last: s.last });
        match named.store.read(&location.url, part).await {
            Ok(stream) => return Ok(Data::Some { stream, span, size, checksum: image.checksum.clone() }),
            Err(error) => {
                tracing::error!(%error, image = %image.id, store = %named.id, "a location cannot be read");
                last_error = Some(error);
            }
        }
    }
    match last_error {
        None => Ok(Data::None),
        Some(error) => match error.kind {
            StoreErrorKind::NotFound => Ok(Data::None),
            StoreErrorKind::Denied => Err(Error::forbidden("The store does not let its data be read.")),
            StoreErrorKind::Unsupported => {
                Err(Error::invalid("The store does not support this way of reading."))
            }
            _ => Err(Error::Unavailable("The data of this image cannot be read at the moment.".to_owned())),
        },
    }
}

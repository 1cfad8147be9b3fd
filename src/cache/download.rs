//! Downloads from the copy on this node if there is one, otherwise from a store while making a copy.

use std::sync::Arc;

use super::{Cache, Site};
use crate::{
    blob::{
        download::{self, Data, Source, begun},
        verify::Expected,
    },
    image::VerifyDownloads,
    model::{caller::Caller, error::Result, image::Image, range::Span, status::Status},
    store::ByteRange,
};

/// Opens the data of an image. `prefer` names stores to try first, in that order, and may be empty; `range` evaluates
/// the request's range headers for the size of the data. With `as_file` data that nothing has to inspect is returned as
/// a file, if it is one.
///
/// # Errors
/// [`Error::Forbidden`] for deactivated images and without the right; [`Error::Invalid`] for preferences that
/// make no sense here; what `range` answers; the failure of the store that was tried last.
pub async fn download(
    site: &Site,
    caller: &Caller,
    id: &str,
    prefer: &[String],
    range: impl Fn(u64) -> Result<Option<Span>>,
    as_file: bool,
) -> Result<Data> {
    let image = download::find(&site.images, caller, id, prefer).await?;
    // A location on an image that is not active yet has data that nobody has checked against its hash, or that failed
    // it.
    if image.locations.is_empty() || matches!(image.status, Status::Queued | Status::Importing) {
        return Ok(Data::None);
    }
    let Some(cache) = site.cache.as_ref().filter(|cache| cache.serves(&image)) else {
        return download::open(&site.images, caller, &image, range, as_file).await;
    };
    if let Some(data) = from_cache(cache, &image, site.images.settings.verify_downloads, &range).await? {
        return Ok(data);
    }
    Ok(match download::open(&site.images, caller, &image, range, false).await? {
        Data::Some { source: Source::Stream(stream), span: None, size, checksum, owner } => {
            let source = Source::Stream(cache.tee(&image, size, stream));
            Data::Some { source, span: None, size, checksum, owner }
        }
        other => other,
    })
}

/// The data from the cache of this node; `None` when it does not have it, or cannot give its first bytes.
async fn from_cache(
    cache: &Arc<Cache>,
    image: &Image,
    verify: VerifyDownloads,
    range: &impl Fn(u64) -> Result<Option<Span>>,
) -> Result<Option<Data>> {
    let Some(copy) = cache.copy_of(image).await else { return Ok(None) };
    let size = copy.size;
    // What a copy holds was checked against its hash when it was made.
    let is_verified = verify == VerifyDownloads::All;
    let (span, expected) = Expected::of(image, size).sending(range(size)?, is_verified);
    let part = span.map(|s| ByteRange { first: s.first, last: s.last });
    let begin = async {
        begun(cache.read(copy, part, expected)?, part.map_or(size, ByteRange::length), &image.id).await
    };
    match begin.await {
        Ok(stream) => Ok(Some(Data::Some {
            source: Source::Stream(stream),
            span,
            size,
            checksum: image.checksum.clone(),
            owner: image.owner.clone(),
        })),
        Err(error) => {
            tracing::error!(%error, image = %image.id, "the image is read from a store instead of the cache");
            Ok(None)
        }
    }
}

/// Drops the copy of an image that was deleted; other nodes find by themselves that theirs is of no use.
pub async fn forget(site: &Site, id: &str) {
    let Some(cache) = &site.cache else { return };
    if let Err(error) = cache.drop_copy(id).await {
        tracing::warn!(image = id, %error, "a copy of a deleted image stays in the cache until the next sweep");
    }
}

//! Takes over an object of another bucket on the same server with a server-side copy.

use futures::{StreamExt, TryStreamExt, stream};

use super::{
    bucket::Bucket,
    calls::Source,
    fault::Fault,
    line::etag_of_parts,
    parts::PARTS_MAX,
    writer::{Upload, taken},
};
use crate::store::{ByteRange, NewBlob, StoreErrorKind, StoreResult, StoreUrl};

/// Bytes of a piece that is copied in one request, where there are several.
const PIECE: u64 = 512 << 20;
/// Pieces that are copied at the same time.
const AT_ONCE: usize = 4;

/// Makes an object of the server the blob; `None` where our keys do not open it or it is not there.
pub(super) async fn copy(
    to: &Bucket,
    bucket: &str,
    name: &str,
    blob: &NewBlob<'_>,
) -> StoreResult<Option<StoreUrl>> {
    let place = to.place_of(blob.name);
    let source = match to.calls.source(bucket, name).await {
        Ok(source) => source,
        Err(fault) => {
            return match fault.kind() {
                StoreErrorKind::NotFound | StoreErrorKind::Denied => Ok(None),
                _ => Err(fault.at(place)),
            };
        }
    };
    if to.look(blob.name).await?.is_some() {
        return Err(taken(place));
    }
    if source.size > to.copied_at_once {
        return in_pieces(to, &source, blob).await.map(Some);
    }
    let tried = to.calls.copy(&source, blob.name, blob.id).await;
    if let Err(fault) = &tried
        && fault.kind() == StoreErrorKind::Denied
    {
        return Ok(None);
    }
    let tried = tried.map_err(|fault| fault.at(&place));
    to.settle(blob.name, blob.id, source.size, None, tried).await.map(Some)
}

/// Copies an object of the bucket to another name of it, where there is nothing, and requires that all of it is there.
pub(super) async fn duplicate(bucket: &Bucket, from: &str, to: &str) -> StoreResult<()> {
    let place = bucket.place_of(to);
    let failed = |fault: Fault| fault.at(&place);
    let source = bucket.calls.source(&bucket.address.bucket, from).await.map_err(failed)?;
    if source.size <= bucket.copied_at_once {
        bucket.calls.copy_as_it_is(&source, to).await.map_err(failed)?;
    } else {
        let blob = bucket.look(from).await?.and_then(|found| found.blob).unwrap_or_default();
        let blob = NewBlob { id: &blob, name: to, image: "", owner: None, size: None, caller: None };
        in_pieces(bucket, &source, &blob).await?;
    }
    match bucket.look(to).await? {
        Some(copy) if copy.size == source.size => Ok(()),
        _ => Err(Fault::Corrupt.at(&place)),
    }
}

async fn in_pieces(to: &Bucket, source: &Source, blob: &NewBlob<'_>) -> StoreResult<StoreUrl> {
    let mut upload = to.begin_upload(blob.name, blob.id).await?;
    let done = fill(to, source, &mut upload).await;
    let done = match done {
        Ok(()) => to.complete(&upload).await,
        Err(fault) => {
            to.abort(&upload.begun).await?;
            return Err(fault.at(to.place_of(blob.name)));
        }
    };
    let tags: Option<Vec<String>> = upload.tags.iter().cloned().collect();
    let etag = tags.and_then(|tags| etag_of_parts(&tags));
    to.settle(blob.name, blob.id, source.size, etag.as_deref(), done).await
}

async fn fill(to: &Bucket, source: &Source, upload: &mut Upload) -> Result<(), Fault> {
    let piece = to.copied_at_once.min(PIECE.max(source.size.div_ceil(PARTS_MAX as u64)));
    let begun = upload.begun.clone();
    let pieces = (0..source.size.div_ceil(piece)).map(|index| {
        let first = index.saturating_mul(piece);
        let last = first.saturating_add(piece).min(source.size).saturating_sub(1);
        let number = usize::try_from(index).unwrap_or(usize::MAX).saturating_add(1);
        to.calls.copy_part(source, ByteRange { first, last }, &begun, number)
    });
    let tags: Vec<String> = stream::iter(pieces).buffered(AT_ONCE).try_collect().await?;
    upload.tags = tags.into_iter().map(Some).collect();
    Ok(())
}

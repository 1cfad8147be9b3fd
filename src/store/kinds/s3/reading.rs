//! Reads an object as a stream that resumes after failures, as long as it makes progress.

use bytes::Bytes;
use futures::{StreamExt, stream};
use object_store::{GetOptions, GetRange, ObjectStore, path::Path};

use super::{
    bucket::{Bucket, path_of},
    fault::classified,
};
use crate::store::{ByteRange, ByteStream, StoreError, StoreErrorKind, StoreResult};

/// A stream of one object, or of a part of it.
struct Reading {
    bucket: Bucket,
    path: Path,
    place: String,
    etag: Option<String>,
    body: stream::BoxStream<'static, object_store::Result<Bytes>>,
    /// The next byte, and the one after the last.
    at: u64,
    end: u64,
    /// Where it was opened last: from there nothing is asked for twice.
    opened_at: u64,
}

/// Opens an object.
pub(super) async fn open(
    bucket: &Bucket,
    name: &str,
    place: String,
    range: Option<ByteRange>,
) -> StoreResult<ByteStream> {
    let path = path_of(name)?;
    let asked = range.map(|range| GetRange::Bounded(range.first..range.last.saturating_add(1)));
    let options = GetOptions { range: asked, ..GetOptions::default() };
    let found = bucket.objects.get_opts(&path, options).await.map_err(|error| classified(&place, &error))?;
    let (at, end, etag) = (found.range.start, found.range.end, found.meta.e_tag.clone());
    let reading = Reading {
        bucket: bucket.clone(),
        path,
        place,
        etag,
        body: found.into_stream(),
        at,
        end,
        opened_at: at,
    };
    Ok(Box::pin(stream::try_unfold(reading, |mut reading| async move {
        let piece = reading.next().await?;
        Ok::<_, StoreError>(piece.map(|piece| (piece, reading)))
    })))
}

impl Reading {
    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        loop {
            if self.at >= self.end {
                return Ok(None);
            }
            let fault = match self.body.next().await {
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(mut piece)) => {
                    let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
                    piece.truncate(left);
                    self.at = self.at.saturating_add(piece.len() as u64);
                    return Ok(Some(piece));
                }
                Some(Err(error)) => classified(&self.place, &error),
                None => StoreError::new(StoreErrorKind::Unavailable, &self.place, "the data ends too soon"),
            };
            // One that brought nothing since the last time will bring nothing.
            if fault.kind != StoreErrorKind::Unavailable || self.at == self.opened_at {
                return Err(fault);
            }
            tracing::info!(%fault, at = self.at, "reading is resumed where it broke off");
            self.reopen().await?;
        }
    }

    /// Asks for what is left, of the same data.
    async fn reopen(&mut self) -> StoreResult<()> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(self.at..self.end)),
            if_match: self.etag.clone(),
            ..GetOptions::default()
        };
        let found = self.bucket.objects.get_opts(&self.path, options).await;
        let found = found.map_err(|error| match classified(&self.place, &error) {
            changed if changed.kind == StoreErrorKind::Exists => {
                StoreError::new(StoreErrorKind::Io, &self.place, "the object was replaced while it was read")
            }
            other => other,
        })?;
        (self.body, self.opened_at) = (found.into_stream(), self.at);
        Ok(())
    }
}

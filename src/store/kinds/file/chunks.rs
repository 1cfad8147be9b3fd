//! Reading an open file as a stream, for the file store and the image cache.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;

use super::calls::blocking;
use crate::store::{ByteRange, ByteStream, StoreError, StoreErrorKind};

/// The bytes of an open file of `size` bytes, or a part of them, up to `most` at once; `place` is for the log. A file
/// that has become shorter ends in an error.
pub fn chunks(file: File, place: String, size: u64, range: Option<ByteRange>, most: usize) -> ByteStream {
    let (from, until) = match range {
        Some(range) => (range.first, range.last.saturating_add(1).min(size)),
        None => (0, size),
    };
    let file = Arc::new(file);
    Box::pin(futures::stream::try_unfold(from, move |at| {
        let (file, place) = (Arc::clone(&file), place.clone());
        async move {
            if at >= until {
                return Ok(None);
            }
            let want = usize::try_from(until - at).unwrap_or(usize::MAX).min(most);
            let chunk = blocking(place.clone(), move || {
                let mut buffer = vec![0; want];
                let got = file.read_at(&mut buffer, at)?;
                buffer.truncate(got);
                Ok(Bytes::from(buffer))
            })
            .await?;
            if chunk.is_empty() {
                return Err(StoreError::new(StoreErrorKind::Io, place, "the file became shorter"));
            }
            let next = at.saturating_add(chunk.len() as u64);
            Ok(Some((chunk, next)))
        }
    }))
}

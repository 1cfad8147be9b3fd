//! Reading an open file of the cache as a stream.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;

use crate::store::{ByteRange, ByteStream, StoreError, StoreErrorKind};

/// Bytes read at once, as in the file store.
const CHUNK_BYTES: usize = 256 * 1024;

/// The bytes of an open file of `size` bytes, or a part of them; `name` is for the log. A file that has become
/// shorter ends in an error.
pub fn chunks(file: File, name: &str, size: u64, range: Option<ByteRange>) -> ByteStream {
    let (from, until) = match range {
        Some(range) => (range.first, range.last.saturating_add(1).min(size)),
        None => (0, size),
    };
    let (file, name) = (Arc::new(file), name.to_owned());
    Box::pin(futures::stream::try_unfold(from, move |at| {
        let (file, name) = (Arc::clone(&file), name.clone());
        async move {
            if at >= until {
                return Ok(None);
            }
            let want = usize::try_from(until - at).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            let read = tokio::task::spawn_blocking(move || {
                let mut buffer = vec![0; want];
                let got = file.read_at(&mut buffer, at)?;
                buffer.truncate(got);
                Ok(Bytes::from(buffer))
            });
            let chunk = match read.await {
                Ok(result) => result.map_err(|e| StoreError::io(name.clone(), e))?,
                Err(fault) => return Err(StoreError::other(StoreErrorKind::Io, name, fault.to_string())),
            };
            if chunk.is_empty() {
                return Err(StoreError::other(StoreErrorKind::Io, name, "the file became shorter"));
            }
            let next = at.saturating_add(chunk.len() as u64);
            Ok(Some((chunk, next)))
        }
    }))
}

//! A download that continues from another location of the same data after a failure.

use std::collections::VecDeque;

use futures::StreamExt;

use crate::store::{ByteRange, ByteStream, NamedStore, StoreError, StoreErrorKind, StoreResult};

/// Where else an image's data is.
pub struct Elsewhere {
    /// The image, for the log.
    pub image: String,
    /// Bytes that the whole has; what has others at a location is not the data.
    pub size: u64,
    /// The remaining stores and URLs, in order. Each must be as trustworthy as the first, or the reader must check all
    /// data against a hash.
    pub left: VecDeque<(NamedStore, String)>,
}

/// The bytes of `part`, which `stream` begins; after an error or an early end, the next location of `elsewhere`
/// continues from the last byte.
///
/// # Errors
/// In the stream: why it broke off last, when there is no location left.
pub fn unbroken(stream: ByteStream, part: ByteRange, elsewhere: Elsewhere) -> ByteStream {
    if elsewhere.left.is_empty() {
        return stream;
    }
    let start = Unbroken { stream, at: part.first, end: part.last.saturating_add(1), elsewhere };
    Box::pin(futures::stream::try_unfold(start, |mut data| async move {
        Ok(data.next().await?.map(|chunk| (chunk, data)))
    }))
}

struct Unbroken {
    stream: ByteStream,
    /// The next byte of the whole.
    at: u64,
    /// The first that is not wanted any more.
    end: u64,
    elsewhere: Elsewhere,
}

impl Unbroken {
    async fn next(&mut self) -> StoreResult<Option<bytes::Bytes>> {
        loop {
            let broken = match self.stream.next().await {
                Some(Ok(chunk)) => {
                    self.at = self.at.saturating_add(chunk.len() as u64);
                    return Ok(Some(chunk));
                }
                None if self.at >= self.end => return Ok(None),
                Some(Err(error)) if self.at >= self.end => return Err(error),
                Some(Err(error)) => error,
                None => {
                    let why = "there is less data than the image has";
                    StoreError::new(StoreErrorKind::Io, self.elsewhere.image.clone(), why)
                }
            };
            // What broke off gives its place in the store back before another is taken.
            self.stream = Box::pin(futures::stream::empty());
            let rest = ByteRange { first: self.at, last: self.end.saturating_sub(1) };
            self.stream = self.elsewhere.go_on(rest, broken).await?;
        }
    }
}

impl Elsewhere {
    /// The rest of the data from the next location that has it; else `broken`.
    async fn go_on(&mut self, rest: ByteRange, broken: StoreError) -> StoreResult<ByteStream> {
        while let Some((named, url)) = self.left.pop_front() {
            let (image, store, at) = (&self.image, &named.id, rest.first);
            match self.opened(&named, &url, rest).await {
                Ok(stream) => {
                    tracing::warn!(%image, %store, at, %broken, "a download broke off and goes on from another store");
                    return Ok(stream);
                }
                Err(error) => {
                    tracing::error!(%error, %image, %store, at, "a location cannot continue a download");
                }
            }
        }
        Err(broken)
    }

    async fn opened(&self, named: &NamedStore, url: &str, rest: ByteRange) -> StoreResult<ByteStream> {
        let size = named.stat(url).await?;
        if size != self.size {
            let why = format!("it has {size} bytes, and the image {}", self.size);
            return Err(StoreError::new(StoreErrorKind::Corrupt, format!("store {}", named.id), why));
        }
        named.read(url, Some(rest)).await
    }
}

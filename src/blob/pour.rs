//! The only loop that receives data: from a source, within limits, through the digests, into a sink.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;

use super::digests::{DigestError, Digests, Measured};
use crate::{
    model::error::Error,
    store::{BlobWriter, ByteStream, StoreError, StoreResult},
};

/// Where bytes come from.
#[async_trait]
pub trait Source: Send {
    /// Why they stop coming.
    type Error: Send;

    /// The next bytes, or `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, Self::Error>;
}

/// A stream as a source.
pub struct Chunks(pub ByteStream);

#[async_trait]
impl Source for Chunks {
    type Error = StoreError;

    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        self.0.next().await.transpose()
    }
}

/// Where bytes go.
#[async_trait]
pub trait Sink: Send {
    /// Takes the next chunk; waits while it is slower than the source.
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()>;

    /// Makes everything durable without showing it.
    async fn sync(&mut self) -> StoreResult<()>;
}

/// One store's writer as a sink.
pub struct Written(pub BlobWriter);

#[async_trait]
impl Sink for Written {
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        self.0.write(chunk).await
    }

    async fn sync(&mut self) -> StoreResult<()> {
        self.0.sync().await
    }
}

/// Drops what it is given: for data that is only measured.
pub struct Nowhere;

#[async_trait]
impl Sink for Nowhere {
    async fn write(&mut self, _: Bytes) -> StoreResult<()> {
        Ok(())
    }

    async fn sync(&mut self) -> StoreResult<()> {
        Ok(())
    }
}

/// How many bytes may come.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that were announced: no more may come, and no fewer.
    pub declared: Option<u64>,
    /// `image_size_cap`
    pub cap: u64,
}

impl Limits {
    /// No limit: for data that was limited when it came.
    pub const NONE: Self = Self { declared: None, cap: u64::MAX };

    fn check(&self, size: u64) -> Result<(), Excess> {
        if let Some(declared) = self.declared.filter(|declared| size > *declared) {
            return Err(Excess::More { declared });
        }
        if size > self.cap {
            return Err(Excess::Cap { cap: self.cap });
        }
        Ok(())
    }

    fn check_end(&self, size: u64) -> Result<(), Excess> {
        match self.declared {
            Some(declared) if size < declared => Err(Excess::Fewer { size, declared }),
            _ => Ok(()),
        }
    }
}

/// How the size is wrong. All numbers are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the documentation
pub enum Excess {
    More { declared: u64 },
    Fewer { size: u64, declared: u64 },
    Cap { cap: u64 },
}

impl From<Excess> for Error {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::More { declared } => {
                Self::invalid(format!("More data was sent than the declared {declared} bytes."))
            }
            Excess::Fewer { size, declared } => {
                Self::invalid(format!("Only {size} bytes were sent of the declared {declared}."))
            }
            Excess::Cap { cap } => Self::TooLarge(format!("Image exceeds the maximum of {cap} bytes.")),
        }
    }
}

/// Why bytes did not come through.
#[derive(Debug)]
pub enum Fault<E> {
    /// The source failed.
    Source(E),
    /// Their number is wrong.
    Excess(Excess),
    /// They could not be measured.
    Digest(DigestError),
    /// They could not be written.
    Sink(StoreError),
}

impl<E> From<DigestError> for Fault<E> {
    fn from(error: DigestError) -> Self {
        Self::Digest(error)
    }
}

impl<E> From<Excess> for Fault<E> {
    fn from(excess: Excess) -> Self {
        Self::Excess(excess)
    }
}

/// Told of the bytes that have come.
pub trait Progress: Sync {
    /// So many more bytes.
    fn advance(&self, bytes: usize);
}

impl Progress for () {
    fn advance(&self, _: usize) {}
}

/// The result of a transfer.
#[derive(Debug)]
pub struct Poured {
    /// Bytes in all.
    pub size: u64,
    /// Their hashes and format, if they were measured.
    pub measured: Option<Measured>,
}

/// Moves the bytes of one stream.
pub struct Pour<'a, K> {
    /// Where they go.
    pub sink: &'a mut K,
    /// The digests.
    pub digests: Option<Digests>,
    /// How many may come.
    pub limits: Limits,
    /// Where progress is reported.
    pub progress: &'a dyn Progress,
}

impl<K: Sink> Pour<'_, K> {
    /// Moves everything, and makes it durable. A chunk is shared by sink and digests, never copied.
    ///
    /// # Errors
    /// [`Fault`]; what the sink has got so far is the caller's to remove.
    pub async fn run<S: Source>(mut self, source: &mut S) -> Result<Poured, Fault<S::Error>> {
        let mut size = 0_u64;
        while let Some(chunk) = source.next().await.map_err(Fault::Source)? {
            size = size.saturating_add(chunk.len() as u64);
            self.limits.check(size)?;
            self.progress.advance(chunk.len());
            if let Some(digests) = &mut self.digests {
                digests.feed(&chunk).await?;
            }
            self.sink.write(chunk).await.map_err(Fault::Sink)?;
        }
        self.limits.check_end(size)?;
        let measured = match self.digests {
            Some(digests) => Some(digests.finish().await?),
            None => None,
        };
        self.sink.sync().await.map_err(Fault::Sink)?;
        Ok(Poured { size, measured })
    }
}

//! Measures a stream as it passes: its size, its hashes and its disk format, reading each byte once.
//!
//! Chunks are shared, not copied, and passed to threads in batches. SHA-512, and with it MD5, which images have by
//! default, are computed together for this and other streams ([`super::pool`]). OpenSSL computes other hashes. With
//! idle processors each expensive hash runs on a thread of its own; otherwise one thread computes all, which costs
//! less in total.

use std::sync::LazyLock;

use bytes::Bytes;
use openssl::hash::{Hasher, MessageDigest};

use super::{
    lanes::sums::Found,
    pool::{Lost, Pool, Stream},
};
use crate::{
    format::{Inspection, Inspector},
    model::{
        error::Error,
        hash::{Algorithm, Hashes, hex},
    },
    telemetry::{
        places::Places,
        relay::{Broken, Relay, Taker},
    },
};

/// Batches that are measured at once in this process. One stream alone has a thread for each of its parts.
static PLACES: LazyLock<Places> = LazyLock::new(|| {
    Places::new(std::thread::available_parallelism().map_or(1, usize::from).saturating_add(1).max(3))
});

/// What hashes all streams of this process.
static POOL: LazyLock<Option<Pool>> = LazyLock::new(Pool::of_machine);

/// What to measure besides the size.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Algorithms of the hashes that every image gets; each has a thread of its own if there is one to spare.
    pub kept: Vec<Algorithm>,
    /// Additional algorithms.
    pub extra: Vec<Algorithm>,
    /// Whether the format is inspected.
    pub inspect: bool,
    /// The project of the data, for fair scheduling.
    pub owner: Option<String>,
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// Bytes in all.
    pub size: u64,
    /// The hashes that were wanted.
    pub hashes: Hashes,
    /// The format, if it was wanted.
    pub inspection: Option<Inspection>,
}

/// Why measuring failed.
#[derive(Debug, thiserror::Error)]
#[error("measuring failed: {0}")]
pub struct DigestError(String);

impl From<Broken<DigestError>> for DigestError {
    fn from(broken: Broken<DigestError>) -> Self {
        match broken {
            Broken::Taker(error) => error,
            Broken::Thread(fault) => Self(fault),
        }
    }
}

impl From<Lost> for DigestError {
    fn from(lost: Lost) -> Self {
        Self(lost.to_string())
    }
}

impl From<DigestError> for Error {
    fn from(error: DigestError) -> Self {
        Self::internal("measuring", error)
    }
}

/// What is measured together.
#[derive(Default)]
struct Part {
    hashers: Vec<(&'static str, Hasher)>,
    inspector: Option<Inspector>,
}

impl Part {
    fn of(algorithms: &[Algorithm], inspect: bool) -> Result<Self, DigestError> {
        let mut hashers = Vec::with_capacity(algorithms.len());
        for algorithm in algorithms {
            let digest = MessageDigest::from_name(algorithm.library_name)
                .ok_or_else(|| DigestError(format!("the hash library has no {}", algorithm.name)))?;
            hashers.push((algorithm.name, Hasher::new(digest).map_err(|e| DigestError(e.to_string()))?));
        }
        Ok(Self { hashers, inspector: inspect.then(Inspector::new) })
    }

    fn conclude(mut self, measured: &mut Measured) -> Result<(), DigestError> {
        for (name, hasher) in &mut self.hashers {
            let digest = hasher.finish().map_err(|e| DigestError(e.to_string()))?;
            measured.hashes.insert((*name).to_owned(), hex(&digest));
        }
        if let Some(inspector) = self.inspector {
            measured.inspection = Some(inspector.finish());
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        self.hashers.is_empty() && self.inspector.is_none()
    }
}

impl Taker for Part {
    type Error = DigestError;

    fn take(&mut self, chunk: &[u8]) -> Result<(), DigestError> {
        if let Some(inspector) = &mut self.inspector {
            inspector.feed(chunk);
        }
        self.hashers
            .iter_mut()
            .try_for_each(|(_, hasher)| hasher.update(chunk))
            .map_err(|e| DigestError(e.to_string()))
    }
}

/// Measures one stream.
pub struct Digests {
    relay: Relay<Part>,
    /// Where SHA-512 is made, and MD5 if that is wanted as well.
    stream: Option<Stream>,
    size: u64,
}

impl Digests {
    /// Begins.
    ///
    /// # Errors
    /// [`DigestError`] when the hash library refuses an algorithm.
    pub fn start(wanted: &Wanted) -> Result<Self, DigestError> {
        Self::start_on(wanted, PLACES.clone(), POOL.as_ref())
    }

    fn start_on(wanted: &Wanted, places: Places, pool: Option<&Pool>) -> Result<Self, DigestError> {
        let owner = wanted.owner.as_deref();
        let is_kept = |name: &str| wanted.kept.iter().any(|algorithm| algorithm.name == name);
        let stream = pool.filter(|_| is_kept("sha512")).map(|pool| pool.stream(is_kept("md5"), owner));
        let mut extra = wanted.extra.clone();
        extra.retain(|algorithm| !wanted.kept.contains(algorithm));
        extra.dedup();
        let mut parts = Vec::with_capacity(wanted.kept.len() + 1);
        for algorithm in &wanted.kept {
            if stream.is_some() && ["md5", "sha512"].contains(&algorithm.name) {
                continue;
            }
            parts.push(Part::of(&[*algorithm], false)?);
        }
        parts.push(Part::of(&extra, wanted.inspect)?);
        parts.retain(|part| !part.is_idle());
        Ok(Self { relay: Relay::new(parts, places, owner), stream, size: 0 })
    }

    /// Takes the next chunk; waits while measuring is behind.
    ///
    /// # Errors
    /// [`DigestError`] when measuring failed.
    pub async fn feed(&mut self, chunk: &Bytes) -> Result<(), DigestError> {
        self.size = self.size.saturating_add(chunk.len() as u64);
        if let Some(stream) = &self.stream {
            stream.feed(chunk.clone()).await?;
        }
        Ok(self.relay.feed(chunk.clone()).await?)
    }

    /// Ends the stream and waits for the last byte to be measured.
    ///
    /// # Errors
    /// [`DigestError`] when measuring failed.
    pub async fn finish(self) -> Result<Measured, DigestError> {
        let mut measured = Measured { size: self.size, ..Measured::default() };
        let hashed = async {
            match self.stream {
                Some(stream) => stream.finish().await.map(Some).map_err(DigestError::from),
                None => Ok(None),
            }
        };
        let taken = async { self.relay.finish().await.map_err(DigestError::from) };
        let (found, parts) = futures::try_join!(hashed, taken)?;
        for part in parts {
            part.conclude(&mut measured)?;
        }
        if let Some(Found { md5, sha512 }) = found {
            measured.hashes.extend(md5.map(|digest| ("md5".to_owned(), hex(&digest))));
            measured.hashes.insert("sha512".to_owned(), hex(&sha512));
        }
        Ok(measured)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::blob::lanes::cpu::Cpu;

    /// Proves that one thread and several come to the same result, with hashes made in lanes and without.
    #[tokio::test]
    async fn measures_the_same_apart_and_together() {
        let of = |name: &str| Algorithm::of(name).unwrap();
        let wanted = Wanted {
            kept: vec![of("md5"), of("sha512")],
            extra: vec![of("sha1"), of("md5")],
            inspect: true,
            owner: None,
        };
        let mut pools = vec![None];
        pools.extend(Cpu::all().into_iter().map(|cpu| Some(Pool::new(cpu, 1))));
        for (places, pool) in pools.iter().flat_map(|pool| [(1, pool), (9, pool)]) {
            let mut digests = Digests::start_on(&wanted, Places::new(places), pool.as_ref()).unwrap();
            assert_eq!(digests.stream.is_some(), pool.is_some());
            digests.feed(&Bytes::from_static(b"hello ")).await.unwrap();
            digests.feed(&Bytes::from_static(b"world")).await.unwrap();
            let found = digests.finish().await.unwrap();
            assert_eq!(found.size, 11);
            assert_eq!(found.hashes.len(), 3);
            assert_eq!(found.hashes["md5"], "5eb63bbbe01eeed093cb22bb8f5acdc3");
            assert_eq!(found.hashes["sha1"], "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed");
            assert!(found.hashes["sha512"].starts_with("309ecc489c12d6eb4cc40f50c902f2b4d0ed77ee511a7c7a"));
            assert!(found.inspection.is_some());
        }
    }

    /// Proves that each set of hashes comes out whole, and that MD5 is pooled beside SHA-512 alone.
    #[tokio::test]
    async fn other_hashes_stand_beside_those_of_the_pool() {
        for cpu in Cpu::all() {
            let pool = Pool::new(cpu, 1);
            for (names, pooled) in [(["md5", "sha256"], false), (["sha384", "sha512"], true)] {
                let kept = names.iter().map(|name| Algorithm::of(name).unwrap()).collect();
                let wanted = Wanted { kept, ..Wanted::default() };
                let mut digests = Digests::start_on(&wanted, Places::new(1), Some(&pool)).unwrap();
                assert_eq!(digests.stream.is_some(), pooled);
                digests.feed(&Bytes::from_static(b"hello")).await.unwrap();
                let found = digests.finish().await.unwrap().hashes;
                assert_eq!(found.into_keys().collect::<Vec<_>>(), names);
            }
        }
    }
}

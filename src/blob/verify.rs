//! Checks data against the hash and size of its image while it is sent to a reader. The end of the data is withheld
//! until the result is known, so wrong data never arrives complete.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::StreamExt;

use super::digests::{DigestError, Digests, Wanted};
use crate::{
    model::{
        hash::{Algorithm, Hashes},
        image::Image,
        range::Span,
    },
    store::{ByteStream, StoreError, StoreErrorKind, StoreResult},
    telemetry::metrics::metrics,
};

/// Bytes that are held back, at least: what is smaller is verified before its first byte is sent, so that another
/// location can still be tried.
const HELD_BYTES: usize = 64 * 1024;

/// The expected hash and size of an image's data.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Bytes.
    pub size: u64,
    /// The algorithm, and the hash in hex.
    hash: Option<(Algorithm, String)>,
}

impl Expected {
    /// The expectation for an image's data of `size` bytes: its secure hash, otherwise its MD5, if it has either.
    pub fn of(image: &Image, size: u64) -> Self {
        let of = |name: &str, value: &String| Some((Algorithm::of(name)?, value.clone()));
        let hash = image.os_hash_algo.as_ref().zip(image.os_hash_value.as_ref());
        let hash = hash.and_then(|(name, value)| of(name, value));
        Self { size, hash: hash.or_else(|| image.checksum.as_ref().and_then(|md5| of("md5", md5))) }
    }

    /// Whether there is a hash to check data against.
    pub fn is_hashed(&self) -> bool {
        self.hash.is_some()
    }

    /// Begins to measure data.
    ///
    /// # Errors
    /// The hash library's.
    pub fn digests(&self) -> Result<Digests, DigestError> {
        let kept = self.hash.iter().map(|(algorithm, _)| *algorithm).collect();
        Digests::start(&Wanted { kept, ..Wanted::default() })
    }

    /// Checks data against the hash. Data without a known hash passes.
    pub fn is_met_by(&self, measured: &Hashes) -> bool {
        self.hash.as_ref().is_none_or(|(algorithm, wanted)| {
            measured.get(algorithm.name).is_some_and(|found| found.eq_ignore_ascii_case(wanted))
        })
    }

    /// The part to send for `span`, and what it is checked against, if anything. A hash covers all data, so a range of
    /// hashed data is answered with everything, as HTTP allows (RFC 9110, 14.2).
    pub fn sending(self, span: Option<Span>, is_verified: bool) -> (Option<Span>, Option<Self>) {
        let is_whole = span.is_none_or(|span| span.first == 0 && span.last.saturating_add(1) >= self.size);
        match (is_verified, is_whole, self.is_hashed()) {
            (true, true, _) => (span, Some(self)),
            (true, false, true) => (None, Some(self)),
            (true, false, false) | (false, ..) => (span, None),
        }
    }
}

/// The same bytes of an image, all of them, up to the first that cannot be its own. `store` and `place` name where they
/// come from, for figures and the log.
///
/// # Errors
/// The hash library's; in the stream [`StoreErrorKind::Corrupt`] in place of the last bytes.
pub fn verified(
    stream: ByteStream,
    image: &str,
    expected: Expected,
    (store, place): (&str, &str),
) -> StoreResult<ByteStream> {
    let digests = expected.digests().map_err(|e| StoreError::new(StoreErrorKind::Io, place, e))?;
    let start = Verified {
        digests: Some(digests),
        stream,
        expected,
        seen: 0,
        held: VecDeque::new(),
        held_bytes: 0,
        image: image.to_owned(),
        store: store.to_owned(),
        place: place.to_owned(),
    };
    Ok(Box::pin(futures::stream::try_unfold(start, |mut data| async move {
        Ok(data.next().await?.map(|chunk| (chunk, data)))
    })))
}

/// Data on its way.
struct Verified {
    stream: ByteStream,
    expected: Expected,
    /// Until the verdict.
    digests: Option<Digests>,
    /// Bytes that came.
    seen: u64,
    held: VecDeque<Bytes>,
    held_bytes: usize,
    image: String,
    store: String,
    place: String,
}

impl Verified {
    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        loop {
            let spare = self.held_bytes.saturating_sub(self.held.front().map_or(0, Bytes::len));
            if self.digests.is_none() || spare >= HELD_BYTES {
                let chunk = self.held.pop_front();
                self.held_bytes = spare;
                return Ok(chunk);
            }
            match self.stream.next().await.transpose()? {
                Some(chunk) => self.take(chunk).await?,
                None => self.judge().await?,
            }
        }
    }

    async fn take(&mut self, chunk: Bytes) -> StoreResult<()> {
        self.seen = self.seen.saturating_add(chunk.len() as u64);
        if self.seen > self.expected.size {
            return Err(self.refuse("size"));
        }
        if let Some(digests) = &mut self.digests {
            digests.feed(&chunk).await.map_err(|error| self.broken(error))?;
        }
        self.held_bytes = self.held_bytes.saturating_add(chunk.len());
        self.held.push_back(chunk);
        Ok(())
    }

    async fn judge(&mut self) -> StoreResult<()> {
        if self.seen != self.expected.size {
            return Err(self.refuse("size"));
        }
        if let Some(digests) = self.digests.take() {
            let measured = digests.finish().await.map_err(|error| self.broken(error))?;
            if !self.expected.is_met_by(&measured.hashes) {
                return Err(self.refuse("hash"));
            }
        }
        Ok(())
    }

    fn refuse(&self, what: &'static str) -> StoreError {
        metrics().verification_failed(&self.store, what);
        tracing::error!(
            image = %self.image, store = %self.store, place = %self.place, what,
            "the data is not the image's; what is left of it is not sent"
        );
        let why = format!("the data does not have the {what} that the image has");
        StoreError::new(StoreErrorKind::Corrupt, self.place.clone(), why)
    }

    fn broken(&self, error: DigestError) -> StoreError {
        StoreError::new(StoreErrorKind::Io, self.place.clone(), error)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn expected(data: &[u8]) -> Expected {
        let digest = openssl::hash::hash(openssl::hash::MessageDigest::md5(), data).unwrap();
        let hash = Some((Algorithm::of("md5").unwrap(), crate::model::hash::hex(&digest)));
        Expected { size: data.len() as u64, hash }
    }

    /// What arrives of `sent`, in pieces of `piece` bytes, and whether it ended well.
    async fn arrives(sent: &[u8], piece: usize, expected: Expected) -> (Vec<u8>, bool) {
        let pieces: Vec<_> = sent.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let stream: ByteStream = Box::pin(futures::stream::iter(pieces));
        let mut stream = verified(stream, "image", expected, ("store", "place")).unwrap();
        let mut got = Vec::new();
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => got.extend_from_slice(&chunk),
                Err(error) => {
                    assert_eq!(error.kind, StoreErrorKind::Corrupt);
                    return (got, false);
                }
            }
        }
        (got, true)
    }

    /// Proves that good data passes whole, and that of other data, shorter or longer data, the end is kept back, in
    /// whatever pieces it comes.
    #[tokio::test]
    async fn sec_54_what_is_not_the_images_never_arrives_whole() {
        let good: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for piece in [1000, 65_536, 300_000] {
            assert_eq!(arrives(&good, piece, expected(&good)).await, (good.clone(), true));
            for at in [0, 150_000, 299_999] {
                let mut bad = good.clone();
                bad[at] ^= 1;
                let (got, well) = arrives(&bad, piece, expected(&good)).await;
                assert!(!well && got.len() + HELD_BYTES <= good.len(), "{piece} {at} {}", got.len());
            }
            let (got, well) = arrives(&good[..299_999], piece, expected(&good)).await;
            assert!(!well && got.len() < 299_999, "{piece}");
            let longer = [&good[..], b"x"].concat();
            let (got, well) = arrives(&longer, piece, expected(&good)).await;
            assert!(!well && got.len() < good.len(), "{piece}");
        }
    }

    /// Proves that nothing of small data is sent before the verdict, and that there may be no data at all.
    #[tokio::test]
    async fn small_data_waits_for_the_verdict() {
        assert_eq!(arrives(b"other", 1, expected(b"thing")).await, (vec![], false));
        assert_eq!(arrives(b"thing", 1, expected(b"thing")).await, (b"thing".to_vec(), true));
        assert_eq!(arrives(b"", 1, expected(b"")).await, (vec![], true));
    }

    /// Proves that a part of data that can be verified is answered with the whole, and that of other data with the part.
    #[test]
    fn parts_of_hashed_data_are_not_sent() {
        let (part, whole) = (Span { first: 1, last: 4 }, Span { first: 0, last: 4 });
        let sending = |expected: Expected, span, is_verified| {
            let (span, expected) = expected.sending(span, is_verified);
            (span, expected.is_some())
        };
        let (hashed, unhashed) = (expected(b"thing"), Expected { size: 5, hash: None });
        assert_eq!(sending(hashed.clone(), Some(part), true), (None, true));
        assert_eq!(sending(hashed.clone(), Some(whole), true), (Some(whole), true));
        assert_eq!(sending(hashed, Some(part), false), (Some(part), false));
        assert_eq!(sending(unhashed.clone(), Some(part), true), (Some(part), false));
        assert_eq!(sending(unhashed, None, true), (None, true));
    }
}

//! What goes to and fro between a memcached and this node, whichever protocol it speaks.

use std::io::{Error, ErrorKind, Read};

use flate2::read::ZlibDecoder;
use tokio::io::{AsyncRead, AsyncWrite, BufStream};

/// What memcached keeps at most under one name, unless it is told otherwise.
pub(super) const VALUE_BYTES_MAX: usize = 1 << 20;
/// Bits of an entry's flags that are understood: compressed, and a text or bytes. Others are Python's pickles.
const COMPRESSED: u32 = 1 << 3;
const TEXT: u32 = 1 << 4;

/// What a server has under a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// How the client that wrote it has changed it.
    pub(super) flags: u32,
    /// At most [`VALUE_BYTES_MAX`].
    pub(super) value: Vec<u8>,
}

/// The bytes that go to and fro.
pub(super) type Wire = BufStream<Box<dyn Stream>>;

/// Bytes in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Kept {
    /// The value as it was before its client has changed it; `None` when that is none of ours.
    pub(super) fn plain(self) -> Option<Vec<u8>> {
        if self.flags & !(COMPRESSED | TEXT) != 0 {
            return None;
        }
        if self.flags & COMPRESSED == 0 {
            return Some(self.value);
        }
        let mut plain = Vec::new();
        let bound = u64::try_from(VALUE_BYTES_MAX).unwrap_or(u64::MAX);
        ZlibDecoder::new(&self.value[..]).take(bound + 1).read_to_end(&mut plain).ok()?;
        (plain.len() <= VALUE_BYTES_MAX).then_some(plain)
    }
}

/// An answer that is not memcached's.
pub(super) fn unexpected(answer: &str) -> Error {
    let shown: String = answer.chars().take(80).collect();
    Error::new(ErrorKind::InvalidData, format!("not an answer of memcached: {shown:?}"))
}

//! Reads an open file as a stream, for the file store and the image cache.
//!
//! Data in the page cache is read where the stream is polled, without waiting (`RWF_NOWAIT`); other data is read on a
//! thread that may block. The first way saves two thread switches for each chunk, and the chunk is still in the
//! processor's cache when it is sent.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    os::unix::fs::FileExt,
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::calls::blocking;
use crate::store::{ByteRange, ByteStream, StoreError, StoreErrorKind, StoreResult};

/// Bytes read at once where the stream is polled: more leave the cache before they are sent, and the framework keeps no
/// larger buffer from one chunk to the next.
const AT_HAND_BYTES: usize = 64 * 1024;
/// After this many bytes without a pause other work on the thread has its turn.
const TURN_BYTES: usize = 1024 * 1024;

/// The bytes of an open file of `size` bytes, or a part of them, up to `most` at once; `place` is for the log. A file
/// that has become shorter ends in an error.
pub fn chunks(file: File, place: String, size: u64, range: Option<ByteRange>, most: usize) -> ByteStream {
    let (at, until) = match range {
        Some(range) => (range.first, range.last.saturating_add(1).min(size)),
        None => (0, size),
    };
    let reading = Reading {
        file: Arc::new(file),
        place: place.into(),
        at,
        until,
        most,
        can_ask: true,
        turn: 0,
        last: Bytes::new(),
    };
    Box::pin(futures::stream::try_unfold(reading, |mut reading| async move {
        Ok(reading.next().await?.map(|chunk| (chunk, reading)))
    }))
}

/// A file that is being read.
struct Reading {
    file: Arc<File>,
    place: Arc<str>,
    /// The next byte.
    at: u64,
    /// The byte behind the last one.
    until: u64,
    most: usize,
    /// Whether the file system knows how to read without waiting.
    can_ask: bool,
    /// Bytes read since other work had its turn.
    turn: usize,
    /// The last chunk: its memory serves again once nobody else has it.
    last: Bytes,
}

impl Reading {
    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        let left = usize::try_from(self.until.saturating_sub(self.at)).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(None);
        }
        if self.turn >= TURN_BYTES {
            self.turn = 0;
            tokio::task::yield_now().await;
        }
        let chunk = match self.at_hand(left.min(self.most).min(AT_HAND_BYTES)) {
            Some(chunk) => chunk,
            None => self.fetched(left.min(self.most)).await?,
        };
        if chunk.is_empty() {
            return Err(StoreError::new(StoreErrorKind::Io, &*self.place, "the file became shorter"));
        }
        self.at = self.at.saturating_add(chunk.len() as u64);
        Ok(Some(chunk))
    }

    /// What the kernel has of the next `want` bytes, at least one; `None` where it has to be waited for. What else may be
    /// wrong is found by the read that waits.
    fn at_hand(&mut self, want: usize) -> Option<Bytes> {
        if !self.can_ask {
            return None;
        }
        let mut buffer = std::mem::take(&mut self.last).try_into_mut().unwrap_or_default();
        if buffer.len() != want {
            // Longer ones come from a thread, and are not kept.
            buffer = BytesMut::zeroed(want);
        }
        match preadv2(&self.file, &mut [IoSliceMut::new(&mut buffer)], self.at, ReadWriteFlags::NOWAIT) {
            Ok(0) => None,
            Ok(got) => {
                buffer.truncate(got);
                let chunk = buffer.freeze();
                self.last = chunk.clone();
                self.turn = self.turn.saturating_add(got);
                Some(chunk)
            }
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(_) => {
                self.can_ask = false;
                None
            }
        }
    }

    /// The next `want` bytes, however long the disk takes.
    async fn fetched(&mut self, want: usize) -> StoreResult<Bytes> {
        self.turn = 0;
        let (file, at) = (Arc::clone(&self.file), self.at);
        let read = move || -> io::Result<Bytes> {
            let mut buffer = vec![0; want];
            let got = file.read_at(&mut buffer, at)?;
            buffer.truncate(got);
            Ok(Bytes::from(buffer))
        };
        blocking(self.place.to_string(), read).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::io::Write;

    use futures::{FutureExt, StreamExt, TryStreamExt};

    use super::*;

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn some_bytes(count: usize) -> Vec<u8> {
        (0..count).map(|n| u8::try_from(n.wrapping_mul(31) % 251).unwrap()).collect()
    }

    /// Proves that a chunk which its reader keeps is not written over by the next, and that one which it dropped is.
    #[tokio::test]
    async fn memory_serves_again_only_when_nobody_has_it() {
        let bytes = some_bytes(5 * AT_HAND_BYTES + 7);
        let all = chunks(file_of(&bytes), String::new(), bytes.len() as u64, None, usize::MAX);
        let kept: Vec<Bytes> = all.try_collect().await.unwrap();
        assert_eq!(kept.concat(), bytes);
        let mut stream = chunks(file_of(&bytes), String::new(), bytes.len() as u64, None, usize::MAX);
        let first = stream.next().await.unwrap().unwrap().as_ptr();
        let second = stream.next().await.unwrap().unwrap().as_ptr();
        assert_eq!(first, second);
    }

    /// Proves that a reader which is never made to wait lets others have their turn.
    #[tokio::test]
    async fn what_is_in_memory_is_read_in_turns() {
        let bytes = some_bytes(3 * TURN_BYTES);
        let mut stream = chunks(file_of(&bytes), String::new(), bytes.len() as u64, None, usize::MAX);
        let (mut at_once, mut turns) = (0, 0);
        loop {
            match stream.next().now_or_never() {
                Some(Some(chunk)) => at_once += chunk.unwrap().len(),
                Some(None) => break,
                None => {
                    assert!(at_once <= TURN_BYTES, "{at_once}");
                    (at_once, turns) = (0, turns + 1);
                    at_once += stream.next().await.map_or(0, |chunk| chunk.unwrap().len());
                }
            }
        }
        assert_eq!(turns, 2);
    }

    /// Proves that the bytes are the same where the file system does not know how to read without waiting.
    #[tokio::test]
    async fn a_file_system_that_cannot_say_is_waited_for() {
        let bytes = some_bytes(3 * AT_HAND_BYTES);
        let mut reading = Reading {
            file: Arc::new(file_of(&bytes)),
            place: "place".into(),
            at: 1,
            until: bytes.len() as u64,
            most: 100_000,
            can_ask: false,
            turn: 0,
            last: Bytes::new(),
        };
        let mut got = Vec::new();
        while let Some(chunk) = reading.next().await.unwrap() {
            assert!(chunk.len() <= 100_000);
            got.extend_from_slice(&chunk);
        }
        assert_eq!(got, bytes[1..]);
        reading.until += 1;
        assert!(reading.next().await.unwrap_err().to_string().contains("shorter"));
    }
}

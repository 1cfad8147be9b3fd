//! How an image is split into parts, and the memory that they occupy until the server has them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::{Bytes, BytesMut};
use object_store::PutPayload;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::options::MIB;

/// Parts that an object can have.
pub(super) const PARTS_MAX: usize = 10_000;
/// Largest part that a server takes, in bytes.
const PART_MAX: u64 = 5 << 30;
/// Where the size is unknown, a part is never smaller than this share of what went before: with it 10,000 parts of 5 MiB
/// at first hold 5 TiB, and those of the first 13 GiB stay as small as they were.
const SHARE: u64 = 1300;
/// Bytes of a block of a part.
const BLOCK: usize = 1 << 20;

/// Bytes of the next part, after `sent`, of an image of `size` if that is known; `least` unless they would not fit.
pub(super) fn part_size(least: u64, size: Option<u64>, sent: u64) -> u64 {
    // What exceeds the size that was told is of unknown size.
    let wanted = match size {
        Some(size) if sent <= size => size.div_ceil(PARTS_MAX as u64),
        _ => sent.div_ceil(SHARE).div_ceil(MIB).saturating_mul(MIB),
    };
    wanted.clamp(least, PART_MAX.max(least))
}

/// The memory of all parts of a store. A project has half of it at most, so that others are never shut out by uploads
/// that stall.
#[derive(Clone, Debug)]
pub(super) struct Room {
    mib: u32,
    all: Arc<Semaphore>,
    projects: Arc<Mutex<HashMap<Box<str>, Weak<Semaphore>>>>,
}

/// Memory of a part, until it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    _own: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(super) fn new(bytes: u64) -> Self {
        let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX).clamp(2, 1 << 20);
        let all = Arc::new(Semaphore::new(usize::try_from(mib).unwrap_or(2)));
        Self { mib, all, projects: Arc::default() }
    }

    fn half(&self) -> u32 {
        (self.mib / 2).max(1)
    }

    /// What a project may have, shared by its uploads.
    fn of_project(&self, project: &str) -> Arc<Semaphore> {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = projects.get(project).and_then(Weak::upgrade) {
            return known;
        }
        // There are no more of them than uploads, once those that are over are gone.
        projects.retain(|_, room| room.strong_count() > 0);
        let room = Arc::new(Semaphore::new(usize::try_from(self.half()).unwrap_or(1)));
        projects.insert(project.into(), Arc::downgrade(&room));
        room
    }

    /// Waits for memory for a part; one larger than half of all takes that.
    pub(super) async fn take(&self, project: &str, bytes: u64) -> Taken {
        let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX).clamp(1, self.half());
        let own = self.of_project(project).acquire_many_owned(mib).await.ok();
        Taken { _own: own, _all: Arc::clone(&self.all).acquire_many_owned(mib).await.ok() }
    }
}

/// Blocks of parts that the server has, for the next ones: the allocator would not give all of them back.
#[derive(Debug, Default)]
pub(super) struct Spare(Vec<BytesMut>);

impl Spare {
    /// Takes back the blocks of a part that nobody looks at any more, as many as a part of `bytes` needs.
    pub(super) fn keep(&mut self, blocks: Vec<Bytes>, bytes: u64) {
        let most = usize::try_from(bytes.div_ceil(BLOCK as u64)).unwrap_or(usize::MAX);
        let unused = blocks.into_iter().filter_map(|block| block.try_into_mut().ok());
        let whole = unused.filter(|block| block.capacity() >= BLOCK).take(most.saturating_sub(self.0.len()));
        self.0.extend(whole.map(|mut block| {
            block.clear();
            block
        }));
    }

    /// Gives them back: those who wait for memory has none.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// A part that fills up. Pieces are copied: a small one may keep a large buffer of the network's alive.
#[derive(Debug, Default)]
pub(super) struct Part {
    blocks: Vec<Bytes>,
    last: BytesMut,
    /// Bytes so far.
    pub(super) length: u64,
    /// The memory that it has, from its first byte on.
    pub(super) taken: Option<Taken>,
}

impl Part {
    /// Takes bytes. A first block that is new grows as they come, for those who send little.
    pub(super) fn push(&mut self, mut piece: &[u8], spare: &mut Spare) {
        self.length = self.length.saturating_add(piece.len() as u64);
        while !piece.is_empty() {
            if self.last.capacity() == 0 {
                let first = if self.blocks.is_empty() { 0 } else { BLOCK };
                self.last = spare.0.pop().unwrap_or_else(|| BytesMut::with_capacity(first));
            }
            let (now, rest) = piece.split_at(piece.len().min(BLOCK.saturating_sub(self.last.len())));
            self.last.extend_from_slice(now);
            piece = rest;
            if self.last.len() >= BLOCK {
                self.blocks.push(std::mem::take(&mut self.last).freeze());
            }
        }
    }

    /// Its blocks, once it is not needed any more.
    pub(super) fn into_blocks(self) -> Vec<Bytes> {
        self.blocks
    }

    /// All of it, shared.
    pub(super) fn payload(&mut self) -> PutPayload {
        if !self.last.is_empty() {
            self.blocks.push(std::mem::take(&mut self.last).freeze());
        }
        self.blocks.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use futures::FutureExt;

    use super::*;

    fn sent_by_parts(least: u64, size: Option<u64>) -> (u64, u64) {
        let (mut sent, mut largest) = (0, 0);
        for _ in 0..PARTS_MAX {
            let part = part_size(least, size, sent);
            (sent, largest) = (sent + part, largest.max(part));
        }
        (sent, largest)
    }

    /// Proves that 10,000 parts hold whatever an object can, known beforehand or not, that small images have small
    /// parts, and that no part is larger than a server takes or smaller than the operator says.
    #[test]
    fn every_size_fits() {
        const TIB: u64 = 1 << 40;
        for least in [5 * MIB, 10 * MIB, 64 * MIB] {
            let (most, largest) = sent_by_parts(least, None);
            assert!(most >= 5 * TIB && largest <= PART_MAX, "{least}: {most} {largest}");
            for size in [1, 10 << 30, TIB, 5 * TIB] {
                assert!(sent_by_parts(least, Some(size)).0 >= size, "{least} {size}");
            }
            assert_eq!(part_size(least, None, 6 << 30), least);
            assert_eq!(part_size(least, Some(10 << 30), 0), least);
        }
        assert_eq!(part_size(10 * MIB, None, 13_000 * MIB), 10 * MIB);
        assert_eq!(part_size(10 * MIB, Some(MIB), 13_001 * MIB), 11 * MIB);
    }

    /// Proves that the memory of parts is bounded, that one project leaves half of it to others, and that a part larger
    /// than that has its turn all the same.
    #[test]
    fn sec_79_the_memory_of_parts_is_shared() {
        let room = Room::new(40 * MIB);
        let a = [room.take("a", 10 * MIB), room.take("a", 10 * MIB)].map(|turn| turn.now_or_never().unwrap());
        assert!(room.take("a", 1).now_or_never().is_none());
        let b = room.take("b", 100 * MIB).now_or_never().unwrap();
        assert!(room.take("c", 1).now_or_never().is_none());
        drop((a, b));
        assert_eq!(room.all.available_permits(), 40);
        drop(room.take("c", 1).now_or_never().unwrap());
        assert_eq!(room.projects.lock().unwrap().len(), 1);
    }

    /// Proves that a part is the bytes of its pieces, however they are cut, in new blocks and in used ones.
    #[test]
    fn a_part_is_its_pieces() {
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
        for cut in [1_000, 65_536, BLOCK, 2_999_999] {
            let (mut part, mut spare) = (Part::default(), Spare::default());
            bytes.chunks(cut).for_each(|piece| part.push(piece, &mut spare));
            assert_eq!(part.length, 3_000_000);
            assert_eq!(Bytes::from(part.payload()), bytes, "{cut}");
            assert_eq!(Bytes::from(part.payload()), bytes, "{cut}, again");
            // Blocks are used again, the first one where it has grown to its size.
            spare.keep(part.into_blocks(), 3 << 20);
            assert!(spare.0.len() >= 2, "{cut}");
            let mut next = Part::default();
            bytes.chunks(cut).for_each(|piece| next.push(piece, &mut spare));
            assert_eq!(Bytes::from(next.payload()), bytes, "{cut}, in used blocks");
        }
    }

    /// Proves that a part takes all the used blocks that there are, from its first byte on: one that was left in each part
    /// would add up to a part for nothing.
    #[test]
    fn sec_79_no_used_block_is_left() {
        let (piece, mut spare) = (vec![7; 65_536], Spare::default());
        let mut blocks = Vec::new();
        for _ in 0..4 {
            let mut part = Part::default();
            (0..3 * BLOCK / piece.len()).for_each(|_| part.push(&piece, &mut spare));
            assert_eq!(spare.0.len(), 0);
            spare.keep(std::mem::take(&mut blocks), 10 * MIB);
            blocks = part.into_blocks();
        }
    }
}

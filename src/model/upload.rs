//! Uploads in parts: what is known of one, and the arithmetic of its parts and of the pieces that have arrived.

use super::time::Timestamp;

/// Bytes of a part at least and at most, and where nobody says how many.
pub const PART_MIN: u64 = 8 << 20;
/// See [`PART_MIN`].
pub const PART_MAX: u64 = 512 << 20;
/// See [`PART_MIN`].
pub const PART_DEFAULT: u64 = 64 << 20;
/// Parts of an upload at most.
pub const PARTS_MAX: u64 = 10_000;

/// An upload in parts that is not complete yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// UUID; also the id of the blob that keeps the room for its data.
    pub id: String,
    /// The image.
    pub image_id: String,
    /// The project of the caller who began it; empty if he has none.
    pub project_id: String,
    /// The staging folder that has its pieces, as the ledger names it.
    pub place: String,
    /// The store that is to keep the data; `None` stages it for an import.
    pub store: Option<String>,
    /// Bytes in all.
    pub size: u64,
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// Expected hashes, as the property `expected_hash` has them.
    pub expected: Option<String>,
    /// The job that completes it.
    pub job_id: Option<String>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it is given up, unless more comes.
    pub expires_at: Timestamp,
}

/// Consecutive bytes that have arrived. A piece never crosses the end of a part, and no two overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The first byte, from 0.
    pub first: u64,
    /// How many there are.
    pub length: u64,
    /// The blob that has them.
    pub blob_id: String,
}

impl Piece {
    /// The byte after its last one.
    pub fn end(&self) -> u64 {
        self.first.saturating_add(self.length)
    }
}

/// Bytes of each part where a client does not say: as few as allowed, but not fewer than usual. `None` if parts would
/// be too large.
pub fn part_size_for(size: u64) -> Option<u64> {
    let least = size.div_ceil(PARTS_MAX).checked_next_multiple_of(1 << 20)?;
    Some(least.max(PART_DEFAULT)).filter(|bytes| *bytes <= PART_MAX)
}

impl Upload {
    /// How many parts there are.
    pub fn parts(&self) -> u64 {
        self.size.div_ceil(self.part_size.max(1))
    }

    /// The first byte and the length of a part, counted from 0; `None` if there is no such part.
    pub fn part(&self, number: u64) -> Option<(u64, u64)> {
        let first = number.checked_mul(self.part_size).filter(|first| *first < self.size)?;
        Some((first, self.part_size.min(self.size.saturating_sub(first))))
    }

    /// The end of the part that has this byte.
    pub fn part_end(&self, at: u64) -> u64 {
        let part_size = self.part_size.max(1);
        (at / part_size).saturating_add(1).saturating_mul(part_size).min(self.size)
    }

    /// How many bytes have arrived without a gap from the first on. The pieces are in order.
    pub fn offset(pieces: &[Piece]) -> u64 {
        let mut offset = 0_u64;
        for piece in pieces {
            if piece.first != offset {
                break;
            }
            offset = piece.end();
        }
        offset
    }

    /// Up to `count` parts of which something is missing, in order.
    pub fn missing(&self, pieces: &[Piece], count: usize) -> Vec<u64> {
        let (mut missing, mut pieces) = (Vec::new(), pieces.iter().peekable());
        for number in 0..self.parts() {
            let Some((first, length)) = self.part(number).filter(|_| missing.len() < count) else { break };
            let mut there = 0_u64;
            while let Some(piece) = pieces.next_if(|piece| piece.first < first.saturating_add(length)) {
                there = there.saturating_add(piece.length);
            }
            if there < length {
                missing.push(number);
            }
        }
        missing
    }

    /// Pieces that may be there at once: a client that breaks off often should send whole parts.
    pub fn pieces_max(&self) -> usize {
        usize::try_from(self.parts().saturating_mul(2)).unwrap_or(usize::MAX).saturating_add(1000)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn upload(size: u64, part_size: u64) -> Upload {
        Upload {
            id: String::new(),
            image_id: String::new(),
            project_id: String::new(),
            place: String::new(),
            store: None,
            size,
            part_size,
            expected: None,
            job_id: None,
            created_at: Timestamp(0),
            expires_at: Timestamp(0),
        }
    }

    fn pieces(pairs: &[(u64, u64)]) -> Vec<Piece> {
        pairs
            .iter()
            .map(|(first, length)| Piece { first: *first, length: *length, blob_id: String::new() })
            .collect()
    }

    /// Proves that parts cover the data exactly once, the last one with what is left.
    #[test]
    fn parts_cover_the_data() {
        let upload = upload(25, 10);
        assert_eq!(upload.parts(), 3);
        assert_eq!(
            [0, 1, 2, 3].map(|n| upload.part(n)),
            [Some((0, 10)), Some((10, 10)), Some((20, 5)), None]
        );
        assert_eq!(upload.part(u64::MAX), None);
        assert_eq!([0, 9, 10, 20, 24].map(|at| upload.part_end(at)), [10, 10, 20, 25, 25]);
    }

    /// Proves that the offset ends at the first gap, and that parts with gaps are missing.
    #[test]
    fn the_offset_ends_at_the_first_gap() {
        let upload = upload(25, 10);
        for (there, offset, missing) in [
            (vec![], 0, vec![0, 1, 2]),
            (vec![(10, 10)], 0, vec![0, 2]),
            (vec![(0, 4), (4, 6), (20, 5)], 10, vec![1]),
            (vec![(0, 10), (10, 3)], 13, vec![1, 2]),
            (vec![(0, 10), (10, 10), (20, 5)], 25, vec![]),
        ] {
            let there = pieces(&there);
            assert_eq!((Upload::offset(&there), upload.missing(&there, 10)), (offset, missing), "{there:?}");
        }
        assert_eq!(upload.missing(&[], 2), [0, 1]);
    }

    /// Proves that large data has larger parts, and that too large data has none.
    #[test]
    fn parts_grow_with_the_data() {
        assert_eq!(part_size_for(1), Some(PART_DEFAULT));
        assert_eq!(part_size_for(1 << 40), Some(105 << 20));
        assert_eq!(part_size_for(PART_MAX * PARTS_MAX), Some(PART_MAX));
        assert_eq!(part_size_for(PART_MAX * PARTS_MAX + 1), None);
        assert_eq!(part_size_for(u64::MAX), None);
    }
}

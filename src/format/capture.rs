//! The few bytes of a passing stream that an inspector keeps, and reading numbers from them.

/// Keeps up to `N` bytes that begin at one offset of the stream, whatever the pieces they arrive in.
///
/// The offset must not lie behind the stream's position when the region is made: what has passed is gone.
#[derive(Debug, Clone)]
pub(super) struct Region<const N: usize> {
    offset: u64,
    wanted: usize,
    filled: usize,
    kept: [u8; N],
}

impl<const N: usize> Region<N> {
    /// A region of `wanted` bytes (at most `N`) from `offset` on.
    pub(super) fn new(offset: u64, wanted: usize) -> Self {
        Self { offset, wanted: wanted.min(N), filled: 0, kept: [0; N] }
    }

    /// Copies the part of `chunk`, whose first byte is byte `position` of the stream, that is still missing.
    pub(super) fn take(&mut self, position: u64, chunk: &[u8]) {
        let next = self.offset.saturating_add(self.filled as u64);
        let Some(skip) = next.checked_sub(position).and_then(|skip| usize::try_from(skip).ok()) else {
            return;
        };
        let (Some(rest), Some(room)) = (chunk.get(skip..), self.kept.get_mut(self.filled..self.wanted))
        else {
            return;
        };
        let count = rest.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
            self.filled += count;
        }
    }

    /// What has been kept so far, in stream order.
    pub(super) fn bytes(&self) -> &[u8] {
        self.kept.get(..self.filled).unwrap_or_default()
    }

    /// Whether every wanted byte is here.
    pub(super) fn is_full(&self) -> bool {
        self.filled == self.wanted
    }

    /// The first offset behind the region.
    pub(super) fn end(&self) -> u64 {
        self.offset.saturating_add(self.wanted as u64)
    }
}

/// Keeps the last `N` bytes of what it is given.
#[derive(Debug, Clone)]
pub(super) struct Tail<const N: usize> {
    ring: [u8; N],
    next: usize,
    seen: u64,
}

impl<const N: usize> Tail<N> {
    pub(super) fn new() -> Self {
        Self { ring: [0; N], next: 0, seen: 0 }
    }

    /// Takes the next bytes; costs at most `N` copied bytes.
    pub(super) fn take(&mut self, chunk: &[u8]) {
        self.seen = self.seen.saturating_add(chunk.len() as u64);
        for byte in chunk.iter().skip(chunk.len().saturating_sub(N)) {
            if let Some(place) = self.ring.get_mut(self.next) {
                *place = *byte;
            }
            self.next = (self.next + 1) % N;
        }
    }

    /// The last `N` bytes in stream order, or `None` when fewer were seen.
    pub(super) fn bytes(&self) -> Option<[u8; N]> {
        if self.seen < N as u64 {
            return None;
        }
        let mut ordered = self.ring;
        ordered.rotate_left(self.next);
        Some(ordered)
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(super) fn be_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

pub(super) fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_be_bytes)
}

pub(super) fn be_u64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_be_bytes)
}

pub(super) fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

pub(super) fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_le_bytes)
}

pub(super) fn le_u64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

/// Whether the bytes from `at` on begin with `expected`.
pub(super) fn has(bytes: &[u8], at: usize, expected: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(expected))
}

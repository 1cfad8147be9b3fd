//! Recognises compressed data by its first bytes, and how much memory its decoder needs.

/// The number of initial bytes that determine both.
pub(super) const HEAD_BYTES: u64 = 1100;
/// Maximum memory of one decoder, in bytes: 128 MiB, the largest window that the zstd tool accepts by default, plus the
/// decoder's own needs.
pub(super) const DECODER_BYTES_MAX: u64 = 136 << 20;
/// What decoders need beside a window.
const DECODER_BYTES: u64 = 4 << 20;
/// What decoders need that have no large window.
const SMALL_BYTES: u64 = 12 << 20;

/// A kind of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Gzip,
    Bzip2,
    Xz,
    Lzma,
    Zstd,
    Zip,
    Lha,
}

/// Tells the compression by the first bytes.
pub(super) fn detect(head: &[u8]) -> Option<Kind> {
    if head.starts_with(&[0x1f, 0x8b, 0x08]) {
        return Some(Kind::Gzip);
    }
    if head.starts_with(b"PK\x03\x04") {
        return Some(Kind::Zip);
    }
    if head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        return Some(Kind::Xz);
    }
    if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Some(Kind::Zstd);
    }
    // The digit is the block size; then comes the first block's mark, or the end's.
    let block = head.get(4..10);
    if head.starts_with(b"BZh")
        && matches!(head.get(3), Some(b'1'..=b'9'))
        && (block == Some(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
            || block == Some(&[0x17, 0x72, 0x45, 0x38, 0x50, 0x90]))
    {
        return Some(Kind::Bzip2);
    }
    if head.get(2..5) == Some(b"-lh") && head.get(6) == Some(&b'-') {
        return Some(Kind::Lha);
    }
    is_lzma(head).then_some(Kind::Lzma)
}

/// The older format has no mark of its own: only headers as its tools write them are taken for it.
fn is_lzma(head: &[u8]) -> bool {
    let Some((header, _)) = head.split_first_chunk::<13>() else { return false };
    let [properties, d0, d1, d2, d3, size @ ..] = *header;
    let dictionary = u32::from_le_bytes([d0, d1, d2, d3]);
    let size = u64::from_le_bytes(size);
    properties == 0x5d
        && (12..=30).any(|log| dictionary == 1 << log || dictionary == 3 << (log - 1))
        && (size == u64::MAX || (size > 0 && size < 1 << 40))
}

/// Bytes of memory needed to unpack data with this beginning, according to its header. Decoders are limited to it.
pub(super) fn memory(kind: Kind, head: &[u8]) -> u64 {
    let window = match kind {
        Kind::Gzip | Kind::Bzip2 | Kind::Zip | Kind::Lha => return SMALL_BYTES,
        Kind::Xz => xz_dictionary(head),
        Kind::Lzma => {
            head.get(1..5).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes).map(u64::from)
        }
        // Its decoder is told the largest window as a power of two.
        Kind::Zstd => zstd_window(head).and_then(u64::checked_next_power_of_two),
    };
    window.map_or(u64::MAX, |window| window.saturating_add(DECODER_BYTES))
}

/// The dictionary of the first block of an xz stream; the format's description, 3.1 and 5.3.1.
fn xz_dictionary(head: &[u8]) -> Option<u64> {
    let block = head.get(12..)?;
    let (size, flags) = (*block.first()?, *block.get(1)?);
    if size == 0 {
        // There is no block, but the index of an empty stream.
        return Some(0);
    }
    let mut rest = block.get(2..)?;
    for known in [0x40, 0x80] {
        if flags & known != 0 {
            number(&mut rest)?;
        }
    }
    let mut dictionary = None;
    for _ in 0..=(flags & 3) {
        let id = number(&mut rest)?;
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let (properties, after) = rest.split_at_checked(length)?;
        rest = after;
        if id == 0x21 {
            dictionary = properties.first().copied();
        }
    }
    match dictionary? {
        bits @ 0..40 => Some(u64::from(2 | (bits & 1)) << (bits / 2 + 11)),
        40 => Some(u64::from(u32::MAX)),
        _ => None,
    }
}

/// A number in seven bits a byte, the lowest first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The window of the first frame of zstd; RFC 8878, 3.1.1.1.
fn zstd_window(head: &[u8]) -> Option<u64> {
    let (flags, rest) = (*head.get(4)?, head.get(5..)?);
    if flags & 0x20 == 0 {
        let window = rest.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // A frame of one segment: the window is its content.
    let rest = rest.get([0, 1, 2, 4][usize::from(flags & 3)]..)?;
    let at = |count: usize| {
        let bytes = rest.get(..count)?;
        Some(bytes.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)))
    };
    match flags >> 6 {
        0 => at(1),
        1 => Some(at(2)? + 256),
        2 => at(4),
        _ => at(8),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Proves what data of each kind says of the memory that it takes, and that what cannot be read asks for more than
    /// there is.
    #[test]
    fn sec_38_the_head_says_how_much_memory_it_takes() {
        let xz = |bits: u8| {
            let stream = [0xfd, b'7', b'z', b'X', b'Z', 0, 0, 4, 0xe6, 0xd6, 0xb4, 0x46];
            // Two sizes in the header of the block, the first of them of two bytes.
            [&stream[..], &[3, 0xc0, 0x80, 0x01, 5, 0x21, 1, bits, 0, 0]].concat()
        };
        for (kind, head, expected) in [
            (Kind::Gzip, vec![], 12 * MIB),
            (Kind::Xz, xz(22), 12 * MIB),
            (Kind::Xz, xz(28), 68 * MIB),
            (Kind::Xz, xz(29), 100 * MIB),
            (Kind::Xz, xz(40), u64::from(u32::MAX) + 4 * MIB),
            (Kind::Xz, xz(41), u64::MAX),
            (Kind::Xz, xz(22)[..16].to_vec(), u64::MAX),
            (Kind::Lzma, vec![0x5d, 0, 0, 0x80, 0], 12 * MIB),
            (Kind::Zstd, vec![0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x88], 132 * MIB),
            (Kind::Zstd, vec![0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x84], 132 * MIB),
            (Kind::Zstd, vec![0x28, 0xb5, 0x2f, 0xfd, 0x04, 0xff], (1 << 42) + 4 * MIB),
            (Kind::Zstd, vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0x10, 0], 5 * MIB),
            (Kind::Zstd, vec![0x28, 0xb5, 0x2f, 0xfd], u64::MAX),
        ] {
            assert_eq!(memory(kind, &head), expected, "{kind:?} {head:x?}");
        }
    }
}

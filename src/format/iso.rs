//! iso: ISO 9660 and UDF discs, known by the volume descriptor behind the 32 KiB system area.

use super::capture::{has, le_u16, le_u32};
use super::inspection::Detected;

/// Where the first volume descriptor begins.
pub(super) const DESCRIPTOR_OFFSET: u64 = 32 * 1024;
/// The bytes of the descriptor that matter here.
pub(super) const DESCRIPTOR_KEPT: usize = 130;
/// The first length of a stream that holds the whole descriptor.
const END: u64 = DESCRIPTOR_OFFSET + 2048;
const PRIMARY_VOLUME: u8 = 1;

pub(super) fn detect(descriptor: &[u8], total_bytes: u64) -> Option<Detected> {
    let signed = [b"CD001", b"NSR02", b"NSR03"].iter().any(|signature| has(descriptor, 1, *signature));
    if total_bytes < END || !signed {
        return None;
    }
    let blocks = u64::from(le_u32(descriptor, 80)?);
    let block_size = u64::from(le_u16(descriptor, 128)?);
    let primary = descriptor.first() == Some(&PRIMARY_VOLUME);
    Some(Detected::new("iso", if primary { blocks * block_size } else { 0 }))
}

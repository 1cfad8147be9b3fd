//! luks: encrypted disks, version 1 only. The encrypted content is not inspected.

use super::capture::{be_u16, be_u32, has};
use super::inspection::Detected;

/// Length of a version 1 header with its key slots.
const HEADER: u64 = 592;

pub(super) fn detect(head: &[u8], total_bytes: u64) -> Option<Detected> {
    if !has(head, 0, b"LUKS\xba\xbe") {
        return None;
    }
    let payload_offset = u64::from(be_u32(head, 104).unwrap_or(0)) * 512;
    let mut found = Detected::new("luks", total_bytes.saturating_sub(payload_offset));
    found.complete = total_bytes >= HEADER;
    found.fault_if(
        be_u16(head, 6) != Some(1),
        "version",
        "is not LUKS version 1; rewrite it with cryptsetup convert --type luks1",
    );
    Some(found)
}

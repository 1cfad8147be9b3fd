//! vhd: Virtual PC's format, which `qemu-img` calls vpc. A fixed VHD, which has only a trailer, counts as raw here.

use super::capture::{be_u64, has};
use super::inspection::Detected;

pub(super) fn detect(head: &[u8], head_complete: bool) -> Option<Detected> {
    if !has(head, 0, b"conectix") {
        return None;
    }
    let mut found = Detected::new("vhd", be_u64(head, 40).unwrap_or(0));
    found.complete = head_complete;
    Some(found)
}

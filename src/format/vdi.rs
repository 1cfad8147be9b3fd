//! vdi: VirtualBox's format.

use super::capture::{le_u32, le_u64};
use super::inspection::Detected;

pub(super) fn detect(head: &[u8]) -> Option<Detected> {
    if le_u32(head, 0x40)? != 0xbeda_107f {
        return None;
    }
    Some(Detected::new("vdi", le_u64(head, 0x170)?))
}

//! qed: an abandoned QEMU format, recognised only to be refused.

use super::capture::has;
use super::inspection::Detected;

pub(super) fn detect(head: &[u8]) -> Option<Detected> {
    if !has(head, 0, b"QED\0") {
        return None;
    }
    let mut found = Detected::new("qed", 0);
    found.fault_if(true, "banned", "has a format that is never accepted; convert it to qcow2 or raw");
    Some(found)
}

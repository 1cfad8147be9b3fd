//! qcow2: QEMU's own format; the header may point to other files, which an image must not do.

use super::capture::{be_u32, be_u64, has};
use super::inspection::Detected;

/// Incompatible features known here: dirty, corrupt, external data file, compression type.
const KNOWN_FEATURES: u64 = 0x0f;
const EXTERNAL_DATA_FILE: u64 = 0x04;

pub(super) fn detect(head: &[u8]) -> Option<Detected> {
    if !has(head, 0, b"QFI\xfb") {
        return None;
    }
    let version = be_u32(head, 4)?;
    let backing_file_offset = be_u64(head, 8)?;
    let features = be_u64(head, 72)?;
    let mut found = Detected::new("qcow2", be_u64(head, 24)?);
    found.fault_if(
        backing_file_offset != 0,
        "backing_file",
        "has a backing file; flatten it with qemu-img convert",
    );
    // Version 2 has no such word, yet the reference tests this bit there too: what lies there is unknown.
    found.fault_if(
        features & EXTERNAL_DATA_FILE != 0,
        "data_file",
        "keeps its data in another file; join them with qemu-img convert",
    );
    found.fault_if(
        version == 3 && features & !KNOWN_FEATURES != 0,
        "unknown_features",
        "uses features that cannot be checked (such as extended_l2); rewrite it with qemu-img convert -O qcow2",
    );
    found.fault_if(
        !(version == 2 || version == 3),
        "unknown_features",
        "is neither version 2 nor 3; rewrite it with qemu-img convert -O qcow2",
    );
    Some(found)
}

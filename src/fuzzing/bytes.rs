//! Data of images, and the head of a request.

use crate::{
    api::refused,
    format::{Inspector, Rules, decide},
    import::{decompress, ova},
};

/// Bytes to which an archive may grow here.
const UNPACKED_BYTES_MAX: u64 = 8 << 20;
/// Sections of a disk image at most.
const SECTIONS_MAX: usize = 8;
/// Formats that an image may be declared to have.
const DECLARED: [&str; 9] = ["raw", "qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso", "aki", "ploop"];

/// A disk image: the verdict is the same however its bytes are cut, and no declaration makes the rules fail.
///
/// The first byte says how small the pieces are. Then come sections: how many times 4 KiB of zeros precede it (a small
/// input reaches what stands far into a disk), its length in two bytes, its bytes.
pub(super) fn format(data: &[u8]) {
    let Some((cut, mut rest)) = data.split_first() else { return };
    let (mut whole, mut pieces) = (Inspector::new(), Inspector::new());
    for _ in 0..SECTIONS_MAX {
        let Some(([gap, low, high], after)) = rest.split_first_chunk::<3>() else { break };
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (section, after) = after.split_at(length);
        let zeros = vec![0; usize::from(*gap) * 4096];
        [&zeros, section].into_iter().for_each(|part| whole.feed(part));
        pieces.feed(&zeros);
        section.chunks(usize::from(*cut).max(1)).for_each(|piece| pieces.feed(piece));
        rest = after;
    }
    let found = whole.finish();
    assert_eq!(found, pieces.finish(), "the verdict depends on how the stream is cut");
    for declared in DECLARED {
        let _ = decide(&found, declared, &Rules::default());
    }
    let _ = (found.format_name(), found.qemu_driver(), found.names());
}

/// Compressed data: no more comes out than is allowed.
pub(super) fn archive(data: &[u8]) {
    if let Some(size) = decompress::unpacked_size(data, UNPACKED_BYTES_MAX) {
        assert!(size <= UNPACKED_BYTES_MAX, "the bound on the output does not hold");
    }
}

/// An appliance: what is taken out lies in the archive, and what it says of hardware is of few words.
pub(super) fn appliance(data: &[u8]) {
    assert!(ova::is_read(data), "what was read of an appliance is not within bounds");
}

/// A descriptor, in an archive that is sound.
pub(super) fn descriptor(data: &[u8]) {
    ova::describe(data);
}

/// The head of a request that the framework has refused.
pub(super) fn http_head(data: &[u8]) {
    assert!(!refused::fault(Some(data)).is_empty());
}

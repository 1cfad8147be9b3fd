//! vmdk: VMware's format. A sparse file with an embedded descriptor may be accepted; a bare descriptor refers to
//! other files.

use super::capture::{Tail, has, le_u32, le_u64};
use super::descriptor::{Descriptor, LENGTH_MAX, Word};
use super::inspection::Detected;

const MAGIC: &[u8] = b"KDMV";
const SECTOR: u64 = 512;
/// The sector where QEMU, and so everyone, puts the descriptor.
const DESCRIPTOR_SECTOR: u64 = 1;
/// In place of the grain directory's sector: the header that counts is the one at the end.
const AT_END: u64 = u64::MAX;
/// Footer marker, footer and end-of-stream marker, one sector each.
const FOOTER: usize = 3 * 512;
const FOOTER_MARKER: u32 = 3;
const END_OF_STREAM_MARKER: u32 = 0;

/// The retained parts of a stream that may be a VMDK.
#[derive(Debug, Clone)]
pub(super) struct Vmdk {
    /// Looks for a bare descriptor at the start of the stream, until a zero byte ends the text.
    create_type: Word,
    bare: bool,
    bare_over: bool,
    descriptor: Descriptor,
    tail: Tail<FOOTER>,
}

impl Vmdk {
    pub(super) fn new() -> Self {
        Self {
            create_type: Word::new(b"createtype="),
            bare: false,
            bare_over: false,
            descriptor: Descriptor::new(),
            tail: Tail::new(),
        }
    }

    /// Takes the bytes at `position`; `head` is what is known of the first sector.
    pub(super) fn feed(&mut self, head: &[u8], position: u64, chunk: &[u8]) {
        if !self.bare_over {
            self.look_for_bare_descriptor(position, chunk);
        }
        if !has(head, 0, MAGIC) {
            return;
        }
        // Only what lies behind the first sector: by then, and not sooner, the whole header is known, however
        // the stream was cut.
        let body_position = position.max(SECTOR);
        let body = between(position, chunk, SECTOR, u64::MAX);
        let end = SECTOR + descriptor_length(head);
        self.descriptor.feed(between(body_position, body, SECTOR, end));
        if has_footer(head) {
            self.tail.take(body);
        }
    }

    /// Whether no further byte matters at `position`.
    pub(super) fn is_over(&self, head: &[u8], position: u64) -> bool {
        let descriptor_over = self.descriptor.has_ended() || position >= SECTOR + LENGTH_MAX;
        self.bare_over && (!has(head, 0, MAGIC) || (descriptor_over && !has_footer(head)))
    }

    /// The reference gives up at the first byte that is not printable, and so takes a descriptor padded with
    /// zeros, as QEMU writes it, for raw; QEMU itself reads on to the first zero byte, and so does this.
    fn look_for_bare_descriptor(&mut self, position: u64, chunk: &[u8]) {
        for byte in between(position, chunk, 0, LENGTH_MAX) {
            self.bare |= self.create_type.ends_with(byte.to_ascii_lowercase());
            self.bare_over = self.bare || *byte == 0;
            if self.bare_over {
                return;
            }
        }
        self.bare_over = position.saturating_add(chunk.len() as u64) >= LENGTH_MAX;
    }

    /// The verdict for a stream of `total_bytes`, or `None` if it is no VMDK.
    pub(super) fn finish(&self, head: &[u8], total_bytes: u64) -> Option<Detected> {
        if has(head, 0, MAGIC) {
            return Some(self.finish_sparse(head, total_bytes));
        }
        let mut found = Detected::new("vmdk", 0);
        found.fault_if(
            true,
            "descriptor",
            "is only a descriptor whose data lies in other files; join them with qemu-img convert -O vmdk",
        );
        self.bare.then_some(found)
    }

    fn finish_sparse(&self, head: &[u8], total_bytes: u64) -> Detected {
        let mut found = Detected::new("vmdk", 0);
        let length = descriptor_length(head);
        found.complete = total_bytes >= (SECTOR + length).max(SECTOR);
        if self.descriptor.is_single_file() {
            let capacity = le_u64(head, 12).unwrap_or(0);
            found.virtual_size = capacity.saturating_mul(SECTOR);
        }
        let misplaced = le_u64(head, 28) != Some(DESCRIPTOR_SECTOR) || length == 0;
        let unknown_version = !matches!(le_u32(head, 4), Some(1..=3));
        let header_fault = (misplaced || unknown_version).then_some(
            "has no descriptor where one is expected; write it anew with qemu-img convert -O vmdk",
        );
        if let Some(reason) = header_fault.or(self.descriptor.fault()) {
            found.fault_if(true, "descriptor", reason);
        }
        // Not asked by the reference; but QEMU opens the parent by the name that the text gives.
        found.fault_if(
            self.descriptor.has_parent(),
            "backing_file",
            "builds on a parent image; flatten it with qemu-img convert",
        );
        if has_footer(head) {
            match self.tail.bytes() {
                Some(tail) => found.fault_if(
                    !footer_agrees(head, &tail),
                    "footer",
                    "has a footer that contradicts its header; write it anew with qemu-img convert -O vmdk",
                ),
                None => found.complete = false,
            }
        }
        found
    }
}

/// The part of `chunk`, which begins at `position`, that lies from `start` up to `end`.
fn between(position: u64, chunk: &[u8], start: u64, end: u64) -> &[u8] {
    let index = |at: u64| usize::try_from(at.saturating_sub(position)).unwrap_or(usize::MAX).min(chunk.len());
    chunk.get(index(start)..index(end)).unwrap_or_default()
}

/// Bytes of the descriptor, bounded whatever the header claims.
fn descriptor_length(head: &[u8]) -> u64 {
    le_u64(head, 36).unwrap_or(0).saturating_mul(SECTOR).min(LENGTH_MAX)
}

fn has_footer(head: &[u8]) -> bool {
    le_u64(head, 56) == Some(AT_END)
}

/// Whether the last three sectors are a footer that says what the header says, between well-formed markers.
///
/// The capacity is compared as well, since QEMU takes it from the footer, and the image record from the header.
fn footer_agrees(header: &[u8], tail: &[u8; FOOTER]) -> bool {
    let (marker, rest) = tail.split_at(512);
    let (footer, end) = rest.split_at(512);
    let same = has(footer, 0, MAGIC)
        && le_u32(header, 4) == le_u32(footer, 4)
        && [12, 28, 36].iter().all(|at| le_u64(header, *at) == le_u64(footer, *at));
    same && !has_footer(footer)
        && is_marker(marker, FOOTER_MARKER)
        && is_marker(end, END_OF_STREAM_MARKER)
        && le_u64(end, 0) == Some(0)
}

fn is_marker(sector: &[u8], kind: u32) -> bool {
    let padding = sector.get(16..).unwrap_or_default();
    le_u32(sector, 8) == Some(0) && le_u32(sector, 12) == Some(kind) && padding.iter().all(|byte| *byte == 0)
}

//! vhdx: Hyper-V's format. The virtual size is found through two tables, whose entries are inspected as they pass.

use super::capture::{Region, has, le_u16, le_u32, le_u64};
use super::inspection::Detected;

const REGION_TABLE: u64 = 192 * 1024;
const REGION_TABLE_END: u64 = 256 * 1024;
/// The format allows no more entries in either table.
const ENTRIES_MAX: u32 = 2047;
const ENTRY: usize = 32;
/// 8B7CA206-4790-4B9A-B8FE-575F050F886E as it is stored.
const METADATA_REGION: &[u8] = b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
/// 2FA54224-CD1B-4876-B211-5DBED83BF4B8 as it is stored.
const VIRTUAL_DISK_SIZE: &[u8] = b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";

/// What the bytes now waited for are.
#[derive(Debug, Clone, Copy)]
enum Step {
    RegionTable,
    RegionEntry {
        left: u32,
    },
    MetadataTable {
        metadata: u64,
    },
    MetadataEntry {
        metadata: u64,
        left: u32,
    },
    Size,
    Known {
        virtual_size: u64,
    },
    /// The tables are malformed or point backwards, so the size cannot be found in one pass.
    Lost,
}

/// The walk from the region table to the size; it holds one table entry at a time.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    step: Step,
    wanted: Region<ENTRY>,
}

impl Walk {
    pub(super) fn new() -> Self {
        Self { step: Step::RegionTable, wanted: Region::new(REGION_TABLE, 16) }
    }

    pub(super) fn feed(&mut self, position: u64, chunk: &[u8]) {
        while !self.is_over() {
            self.wanted.take(position, chunk);
            if !self.wanted.is_full() {
                return;
            }
            match self.advance() {
                Some((step, offset, length)) if offset >= self.wanted.end() => {
                    self.step = step;
                    self.wanted = Region::new(offset, length);
                }
                _ if self.is_over() => {}
                _ => self.step = Step::Lost,
            }
        }
    }

    /// Whether no further byte matters.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.step, Step::Known { .. } | Step::Lost)
    }

    /// The next step with the offset and length of what it needs; `None` ends the walk.
    fn advance(&mut self) -> Option<(Step, u64, usize)> {
        let bytes = self.wanted.bytes();
        let next = self.wanted.end();
        match self.step {
            Step::RegionTable => {
                let left =
                    le_u32(bytes, 8).filter(|count| has(bytes, 0, b"regi") && *count <= ENTRIES_MAX)?;
                (left > 0).then_some((Step::RegionEntry { left }, next, ENTRY))
            }
            Step::RegionEntry { .. } if has(bytes, 0, METADATA_REGION) => {
                let metadata = le_u64(bytes, 16).filter(|offset| *offset >= REGION_TABLE_END)?;
                Some((Step::MetadataTable { metadata }, metadata, ENTRY))
            }
            Step::RegionEntry { left } => {
                (left > 1).then_some((Step::RegionEntry { left: left - 1 }, next, ENTRY))
            }
            Step::MetadataTable { metadata } => {
                let left = le_u16(bytes, 10).map(u32::from);
                let left = left.filter(|count| has(bytes, 0, b"metadata") && *count <= ENTRIES_MAX)?;
                (left > 0).then_some((Step::MetadataEntry { metadata, left }, next, ENTRY))
            }
            Step::MetadataEntry { metadata, .. } if has(bytes, 0, VIRTUAL_DISK_SIZE) => {
                let offset = metadata.checked_add(u64::from(le_u32(bytes, 16)?))?;
                (le_u32(bytes, 20)? == 8).then_some((Step::Size, offset, 8))
            }
            Step::MetadataEntry { metadata, left } => {
                (left > 1).then_some((Step::MetadataEntry { metadata, left: left - 1 }, next, ENTRY))
            }
            Step::Size => {
                self.step = Step::Known { virtual_size: le_u64(bytes, 0)? };
                None
            }
            Step::Known { .. } | Step::Lost => None,
        }
    }

    /// The verdict for a stream that began with the signature.
    pub(super) fn finish(&self) -> Detected {
        let mut found = Detected::new("vhdx", 0);
        match self.step {
            Step::Known { virtual_size } => found.virtual_size = virtual_size,
            _ => found.complete = false,
        }
        found
    }
}

pub(super) fn is_vhdx(head: &[u8]) -> bool {
    has(head, 0, b"vhdxfile")
}

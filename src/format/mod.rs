//! Inspects a disk image as it passes: its format, its virtual size, and whether it is safe.
//!
//! No I/O, no trust in what a header claims, no second pass. The rules are those of
//! `oslo_utils.imageutils.format_inspector`, which Glance runs over every upload; where they are stricter, the file
//! of the format says why. `decide` applies them to the `disk_format` that the user declared.

mod capture;
mod decide;
mod descriptor;
mod gpt;
mod inspection;
mod iso;
mod luks;
mod qcow2;
mod qed;
mod vdi;
mod vhd;
mod vhdx;
mod vmdk;

#[cfg(test)]
mod tests;

pub use decide::{Rejection, Rules, check_harmless, check_safety, decide, has_inspector};
pub use inspection::{Detected, Fault, Inspection};

use capture::Region;

/// Nearly every format is known by its first sector.
const HEAD: usize = 512;

/// Watches one stream. It lives on less than 4 KiB, allocates nothing until `finish`, and once it has seen
/// what it needs (at most a MiB in, or a VHDX's metadata) each further chunk costs an addition; a VMDK with
/// a footer costs the copy of 1536 bytes for each chunk.
#[derive(Debug, Clone)]
pub struct Inspector {
    total_bytes: u64,
    head: Region<HEAD>,
    iso: Region<{ iso::DESCRIPTOR_KEPT }>,
    vhdx: vhdx::Walk,
    vmdk: vmdk::Vmdk,
    settled: bool,
}

impl Default for Inspector {
    fn default() -> Self {
        Self::new()
    }
}

impl Inspector {
    /// An inspector at the start of a stream.
    pub fn new() -> Self {
        Self {
            total_bytes: 0,
            head: Region::new(0, HEAD),
            iso: Region::new(iso::DESCRIPTOR_OFFSET, iso::DESCRIPTOR_KEPT),
            vhdx: vhdx::Walk::new(),
            vmdk: vmdk::Vmdk::new(),
            settled: false,
        }
    }

    /// Takes the stream's next bytes. How the stream is cut into chunks makes no difference to the result.
    pub fn feed(&mut self, chunk: &[u8]) {
        let position = self.total_bytes;
        self.total_bytes = position.saturating_add(chunk.len() as u64);
        if self.settled {
            return;
        }
        self.head.take(position, chunk);
        self.iso.take(position, chunk);
        let head = self.head.bytes();
        let is_vhdx = vhdx::is_vhdx(head);
        if is_vhdx {
            self.vhdx.feed(position, chunk);
        }
        self.vmdk.feed(head, position, chunk);
        self.settled = self.iso.is_full()
            && (!is_vhdx || self.vhdx.is_over())
            && self.vmdk.is_over(head, self.total_bytes);
    }

    /// The verdict, once the whole stream has been fed.
    pub fn finish(self) -> Inspection {
        let total = self.total_bytes;
        let head = self.head.bytes();
        let mut detected = Vec::new();
        if self.head.is_full() {
            detected.extend(qcow2::detect(head));
            detected.extend(qed::detect(head));
            detected.extend(vdi::detect(head));
            detected.extend(gpt::detect(head, total));
        }
        detected.extend(vhd::detect(head, self.head.is_full()));
        detected.extend(vhdx::is_vhdx(head).then(|| self.vhdx.finish()));
        detected.extend(self.vmdk.finish(head, total));
        detected.extend(iso::detect(self.iso.bytes(), total));
        detected.extend(luks::detect(head, total));
        Inspection { detected, total_bytes: total }
    }
}

//! The result of an inspection: the formats that a stream matched, and what is wrong with each.

/// One failed safety check of a detected format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The check's short name, as operators write it in `gpt_safety_checks_nonfatal`: `mbr`, `backing_file` …
    pub check: &'static str,
    /// The fault and what to do, worded to follow "the <format> image".
    pub reason: &'static str,
}

/// A format whose signature the stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detected {
    /// Glance's name for the format: `qcow2`, `qed`, `vhd`, `vhdx`, `vmdk`, `vdi`, `iso`, `gpt` or `luks`.
    pub name: &'static str,
    /// Virtual size in bytes; 0 if the header does not contain it.
    pub virtual_size: u64,
    /// False when the stream ended before, or never led to, all that the verdict needs.
    pub complete: bool,
    /// Every failed safety check; empty for a safe image. Meaningless unless `complete`.
    pub faults: Vec<Fault>,
}

impl Detected {
    /// A complete match without faults, to which the format's own findings are added.
    pub(super) fn new(name: &'static str, virtual_size: u64) -> Self {
        Self { name, virtual_size, complete: true, faults: Vec::new() }
    }

    pub(super) fn fault_if(&mut self, failed: bool, check: &'static str, reason: &'static str) {
        if failed {
            self.faults.push(Fault { check, reason });
        }
    }
}

/// The result of a whole stream's inspection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Every format whose signature was found; empty means raw.
    pub detected: Vec<Detected>,
    /// Length of the stream in bytes.
    pub total_bytes: u64,
}

impl Inspection {
    /// The one format the data has: `raw` when nothing was recognised, `iso` for an ISO that also carries a
    /// partition table (a bootable ISO), `None` when several formats contradict each other.
    pub fn format_name(&self) -> Option<&'static str> {
        match self.detected.as_slice() {
            [] => Some("raw"),
            _ => self.sole().map(|detected| detected.name),
        }
    }

    /// The driver that `qemu-img -f` has for the format: it reads gpt and iso as raw, and calls vhd vpc. `None`
    /// when several formats contradict each other.
    pub fn qemu_driver(&self) -> Option<&'static str> {
        self.format_name().map(|name| match name {
            "gpt" | "iso" => "raw",
            "vhd" => "vpc",
            other => other,
        })
    }

    /// The detected format, with an ISO taking precedence over its own boot partition table; `None` when
    /// nothing or more than one format was found.
    pub fn sole(&self) -> Option<&Detected> {
        match self.detected.as_slice() {
            [one] => Some(one),
            [first, second] => match (first.name, second.name) {
                ("iso", "gpt") => Some(first),
                ("gpt", "iso") => Some(second),
                _ => None,
            },
            _ => None,
        }
    }

    /// The names of all detected formats.
    pub fn names(&self) -> Vec<&'static str> {
        self.detected.iter().map(|detected| detected.name).collect()
    }
}

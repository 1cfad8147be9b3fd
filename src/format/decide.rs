//! Compares the result of an inspection with the declared formats: accepts or refuses an upload.

use super::inspection::{Detected, Fault, Inspection};
use thiserror::Error;

/// The formats that have an inspector, so that a declaration of them must be confirmed by the data.
const INSPECTED: [&str; 10] = ["gpt", "iso", "luks", "qcow2", "qed", "raw", "vdi", "vhd", "vhdx", "vmdk"];

/// Whether data declared as `disk_format` can be recognised; ploop, ami, aki, ari and an operator's own cannot.
pub fn has_inspector(disk_format: &str) -> bool {
    INSPECTED.contains(&disk_format)
}

/// The options of `[image_format]` that concern uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Refuse data that is not what was declared. If false this is only logged, and the virtual size stays
    /// unknown; unsafe images are refused all the same.
    pub require_image_format_match: bool,
    /// Names of checks (`mbr`) whose failure is forgiven in data recognised as gpt.
    pub gpt_safety_checks_nonfatal: Vec<String>,
    /// Bytes of the largest disk that a header may claim.
    pub max_virtual_size: u64,
}

/// 1 PiB: what qcow2 can hold with clusters of the usual size is 2 PiB, and other formats hold less.
const MAX_VIRTUAL_SIZE: u64 = 1 << 50;

impl Default for Rules {
    fn default() -> Self {
        Self {
            require_image_format_match: true,
            gpt_safety_checks_nonfatal: Vec::new(),
            max_virtual_size: MAX_VIRTUAL_SIZE,
        }
    }
}

/// Why an image was refused, and what its owner can do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The data is of one format, the declaration of another.
    #[error(
        "the data is {detected}, but disk_format is {declared}; set disk_format to what the data is, \
         or upload data of the declared format"
    )]
    Mismatch {
        /// The image's `disk_format`.
        declared: String,
        /// What the data is; `raw` when nothing was recognised.
        detected: &'static str,
    },
    /// The data carries the marks of several formats at once, so readers could disagree on what it is.
    #[error("the data looks like several formats at once ({}); convert it to one with qemu-img convert", detected.join(", "))]
    Several {
        /// Every format recognised.
        detected: Vec<&'static str>,
    },
    /// The data is what it claims to be, but it could harm or mislead whoever opens it.
    #[error("the {format} image {}", reasons(faults))]
    Unsafe {
        /// The format recognised.
        format: &'static str,
        /// Every check that failed and is not forgiven.
        faults: Vec<Fault>,
    },
    /// The data begins like an image of this format, but what describes the image is missing.
    #[error(
        "the data begins like a {format} image, but its tables are cut off or damaged; upload the whole file"
    )]
    Incomplete {
        /// The format recognised.
        format: &'static str,
    },
    /// The header claims a disk larger than any may be.
    #[error(
        "the {format} image claims a virtual size of {virtual_size} bytes; a disk may have {max_virtual_size} at most"
    )]
    TooLarge {
        /// The format recognised.
        format: &'static str,
        /// The header's claim in bytes.
        virtual_size: u64,
        /// What it may claim at most.
        max_virtual_size: u64,
    },
}

fn reasons(faults: &[Fault]) -> String {
    faults.iter().map(|fault| fault.reason).collect::<Vec<_>>().join("; it ")
}

/// Decides on an upload (`glance/location.py::ImageProxy.set_data`): returns the virtual size to record, in bytes, or
/// `None` if it is unknown or zero. Glance checks only `bare` containers.
///
/// # Errors
/// A `Rejection`, which the API renders as 415.
pub fn decide(inspection: &Inspection, disk_format: &str, rules: &Rules) -> Result<Option<u64>, Rejection> {
    let virtual_size = match confirm(inspection, disk_format) {
        Err(rejection) if rules.require_image_format_match => return Err(rejection),
        Err(rejection) => {
            tracing::warn!(%rejection, "require_image_format_match is off: accepted in spite of its format");
            0
        }
        Ok(virtual_size) => virtual_size,
    };
    let subjects = inspection.sole().map_or(inspection.detected.as_slice(), std::slice::from_ref);
    for detected in subjects {
        match check_safety(detected, disk_format, rules) {
            Err(rejection @ Rejection::Incomplete { .. }) if !rules.require_image_format_match => {
                tracing::warn!(%rejection, "require_image_format_match is off: accepted although incomplete");
            }
            other => other?,
        }
    }
    // What is not taken for a disk of its own has the size of its bytes, which other limits bound.
    let max_virtual_size = rules.max_virtual_size;
    if virtual_size > max_virtual_size.max(inspection.total_bytes) || i64::try_from(virtual_size).is_err() {
        let format = inspection.format_name().unwrap_or("raw");
        return Err(Rejection::TooLarge { format, virtual_size, max_virtual_size });
    }
    Ok(Some(virtual_size).filter(|size| *size > 0))
}

/// Faults of what is unusual in one format, but leads no reader to anything else.
const OF_ONE_FORMAT: [&str; 2] = ["mbr", "version"];

/// Refuses data that refers to other files, or that may do so, whatever its declared formats. If the end was not seen
/// (`whole` is false), only what was seen counts.
///
/// # Errors
/// `Unsafe`; `Incomplete` when a VMDK ends before its description does.
pub fn check_harmless(inspection: &Inspection, whole: bool) -> Result<(), Rejection> {
    for detected in &inspection.detected {
        let ends_badly = |fault: &Fault| fault.check == "footer" && !whole;
        let faults = detected.faults.iter().filter(|fault| !OF_ONE_FORMAT.contains(&fault.check));
        let faults: Vec<Fault> = faults.filter(|fault| !ends_badly(fault)).copied().collect();
        if !faults.is_empty() {
            return Err(Rejection::Unsafe { format: detected.name, faults });
        }
        if whole && detected.name == "vmdk" && !detected.complete {
            return Err(Rejection::Incomplete { format: detected.name });
        }
    }
    Ok(())
}

/// The virtual size if the data may be called `disk_format`.
fn confirm(inspection: &Inspection, disk_format: &str) -> Result<u64, Rejection> {
    let several = || Rejection::Several { detected: inspection.names() };
    let detected = inspection.format_name().ok_or_else(several)?;
    if detected == disk_format {
        return Ok(inspection.sole().map_or(inspection.total_bytes, |found| found.virtual_size));
    }
    match disk_format {
        // Whoever calls it raw gets it byte for byte; but not where two formats contend.
        "raw" if inspection.detected.len() > 1 => Err(several()),
        "raw" => Ok(inspection.total_bytes),
        other if detected == "raw" && !has_inspector(other) => Ok(0),
        other => Err(Rejection::Mismatch { declared: other.to_owned(), detected }),
    }
}

/// Runs the safety checks of a detected format for an image declared as `disk_format`.
///
/// # Errors
/// `Incomplete` when there was too little data to check, `Unsafe` when a check failed that is not forgiven.
pub fn check_safety(detected: &Detected, disk_format: &str, rules: &Rules) -> Result<(), Rejection> {
    if !detected.complete {
        return Err(Rejection::Incomplete { format: detected.name });
    }
    // A kernel may begin like a boot sector on purpose.
    let is_kernel = matches!(disk_format, "aki" | "ari");
    let forgiven = |fault: &Fault| {
        detected.name == "gpt"
            && (rules.gpt_safety_checks_nonfatal.iter().any(|name| name == fault.check)
                || (is_kernel && fault.check == "mbr"))
    };
    let (forgiven, faults): (Vec<Fault>, Vec<Fault>) =
        detected.faults.iter().partition(|fault| forgiven(fault));
    if !faults.is_empty() {
        return Err(Rejection::Unsafe { format: detected.name, faults });
    }
    for fault in forgiven {
        tracing::warn!(check = fault.check, "forgiven: the {} image {}", detected.name, fault.reason);
    }
    Ok(())
}

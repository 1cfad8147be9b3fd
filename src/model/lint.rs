//! What is odd about an image, as far as its record tells: values that hypervisors do not know, and properties that go ill
//! together. What its data holds is not looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    bundle::KIND_PROPERTY,
    error::{Error, Result},
    fit::{ARCHITECTURE_PROPERTY, ARCHITECTURES, FIRMWARE_PROPERTY, MAX_RAM_PROPERTY},
    image::Image,
    lifecycle::text,
};

/// The properties by which a hypervisor builds the machine, whose values are held against the catalogue of metadata
/// definitions.
pub const CHECKED: [&str; 18] = [
    ARCHITECTURE_PROPERTY,
    "hw_cdrom_bus",
    "hw_disk_bus",
    FIRMWARE_PROPERTY,
    MACHINE_PROPERTY,
    "hw_pointer_model",
    "hw_rescue_bus",
    RESCUE_DEVICE_PROPERTY,
    "hw_rng_model",
    "hw_scsi_model",
    "hw_tpm_model",
    "hw_tpm_version",
    "hw_video_model",
    "hw_vif_model",
    "hw_watchdog_action",
    "hypervisor_type",
    SECURE_BOOT_PROPERTY,
    "vm_mode",
];
const MACHINE_PROPERTY: &str = "hw_machine_type";
const RESCUE_DEVICE_PROPERTY: &str = "hw_rescue_device";
const SECURE_BOOT_PROPERTY: &str = "os_secure_boot";
/// The disk format and the kind of discs.
pub const ISO: &str = "iso";
/// Processors whose machines have no UEFI.
const WITHOUT_UEFI: [&str; 5] = ["ppc", "ppc64", "ppc64le", "s390", "s390x"];
/// Values that are named in a message at most.
const NAMED: usize = 16;

/// What becomes of values that the catalogue does not know (`[vitrine] validate_properties`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// They are taken, as by Glance, and told to those who ask what is odd about an image.
    #[default]
    Warn,
    /// They are refused where they are set.
    Strict,
}

impl Validation {
    /// The names of the option's values.
    pub const NAMES: [&str; 2] = ["warn", "strict"];

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "warn" => Some(Self::Warn),
            "strict" => Some(Self::Strict),
            _ => None,
        }
    }
}

/// The values that properties may have; of those that are not in it nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue(BTreeMap<String, BTreeSet<String>>);

impl Default for Catalogue {
    /// Of processors there is a list without any catalogue.
    fn default() -> Self {
        let processors = ARCHITECTURES.into_iter().map(str::to_owned).collect();
        Self([(ARCHITECTURE_PROPERTY.to_owned(), processors)].into())
    }
}

impl Catalogue {
    /// Adds values that a property may have.
    pub fn add(&mut self, property: &str, values: impl IntoIterator<Item = String>) {
        self.0.entry(property.to_owned()).or_default().extend(values);
    }

    /// The values of which one is to be had, where that of an image is none of them.
    fn unknown<'a>(&'a self, image: &Image, property: &str) -> Option<&'a BTreeSet<String>> {
        let value = text(image, property).filter(|value| !value.is_empty())?;
        self.0.get(property).filter(|known| !known.contains(value))
    }
}

/// Something odd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The attribute or property.
    pub property: &'static str,
    /// What it is.
    pub value: String,
    /// A word for programs.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// The properties of [`CHECKED`] that a change sets.
pub fn set_by(before: Option<&Image>, after: &Image) -> Vec<&'static str> {
    let differs =
        |name: &&str| text(after, name).is_some() && before.and_then(|b| text(b, name)) != text(after, name);
    CHECKED.into_iter().filter(differs).collect()
}

/// Requires that the catalogue know what these properties of an image are.
///
/// # Errors
/// [`Error::Invalid`], naming the property, its value and what it may be.
pub fn require_known(image: &Image, properties: &[&'static str], catalogue: &Catalogue) -> Result<()> {
    for property in properties {
        if let Some(known) = catalogue.unknown(image, property) {
            return Err(Error::invalid(unknown_value(image, property, known)));
        }
    }
    Ok(())
}

fn unknown_value(image: &Image, property: &str, known: &BTreeSet<String>) -> String {
    let mut named: Vec<&str> = known.iter().take(NAMED).map(String::as_str).collect();
    if known.len() > NAMED {
        named.push("…");
    }
    let value = text(image, property).unwrap_or_default();
    format!("{property} cannot be {value:?}; it is one of {}.", named.join(", "))
}

/// Everything odd about an image.
pub fn lint(image: &Image, catalogue: &Catalogue) -> Vec<Warning> {
    let mut found = Vec::new();
    for property in CHECKED {
        if let Some(known) = catalogue.unknown(image, property) {
            found.push(warning(image, property, "unknown-value", unknown_value(image, property, known)));
        }
    }
    found.extend(memory(image));
    found.extend(disc(image));
    found.extend(firmware(image));
    found
}

fn warning(
    image: &Image,
    property: &'static str,
    reason: &'static str,
    message: impl Into<String>,
) -> Warning {
    let value = text(image, property).unwrap_or_default().to_owned();
    Warning { property, value, reason, message: message.into() }
}

fn memory(image: &Image) -> Option<Warning> {
    let max = text(image, MAX_RAM_PROPERTY)?;
    let odd = |reason, message: String| Some(warning(image, MAX_RAM_PROPERTY, reason, message));
    // The digits that the list of what fits a flavor takes for a number.
    let is_number = (1..=18).contains(&max.len()) && max.bytes().all(|b| b.is_ascii_digit());
    match max.parse::<i64>().ok().filter(|_| is_number) {
        None => odd("no-number", format!("{MAX_RAM_PROPERTY} is no number of MiB, and bounds nothing.")),
        Some(max) if max < image.min_ram => odd(
            "below-min-ram",
            format!("{MAX_RAM_PROPERTY} is below min_ram, {}: no flavor fits the image.", image.min_ram),
        ),
        Some(_) => None,
    }
}

fn disc(image: &Image) -> Vec<Warning> {
    let is_disc = image.disk_format.as_deref() == Some(ISO);
    let kind = text(image, KIND_PROPERTY).filter(|kind| !kind.is_empty());
    let mut found = Vec::new();
    match kind {
        Some(ISO) if !is_disc && image.disk_format.is_some() => {
            found.push(warning(image, KIND_PROPERTY, "no-iso", "image_kind is iso, but disk_format is not."));
        }
        Some(kind) if is_disc && kind != ISO => {
            found.push(warning(image, KIND_PROPERTY, "iso", "disk_format is iso, but image_kind is not."));
        }
        _ => {}
    }
    if is_disc && matches!(text(image, RESCUE_DEVICE_PROPERTY), Some("disk" | "floppy")) {
        let message =
            "disk_format is iso, but the image is attached for rescue as something other than a cdrom.";
        found.push(warning(image, RESCUE_DEVICE_PROPERTY, "iso", message));
    }
    found
}

fn firmware(image: &Image) -> Vec<Warning> {
    let firmware = text(image, FIRMWARE_PROPERTY);
    let processor = text(image, ARCHITECTURE_PROPERTY).unwrap_or_default();
    let machine = text(image, MACHINE_PROPERTY).unwrap_or_default();
    let mut found = Vec::new();
    if firmware == Some("uefi") && WITHOUT_UEFI.contains(&processor) {
        let message = format!("Machines of {processor} have no UEFI.");
        found.push(warning(image, FIRMWARE_PROPERTY, "no-uefi", message));
    }
    if firmware == Some("bios") && processor == "aarch64" {
        let message = "Machines of aarch64 have no BIOS.";
        found.push(warning(image, FIRMWARE_PROPERTY, "no-bios", message));
    }
    if text(image, SECURE_BOOT_PROPERTY) != Some("required") {
        return found;
    }
    if firmware != Some("uefi") {
        let message = "Secure boot is required, which only UEFI has: hw_firmware_type is not uefi.";
        found.push(warning(image, SECURE_BOOT_PROPERTY, "no-uefi", message));
    }
    if machine == "pc" || machine.starts_with("pc-i440fx") {
        let message = "Secure boot is required, which this machine does not have: q35 has it.";
        found.push(warning(image, MACHINE_PROPERTY, "no-secure-boot", message));
    }
    found
}

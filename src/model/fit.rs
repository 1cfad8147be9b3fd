//! Which images fit a flavor, and which are for rescue: what `fits` and `rescue` of `GET /ext/v1/images` ask for, as
//! conditions of a list.

use super::{
    error::{Error, Result},
    image::INTEGER_MAX,
    list::{Comparison, Filter},
};

/// The property with the MiB of memory beyond which an image gains nothing.
pub const MAX_RAM_PROPERTY: &str = "max_ram";
/// The property that names the processor.
pub const ARCHITECTURE_PROPERTY: &str = "architecture";
/// The property that names the firmware.
pub const FIRMWARE_PROPERTY: &str = "hw_firmware_type";
/// The properties of which images for rescue have one.
pub const RESCUE_PROPERTIES: [&str; 2] = ["hw_rescue_device", "hw_rescue_bus"];
/// What starts an image that does not say.
const USUAL_FIRMWARE: &str = "bios";
/// What can start an image.
const FIRMWARES: [&str; 2] = [USUAL_FIRMWARE, "uefi"];
/// The processors that hypervisors know, by the names that Nova has for them (`nova/objects/fields.py: Architecture`) and
/// by those of two that are newer.
pub const ARCHITECTURES: [&str; 37] = [
    "aarch64",
    "alpha",
    "armv6",
    "armv7b",
    "armv7l",
    "cris",
    "i686",
    "ia64",
    "lm32",
    "loongarch64",
    "m68k",
    "microblaze",
    "microblazeel",
    "mips",
    "mips64",
    "mips64el",
    "mipsel",
    "openrisc",
    "parisc",
    "parisc64",
    "ppc",
    "ppc64",
    "ppc64le",
    "ppcemb",
    "ppcle",
    "riscv64",
    "s390",
    "s390x",
    "sh4",
    "sh4eb",
    "sparc",
    "sparc64",
    "unicore32",
    "x86",
    "x86_64",
    "xtensa",
    "xtensaeb",
];
/// What some of them are called elsewhere.
const OTHERWISE: [(&str, &str); 2] = [("amd64", "x86_64"), ("arm64", "aarch64")];
const GIB: i64 = 1 << 30;

/// The conditions on images that fit `flavor`, as `ram:2048,disk:20,arch:x86_64,firmware:uefi`: MiB of memory, GiB of the
/// root disk, processor and firmware, any of them.
///
/// # Errors
/// [`Error::Invalid`], naming what is wrong.
pub fn conditions(flavor: &str) -> Result<Vec<Filter>> {
    let mut known = Vec::new();
    let mut conditions = Vec::new();
    for element in flavor.split(',') {
        let (name, value) = element.split_once(':').unwrap_or((element, ""));
        let (name, value) = (name.trim(), value.trim());
        if known.contains(&name) {
            return Err(Error::invalid(format!("fits: {name} is there twice.")));
        }
        known.push(name);
        match name {
            "ram" => {
                let ram = number(name, value)?;
                conditions.push(Filter::Integer("min_ram", Comparison::Lte, ram));
                conditions.push(Filter::PropertyNotBelow(MAX_RAM_PROPERTY, ram));
            }
            "disk" => {
                let disk = number(name, value)?;
                conditions.push(Filter::Integer("min_disk", Comparison::Lte, disk));
                conditions.push(Filter::AtMostOrUnknown("virtual_size", disk.saturating_mul(GIB)));
            }
            "arch" => conditions.push(or(ARCHITECTURE_PROPERTY, None, architecture(value)?)),
            "firmware" => {
                let firmware = FIRMWARES.into_iter().find(|firmware| *firmware == value);
                let wrong = || Error::invalid(format!("fits: firmware is bios or uefi, not {value:?}."));
                conditions.push(or(FIRMWARE_PROPERTY, Some(USUAL_FIRMWARE), firmware.ok_or_else(wrong)?));
            }
            _ => {
                return Err(Error::invalid(format!(
                    "fits takes ram, disk, arch and firmware, each with a colon and its value, not {element:?}."
                )));
            }
        }
    }
    Ok(conditions)
}

/// The condition on images that are for rescue.
pub fn for_rescue() -> Filter {
    Filter::AnyProperty(RESCUE_PROPERTIES.to_vec())
}

/// That a property is `value`; whoever has none has `usual`, or else whatever is asked for.
fn or(name: &'static str, usual: Option<&str>, value: &str) -> Filter {
    Filter::PropertyOr { name, usual: usual.unwrap_or(value).to_owned(), value: value.to_owned() }
}

/// A flavor without memory there is none, and one without a disk takes the size of the image: it has none to compare.
fn number(name: &str, text: &str) -> Result<i64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (1..=INTEGER_MAX).contains(number));
    number.ok_or_else(|| {
        Error::invalid(format!("fits: {name} is a number from 1 to {INTEGER_MAX}, not {text:?}."))
    })
}

fn architecture(text: &str) -> Result<&'static str> {
    let named = OTHERWISE.iter().find(|(other, _)| *other == text).map_or(text, |(_, name)| name);
    ARCHITECTURES
        .into_iter()
        .find(|name| *name == named)
        .ok_or_else(|| Error::invalid(format!("fits: arch is a processor such as x86_64, not {text:?}.")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves what each part of a flavor asks for, also by other names, and that only what is named is asked for.
    #[test]
    fn a_flavor_is_conditions() {
        let found = conditions("ram:2048, disk:20").unwrap();
        assert_eq!(
            found,
            [
                Filter::Integer("min_ram", Comparison::Lte, 2048),
                Filter::PropertyNotBelow("max_ram", 2048),
                Filter::Integer("min_disk", Comparison::Lte, 20),
                Filter::AtMostOrUnknown("virtual_size", 20 << 30),
            ]
        );
        assert_eq!(conditions("arch:amd64").unwrap(), conditions("arch:x86_64").unwrap());
        assert_eq!(conditions("arch:arm64").unwrap(), [or("architecture", None, "aarch64")]);
        assert_eq!(conditions("firmware:uefi").unwrap(), [or("hw_firmware_type", Some("bios"), "uefi")]);
        let largest = conditions("disk:2147483647").unwrap();
        assert_eq!(largest[1], Filter::AtMostOrUnknown("virtual_size", 2_147_483_647 << 30));
    }

    /// Proves that what is wrong is named.
    #[test]
    fn what_is_no_flavor_is_named() {
        for (flavor, named) in [
            ("", "\"\""),
            ("cpu:1", "\"cpu:1\""),
            ("ram", "not \"\""),
            ("ram:0", "\"0\""),
            ("ram:+1", "\"+1\""),
            ("ram:2147483648", "\"2147483648\""),
            ("disk:20GiB", "\"20GiB\""),
            ("arch:x86_46", "\"x86_46\""),
            ("firmware:UEFI", "\"UEFI\""),
            ("ram:1,ram:1", "ram is there twice"),
            ("ram:1,", "\"\""),
        ] {
            let text = conditions(flavor).expect_err(flavor).to_string();
            assert!(text.contains(named), "{flavor}: {text}");
        }
    }
}

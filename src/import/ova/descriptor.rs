//! The descriptor of an appliance (DSP0243, versions 1 and 2): the files of its disks and its hardware.

use super::xml::{Element, parse};

/// Bytes that a descriptor may have.
pub const BYTES_MAX: u64 = 1 << 20;

/// A disk that has data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drive {
    /// Its file.
    pub file: String,
    /// Bytes of the disk, if given.
    pub capacity: Option<u64>,
}

/// The contents of a descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appliance {
    /// Its disks, in the descriptor's order; never none.
    pub disks: Vec<Drive>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Cores of one socket.
    pub cores_per_socket: Option<u64>,
    /// The controller on which the first disk hangs: type and kind.
    pub controller: Option<(u64, String)>,
    /// The kind of its first network card.
    pub network_card: Option<String>,
    /// `efi` or `bios`.
    pub firmware: Option<String>,
    /// The operating system, as a CIM number and as VMware's name.
    pub system: (Option<u64>, Option<String>),
}

/// Types of resources (`CIM_ResourceAllocationSettingData.ResourceType`).
const PROCESSOR: u64 = 3;
const MEMORY: u64 = 4;
const NETWORK_CARD: u64 = 10;
const DISK: u64 = 17;

/// Reads a descriptor, which may name up to `most` disks with data.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn read(document: &str, most: usize) -> Result<Appliance, String> {
    let root = parse(document.trim_start_matches('\u{feff}'))?;
    let systems: Vec<&Element> = root.all("VirtualSystem").collect();
    let system = match (systems.as_slice(), root.first("VirtualSystemCollection")) {
        ([system], None) => *system,
        ([], None) => return Err("it describes no system".to_owned()),
        _ => return Err("it describes several systems".to_owned()),
    };
    let (first, disks) = disks(&root, most)?;
    let hardware = hardware(&root, system);
    let of_type = |kind| hardware.iter().copied().filter(move |item| type_of(item) == Some(kind));
    let quantity = |item: &Element| {
        number(item.text_of("VirtualQuantity"))?.checked_mul(unit(item.text_of("AllocationUnits")?)?)
    };
    let section = system.first("VirtualHardwareSection");
    let configured = |key: &str| {
        let mut settings = section?.all("Config").chain(section?.all("ExtraConfig"));
        settings.find(|config| config.attribute("key") == Some(key))?.attribute("value").map(str::to_owned)
    };
    let operating = system.first("OperatingSystemSection");
    Ok(Appliance {
        disks,
        memory: of_type(MEMORY).find_map(quantity),
        cores_per_socket: of_type(PROCESSOR).find_map(|item| number(item.text_of("CoresPerSocket"))),
        controller: controller(&hardware, first.attribute("diskId").unwrap_or_default()),
        network_card: of_type(NETWORK_CARD)
            .find_map(|item| item.text_of("ResourceSubType"))
            .map(str::to_owned),
        firmware: configured("firmware"),
        system: (
            number(operating.and_then(|section| section.attribute("id"))),
            operating.and_then(|section| section.attribute("osType")).map(str::to_owned),
        ),
    })
}

fn number(text: Option<&str>) -> Option<u64> {
    text.and_then(|text| text.parse().ok())
}

/// The disks that have data, with the element of the first.
fn disks(root: &Element, most: usize) -> Result<(&Element, Vec<Drive>), String> {
    let disks = root.all("DiskSection").flat_map(|section| section.all("Disk"));
    let with_data = disks.filter(|disk| disk.attribute("fileRef").is_some());
    let with_data: Vec<&Element> = with_data.take(most.saturating_add(1)).collect();
    let first = with_data.first().ok_or_else(|| "it describes no disk that has data".to_owned())?;
    if with_data.len() > most {
        return Err(match most {
            1 => "it describes several disks; import them one by one".to_owned(),
            _ => format!("it describes more than {most} disks"),
        });
    }
    let mut found = Vec::<Drive>::new();
    for disk in &with_data {
        let drive = drive(root, disk)?;
        let is_several = with_data.len() > 1;
        if is_several && (drive.file.contains(['/', '\\']) || matches!(drive.file.as_str(), "" | "." | ".."))
        {
            return Err(format!("it names a path, {:?}", drive.file));
        }
        if found.iter().any(|other| other.file == drive.file) {
            return Err(format!("two of its disks are the file {:?}", drive.file));
        }
        found.push(drive);
    }
    Ok((first, found))
}

/// A disk with the name of its file.
fn drive(root: &Element, disk: &Element) -> Result<Drive, String> {
    if disk.attribute("parentRef").is_some() {
        return Err("its disk is a difference to another one".to_owned());
    }
    let reference = disk.attribute("fileRef");
    let mut files = root.all("References").flat_map(|references| references.all("File"));
    let file = files.find(|file| file.attribute("id") == reference);
    let file = file.ok_or_else(|| "the file of its disk is not among its references".to_owned())?;
    if file.attribute("chunkSize").is_some() {
        return Err("its disk is cut into several files".to_owned());
    }
    let name = file.attribute("href").ok_or_else(|| "the file of its disk has no name".to_owned())?;
    let capacity = number(disk.attribute("capacity")).and_then(|capacity| {
        capacity.checked_mul(unit(disk.attribute("capacityAllocationUnits").unwrap_or("byte"))?)
    });
    Ok(Drive { file: name.strip_prefix("./").unwrap_or(name).to_owned(), capacity })
}

/// What the system is made of, in the configuration that is used unless somebody chooses.
fn hardware<'a>(root: &'a Element, system: &'a Element) -> Vec<&'a Element> {
    let options = root.first("DeploymentOptionSection");
    let usual = options.and_then(|section| {
        let mut configurations = section.all("Configuration");
        let default = configurations.find(|one| matches!(one.attribute("default"), Some("true" | "1")));
        default.or_else(|| section.first("Configuration"))?.attribute("id")
    });
    let items = system.first("VirtualHardwareSection").into_iter().flat_map(|section| section.ending("Item"));
    let is_used = |item: &&Element| match item.attribute("configuration") {
        None => true,
        Some(ids) => ids.split_whitespace().any(|id| Some(id) == usual),
    };
    items.filter(is_used).collect()
}

fn type_of(item: &Element) -> Option<u64> {
    item.text_of("ResourceType")?.parse().ok()
}

/// The controller of a disk.
fn controller(hardware: &[&Element], disk_id: &str) -> Option<(u64, String)> {
    let drive = hardware.iter().find(|item| {
        let resource = item.text_of("HostResource").unwrap_or_default();
        type_of(item) == Some(DISK) && resource.rsplit('/').next() == Some(disk_id)
    })?;
    let parent = drive.text_of("Parent")?;
    let controller = hardware.iter().find(|item| item.text_of("InstanceID") == Some(parent))?;
    let kind = controller.text_of("ResourceSubType").unwrap_or_default();
    Some((type_of(controller)?, kind.to_owned()))
}

/// Bytes of a unit (DSP0004, annex C, and the words of earlier versions): `byte * 2^20`, `MegaBytes`.
fn unit(text: &str) -> Option<u64> {
    let text: String = text.to_ascii_lowercase().split_whitespace().collect();
    match text.as_str() {
        "byte" | "bytes" | "" => return Some(1),
        "kilobytes" | "kb" => return Some(1 << 10),
        "megabytes" | "mb" => return Some(1 << 20),
        "gigabytes" | "gb" => return Some(1 << 30),
        _ => {}
    }
    let factors = text.strip_prefix("byte*")?.split('*');
    factors.into_iter().try_fold(1_u64, |product, factor| {
        let factor = match factor.split_once('^') {
            Some((base, exponent)) => base.parse::<u64>().ok()?.checked_pow(exponent.parse().ok()?)?,
            None => factor.parse().ok()?,
        };
        product.checked_mul(factor)
    })
}

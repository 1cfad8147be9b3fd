//! The descriptor of an appliance (DSP0243, versions 1 and 2): its disk file and its hardware.

use super::xml::{Element, parse};

/// Bytes that a descriptor may have.
pub const BYTES_MAX: u64 = 1 << 20;

/// The contents of a descriptor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Appliance {
    /// The file of its disk.
    pub disk_file: String,
    /// Bytes of the disk, if given.
    pub capacity: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Cores of one socket.
    pub cores_per_socket: Option<u64>,
    /// The controller on which the disk hangs: type and kind.
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

/// Reads a descriptor.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn read(document: &str) -> Result<Appliance, String> {
    let root = parse(document.trim_start_matches('\u{feff}'))?;
    let systems: Vec<&Element> = root.all("VirtualSystem").collect();
    let system = match (systems.as_slice(), root.first("VirtualSystemCollection")) {
        ([system], None) => *system,
        ([], None) => return Err("it describes no system".to_owned()),
        _ => return Err("it describes several systems".to_owned()),
    };
    let (disk, file) = disk(&root)?;
    let hardware = hardware(&root, system);
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
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
        disk_file: file.to_owned(),
        capacity: number(disk.attribute("capacity")).and_then(|capacity| {
            capacity.checked_mul(unit(disk.attribute("capacityAllocationUnits").unwrap_or("byte"))?)
        }),
        memory: of_type(MEMORY).find_map(quantity),
        cores_per_socket: of_type(PROCESSOR).find_map(|item| number(item.text_of("CoresPerSocket"))),
        controller: controller(&hardware, disk.attribute("diskId").unwrap_or_default()),
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

/// The only disk that has data, and the name of its file.
fn disk(root: &Element) -> Result<(&Element, &str), String> {
    let disks = root.all("DiskSection").flat_map(|section| section.all("Disk"));
    let mut with_data = disks.filter(|disk| disk.attribute("fileRef").is_some());
    let disk = match (with_data.next(), with_data.next()) {
        (Some(disk), None) => disk,
        (None, _) => return Err("it describes no disk that has data".to_owned()),
        (Some(_), Some(_)) => return Err("it describes several disks; import them one by one".to_owned()),
    };
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
    Ok((disk, name.strip_prefix("./").unwrap_or(name)))
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

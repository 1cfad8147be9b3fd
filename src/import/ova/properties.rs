//! The hardware in a descriptor as image properties that Nova understands (`nova/objects/image_meta.py`).

use super::descriptor::Appliance;

/// Types of controllers (`CIM_ResourceAllocationSettingData.ResourceType`).
const IDE: u64 = 5;
const SCSI: u64 = 6;
const OTHER_STORAGE: u64 = 20;
/// Cores of a socket that are taken over.
const CORES_MAX: u64 = 256;

/// Image properties of this appliance. All values are constants of this file, so none can be long or unusual.
pub fn of(appliance: &Appliance) -> Vec<(String, String)> {
    let mut properties = Vec::new();
    let mut add = |name: &str, value: &str| properties.push((name.to_owned(), value.to_owned()));
    if let Some((kind, name)) = &appliance.controller {
        let (bus, model) = bus(*kind, &name.to_ascii_lowercase());
        if let Some(bus) = bus {
            add("hw_disk_bus", bus);
        }
        if let Some(model) = model {
            add("hw_scsi_model", model);
        }
    }
    if let Some(model) = appliance.network_card.as_deref().and_then(network_card) {
        add("hw_vif_model", model);
    }
    if let Some(cores) = appliance.cores_per_socket.filter(|cores| (1..=CORES_MAX).contains(cores)) {
        add("hw_cpu_cores", &cores.to_string());
    }
    match appliance.firmware.as_deref() {
        Some("efi") => add("hw_firmware_type", "uefi"),
        Some("bios") => add("hw_firmware_type", "bios"),
        _ => {}
    }
    let (kind, distribution) = system(&appliance.system);
    if let Some(kind) = kind {
        add("os_type", kind);
    }
    if let Some(distribution) = distribution {
        add("os_distro", distribution);
    }
    properties
}

/// The bus of a disk by its controller, and the model of that.
fn bus(kind: u64, name: &str) -> (Option<&'static str>, Option<&'static str>) {
    match kind {
        IDE => (Some("ide"), None),
        SCSI => {
            let model = match name {
                "lsilogic" => Some("lsilogic"),
                "lsilogicsas" => Some("lsisas1068"),
                "buslogic" => Some("buslogic"),
                "virtualscsi" => Some("vmpvscsi"),
                "virtio-scsi" | "virtioscsi" | "virtio_scsi" => Some("virtio-scsi"),
                _ => None,
            };
            (Some("scsi"), model)
        }
        OTHER_STORAGE if name.contains("sata") || name.contains("ahci") => (Some("sata"), None),
        OTHER_STORAGE if name.contains("virtio") => (Some("virtio"), None),
        _ => (None, None),
    }
}

/// The model of a network card by its name.
fn network_card(name: &str) -> Option<&'static str> {
    // Where several are allowed, the first is preferred.
    let name = name.split_whitespace().next()?.to_ascii_lowercase();
    Some(match name.as_str() {
        "e1000" => "e1000",
        "e1000e" => "e1000e",
        "pcnet32" => "pcnet",
        "vmxnet" | "vmxnet2" => "vmxnet",
        "vmxnet3" => "vmxnet3",
        "virtio" => "virtio",
        _ => return None,
    })
}

/// Beginnings of VMware's words for systems, and what they are: `os_type` and `os_distro`.
const BY_WORD: [(&str, &str, &str); 16] = [
    ("win", "windows", "windows"),
    ("ubuntu", "linux", "ubuntu"),
    ("debian", "linux", "debian"),
    ("centos", "linux", "centos"),
    ("rhel", "linux", "rhel"),
    ("rocky", "linux", "rocky"),
    ("alma", "linux", "almalinux"),
    ("fedora", "linux", "fedora"),
    ("oraclelinux", "linux", "oraclelinux"),
    ("sles", "linux", "sles"),
    ("suse", "linux", "sles"),
    ("opensuse", "linux", "opensuse"),
    ("vmwarephoton", "linux", "photon"),
    ("coreos", "linux", "coreos"),
    ("freebsd", "", "freebsd"),
    ("other", "", ""),
];

/// Type and distribution of a system. VMware's word says more than the number; Nova knows two types.
fn system((number, word): &(Option<u64>, Option<String>)) -> (Option<&'static str>, Option<&'static str>) {
    let word = word.as_deref().unwrap_or_default().to_ascii_lowercase();
    let told = BY_WORD.iter().find(|(beginning, ..)| word.starts_with(beginning));
    let some = |text: &'static str| Some(text).filter(|text| !text.is_empty());
    if let Some((_, kind, distribution)) = told {
        let linux = some(kind).or_else(|| word.contains("linux").then_some("linux"));
        return (linux, some(distribution));
    }
    // `CIM_OperatingSystem.OSType`
    match number {
        Some(93 | 94) => (Some("linux"), Some("ubuntu")),
        Some(95 | 96) => (Some("linux"), Some("debian")),
        Some(79 | 80) => (Some("linux"), Some("rhel")),
        Some(106 | 107) => (Some("linux"), Some("centos")),
        Some(82..=85) => (Some("linux"), Some("sles")),
        Some(36 | 86..=92 | 97..=101 | 108 | 109) => (Some("linux"), None),
        Some(42 | 78) => (None, Some("freebsd")),
        Some(58 | 67 | 69..=74 | 76 | 77 | 103 | 105 | 111..=120) => (Some("windows"), Some("windows")),
        _ => (None, None),
    }
}

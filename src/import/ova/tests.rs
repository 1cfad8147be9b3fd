//! Descriptors as common tools write them, and archive headers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{descriptor, properties, tar};

const VMWARE: &str = include_str!("../../../tests/data/ovf/appliance.ovf");
const VIRTUALBOX: &str = include_str!("../../../tests/data/ovf/box.ovf");

fn told(document: &str) -> Vec<String> {
    let appliance = descriptor::read(document, 1).unwrap();
    properties::of(&appliance).into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// Proves that both dialects are understood, whatever prefixes they use, and that the usual configuration counts.
#[test]
fn hardware_is_told_in_the_words_of_nova() {
    let appliance = descriptor::read(VMWARE, 1).unwrap();
    assert_eq!(appliance.disks[0].file, "disk.vmdk");
    assert_eq!((appliance.disks[0].capacity, appliance.memory), (Some(3 << 30), Some(1536 << 20)));
    assert_eq!(
        told(VMWARE),
        [
            "hw_disk_bus=scsi",
            "hw_scsi_model=vmpvscsi",
            "hw_vif_model=vmxnet3",
            "hw_cpu_cores=2",
            "hw_firmware_type=uefi",
            "os_type=linux",
            "os_distro=ubuntu"
        ]
    );
    let appliance = descriptor::read(VIRTUALBOX, 1).unwrap();
    assert_eq!((appliance.disks[0].capacity, appliance.memory), (Some(10_737_418_241), Some(512 << 20)));
    assert_eq!(
        told(VIRTUALBOX),
        ["hw_disk_bus=sata", "hw_vif_model=e1000", "os_type=linux", "os_distro=rhel"]
    );
}

/// Proves that what is not known is left out, and that numbers without measure are too.
#[test]
fn what_is_not_known_is_left_out() {
    let strange = VMWARE
        .replace("VirtualSCSI", "telepathy")
        .replace("VmxNet3", "pigeon")
        .replace("\"efi\"", "\"fire\"")
        .replace(">2<", ">0<")
        .replace("ubuntu64Guest", "other3xLinux64Guest");
    assert_eq!(told(&strange), ["hw_disk_bus=scsi", "os_type=linux"]);
    for (units, capacity) in [
        ("byte * 2^30", Some(3 << 30)),
        ("GigaBytes", Some(3 << 30)),
        ("byte*1024*1024", Some(3 << 20)),
        ("byte * 2^64", None),
        ("byte * 2^99999999999", None),
        ("furlong", None),
    ] {
        let document = VMWARE.replace(
            "capacityAllocationUnits=\"byte * 2^30\"",
            &format!("capacityAllocationUnits=\"{units}\""),
        );
        assert_eq!(descriptor::read(&document, 1).unwrap().disks[0].capacity, capacity, "{units}");
    }
}

/// Proves that long names are read in each dialect of tar, and that the kept archives hold what they should.
#[test]
fn members_are_found_in_each_dialect() {
    for (archive, descriptor) in [
        (&include_bytes!("../../../fuzz/corpus/appliance/ustar")[..], "box.ovf".to_owned()),
        (&include_bytes!("../../../fuzz/corpus/appliance/gnu")[..], format!("{}.ovf", "b".repeat(120))),
        (&include_bytes!("../../../fuzz/corpus/appliance/pax")[..], format!("{}.ovf", "ü".repeat(60))),
    ] {
        let members = tar::members(&mut std::io::Cursor::new(archive), archive.len() as u64).unwrap();
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, [descriptor.as_str(), "box-disk001.vmdk"]);
        assert_eq!(&archive[members[1].offset as usize..][..4], b"KDMV");
        assert_eq!(members[1].size, 512);
    }
}

//! The format inspector against what `qemu-img` really writes: every format and subformat, whole and cut short.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use vitrine::format::{Inspection, Inspector, Rejection, Rules, decide};

const MIB: u64 = 1 << 20;
/// As QEMU lays a VHDX out: the metadata at 3 MiB, its items 64 KiB behind, the size second.
const VHDX_SIZE_END: usize = 3 * MIB as usize + 65536 + 8 + 8;

/// A folder with a raw disk of 4 MiB, 64 KiB of which are not zero, to convert from.
struct Workshop {
    folder: TempDir,
}

impl Workshop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut disk: Vec<u8> =
            (0..65536_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
        disk.resize(4 * MIB as usize, 0);
        std::fs::write(folder.path().join("source.raw"), disk).unwrap();
        Self { folder }
    }

    /// Runs `qemu-img` with blank-separated arguments in the folder and returns what it printed.
    fn qemu_img(&self, arguments: &str) -> String {
        let run =
            Command::new("qemu-img").args(arguments.split(' ')).current_dir(self.folder.path()).output();
        let output = run.expect("these tests need qemu-img: install qemu-utils, or run them through make");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "qemu-img {arguments}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Converts the raw disk with the given options.
    fn convert(&self, options: &str, to: &str) -> PathBuf {
        self.qemu_img(&format!("convert -f raw {options} source.raw {to}"));
        self.folder.path().join(to)
    }

    /// The virtual size that QEMU sees when told the driver.
    fn virtual_size(&self, driver: &str, path: &Path) -> u64 {
        let printed = self.qemu_img(&format!("info -f {driver} --output=json {}", path.display()));
        serde_json::from_str::<serde_json::Value>(&printed).unwrap()["virtual-size"].as_u64().unwrap()
    }
}

fn inspect(data: &[u8]) -> Inspection {
    let mut inspector = Inspector::new();
    data.chunks(65536).for_each(|chunk| inspector.feed(chunk));
    let inspection = inspector.finish();
    let mut inspector = Inspector::new();
    data.chunks(4093).for_each(|chunk| inspector.feed(chunk));
    assert_eq!(inspector.finish(), inspection, "cuts make a difference");
    inspection
}

/// The detected format and the names of its failed checks.
fn findings(inspection: &Inspection) -> (&'static str, Vec<&'static str>) {
    let faults = inspection.detected.iter().flat_map(|found| &found.faults).map(|fault| fault.check);
    (inspection.format_name().expect("one format"), faults.collect())
}

#[test]
fn safe_images_pass_with_the_size_that_qemu_sees() {
    let shop = Workshop::new();
    let secret = "--object secret,id=key,data=open-sesame";
    let cases = [
        ("raw", "-O raw".to_owned()),
        ("qcow2", "-O qcow2 -o compat=0.10".to_owned()),
        ("qcow2", "-O qcow2 -o compat=1.1".to_owned()),
        ("qcow2", "-O qcow2 -o lazy_refcounts=on".to_owned()),
        ("qcow2", "-O qcow2 -c".to_owned()),
        ("qcow2", "-O qcow2 -c -o compression_type=zstd".to_owned()),
        (
            "qcow2",
            format!("{secret} -O qcow2 -o encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10"),
        ),
        ("vmdk", "-O vmdk -o subformat=monolithicSparse".to_owned()),
        ("vmdk", "-O vmdk -o subformat=streamOptimized".to_owned()),
        ("vhd", "-O vpc -o subformat=dynamic,force_size=on".to_owned()),
        ("vhd", "-O vpc -o subformat=dynamic".to_owned()),
        ("vhdx", "-O vhdx -o subformat=dynamic".to_owned()),
        ("vhdx", "-O vhdx -o subformat=fixed".to_owned()),
        ("vdi", "-O vdi".to_owned()),
        ("vdi", "-O vdi -o static=on".to_owned()),
        ("luks", format!("{secret} -O luks -o key-secret=key,iter-time=10")),
    ];
    for (format, options) in cases {
        let path = shop.convert(&options, "image");
        let inspection = inspect(&std::fs::read(&path).unwrap());
        assert_eq!(findings(&inspection), (format, vec![]), "{options}");
        let expected = shop.virtual_size(inspection.qemu_driver().unwrap(), &path);
        assert_eq!(decide(&inspection, format, &Rules::default()), Ok(Some(expected)), "{options}");
        assert!(expected >= 4 * MIB, "{options}");
        assert_eq!(
            decide(&inspection, "raw", &Rules::default()),
            Ok(Some(inspection.total_bytes)),
            "{options}"
        );
    }
}

#[test]
fn unsafe_images_are_refused_even_as_raw() {
    let shop = Workshop::new();
    shop.convert("-O qcow2", "base.qcow2");
    shop.convert("-O vmdk", "base.vmdk");
    shop.qemu_img("create -q -f qcow2 -b base.qcow2 -F qcow2 backed.qcow2");
    shop.qemu_img("create -q -f qcow2 -o data_file=data.raw split.qcow2 4M");
    shop.qemu_img("create -q -f vmdk -b base.vmdk -F vmdk backed.vmdk");
    shop.convert("-O qcow2 -o extended_l2=on,cluster_size=128k", "extended.qcow2");
    shop.convert("-O vmdk -o subformat=monolithicFlat", "flat.vmdk");
    shop.convert("-O vmdk -o subformat=twoGbMaxExtentFlat", "flats.vmdk");
    shop.convert("-O vmdk -o subformat=twoGbMaxExtentSparse", "sparses.vmdk");
    shop.convert("-O qcow", "old.qcow");
    shop.convert("-O qed", "old.qed");
    let cases = [
        ("backed.qcow2", "qcow2", "backing_file"),
        ("split.qcow2", "qcow2", "data_file"),
        ("extended.qcow2", "qcow2", "unknown_features"),
        ("backed.vmdk", "vmdk", "backing_file"),
        ("flat.vmdk", "vmdk", "descriptor"),
        ("flats.vmdk", "vmdk", "descriptor"),
        ("sparses.vmdk", "vmdk", "descriptor"),
        ("sparses-s001.vmdk", "vmdk", "descriptor"),
        ("old.qcow", "qcow2", "unknown_features"),
        ("old.qed", "qed", "banned"),
    ];
    for (name, format, check) in cases {
        let inspection = inspect(&std::fs::read(shop.folder.path().join(name)).unwrap());
        assert_eq!(findings(&inspection), (format, vec![check]), "{name}");
        for declared in [format, "raw"] {
            let verdict = decide(&inspection, declared, &Rules::default());
            assert!(matches!(verdict, Err(Rejection::Unsafe { .. })), "{name} as {declared}: {verdict:?}");
        }
    }
}

#[test]
fn formats_without_a_signature_are_raw() {
    let shop = Workshop::new();
    for options in ["-O vpc -o subformat=fixed", "-O parallels"] {
        let inspection = inspect(&std::fs::read(shop.convert(options, "image")).unwrap());
        assert_eq!(findings(&inspection), ("raw", vec![]), "{options}");
        assert!(decide(&inspection, "vhd", &Rules::default()).is_err(), "{options}");
        assert_eq!(decide(&inspection, "ploop", &Rules::default()), Ok(None), "{options}");
    }
}

/// The shortest part of a file that still carries a verdict, and that one byte less does not.
#[test]
fn images_cut_within_their_headers_are_refused() {
    let shop = Workshop::new();
    let secret = "--object secret,id=key,data=open-sesame";
    let cases = [
        ("qcow2", "-O qcow2".to_owned(), 512),
        ("vhd", "-O vpc".to_owned(), 512),
        ("vdi", "-O vdi".to_owned(), 512),
        ("luks", format!("{secret} -O luks -o key-secret=key,iter-time=10"), 592),
        ("vmdk", "-O vmdk".to_owned(), 512 + 20 * 512),
        ("vhdx", "-O vhdx".to_owned(), VHDX_SIZE_END),
    ];
    for (format, options, shortest) in cases {
        let image = std::fs::read(shop.convert(&options, "image")).unwrap();
        let verdict = |length: usize| decide(&inspect(&image[..length]), format, &Rules::default());
        assert!(verdict(shortest).is_ok(), "{format}");
        for length in [0, 1, 7, 63, 511, shortest / 2, shortest - 1] {
            assert!(length >= shortest || verdict(length).is_err(), "{format} cut to {length}");
        }
    }
}

/// Disks that QEMU calls raw: with a partition table, a file system, or a disc's descriptor inside a raw disk.
#[test]
fn partitioned_disks_and_discs_are_told_from_raw() {
    let mut disk = vec![0_u8; MIB as usize];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk[446..462].copy_from_slice(&[0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 7, 0, 0]);
    disk[512..520].copy_from_slice(b"EFI PART");
    assert_eq!(findings(&inspect(&disk)), ("gpt", vec![]));
    assert_eq!(decide(&inspect(&disk), "gpt", &Rules::default()), Ok(Some(MIB)));
    assert_eq!(decide(&inspect(&disk), "raw", &Rules::default()), Ok(Some(MIB)));

    disk[32768..32775].copy_from_slice(b"\x01CD001\x01");
    disk[32768 + 80..32768 + 84].copy_from_slice(&300_u32.to_le_bytes());
    disk[32768 + 128..32768 + 130].copy_from_slice(&2048_u16.to_le_bytes());
    assert_eq!(decide(&inspect(&disk), "iso", &Rules::default()), Ok(Some(300 * 2048)));
    assert!(matches!(decide(&inspect(&disk), "raw", &Rules::default()), Err(Rejection::Several { .. })));

    disk[446 + 4] = 0;
    assert_eq!(decide(&inspect(&disk), "iso", &Rules::default()), Ok(Some(300 * 2048)));
    disk[32768] = b'x';
    disk[32769] = b'x';
    assert!(matches!(decide(&inspect(&disk), "raw", &Rules::default()), Err(Rejection::Unsafe { .. })));
}

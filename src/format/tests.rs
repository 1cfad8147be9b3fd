//! Hand-made headers, complete, truncated and corrupted; neither truncation nor noise confuses the inspector.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod samples;

use super::{Inspection, Inspector, Rejection, Rules, decide, has_inspector};
use proptest::prelude::*;
use samples::*;

fn inspect(data: &[u8]) -> Inspection {
    let mut inspector = Inspector::new();
    inspector.feed(data);
    inspector.finish()
}

/// The findings in one line for each format: name, virtual size, failed checks, `…` if incomplete.
fn summary(data: &[u8]) -> String {
    let line = |found: &super::Detected| {
        let checks: Vec<_> = found.faults.iter().map(|fault| fault.check).collect();
        let end = if found.complete { "" } else { " …" };
        format!("{} {} [{}]{end}", found.name, found.virtual_size, checks.join(" "))
    };
    inspect(data).detected.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn expect_all(cases: Vec<(&str, Vec<u8>, &str)>) {
    for (what, data, expected) in cases {
        assert_eq!(summary(&data), expected, "{what}");
    }
}

#[test]
fn an_inspector_is_small() {
    assert!(size_of::<Inspector>() < 4096, "{}", size_of::<Inspector>());
}

#[test]
fn one_sector_formats_are_recognised_and_checked() {
    expect_all(vec![
        ("qcow2 v3", qcow2(3, 0, 0), "qcow2 1048576 []"),
        ("qcow2 v2", qcow2(2, 0, 0), "qcow2 1048576 []"),
        ("the known features", qcow2(3, 0, 0b1011), "qcow2 1048576 []"),
        ("qcow2 v1", qcow2(1, 0, 0), "qcow2 1048576 [unknown_features]"),
        ("qcow2 v4", qcow2(4, 0, 0), "qcow2 1048576 [unknown_features]"),
        ("backing file", qcow2(3, 1 << 40, 0), "qcow2 1048576 [backing_file]"),
        ("data file", qcow2(3, 0, 4), "qcow2 1048576 [data_file]"),
        ("data file in v2", qcow2(2, 0, 4), "qcow2 1048576 [data_file]"),
        ("extended L2", qcow2(3, 0, 0x10), "qcow2 1048576 [unknown_features]"),
        ("highest feature bit", qcow2(3, 0, 1 << 63), "qcow2 1048576 [unknown_features]"),
        ("all at once", qcow2(3, 1, 0xff), "qcow2 1048576 [backing_file data_file unknown_features]"),
        ("qcow2 cut", qcow2(3, 1, 0)[..511].to_vec(), ""),
        ("qed", starting(b"QED\0"), "qed 0 [banned]"),
        ("qed cut", starting(b"QED\0")[..511].to_vec(), ""),
        ("vhd", vhd(), "vhd 1048576 []"),
        ("vhd cut", vhd()[..511].to_vec(), "vhd 1048576 [] …"),
        ("vhd cut to its name", vhd()[..8].to_vec(), "vhd 0 [] …"),
        ("vhd with a trailer only", [vec![0; 4096], vhd()].concat(), ""),
        ("vdi", vdi(), "vdi 1048576 []"),
        ("vdi cut", vdi()[..511].to_vec(), ""),
        ("luks", luks(1, 4096), "luks 2048 []"),
        ("luks 2", luks(2, 4096), "luks 2048 [version]"),
        ("luks cut", luks(1, 591), "luks 0 [] …"),
        ("luks with its payload cut off", luks(1, 592), "luks 0 []"),
        ("nothing", vec![], ""),
        ("zeros", vec![0; 65536], ""),
        ("qcow2 and MBR contend", mbr(&qcow2(3, 0, 0), &[LINUX]), "qcow2 1048576 [], gpt 512 []"),
    ]);
}

#[test]
fn partition_tables_are_checked() {
    let disk = vec![0; 1024];
    let with = |entries: &[[u8; 16]]| mbr(&disk, entries);
    let fat = |tables: u8, media: u8| {
        let mut volume = with(&[]);
        volume[0x10] = tables;
        volume[0x15] = media;
        volume
    };
    expect_all(vec![
        ("GPT", with(&[PROTECTIVE]), "gpt 1024 []"),
        ("plain MBR", with(&[LINUX, LINUX]), "gpt 1024 []"),
        ("plain MBR, last slot only", with(&[UNUSED, UNUSED, UNUSED, LINUX]), "gpt 1024 []"),
        ("no partition", with(&[]), "gpt 1024 [mbr]"),
        ("bad boot flag", with(&[changed(LINUX, 0, 1)]), "gpt 1024 [mbr]"),
        ("bad boot flag of an unused slot", with(&[LINUX, changed(UNUSED, 0, 0x7f)]), "gpt 1024 [mbr]"),
        ("hybrid", with(&[PROTECTIVE, LINUX]), "gpt 1024 [mbr]"),
        ("protective elsewhere", with(&[UNUSED, PROTECTIVE]), "gpt 1024 [mbr]"),
        ("wrong CHS", with(&[changed(PROTECTIVE, 2, 1)]), "gpt 1024 [mbr]"),
        ("wrong first sector", with(&[changed(PROTECTIVE, 8, 2)]), "gpt 1024 [mbr]"),
        ("FAT volume", fat(2, 0xf8), ""),
        ("FAT floppy", fat(2, 0xf0), "gpt 1024 [mbr]"),
        ("cut", with(&[LINUX])[..511].to_vec(), ""),
    ]);
}

#[test]
fn discs_are_recognised_with_their_boot_table() {
    expect_all(vec![
        ("iso", iso(1, b"CD001"), "iso 40960 []"),
        ("udf", iso(1, b"NSR02"), "iso 40960 []"),
        ("udf 3", iso(0, b"NSR03"), "iso 0 []"),
        ("not primary", iso(2, b"CD001"), "iso 0 []"),
        ("unknown", iso(1, b"CD002"), ""),
        ("cut", iso(1, b"CD001")[..34815].to_vec(), ""),
        ("whole descriptor", iso(1, b"CD001")[..34816].to_vec(), "iso 40960 []"),
        ("bootable", mbr(&iso(1, b"CD001"), &[PROTECTIVE]), "gpt 36864 [], iso 40960 []"),
    ]);
}

#[test]
fn vhdx_tables_are_followed_forwards_only() {
    let whole = vhdx(|_| {});
    let size_at = VHDX_METADATA + 65536;
    let changed = |at: usize, to: u8| vhdx(move |image| image[at] = to);
    expect_all(vec![
        ("whole", whole.clone(), "vhdx 1048576 []"),
        ("cut behind the size", whole[..size_at + 8].to_vec(), "vhdx 1048576 []"),
        ("cut within the size", whole[..size_at + 7].to_vec(), "vhdx 0 [] …"),
        ("cut before the tables", whole[..65536].to_vec(), "vhdx 0 [] …"),
        ("cut to its name", whole[..8].to_vec(), "vhdx 0 [] …"),
        ("cut within its name", whole[..7].to_vec(), ""),
        ("bad region signature", changed(VHDX_REGIONS, 0), "vhdx 0 [] …"),
        ("no region", changed(VHDX_REGIONS + 8, 0), "vhdx 0 [] …"),
        ("too many regions", changed(VHDX_REGIONS + 9, 8), "vhdx 0 [] …"),
        ("region of another kind", changed(VHDX_REGIONS + 48, 0), "vhdx 0 [] …"),
        ("metadata before its table", changed(VHDX_REGIONS + 48 + 18, 0), "vhdx 0 [] …"),
        ("metadata beyond all", changed(VHDX_REGIONS + 48 + 23, 0xff), "vhdx 0 [] …"),
        ("bad metadata signature", changed(VHDX_METADATA, 0), "vhdx 0 [] …"),
        ("item of another kind", changed(VHDX_METADATA + 64, 0), "vhdx 0 [] …"),
        ("item within its table", changed(VHDX_METADATA + 64 + 18, 0), "vhdx 0 [] …"),
        ("item of another length", changed(VHDX_METADATA + 64 + 20, 9), "vhdx 0 [] …"),
    ]);
}

#[test]
fn vmdk_descriptors_are_read_with_distrust() {
    let whole = vmdk(DESCRIPTOR, None);
    let extra = |line: &str| vmdk(&format!("{DESCRIPTOR}{line}\n"), None);
    let other = |from: &str, to: &str| vmdk(&DESCRIPTOR.replace(from, to), None);
    let at = |offset: usize, to: u8| {
        let mut image = whole.clone();
        image[offset] = to;
        image
    };
    let good = "vmdk 1048576 []";
    let bad = "vmdk 1048576 [descriptor]";
    let other_kind = "vmdk 0 [descriptor]";
    expect_all(vec![
        ("whole", whole.clone(), good),
        ("case of the kind", other("monolithicSparse", "STREAMOPTIMIZED"), good),
        ("another end of line", other("\n", "\r\n"), good),
        ("indented", other("RW", " \tRW"), good),
        ("read-only extent", other("RW", "RDONLY"), good),
        ("flat", other("monolithicSparse", "monolithicFlat"), other_kind),
        ("no kind", other("createType", "createTipe"), other_kind),
        ("kind with a tail", other("monolithicSparse", "monolithicSparseX"), other_kind),
        ("kind without a quote", other("monolithicSparse\"", "monolithicSparse"), other_kind),
        ("second kind", extra("createType=\"monolithicFlat\""), other_kind),
        ("second kind in a comment", extra("# createType=\"vmfs\""), other_kind),
        ("twice the same kind", extra("createType=\"monolithicSparse\""), good),
        ("unknown line", extra("surprise here"), bad),
        ("setting with a blank", extra("a b=c"), bad),
        ("no extent", other("RW 2048 SPARSE \"a.vmdk\"", ""), bad),
        ("extent without a blank", other("RW 2048", "RW\t2048"), bad),
        ("extent in another folder", other("a.vmdk", "../a.vmdk"), bad),
        ("slash in a setting", extra("a=/b"), good),
        ("not ASCII", extra("# é"), bad),
        ("parent", extra("parentFileNameHint=\"base.vmdk\""), "vmdk 1048576 [backing_file]"),
        ("parent in a comment", extra("# parentFileNameHint=\"b\""), "vmdk 1048576 [backing_file]"),
        ("version 3", at(4, 3), good),
        ("version 4", at(4, 4), bad),
        ("descriptor elsewhere", at(28, 2), bad),
        ("no descriptor", at(36, 0), other_kind),
        ("descriptor not ended", vmdk(&format!("{DESCRIPTOR:#<1024}"), None), bad),
        ("descriptor cut", whole[..1535].to_vec(), "vmdk 1048576 [] …"),
        ("descriptor larger than allowed", at(39, 0xff), "vmdk 1048576 [] …"),
        ("cut to its name", whole[..4].to_vec(), "vmdk 0 [descriptor] …"),
        ("bare descriptor", DESCRIPTOR.into(), "vmdk 0 [descriptor]"),
        ("bare descriptor, padded", starting(DESCRIPTOR.as_bytes()), "vmdk 0 [descriptor]"),
        ("text", b"# just some text\n".repeat(100), ""),
    ]);
}

#[test]
fn vmdk_footers_must_agree_with_the_header() {
    let changed = |at: usize, to: u8| {
        let mut image = vmdk(DESCRIPTOR, Some(7));
        let start = image.len() - 1536;
        image[start + at] = to;
        image
    };
    let whole = changed(0, 0);
    let (good, bad) = ("vmdk 1048576 []", "vmdk 1048576 [footer]");
    expect_all(vec![
        ("whole", whole.clone(), good),
        ("footer that points to a footer", vmdk(DESCRIPTOR, Some(u64::MAX)), bad),
        ("marker of another kind", changed(12, 2), bad),
        ("marker with a size", changed(8, 1), bad),
        ("marker not padded", changed(511, 1), bad),
        ("other magic", changed(512, 0), bad),
        ("other version", changed(512 + 4, 2), bad),
        ("other capacity", changed(512 + 12, 1), bad),
        ("other descriptor", changed(512 + 28, 2), bad),
        ("longer descriptor", changed(512 + 36, 3), bad),
        ("end marker with a value", changed(1024, 1), bad),
        ("end marker of another kind", changed(1024 + 12, 1), bad),
        ("bytes behind the end", [whole.clone(), vec![0]].concat(), bad),
        ("no room for a footer", whole[..2047].to_vec(), "vmdk 1048576 [] …"),
    ]);
}

/// `Ok(size)` as `size`, an error as its variant's name.
fn verdict(data: &[u8], disk_format: &str, rules: &Rules) -> String {
    match decide(&inspect(data), disk_format, rules) {
        Ok(size) => format!("{size:?}"),
        Err(Rejection::Mismatch { declared, detected }) => format!("{declared} is {detected}"),
        Err(Rejection::Several { .. }) => "several".into(),
        Err(Rejection::Unsafe { .. }) => "unsafe".into(),
        Err(Rejection::Incomplete { .. }) => "incomplete".into(),
        Err(Rejection::TooLarge { .. }) => "too large".into(),
    }
}

#[test]
fn decisions_follow_glance() {
    let bootable = mbr(&iso(1, b"CD001"), &[]);
    let odd_mbr = mbr(&[0; 512], &[]);
    let backed = qcow2(3, 1, 0);
    let huge = [&qcow2(3, 0, 0)[..24], &[0xff; 8], &qcow2(3, 0, 0)[32..]].concat();
    let lax = Rules { require_image_format_match: false, ..Rules::default() };
    let forgiving = Rules { gpt_safety_checks_nonfatal: vec!["mbr".into()], ..Rules::default() };
    let strict = Rules::default();
    let expect = |data: &[u8], disk_format: &str, rules: &Rules, expected: &str| {
        assert_eq!(verdict(data, disk_format, rules), expected, "{disk_format} of {}", summary(data));
    };
    expect(&[1; 600], "raw", &strict, "Some(600)");
    expect(&[], "raw", &strict, "None");
    expect(&[1; 600], "ami", &strict, "None");
    expect(&[1; 600], "ploop", &strict, "None");
    expect(&[1; 600], "operators-own", &strict, "None");
    expect(&[1; 600], "qcow2", &strict, "qcow2 is raw");
    expect(&[1; 600], "qcow2", &lax, "None");
    expect(&vdi(), "vdi", &strict, "Some(1048576)");
    expect(&vdi(), "raw", &strict, "Some(512)");
    expect(&vdi(), "ami", &strict, "ami is vdi");
    expect(&vdi(), "vhd", &strict, "vhd is vdi");
    expect(&vdi(), "vhd", &lax, "None");
    expect(&bootable, "iso", &strict, "Some(40960)");
    expect(&bootable, "raw", &strict, "several");
    expect(&bootable, "raw", &lax, "None");
    expect(&bootable, "gpt", &strict, "gpt is iso");
    expect(&iso(2, b"CD001"), "iso", &strict, "None");
    expect(&mbr(&qcow2(3, 0, 0), &[LINUX]), "qcow2", &strict, "several");
    expect(&mbr(&qcow2(3, 0, 0), &[LINUX]), "qcow2", &lax, "None");
    expect(&mbr(&backed, &[LINUX]), "qcow2", &lax, "unsafe");
    expect(&backed, "qcow2", &strict, "unsafe");
    expect(&backed, "raw", &strict, "unsafe");
    expect(&backed, "vmdk", &lax, "unsafe");
    expect(&backed, "qcow2", &forgiving, "unsafe");
    expect(&huge, "qcow2", &strict, "too large");
    expect(&huge, "raw", &strict, "Some(512)");
    expect(&odd_mbr, "raw", &strict, "unsafe");
    expect(&odd_mbr, "raw", &forgiving, "Some(512)");
    expect(&odd_mbr, "gpt", &forgiving, "Some(512)");
    expect(&odd_mbr, "aki", &strict, "aki is gpt");
    expect(&odd_mbr, "aki", &lax, "None");
    expect(b"conectix", "vhd", &strict, "incomplete");
    expect(b"conectix", "raw", &strict, "incomplete");
    expect(b"conectix", "raw", &lax, "Some(8)");
}

/// A header is believed up to the largest disk that may be, whatever the record could hold.
#[test]
fn sec_47_a_disk_is_no_larger_than_it_may_be() {
    let claiming = |size: u64| [&qcow2(3, 0, 0)[..24], &size.to_be_bytes(), &qcow2(3, 0, 0)[32..]].concat();
    let (usual, small) = (Rules::default(), Rules { max_virtual_size: 1 << 20, ..Rules::default() });
    for (size, rules, expected) in [
        (1 << 50, &usual, "Some(1125899906842624)"),
        ((1 << 50) + 1, &usual, "too large"),
        (i64::MAX as u64, &usual, "too large"),
        (1 << 20, &small, "Some(1048576)"),
        ((1 << 20) + 1, &small, "too large"),
    ] {
        assert_eq!(verdict(&claiming(size), "qcow2", rules), expected, "{size}");
    }
    // What has no header of its own is as large as its bytes, which other limits bound.
    assert_eq!(verdict(&vec![1; (1 << 20) + 1], "raw", &small), "Some(1048577)");
}

#[test]
fn rejections_say_what_to_do() {
    let said = |data: &[u8], disk_format| {
        decide(&inspect(data), disk_format, &Rules::default()).unwrap_err().to_string()
    };
    assert_eq!(
        said(&qcow2(3, 1, 4), "qcow2"),
        "the qcow2 image has a backing file; flatten it with qemu-img convert; \
         it keeps its data in another file; join them with qemu-img convert"
    );
    assert_eq!(
        said(&qcow2(3, 0, 0), "vmdk"),
        "the data is qcow2, but disk_format is vmdk; set disk_format to what the data is, \
         or upload data of the declared format"
    );
    assert!(said(&mbr(&vdi(), &[LINUX]), "vdi").contains("(vdi, gpt)"));
}

#[test]
fn a_format_is_named_for_those_who_convert() {
    let named = |data: &[u8]| (inspect(data).format_name(), inspect(data).qemu_driver());
    assert_eq!(named(b"x"), (Some("raw"), Some("raw")));
    assert_eq!(named(&mbr(&[0; 512], &[LINUX])), (Some("gpt"), Some("raw")));
    assert_eq!(named(&mbr(&iso(1, b"CD001"), &[LINUX])), (Some("iso"), Some("raw")));
    assert_eq!(named(&vhd()), (Some("vhd"), Some("vpc")));
    assert_eq!(named(&mbr(&vdi(), &[LINUX])), (None, None));
    assert!(has_inspector("luks") && !has_inspector("ploop"));
}

/// A sample, cut short and with a few bytes changed where the headers are.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let samples = vec![
        qcow2(3, 0, 0),
        vhd(),
        vdi(),
        luks(1, 4096),
        vmdk(DESCRIPTOR, None),
        vmdk(DESCRIPTOR, Some(7)),
        DESCRIPTOR.into(),
        iso(1, b"CD001"),
        mbr(&iso(1, b"CD001"), &[PROTECTIVE]),
        vhdx(|_| {}),
    ];
    let starts = prop::sample::select(vec![0, 32768, VHDX_REGIONS, VHDX_METADATA, VHDX_METADATA + 65536]);
    let changes = prop::collection::vec((starts, 0..1536_usize, any::<u8>()), 0..4);
    (prop::sample::select(samples), changes, 0..4096_usize, any::<bool>()).prop_map(
        |(mut data, changes, cut, is_cut)| {
            for (start, offset, byte) in changes {
                if let Some(place) = data.get_mut(start + offset) {
                    *place = byte;
                }
            }
            if is_cut {
                data.truncate(data.len().saturating_sub(cut));
            }
            data
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// However the stream is cut, byte by byte at its start and end or in larger pieces, the result is one.
    #[test]
    fn cuts_make_no_difference(data in damaged(), sizes in prop::collection::vec(0..3000_usize, 1..6), single in 0..2500_usize) {
        let mut inspector = Inspector::new();
        let (start, mut rest) = data.split_at(single.min(data.len()));
        start.chunks(1).for_each(|byte| inspector.feed(byte));
        for size in sizes.iter().cycle().take(100 * sizes.len()) {
            let (chunk, behind) = rest.split_at((*size).min(rest.len()));
            inspector.feed(chunk);
            rest = behind;
        }
        let (middle, end) = rest.split_at(rest.len().saturating_sub(single));
        inspector.feed(middle);
        end.chunks(1).for_each(|byte| inspector.feed(byte));
        prop_assert_eq!(inspector.finish(), inspect(&data));
    }

    /// Whatever comes, there is a verdict for every declaration, and raw data is never called anything else.
    #[test]
    fn noise_is_harmless(data in prop::collection::vec(any::<u8>(), 0..2048), declared in "[a-z0-9]{0,5}") {
        let inspection = inspect(&data);
        let verdict = decide(&inspection, &declared, &Rules::default());
        prop_assert_eq!(inspection.total_bytes, data.len() as u64);
        if inspection.detected.is_empty() && !has_inspector(&declared) {
            prop_assert_eq!(verdict, Ok(None));
        }
    }
}

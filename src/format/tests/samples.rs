//! The smallest images of each format, 1 MiB large when unpacked.

/// Virtual size of every sample whose header tells one.
pub const SIZE: u64 = 1 << 20;

pub const UNUSED: [u8; 16] = [0; 16];
pub const LINUX: [u8; 16] = [0x80, 1, 1, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 1, 0, 0, 0];
pub const PROTECTIVE: [u8; 16] = [0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];

pub const VHDX_REGIONS: usize = 192 * 1024;
pub const VHDX_METADATA: usize = 256 * 1024;

pub const DESCRIPTOR: &str = "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n\
    createType=\"monolithicSparse\"\n\n# Extent description\nRW 2048 SPARSE \"a.vmdk\"\n\n#DDB\n\
    ddb.virtualHWVersion = \"4\"\n";

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// One sector that begins with `bytes`.
pub fn starting(bytes: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 512];
    put(&mut image, 0, bytes);
    image
}

pub fn qcow2(version: u32, backing_file: u64, features: u64) -> Vec<u8> {
    let mut image = starting(b"QFI\xfb");
    put(&mut image, 4, &version.to_be_bytes());
    put(&mut image, 8, &backing_file.to_be_bytes());
    put(&mut image, 24, &SIZE.to_be_bytes());
    put(&mut image, 72, &features.to_be_bytes());
    image
}

pub fn vhd() -> Vec<u8> {
    let mut image = starting(b"conectix");
    put(&mut image, 40, &SIZE.to_be_bytes());
    image
}

pub fn vdi() -> Vec<u8> {
    let mut image = starting(b"<<< a disk >>>\n");
    put(&mut image, 0x40, &0xbeda_107f_u32.to_le_bytes());
    put(&mut image, 0x170, &SIZE.to_le_bytes());
    image
}

/// A LUKS image of `length` bytes whose payload begins at byte 2048.
pub fn luks(version: u16, length: usize) -> Vec<u8> {
    let mut image = starting(b"LUKS\xba\xbe");
    put(&mut image, 6, &version.to_be_bytes());
    put(&mut image, 104, &4_u32.to_be_bytes());
    image.resize(length, 0);
    image
}

/// `image` with a boot sector's signature and partition table.
pub fn mbr(image: &[u8], entries: &[[u8; 16]]) -> Vec<u8> {
    let mut image = image.to_vec();
    put(&mut image, 510, &[0x55, 0xaa]);
    for (slot, entry) in entries.iter().enumerate() {
        put(&mut image, 446 + 16 * slot, entry);
    }
    image
}

pub fn changed(mut entry: [u8; 16], at: usize, to: u8) -> [u8; 16] {
    entry[at] = to;
    entry
}

/// A disc of 20 blocks of 2 KiB, padded a little.
pub fn iso(kind: u8, signature: &[u8]) -> Vec<u8> {
    let mut image = vec![0; 36 * 1024];
    image[32768] = kind;
    put(&mut image, 32769, signature);
    put(&mut image, 32768 + 80, &20_u32.to_le_bytes());
    put(&mut image, 32768 + 128, &2048_u16.to_le_bytes());
    image
}

/// Two entries in each table, of which the second is the one that counts.
pub fn vhdx(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut image = vec![0; VHDX_METADATA + 65536 + 512];
    put(&mut image, 0, b"vhdxfile");
    put(&mut image, VHDX_REGIONS, b"regi");
    put(&mut image, VHDX_REGIONS + 8, &[2]);
    let entry = VHDX_REGIONS + 48;
    put(&mut image, entry, b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e");
    put(&mut image, entry + 16, &(VHDX_METADATA as u64).to_le_bytes());
    put(&mut image, VHDX_METADATA, b"metadata");
    put(&mut image, VHDX_METADATA + 10, &[2]);
    let entry = VHDX_METADATA + 64;
    put(&mut image, entry, b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8");
    put(&mut image, entry + 16, &65536_u32.to_le_bytes());
    put(&mut image, entry + 20, &8_u32.to_le_bytes());
    put(&mut image, VHDX_METADATA + 65536, &SIZE.to_le_bytes());
    change(&mut image);
    image
}

/// A sparse VMDK with two sectors for its descriptor; with a footer, that one's grain directory sector.
pub fn vmdk(descriptor: &str, footer: Option<u64>) -> Vec<u8> {
    let header = |directory: u64| {
        let mut sector = starting(b"KDMV\x01");
        put(&mut sector, 12, &(SIZE / 512).to_le_bytes());
        put(&mut sector, 28, &1_u64.to_le_bytes());
        put(&mut sector, 36, &2_u64.to_le_bytes());
        put(&mut sector, 56, &directory.to_le_bytes());
        sector
    };
    let mut image = header(if footer.is_some() { u64::MAX } else { 7 });
    image.resize(3 * 512, 0);
    put(&mut image, 512, descriptor.as_bytes());
    image.resize(8 * 512, 0);
    if let Some(directory) = footer {
        let mut marker = starting(&[]);
        marker[12] = 3;
        image = [image, marker, header(directory), starting(&[])].concat();
    }
    image
}

//! The members of an OVA: a tar archive of which only the headers are read, with limits on everything that is read or
//! kept. Anything but a plain file with a plain name is refused.

use std::io::{self, Read, Seek, SeekFrom};

/// Archives consist of blocks of this many bytes.
const BLOCK: usize = 512;
/// Headers that are read at most, those of long names included.
const HEADERS_MAX: usize = 256;
/// Bytes of a header that continues in blocks of its own: long names, records of pax.
const EXTENSION_BYTES_MAX: u64 = 8192;

/// A file in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, which is not a path.
    pub name: String,
    /// Where its bytes begin.
    pub offset: u64,
    /// How many there are.
    pub size: u64,
}

/// Why an archive is not read.
#[derive(Debug)]
pub enum Broken {
    /// It cannot be read.
    Io(io::Error),
    /// It is none, or holds what it should not; for the user.
    Refused(String),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn refused<T>(why: impl Into<String>) -> Result<T, Broken> {
    Err(Broken::Refused(why.into()))
}

/// What a header says of the one that follows.
#[derive(Default)]
struct Extension {
    name: Option<String>,
    size: Option<u64>,
}

/// The plain files in an archive of `total` bytes, in their order.
///
/// # Errors
/// [`Broken`]
pub fn members(archive: &mut (impl Read + Seek), total: u64) -> Result<Vec<Member>, Broken> {
    let (mut found, mut extension, mut position) = (Vec::<Member>::new(), Extension::default(), 0_u64);
    for _ in 0..HEADERS_MAX {
        // Archives end with two blocks of zeros; of those that lack them nothing is missing.
        if position >= total {
            return Ok(found);
        }
        let mut header = [0; BLOCK];
        archive.seek(SeekFrom::Start(position))?;
        if let Err(error) = archive.read_exact(&mut header) {
            return if error.kind() == io::ErrorKind::UnexpectedEof {
                refused(CUT)
            } else {
                Err(error.into())
            };
        }
        if header.iter().all(|byte| *byte == 0) {
            return Ok(found);
        }
        let offset = position.saturating_add(BLOCK as u64);
        let size = check(&header)?;
        let is_file = matches!(header.get(156), Some(0 | b'0' | b'7'));
        let size = extension.size.filter(|_| is_file).unwrap_or(size);
        if size > total.saturating_sub(offset) {
            return refused(CUT);
        }
        match header.get(156) {
            Some(b'L' | b'x') => {
                extend(&mut extension, &read(archive, offset, size)?, header.get(156) == Some(&b'x'))?;
            }
            // What pax says of all members, and folders.
            Some(b'g' | b'5') => {}
            _ if is_file => {
                let name = plain(std::mem::take(&mut extension).name.unwrap_or_else(|| name(&header)))?;
                if found.iter().any(|member| member.name == name) {
                    return refused(format!("it holds two files named {name:?}"));
                }
                found.push(Member { name, offset, size });
            }
            _ => return refused("it holds a link or a device"),
        }
        let padded = size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        position = offset.saturating_add(padded);
    }
    refused(format!("it holds more than {HEADERS_MAX} members"))
}

const CUT: &str = "it is cut off";

fn read(archive: &mut (impl Read + Seek), offset: u64, size: u64) -> Result<Vec<u8>, Broken> {
    if size > EXTENSION_BYTES_MAX {
        return refused("a name in it is too long");
    }
    let mut bytes = Vec::new();
    archive.seek(SeekFrom::Start(offset))?;
    archive.take(size).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Checks a header against its checksum; answers the size that it gives.
fn check(header: &[u8; BLOCK]) -> Result<u64, Broken> {
    let bytes = header.iter().enumerate();
    let sum: u64 = bytes.map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
    let field = |from, to| number(header.get(from..to).unwrap_or_default());
    match (field(148, 156), field(124, 136)) {
        (Some(expected), Some(size)) if expected == sum => Ok(size),
        _ => refused("it is no tar archive, or damaged"),
    }
}

/// A number of a header: octal digits, or big-endian bytes after a mark.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((first, rest)) = field.split_first().filter(|(first, _)| **first & 0x80 != 0) {
        let mut digits = std::iter::once(first & 0x7f).chain(rest.iter().copied());
        return digits.try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(byte)));
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

/// Bytes up to the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

fn name(header: &[u8; BLOCK]) -> String {
    let part = |from, to| text(header.get(from..to).unwrap_or_default());
    let is_ustar = header.get(257..262) == Some(b"ustar");
    let prefix = if is_ustar { part(345, 500) } else { String::new() };
    if prefix.is_empty() { part(0, 100) } else { format!("{prefix}/{}", part(0, 100)) }
}

/// Takes what the blocks of a long name, or the records of pax, say of the next member.
fn extend(extension: &mut Extension, bytes: &[u8], is_pax: bool) -> Result<(), Broken> {
    if !is_pax {
        extension.name = Some(text(bytes));
        return Ok(());
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let record = record(rest);
        let Some((record, after)) = record else { return refused("its records of pax are damaged") };
        rest = after;
        match record.split_once('=') {
            Some(("path", path)) => extension.name = Some(path.to_owned()),
            Some(("size", size)) => extension.size = size.parse().ok(),
            _ => {}
        }
    }
    Ok(())
}

/// The first record of pax, `LENGTH KEY=VALUE` and a line feed, and what follows it.
fn record(bytes: &[u8]) -> Option<(String, &[u8])> {
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(bytes.get(..space)?).ok()?.parse().ok()?;
    let record = bytes.get(space.checked_add(1)?..length.checked_sub(1)?)?;
    Some((String::from_utf8_lossy(record).into_owned(), bytes.get(length..)?))
}

/// The name of a file without a path; names are looked up in the descriptor, and used for nothing else.
fn plain(name: String) -> Result<String, Broken> {
    let plain = name.strip_prefix("./").unwrap_or(&name);
    if plain.is_empty() || plain.contains(['/', '\\', '\0']) || plain == ".." {
        return refused(format!("it names a path, {name:?}"));
    }
    Ok(plain.to_owned())
}

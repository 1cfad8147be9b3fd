//! Parses the text descriptor of a VMDK byte by byte, so that none of it need be kept: the type of disk, and the
//! files it refers to.
//!
//! QEMU takes some values from the first occurrence of their name, even in a comment, and case-sensitively; so every
//! occurrence counts here, in any case.

/// QEMU reads no more of a descriptor than this many bytes.
pub(super) const LENGTH_MAX: u64 = (1 << 20) - 1;

/// The kinds of VMDK that consist of one file.
const SINGLE_FILE: [&[u8]; 2] = [b"monolithicsparse", b"streamoptimized"];
const EXTENT_ACCESS: [&[u8]; 3] = [b"rw ", b"rdonly ", b"noaccess "];

/// Finds a lower-case word in a stream of bytes. The word's first letter must not occur in it again.
#[derive(Debug, Clone)]
pub(super) struct Word {
    word: &'static [u8],
    matched: usize,
}

impl Word {
    pub(super) fn new(word: &'static [u8]) -> Self {
        Self { word, matched: 0 }
    }

    /// Takes the next byte, in lower case; true when it ends an occurrence of the word.
    pub(super) fn ends_with(&mut self, byte: u8) -> bool {
        if self.word.get(self.matched) != Some(&byte) {
            self.matched = 0;
        }
        if self.word.get(self.matched) == Some(&byte) {
            self.matched += 1;
        }
        if self.matched == self.word.len() {
            self.matched = 0;
            return true;
        }
        false
    }
}

/// As much of the current line as tells what kind of line it is.
#[derive(Debug, Clone, Default)]
struct Line {
    start: [u8; 9],
    length: usize,
    blank_seen: bool,
    /// An equals sign came before any blank: a setting.
    setting: bool,
    /// A slash, which could lead to another folder.
    elsewhere: bool,
}

/// The value behind `createType=`, while it is being read.
#[derive(Debug, Clone, Default)]
struct Kind {
    /// Bytes between the name and its value, `="`, still to be passed.
    skip: usize,
    value: [u8; 16],
    length: usize,
}

/// The findings in a descriptor so far.
#[derive(Debug, Clone)]
pub(super) struct Descriptor {
    line: Line,
    create_type: Word,
    kind: Option<Kind>,
    parent: Word,
    kinds_single: u32,
    kinds_other: u32,
    extents: u32,
    fault: Option<&'static str>,
    has_parent: bool,
    ended: bool,
}

impl Descriptor {
    pub(super) fn new() -> Self {
        Self {
            line: Line::default(),
            create_type: Word::new(b"createtype"),
            kind: None,
            parent: Word::new(b"parentfilenamehint"),
            kinds_single: 0,
            kinds_other: 0,
            extents: 0,
            fault: None,
            has_parent: false,
            ended: false,
        }
    }

    /// Takes the next bytes of the text, up to the zero byte that ends it.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.ended {
                return;
            }
            if *byte == 0 {
                self.end_line();
                self.ended = true;
            } else {
                self.take(byte.to_ascii_lowercase());
            }
        }
    }

    /// Whether the zero byte that ends the text was seen.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the text names another image that this one builds on.
    pub(super) fn has_parent(&self) -> bool {
        self.has_parent
    }

    /// Whether every type named has its capacity in the header.
    pub(super) fn is_single_file(&self) -> bool {
        self.kinds_single > 0 && self.kinds_other == 0 && self.kind.is_none()
    }

    /// The first thing wrong with the text.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if !self.ended {
            return Some("has a descriptor without an end; write it anew with qemu-img convert -O vmdk");
        }
        if !self.is_single_file() {
            return Some(
                "is neither monolithicSparse nor streamOptimized; convert it with \
                 qemu-img convert -O vmdk -o subformat=streamOptimized",
            );
        }
        let none = "names no extent in its descriptor; write it anew with qemu-img convert -O vmdk";
        self.fault.or((self.extents == 0).then_some(none))
    }

    fn take(&mut self, byte: u8) {
        if !byte.is_ascii() {
            self.note("has a descriptor that is not ASCII text; write it anew with qemu-img convert -O vmdk");
        }
        self.read_kind(byte);
        self.has_parent |= self.parent.ends_with(byte);
        if byte == b'\n' {
            self.end_line();
            return;
        }
        let line = &mut self.line;
        if line.length == 0 && is_blank(byte) {
            return;
        }
        if let Some(place) = line.start.get_mut(line.length) {
            *place = byte;
        }
        line.length += 1;
        match byte {
            b' ' => line.blank_seen = true,
            b'=' => line.setting |= !line.blank_seen,
            b'/' => line.elsewhere = true,
            _ => {}
        }
    }

    fn read_kind(&mut self, byte: u8) {
        if self.create_type.ends_with(byte) {
            // A value that is still open when the name comes again is no value.
            self.kinds_other += u32::from(self.kind.is_some());
            self.kind = Some(Kind { skip: 2, ..Kind::default() });
            return;
        }
        let Some(kind) = &mut self.kind else { return };
        if kind.skip > 0 {
            kind.skip -= 1;
        } else if byte == b'"' {
            let single = SINGLE_FILE.iter().any(|known| Some(*known) == kind.value.get(..kind.length));
            self.kinds_single = self.kinds_single.saturating_add(u32::from(single));
            self.kinds_other = self.kinds_other.saturating_add(u32::from(!single));
            self.kind = None;
        } else {
            if let Some(place) = kind.value.get_mut(kind.length) {
                *place = byte;
            }
            kind.length += 1;
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let start = line.start.get(..line.length).unwrap_or(&line.start);
        if start.is_empty() || start.starts_with(b"#") || start.starts_with(b"ddb") || line.setting {
            return;
        }
        if !EXTENT_ACCESS.iter().any(|access| start.starts_with(access)) {
            self.note("has a descriptor with a line of unknown meaning; write it anew with qemu-img convert -O vmdk");
        } else if line.elsewhere {
            self.note("keeps data in a file elsewhere; join the parts with qemu-img convert -O vmdk");
        }
        self.extents = self.extents.saturating_add(1);
    }

    fn note(&mut self, fault: &'static str) {
        self.fault.get_or_insert(fault);
    }
}

/// Blanks that do not count at the start of a line.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r' | 0x1c..=0x1f)
}

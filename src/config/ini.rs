//! The INI dialect of oslo.config: parses text into sections, keys and values with their lines.
//!
//! Matches `oslo_config/iniparser.py`, which stops at the first error; this parser reports all errors of a file. It
//! does not interpret types and `$` references.

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The section as written.
    pub section: String,
    /// The key as written.
    pub key: String,
    /// The value: trimmed, its surrounding quotes removed, continuation lines joined by `\n`.
    pub value: String,
    /// The line of the key; the first line is 1.
    pub line: usize,
}

/// A line that cannot be read. The reason never quotes the line, which may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxFault {
    /// The line; the first one is 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// What one file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The assignments, in the order of the file.
    pub entries: Vec<Entry>,
    /// The section headers with their lines, in the order of the file.
    pub sections: Vec<(String, usize)>,
    /// The lines that cannot be read.
    pub faults: Vec<SyntaxFault>,
}

/// The text of a file, or why its bytes are not one: UTF-8 without a byte order mark and NUL.
pub fn decode(bytes: &[u8]) -> Result<&str, SyntaxFault> {
    let line_at = |end: usize| 1 + bytes.iter().take(end).filter(|b| **b == b'\n').count();
    let fault = |line, reason| Err(SyntaxFault { line, reason });
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return fault(1, "the file is UTF-16; save it as UTF-8");
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        return fault(1, "the file begins with a byte order mark; save it without one");
    }
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        return fault(line_at(at), "the line holds a NUL byte");
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => fault(line_at(error.valid_up_to()), "the line is not UTF-8"),
    }
}

/// Reads the text of one file. Lines end with `\n`, `\r\n` or `\r`.
pub fn parse(text: &str) -> Parsed {
    let mut parser = Parser::default();
    let text = text.replace("\r\n", "\n");
    for (number, line) in (1..).zip(text.split(['\n', '\r'])) {
        parser.line(number, line.trim_end_matches(is_blank));
    }
    parser.flush();
    parser.out
}

/// Python's `str.isspace`, which oslo.config trims by.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// What a continuation line continues.
#[derive(Default)]
enum Open {
    #[default]
    Nothing,
    /// A line with a fault, which was reported.
    Fault,
    Assignment {
        key: String,
        value: String,
        line: usize,
    },
}

/// The section that assignments belong to.
#[derive(Default)]
enum Section {
    #[default]
    NotStarted,
    /// Its header has a fault, which was reported; what stands in it is passed over.
    Unreadable,
    Named(String),
}

#[derive(Default)]
struct Parser {
    section: Section,
    open: Open,
    out: Parsed,
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) {
        if line.is_empty() {
            return self.flush();
        }
        if line.starts_with([' ', '\t']) {
            match &mut self.open {
                Open::Assignment { value, .. } => {
                    value.push('\n');
                    value.push_str(line.trim_start_matches(is_blank));
                }
                Open::Fault => {}
                Open::Nothing => {
                    self.fault(number, "the line is indented, but there is no value above it to continue")
                }
            }
            return;
        }
        self.flush();
        if line.starts_with('[') {
            self.header(number, line);
        } else if !line.starts_with(['#', ';']) {
            self.assignment(number, line);
        }
    }

    fn header(&mut self, number: usize, line: &str) {
        self.section = Section::Unreadable;
        let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) else {
            return self.fault(number, "a section header must end with `]`");
        };
        if name.is_empty() {
            return self.fault(number, "a section must have a name");
        }
        self.section = Section::Named(name.to_owned());
        self.out.sections.push((name.to_owned(), number));
    }

    fn assignment(&mut self, number: usize, line: &str) {
        let Some((key, value)) = line.split_once(['=', ':']) else {
            return self.fault(number, "there is neither `=` nor `:` in the line");
        };
        let key = key.trim_matches(is_blank);
        if key.is_empty() {
            return self.fault(number, "there is no key before the value");
        }
        if matches!(self.section, Section::NotStarted) {
            return self.fault(number, "the line stands before the first section header");
        }
        self.open = Open::Assignment {
            key: key.to_owned(),
            value: unquote(value.trim_matches(is_blank)).to_owned(),
            line: number,
        };
    }

    fn fault(&mut self, line: usize, reason: &'static str) {
        self.out.faults.push(SyntaxFault { line, reason });
        self.open = Open::Fault;
    }

    fn flush(&mut self) {
        if let (Open::Assignment { key, value, line }, Section::Named(section)) =
            (std::mem::take(&mut self.open), &self.section)
        {
            self.out.entries.push(Entry { section: section.clone(), key, value, line });
        }
    }
}

/// Removes one pair of equal quotes around the value. A lone quote is an empty value, as there.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if value.len() == 1 && value.starts_with(quote) {
            return "";
        }
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

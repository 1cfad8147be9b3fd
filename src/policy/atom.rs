//! The two sides of a check: the `%(key)s` template on the right, and what is left of the colon.

use std::borrow::Cow;

use super::fault::Fault;
use super::target::{Credential, Target};

/// Text with `%(key)s` in it, taken apart once so that evaluation need not.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    source: Box<str>,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Plain,
    Key(Box<str>),
    Pieces(Vec<Piece>),
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<str>),
    Key(Box<str>),
    Integer(Box<str>),
    /// `%s` without a key: Python prints the whole mapping, which equals nothing we compare.
    Unkeyed,
    /// A format that Python, or we, refuse; the key before it is still looked up first.
    Broken {
        key: Option<Box<str>>,
        reason: &'static str,
    },
}

impl Template {
    pub(crate) fn parse(source: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = source;
        let mut text = String::new();
        while let Some(at) = rest.find('%') {
            let (before, after) = rest.split_at(at);
            text.push_str(before);
            let after = after.get(1..).unwrap_or_default();
            if let Some(tail) = after.strip_prefix('%') {
                text.push('%');
                rest = tail;
                continue;
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text).into()));
            }
            let (piece, tail) = parse_piece(after);
            let broken = matches!(piece, Piece::Broken { .. });
            pieces.push(piece);
            rest = if broken { "" } else { tail };
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text.into()));
        }
        let form = match pieces.as_slice() {
            _ if !source.contains('%') => Form::Plain,
            [Piece::Key(key)] => Form::Key(key.clone()),
            _ => Form::Pieces(pieces),
        };
        Self { source: source.into(), form }
    }

    /// The template as it was written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Why the template can never be rendered, if so.
    pub(crate) fn defect(&self) -> Option<&'static str> {
        let Form::Pieces(pieces) = &self.form else {
            return None;
        };
        pieces.iter().find_map(|piece| match piece {
            Piece::Broken { reason, .. } => Some(*reason),
            _ => None,
        })
    }

    /// The text with the target's values in place; `None` if the target lacks a key.
    pub(crate) fn render<'a>(&'a self, target: &'a dyn Target) -> Result<Option<Cow<'a, str>>, Fault> {
        let pieces = match &self.form {
            Form::Plain => return Ok(Some(Cow::Borrowed(&self.source))),
            Form::Key(key) => return Ok(target.get(key)),
            Form::Pieces(pieces) => pieces,
        };
        let mut rendered = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => rendered.push_str(text),
                Piece::Key(key) => match target.get(key) {
                    Some(value) => rendered.push_str(&value),
                    None => return Ok(None),
                },
                Piece::Integer(key) => match target.get(key) {
                    Some(value) if is_integer(&value) => rendered.push_str(&value),
                    Some(_) => return Err(self.fault("%d needs a whole number")),
                    None => return Ok(None),
                },
                Piece::Unkeyed => return Ok(None),
                Piece::Broken { key: Some(key), .. } if target.get(key).is_none() => {
                    return Ok(None);
                }
                Piece::Broken { reason, .. } => return Err(self.fault(reason)),
            }
        }
        Ok(Some(Cow::Owned(rendered)))
    }

    fn fault(&self, reason: &str) -> Fault {
        Fault::Broken(format!("{:?}: {reason}", self.source))
    }
}

/// Reads what follows a percent sign: an optional `(key)` and a conversion letter.
fn parse_piece(after: &str) -> (Piece, &str) {
    let (key, rest) = match after.strip_prefix('(') {
        None => (None, after),
        Some(inner) => match closing_parenthesis(inner) {
            None => {
                let reason = "the parenthesis after % is never closed";
                return (Piece::Broken { key: None, reason }, "");
            }
            Some(end) => {
                let (key, rest) = inner.split_at(end);
                (Some(key.into()), rest.get(1..).unwrap_or_default())
            }
        },
    };
    let mut letters = rest.chars();
    let piece = match (letters.next(), key) {
        (Some('s'), Some(key)) => Piece::Key(key),
        (Some('d' | 'i'), Some(key)) => Piece::Integer(key),
        (Some('s'), None) => Piece::Unkeyed,
        (None, key) => Piece::Broken { key, reason: "the conversion after % is missing" },
        (Some(_), key) => Piece::Broken { key, reason: "only %(key)s, %(key)d and %% are understood" },
    };
    (piece, letters.as_str())
}

/// Where the parenthesis that was already opened closes; keys may contain balanced pairs.
fn closing_parenthesis(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The left side of a generic check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// A Python literal, as the text that `str()` gives for it.
    Literal(Box<str>),
    /// One of the caller's attributes.
    Credential(Credential),
    /// A path that goes on below an attribute which has no inside.
    Beneath(Credential),
    /// A well-formed name that no caller has: never equal.
    Absent,
    /// No Python expression, or one that we do not read: the whole decision is a denial.
    Faulty(&'static str),
}

impl Left {
    pub(crate) fn parse(kind: &str) -> Self {
        if let Some(literal) = literal(kind) {
            return literal;
        }
        if !is_expression(kind) {
            return Self::Faulty("the left side is neither a name nor a literal");
        }
        let (head, below) = match kind.split_once('.') {
            Some((head, _)) => (head, true),
            None => (kind, false),
        };
        match Credential::named(head) {
            None => Self::Absent,
            Some(credential) if below => Self::Beneath(credential),
            Some(credential) => Self::Credential(credential),
        }
    }
}

fn literal(kind: &str) -> Option<Left> {
    match kind {
        "None" | "True" | "False" => return Some(Left::Literal(kind.into())),
        "..." => return Some(Left::Literal("Ellipsis".into())),
        _ => {}
    }
    let first = kind.chars().next()?;
    let raw = kind.strip_prefix(['r', 'R']);
    let quoted = raw.or_else(|| kind.strip_prefix(['u', 'U'])).unwrap_or(kind);
    if quoted.starts_with(['\'', '"']) {
        let text = string_literal(quoted, raw.is_some());
        let faulty = Left::Faulty("the string on the left is not understood");
        return Some(text.map_or(faulty, |text| Left::Literal(text.into())));
    }
    if first.is_ascii_digit() || matches!(first, '.' | '-' | '+') {
        let number = number_literal(kind).map(|text| Left::Literal(text.into()));
        // `1-x` is an expression, if not a literal, and so a name that nobody has.
        return number.or_else(|| {
            let faulty = Left::Faulty("the number on the left is not understood");
            (!is_expression(kind)).then_some(faulty)
        });
    }
    None
}

fn string_literal(quoted: &str, raw: bool) -> Option<String> {
    let quote = quoted.chars().next()?;
    let inner = quoted.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c == quote => return None,
            '\\' if raw => return None,
            '\\' => text.push(match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                c @ ('\\' | '\'' | '"') => c,
                _ => return None,
            }),
            c => text.push(c),
        }
    }
    Some(text)
}

/// The text of a decimal whole number or fraction, written as Python writes it back.
fn number_literal(kind: &str) -> Option<String> {
    let (sign, digits) = match kind.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", kind.strip_prefix('+').unwrap_or(kind)),
    };
    if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() {
        return match digits.trim_start_matches('0') {
            "" => Some("0".to_owned()),
            trimmed if trimmed.len() == digits.len() => Some(format!("{sign}{digits}")),
            _ => None,
        };
    }
    let fraction = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let value: f64 = digits.parse().ok().filter(|_| fraction)?;
    let plain = value == 0.0 || (1e-4..1e16).contains(&value);
    plain.then(|| format!("{sign}{value:?}"))
}

/// Whether `kind` reads as Python names and whole numbers joined by dots and operators.
fn is_expression(kind: &str) -> bool {
    let operand = |text: &str| match text.chars().next() {
        Some(c) if c.is_ascii_digit() => number_literal(text).is_some(),
        _ => text.split('.').all(is_identifier),
    };
    kind.split(['-', '+', '*', '/', '%', '&', '|', '^', '@', '<', '>']).all(operand)
}

fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
        && !PYTHON_KEYWORDS.contains(&text)
}

const PYTHON_KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

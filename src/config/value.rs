//! Converts text to typed values, as `oslo_config/types.py` does.

use std::net::Ipv6Addr;

use super::ini::is_blank;
use super::option::{Item, Kind};

/// A typed value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value, by default or by an empty number.
    Unset,
    /// Of `Kind::Bool`.
    Bool(bool),
    /// Of `Kind::Int`, and of `Kind::Size` in bytes.
    Int(i128),
    /// Of `Kind::Float`.
    Float(f64),
    /// Of `Kind::Text`, `Kind::Choice` and `Kind::Word`.
    Text(String),
    /// Of `Kind::List`, `Kind::Bracketed` and `Kind::Multi`.
    List(Vec<String>),
    /// Of `Kind::Dict`: keys are unique and in the order written.
    Dict(Vec<(String, String)>),
}

/// Converts the text of a value that is not multi-valued. The error says what is wrong without
/// quoting the value, unless `quote` allows it.
pub fn convert(kind: Kind, text: &str, quote: bool) -> Result<Value, String> {
    let shown = || {
        if quote { format!("`{text}` is") } else { "the value is".to_owned() }
    };
    match kind {
        Kind::Bool => match boolean(text) {
            Some(value) => Ok(Value::Bool(value)),
            None => Err(format!("{} not a boolean (true, yes, on, 1, false, no, off, 0)", shown())),
        },
        Kind::Int(min, max) => {
            if text.trim_matches(is_blank).is_empty() {
                return Ok(Value::Unset);
            }
            let number = integer(text).ok_or_else(|| format!("{} not a decimal integer", shown()))?;
            in_range(number, min, max).map(Value::Int).map_err(|e| format!("{} {e}", shown()))
        }
        Kind::Float(min, max) => float(text, min, max).map_err(|e| format!("{} {e}", shown())),
        Kind::Text => Ok(Value::Text(text.to_owned())),
        Kind::Multi => Ok(Value::List(vec![text.to_owned()])),
        Kind::Choice(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
        Kind::Word(words) if words.contains(&text.to_ascii_lowercase().as_str()) => {
            Ok(Value::Text(text.to_ascii_lowercase()))
        }
        Kind::Choice(words) | Kind::Word(words) => Err(format!("{} not one of {}", shown(), names(words))),
        Kind::List(item) => list(text, item, quote).map(Value::List),
        Kind::Bracketed(item) => list(text, item, quote).map(Value::List),
        Kind::Dict => dict(text).map(Value::Dict),
        Kind::Size => size(text)
            .map(|bytes| Value::Int(i128::from(bytes)))
            .ok_or_else(|| format!("{} not a size: digits, then nothing, B, KB, MB, GB or TB", shown())),
    }
}

fn names(words: &[&str]) -> String {
    words.iter().map(|w| if w.is_empty() { "(empty)" } else { w }).collect::<Vec<_>>().join(", ")
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

/// Python's `int()`: surrounding blanks, a sign, and single underscores between digits.
fn integer(text: &str) -> Option<i128> {
    let text = text.trim_matches(is_blank);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let misplaced = digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    let only_digits = digits.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if digits.is_empty() || misplaced || !only_digits {
        return None;
    }
    let number: i128 = digits.replace('_', "").parse().ok()?;
    Some(if text.starts_with('-') { -number } else { number })
}

fn in_range(number: i128, min: i128, max: i128) -> Result<i128, String> {
    if number < min {
        Err(format!("less than {min}"))
    } else if number > max {
        Err(format!("greater than {max}"))
    } else {
        Ok(number)
    }
}

fn float(text: &str, min: f64, max: f64) -> Result<Value, String> {
    let text = text.trim_matches(is_blank);
    if text.is_empty() {
        return Ok(Value::Unset);
    }
    match text.parse::<f64>() {
        Ok(number) if !number.is_finite() => Err("not a finite number".to_owned()),
        Ok(number) if number < min => Err(format!("less than {min}")),
        Ok(number) if number > max => Err(format!("greater than {max}")),
        Ok(number) => Ok(Value::Float(number)),
        Err(_) => Err("not a number".to_owned()),
    }
}

/// Splits at commas. oslo.config refuses bracketed lists without brackets and keeps brackets as
/// part of the items of the others; both forms are read alike here, except where the brackets
/// belong to an IPv6 address.
fn list(text: &str, item: Item, quote: bool) -> Result<Vec<String>, String> {
    let text = text.trim_matches(is_blank).trim_end_matches(',');
    let inner = match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(inner) if inner.parse::<Ipv6Addr>().is_ok() || inner.contains(['[', ']']) => text,
        Some(inner) => inner,
        None if text.starts_with('[') && !text.contains(']') => {
            return Err("the list begins with `[` but does not end with `]`".to_owned());
        }
        None if text.ends_with(']') && !text.contains('[') => {
            return Err("the list ends with `]` but does not begin with `[`".to_owned());
        }
        None => text,
    };
    if inner.is_empty() {
        return Ok(Vec::new());
    }
    let mut parts = inner.split(',');
    let mut items = Vec::new();
    while let Some(part) = parts.next() {
        let mut part = part.to_owned();
        let value = loop {
            let Err(reason) = check_item(part.trim_matches(is_blank), item, quote) else {
                break convert_item(part.trim_matches(is_blank), item);
            };
            // A comma may belong to a quoted item: the next part is taken along.
            match parts.next() {
                Some(next) => {
                    part.push(',');
                    part.push_str(next);
                }
                None => return Err(reason),
            }
        };
        items.push(value);
    }
    Ok(items)
}

fn unquoted(text: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            return rest.strip_suffix(quote);
        }
    }
    Some(text)
}

fn check_item(text: &str, item: Item, quote: bool) -> Result<(), String> {
    let shown = if quote { format!("item `{text}` is") } else { "an item is".to_owned() };
    match item {
        Item::Text => Ok(()),
        Item::Quoted => match unquoted(text) {
            Some(_) => Ok(()),
            None => Err(format!("{shown} not closed by the quote that opens it")),
        },
        Item::Choice(words) => match unquoted(text) {
            Some(word) if words.contains(&word) => Ok(()),
            _ => Err(format!("{shown} not one of {}", names(words))),
        },
        Item::Int(min, max) => match integer(text) {
            Some(number) => in_range(number, min, max).map(drop).map_err(|e| format!("{shown} {e}")),
            None => Err(format!("{shown} not a decimal integer")),
        },
    }
}

fn convert_item(text: &str, item: Item) -> String {
    match item {
        Item::Text => text.to_owned(),
        Item::Quoted | Item::Choice(_) => unquoted(text).unwrap_or(text).to_owned(),
        Item::Int(..) => match integer(text) {
            Some(number) => number.to_string(),
            None => text.to_owned(),
        },
    }
}

/// Splits `key:value` pairs at commas; a part without a colon belongs to the key after it.
fn dict(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let text = text.trim_matches(is_blank);
    if text.is_empty() {
        return Ok(pairs);
    }
    let mut held = String::new();
    let mut parts = text.split(',').peekable();
    while let Some(part) = parts.next() {
        held.push_str(part);
        let Some((key, value)) = held.split_once(':') else {
            if parts.peek().is_none() {
                return Err("the value is not a list of key:value pairs".to_owned());
            }
            held.push(',');
            continue;
        };
        let (key, value) = (key.trim_matches(is_blank), value.trim_matches(is_blank));
        if key.is_empty() {
            return Err("a pair has no key before its colon".to_owned());
        }
        if pairs.iter().any(|(known, _)| known == key) {
            return Err(format!("key `{key}` stands there twice"));
        }
        pairs.push((key.to_owned(), value.to_owned()));
        held.clear();
    }
    Ok(pairs)
}

/// Bytes of `^[0-9]+((K|M|G|T)?B)?$` (`glance/api/common.py::get_remaining_quota`).
fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.strip_suffix('B') {
        None => (text, 0),
        Some(rest) => match rest.chars().last() {
            Some('K') => (rest.strip_suffix('K')?, 10),
            Some('M') => (rest.strip_suffix('M')?, 20),
            Some('G') => (rest.strip_suffix('G')?, 30),
            Some('T') => (rest.strip_suffix('T')?, 40),
            _ => (rest, 0),
        },
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

//! Shared by the bodies of the extensions: objects without unknown members, words of bounded length, and projects in
//! paths.

use serde_json::{Map, Value};

use crate::model::{
    error::{Error, Result},
    image::TEXT_CHARS_MAX,
};

/// A word from a client: printable, without blanks, of bounded length.
pub fn word(name: &str, text: &str, chars_max: usize) -> Result<String> {
    let fits = !text.is_empty() && text.chars().count() <= chars_max;
    if fits && text.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Error::invalid(format!(
        "{name} must have 1 to {chars_max} printable characters of ASCII and no blanks."
    )))
}

/// An optional word.
pub fn optional(object: &Map<String, Value>, name: &str) -> Result<Option<String>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => word(name, text, TEXT_CHARS_MAX).map(Some),
        Some(_) => Err(Error::invalid(format!("{name} must be a text."))),
    }
}

/// A text that need not be there, of any characters.
pub fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>> {
    let fits = |text: &str| (1..=TEXT_CHARS_MAX).contains(&text.chars().count()) && !text.contains('\0');
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if fits(text) => Ok(Some(text)),
        Some(_) => Err(Error::invalid(format!("{name} must be a text of 1 to {TEXT_CHARS_MAX} characters."))),
    }
}

/// True or false, which need not be there.
pub fn flag(object: &Map<String, Value>, name: &str) -> Result<Option<bool>> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(Error::invalid(format!("{name} must be true or false."))),
    }
}

/// Refuses members that are not known.
pub fn only(object: &Map<String, Value>, known: &[&str]) -> Result<()> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(Error::invalid(format!("There is no member {name:?} here."))),
        None => Ok(()),
    }
}

/// Requires that a body is an object.
pub fn object(value: &Value) -> Result<&Map<String, Value>> {
    value.as_object().ok_or_else(|| Error::invalid("An object is expected."))
}

/// Requires that a text in a path can be the id of a project.
pub fn project(text: &str) -> Result<()> {
    if text.chars().count() <= TEXT_CHARS_MAX && !text.contains('\0') {
        return Ok(());
    }
    Err(Error::invalid(format!("The id of a project has {TEXT_CHARS_MAX} characters at most.")))
}

//! Reads resources from request bodies: typed, bounded attributes; additional ones are kept as they are.

use serde_json::{Map, Value};

use crate::model::error::{Error, Result};

/// Characters of a name at most.
const NAME_CHARS_MAX: usize = 255;
/// Bytes of a free text at most.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// The object that a resource is sent as.
pub type Body = Map<String, Value>;

/// A text attribute: `None` when absent, `Some(None)` when null.
///
/// # Errors
/// [`Error::Invalid`] for another type, or a text that is too long.
pub fn nullable(body: &Body, key: &str) -> Result<Option<Option<String>>> {
    match body.get(key) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        // Not every database can keep a NUL.
        Some(Value::String(text)) if text.len() > TEXT_BYTES_MAX || text.contains('\0') => {
            Err(Error::invalid(format!("{key:?} is too long, or has a NUL in it.")))
        }
        Some(Value::String(text)) => Ok(Some(Some(text.clone()))),
        Some(_) => Err(Error::invalid(format!("{key:?} must be text."))),
    }
}

/// A text attribute; null counts as absent.
///
/// # Errors
/// As [`nullable`].
pub fn text(body: &Body, key: &str) -> Result<Option<String>> {
    Ok(nullable(body, key)?.flatten())
}

/// A name or id: neither blank nor longer than 255 characters.
///
/// # Errors
/// [`Error::Invalid`] when it is not, or is of another type.
pub fn name(body: &Body, key: &str) -> Result<Option<String>> {
    let Some(name) = text(body, key)? else { return Ok(None) };
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::invalid(format!("{key:?} must have 1 to {NAME_CHARS_MAX} characters.")));
    }
    Ok(Some(name))
}

/// A name that must be there.
///
/// # Errors
/// As [`name`], and when it is missing.
pub fn required(body: &Body, key: &str) -> Result<String> {
    name(body, key)?.ok_or_else(|| Error::invalid(format!("{key:?} is missing.")))
}

/// A boolean attribute.
///
/// # Errors
/// [`Error::Invalid`] for another type.
pub fn flag(body: &Body, key: &str) -> Result<Option<bool>> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(Error::invalid(format!("{key:?} must be true or false."))),
    }
}

/// Refuses to change an attribute that cannot change.
///
/// # Errors
/// [`Error::Invalid`] when the body has it with another value than `now`.
pub fn unchanged(body: &Body, key: &str, now: &str) -> Result<()> {
    match text(body, key)? {
        Some(text) if text != now => Err(Error::invalid(format!("{key:?} cannot be changed."))),
        _ => Ok(()),
    }
}

/// The attributes beyond the `known` ones, laid over those that were there (JSON text).
///
/// # Errors
/// [`Error::Invalid`] when `tags` is not a list of texts, `options` not an object, or all is too long.
pub fn extra(body: &Body, known: &[&str], before: &str) -> Result<String> {
    let mut all: Body = serde_json::from_str(before).unwrap_or_default();
    for (key, value) in body {
        let hidden = ["id", "links", "is_domain", "password_expires_at"].contains(&key.as_str());
        if !hidden && !known.contains(&key.as_str()) {
            all.insert(key.clone(), value.clone());
        }
    }
    let tags_are_texts = |tags: &Value| tags.as_array().is_some_and(|tags| tags.iter().all(Value::is_string));
    if all.get("tags").is_some_and(|tags| !tags_are_texts(tags)) {
        return Err(Error::invalid("\"tags\" must be a list of texts."));
    }
    if all.get("options").is_some_and(|options| !options.is_object()) {
        return Err(Error::invalid("\"options\" must be an object."));
    }
    let text = Value::Object(all).to_string();
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::invalid("The further attributes are too long."));
    }
    Ok(text)
}

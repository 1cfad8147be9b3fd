//! The JSON patches of images: Glance's two dialects, parsed completely before any lookup (`glance/api/v2/images.py:
//! RequestDeserializer.update`).

use serde_json::Value;

use super::{
    error::{Error, Result},
    image::{SYSTEM_PROPERTY_PREFIX, TEXT_CHARS_MAX},
    image_schema::ImageSchema,
    pointer,
};

/// Attributes that only the service sets.
pub const READ_ONLY: [&str; 14] = [
    "created_at",
    "updated_at",
    "status",
    "checksum",
    "size",
    "virtual_size",
    "direct_url",
    "self",
    "file",
    "schema",
    "id",
    "os_hash_algo",
    "os_hash_value",
    "stores",
];
/// Names that are neither attributes nor allowed as custom properties.
pub const RESERVED: [&str; 3] = ["location", "deleted", "deleted_at"];

/// Which patch media type the document came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `application/openstack-images-v2.0-json-patch`: `{"add": "/path", "value": …}`
    V20,
    /// `application/openstack-images-v2.1-json-patch`: `{"op": "add", "path": "/path", "value": …}`
    V21,
}

/// The type of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the documentation
pub enum Verb {
    Add,
    Replace,
    Remove,
}

impl Verb {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "add" => Some(Self::Add),
            "replace" => Some(Self::Replace),
            "remove" => Some(Self::Remove),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// One operation of a patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its type.
    pub verb: Verb,
    /// The attribute or custom property.
    pub attribute: String,
    /// Position inside `locations`; only there.
    pub position: Option<String>,
    /// The new value; null for a removal.
    pub value: Value,
    /// Whether adding to what exists is a conflict (only in the older dialect).
    pub add_conflicts: bool,
}

/// Whether `name` can never be set, changed or removed.
pub fn is_refused(name: &str) -> bool {
    READ_ONLY.contains(&name) || is_reserved(name)
}

/// Whether `name` may not be used for a custom property.
pub fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with(SYSTEM_PROPERTY_PREFIX)
}

/// Reads a patch document of at most `operations_max` operations.
///
/// # Errors
/// [`Error::TooLarge`] beyond that, before anything else is looked at; [`Error::Invalid`] for anything malformed or not fitting the schema, [`Error::Forbidden`] for read-only and
/// reserved attributes; the first fault in document order decides.
pub fn parse(
    document: &Value,
    dialect: Dialect,
    schema: &ImageSchema,
    operations_max: usize,
) -> Result<Vec<Operation>> {
    let elements = document
        .as_array()
        .ok_or_else(|| Error::invalid("Request body must be a JSON array of operation objects."))?;
    if elements.len() > operations_max {
        return Err(Error::TooLarge(format!(
            "The patch has {} operations; at most {operations_max} are taken at a time.",
            elements.len()
        )));
    }
    elements.iter().map(|e| parse_operation(e, dialect, schema)).collect()
}

fn parse_operation(element: &Value, dialect: Dialect, schema: &ImageSchema) -> Result<Operation> {
    let object = element.as_object().ok_or_else(|| Error::invalid("Operations must be JSON objects."))?;
    let (verb, path) = match dialect {
        Dialect::V21 => {
            let verb = object.get("op").ok_or_else(|| {
                Error::invalid("Unable to find an operation: the member \"op\" is missing.")
            })?;
            let verb = verb.as_str().and_then(Verb::parse).ok_or_else(|| {
                Error::invalid(format!("Operation {verb} is not one of add, replace, remove."))
            })?;
            (verb, object.get("path").ok_or_else(|| Error::invalid("Unable to find the member \"path\"."))?)
        }
        Dialect::V20 => {
            let mut named = object.iter().filter_map(|(k, v)| Verb::parse(k).map(|verb| (verb, v)));
            match (named.next(), named.next()) {
                (Some(only), None) => only,
                (None, _) => {
                    return Err(Error::invalid(
                        "Operation objects must contain one member named add, remove or replace.",
                    ));
                }
                _ => {
                    return Err(Error::invalid(
                        "Operation objects must contain only one member named add, remove or replace.",
                    ));
                }
            }
        }
    };
    let path = path.as_str().ok_or_else(|| Error::invalid(format!("Path {path} must be a string.")))?;
    let mut segments = pointer::parse(path)?.into_iter();
    let attribute = segments.next().unwrap_or_default();
    let position = segments.next();
    let depth = 1 + usize::from(position.is_some()) + segments.count();
    let wanted = if attribute == "locations" && verb != Verb::Replace { 2 } else { 1 };
    if depth != wanted {
        return Err(Error::invalid(format!("Invalid JSON pointer for this resource: {path:?}.")));
    }
    let value = match (verb, object.get("value")) {
        (Verb::Remove, _) => Value::Null,
        (_, Some(value)) => value.clone(),
        (_, None) => {
            return Err(Error::invalid(format!(
                "Operation \"{}\" requires a member named \"value\".",
                verb.as_str()
            )));
        }
    };
    if is_refused(&attribute) {
        return Err(Error::forbidden(format!("Attribute '{attribute}' is read-only or reserved.")));
    }
    if verb != Verb::Remove {
        if position.is_some() {
            schema.check_attribute(&attribute, &Value::Array(vec![value.clone()]))?;
        } else {
            schema.check_attribute(&attribute, &value)?;
        }
        if attribute.chars().count() > TEXT_CHARS_MAX {
            return Err(Error::invalid(format!(
                "Custom property names are limited to {TEXT_CHARS_MAX} characters."
            )));
        }
    }
    Ok(Operation { verb, attribute, position, value, add_conflicts: dialect == Dialect::V20 })
}

//! Request bodies about metadata definitions, parsed and checked in Glance's order: read-only members (403), the
//! schema (400), then what the schema does not express (400).

use serde_json::{Map, Value};

use super::{
    Association, Contents, NAME_CHARS_MAX, NamespaceVisibility, Object, Property, property,
    schema::{self, Kind},
};
use crate::model::{
    error::{Error, Result},
    new_image::check_text,
};

const READ_ONLY: [&str; 4] = ["self", "schema", "created_at", "updated_at"];
const READ_ONLY_TIMES: [&str; 2] = ["created_at", "updated_at"];
/// Members of a body that hold lists, or objects that stand for lists.
const LISTS: [&str; 5] = ["tags", "objects", "properties", "resource_type_associations", "required"];
/// Entries of each at most; each is a row, and all rows of a body are one transaction.
const ENTRIES_MAX: usize = 1024;

/// A namespace as sent by a client, before defaults that depend on the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceInput {
    /// The name.
    pub namespace: String,
    /// Display title.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its visibility; private by default.
    pub visibility: NamespaceVisibility,
    /// Whether it is kept from being deleted; not unless said.
    pub protected: bool,
    /// The requested owner.
    pub owner: Option<String>,
}

/// Reads the body of a namespace creation.
///
/// # Errors
/// [`Error::Forbidden`] for read-only members, [`Error::Invalid`] for what does not fit.
pub fn new_namespace(body: &Value) -> Result<(NamespaceInput, Contents)> {
    let object = checked(Kind::Namespace, body, &READ_ONLY)?;
    Ok((namespace_fields(object)?, contents(object)?))
}

/// Parses the body of a namespace update; its parts are ignored.
///
/// # Errors
/// As [`new_namespace`].
pub fn namespace(body: &Value) -> Result<NamespaceInput> {
    namespace_fields(checked(Kind::Namespace, body, &READ_ONLY)?)
}

/// Reads the body of an object creation or update. A creation checks nested properties by the schema of
/// properties, too.
///
/// # Errors
/// As [`new_namespace`].
pub fn object(body: &Value, is_new: bool) -> Result<Object> {
    let given = checked(Kind::Object, body, &READ_ONLY)?;
    if is_new && let Some(properties) = given.get("properties").and_then(Value::as_object) {
        for (name, definition) in properties {
            let mut named = definition.as_object().cloned().unwrap_or_default();
            named.entry("name").or_insert_with(|| Value::String(name.chars().take(NAME_CHARS_MAX).collect()));
            schema::check(Kind::Property, &Value::Object(named))?;
        }
    }
    object_fields(given)
}

/// Reads the body of a property creation or update.
///
/// # Errors
/// As [`new_namespace`].
pub fn property(body: &Value) -> Result<Property> {
    let given = checked(Kind::Property, body, &READ_ONLY_TIMES)?;
    // The name stays in the definition: lists that are keyed by name show it there, as Glance does.
    Ok(Property { name: name(given)?, schema: property::normalise(given)? })
}

/// Reads the body of a tag update: the new name.
///
/// # Errors
/// As [`new_namespace`].
pub fn tag(body: &Value) -> Result<String> {
    tag_name(checked(Kind::Tag, body, &READ_ONLY_TIMES)?)
}

/// Checks a tag's name that a path gives.
///
/// # Errors
/// [`Error::Invalid`] for a name that is too long or holds characters that are not allowed.
pub fn tag_in_path(name: &str) -> Result<String> {
    tag(&serde_json::json!({ "name": name }))
}

/// Reads the body of a bulk creation of tags; `None` when it mentions no tags.
///
/// # Errors
/// As [`new_namespace`].
pub fn tags(body: &Value) -> Result<Option<Vec<String>>> {
    let given = as_object(body)?;
    refuse_read_only(given, &READ_ONLY_TIMES)?;
    refuse_long(given)?;
    schema::check_bulk_tags(body)?;
    let Some(list) = given.get("tags").and_then(Value::as_array) else { return Ok(None) };
    list.iter().filter_map(Value::as_object).map(name).collect::<Result<_>>().map(Some)
}

/// Reads the body of an association.
///
/// # Errors
/// As [`new_namespace`].
pub fn association(body: &Value) -> Result<Association> {
    association_fields(checked(Kind::ResourceType, body, &READ_ONLY_TIMES)?)
}

fn as_object(body: &Value) -> Result<&Map<String, Value>> {
    body.as_object().ok_or_else(|| Error::invalid("The request body must be a JSON object."))
}

fn refuse_read_only(object: &Map<String, Value>, read_only: &[&str]) -> Result<()> {
    match read_only.iter().find(|key| object.contains_key(**key)) {
        Some(key) => Err(Error::forbidden(format!("Attribute '{key}' is read-only."))),
        None => Ok(()),
    }
}

/// Before anything else is done with them.
fn refuse_long(object: &Map<String, Value>) -> Result<()> {
    let length = |key: &str| match object.get(key) {
        Some(Value::Array(list)) => list.len(),
        Some(Value::Object(map)) => map.len(),
        _ => 0,
    };
    match LISTS.into_iter().find(|key| length(key) > ENTRIES_MAX) {
        Some(key) => {
            let count = length(key);
            Err(Error::TooLarge(format!("{key} has {count} entries; a request may have {ENTRIES_MAX}.")))
        }
        None => Ok(()),
    }
}

fn checked<'a>(kind: Kind, body: &'a Value, read_only: &[&str]) -> Result<&'a Map<String, Value>> {
    let object = as_object(body)?;
    refuse_read_only(object, read_only)?;
    refuse_long(object)?;
    schema::check(kind, body)?;
    Ok(object)
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    object.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// A text in which Glance refuses characters beyond the basic plane.
fn plain_text(object: &Map<String, Value>, key: &str) -> Result<Option<String>> {
    let found = text(object, key);
    if let Some(found) = &found {
        check_text(key, found)?;
    }
    Ok(found)
}

/// A text that is stored as it is; only NUL, which PostgreSQL cannot store, is refused.
fn any_text(object: &Map<String, Value>, key: &str) -> Result<Option<String>> {
    match text(object, key) {
        Some(found) if found.contains('\0') => {
            Err(Error::invalid(format!("The {key} contains a NUL character, which is not allowed.")))
        }
        Some(found) if found.chars().count() > NAME_CHARS_MAX => {
            Err(Error::invalid(format!("The {key} is limited to {NAME_CHARS_MAX} characters.")))
        }
        found => Ok(found),
    }
}

fn name(object: &Map<String, Value>) -> Result<String> {
    any_text(object, "name")?.ok_or_else(|| Error::invalid("'name' is a required property"))
}

fn plain_name(object: &Map<String, Value>) -> Result<String> {
    let found = name(object)?;
    check_text("name", &found)?;
    Ok(found)
}

fn tag_name(object: &Map<String, Value>) -> Result<String> {
    plain_name(object)
}

fn namespace_fields(object: &Map<String, Value>) -> Result<NamespaceInput> {
    Ok(NamespaceInput {
        namespace: plain_text(object, "namespace")?.unwrap_or_default(),
        display_name: plain_text(object, "display_name")?,
        description: plain_text(object, "description")?,
        visibility: text(object, "visibility")
            .and_then(|text| NamespaceVisibility::parse(&text))
            .unwrap_or(NamespaceVisibility::Private),
        protected: object.get("protected").and_then(Value::as_bool).unwrap_or(false),
        owner: plain_text(object, "owner")?,
    })
}

fn contents(object: &Map<String, Value>) -> Result<Contents> {
    Ok(Contents {
        associations: each(object, "resource_type_associations", |given| {
            refuse_unknown(given, &["name", "prefix", "properties_target", "created_at", "updated_at"])?;
            association_fields(given)
        })?,
        properties: object.get("properties").and_then(Value::as_object).map(properties).transpose()?,
        objects: each(object, "objects", |given| {
            refuse_unknown(given, &["name", "description", "required", "properties"])?;
            object_fields(given)
        })?,
        tags: each(object, "tags", |given| {
            refuse_unknown(given, &["name", "created_at", "updated_at"])?;
            tag_name(given)
        })?,
    })
}

fn each<T>(
    object: &Map<String, Value>,
    key: &str,
    read: impl Fn(&Map<String, Value>) -> Result<T>,
) -> Result<Option<Vec<T>>> {
    let Some(list) = object.get(key).and_then(Value::as_array) else { return Ok(None) };
    list.iter().map(|entry| read(as_object(entry)?)).collect::<Result<Vec<T>>>().map(Some)
}

fn refuse_unknown(object: &Map<String, Value>, known: &[&str]) -> Result<()> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(Error::invalid(format!("Additional properties are not allowed ('{key}')."))),
        None => Ok(()),
    }
}

fn association_fields(object: &Map<String, Value>) -> Result<Association> {
    Ok(Association {
        name: name(object)?,
        prefix: any_text(object, "prefix")?,
        properties_target: any_text(object, "properties_target")?,
    })
}

fn properties(map: &Map<String, Value>) -> Result<Vec<Property>> {
    map.iter()
        .map(|(name, definition)| {
            if name.chars().count() > NAME_CHARS_MAX {
                return Err(Error::invalid(format!(
                    "Names of properties are limited to {NAME_CHARS_MAX} characters."
                )));
            }
            check_text("name", name)?;
            Ok(Property { name: name.clone(), schema: property::normalise(as_object(definition)?)? })
        })
        .collect()
}

fn object_fields(object: &Map<String, Value>) -> Result<Object> {
    let required = match object.get("required").and_then(Value::as_array) {
        None => None,
        Some(list) => {
            let names: Vec<String> = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            names.iter().try_for_each(|name| check_text("required", name))?;
            Some(names)
        }
    };
    let properties = match object.get("properties").and_then(Value::as_object) {
        None => None,
        Some(map) => {
            let mut kept = Map::new();
            for (name, definition) in map {
                kept.insert(name.clone(), Value::Object(property::normalise(as_object(definition)?)?));
            }
            Some(kept)
        }
    };
    Ok(Object {
        name: plain_name(object)?,
        description: plain_text(object, "description")?,
        required,
        properties,
    })
}

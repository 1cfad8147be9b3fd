//! The image schema: what `/v2/schemas/image` serves is what create and PATCH enforce (`glance/schema.py`).

use serde_json::{Map, Value, json};

use super::{error::Result, schema_fault};

const BASE: &str = include_str!("../../schema/image.json");
const DEFAULT_PROPERTIES: &str = include_str!("../../schema/image-properties.json");

/// The image schema of this server, compiled.
#[derive(Debug)]
pub struct ImageSchema {
    document: Value,
    base_names: Vec<String>,
    whole: jsonschema::Validator,
    single: jsonschema::Validator,
}

impl ImageSchema {
    /// Builds the schema from the configured formats and the declarations of `schema-image.json` (`None`: the
    /// ones shipped with the server).
    ///
    /// # Errors
    /// A sentence that names the fault of a declaration: unreadable JSON, a clash with a base property, or a
    /// type other than string or null.
    pub fn new(
        container_formats: &[String],
        disk_formats: &[String],
        declarations: Option<&Value>,
    ) -> std::result::Result<Self, String> {
        let mut document: Value = serde_json::from_str(BASE).map_err(|e| e.to_string())?;
        let shipped: Value = serde_json::from_str(DEFAULT_PROPERTIES).map_err(|e| e.to_string())?;
        let declarations = declarations.unwrap_or(&shipped);
        let (declared, required) = split_declarations(declarations)?;
        let properties = document
            .get_mut("properties")
            .and_then(Value::as_object_mut)
            .ok_or("the base schema has no properties")?;
        let base_names: Vec<String> = properties.keys().cloned().collect();
        set_enum(properties, "container_format", container_formats);
        set_enum(properties, "disk_format", disk_formats);
        for (name, declaration) in declared {
            if base_names.iter().any(|base| base == name) {
                return Err(format!("custom property {name:?} clashes with a base property of images"));
            }
            properties.insert(name.clone(), declared_property(name, declaration)?);
        }
        let compile = |document: &Value| {
            jsonschema::validator_for(document).map_err(|e| format!("the image schema does not compile: {e}"))
        };
        let single = compile(&document)?;
        if !required.is_empty()
            && let Some(object) = document.as_object_mut()
        {
            object.insert("required".to_owned(), Value::Array(required));
        }
        let whole = compile(&document)?;
        Ok(Self { document, base_names, whole, single })
    }

    /// The document that `/v2/schemas/image` serves.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// Whether `name` is a base property of every image rather than a custom one.
    pub fn is_base(&self, name: &str) -> bool {
        self.base_names.iter().any(|base| base == name)
    }

    /// Whether the schema declares `name` at all.
    pub fn is_declared(&self, name: &str) -> bool {
        self.document.get("properties").is_some_and(|p| p.get(name).is_some())
    }

    /// Checks the whole body of a create.
    ///
    /// # Errors
    /// [`Error::Invalid`](super::error::Error::Invalid) naming the first member that does not fit.
    pub fn check_create(&self, body: &Map<String, Value>) -> Result<()> {
        check(&self.whole, &Value::Object(body.clone()))
    }

    /// Checks one attribute of a PATCH; `required` of the operator's declarations is not applied here,
    /// so that a single attribute can change.
    ///
    /// # Errors
    /// [`Error::Invalid`](super::error::Error::Invalid) naming what does not fit.
    pub fn check_attribute(&self, name: &str, value: &Value) -> Result<()> {
        let mut document = Map::new();
        document.insert(name.to_owned(), value.clone());
        check(&self.single, &Value::Object(document))
    }
}

fn check(validator: &jsonschema::Validator, document: &Value) -> Result<()> {
    schema_fault::check(validator, "image", document)
}

type Declarations<'a> = (Vec<(&'a String, &'a Value)>, Vec<Value>);

/// Reads both formats of `schema-image.json`: the flat map, and the extended one with `properties` and `required`.
fn split_declarations(declarations: &Value) -> std::result::Result<Declarations<'_>, String> {
    let object = declarations.as_object().ok_or("the declarations must be a JSON object")?;
    match object.get("properties").and_then(Value::as_object) {
        Some(properties) => {
            let required = object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            Ok((properties.iter().collect(), required))
        }
        None => Ok((object.iter().collect(), Vec::new())),
    }
}

/// Values of custom properties are stored as text, so only strings and null can be declared.
fn declared_property(name: &str, declaration: &Value) -> std::result::Result<Value, String> {
    let object = declaration
        .as_object()
        .ok_or_else(|| format!("the declaration of custom property {name:?} must be an object"))?;
    let types: Vec<&str> = match object.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => vec!["string"],
    };
    if let Some(other) = types.iter().find(|t| !matches!(**t, "string" | "null")) {
        return Err(format!(
            "custom property {name:?} is declared as {other}; only string and null can be stored"
        ));
    }
    let mut declared = object.clone();
    declared.entry("type").or_insert_with(|| json!("string"));
    declared.insert("is_base".to_owned(), Value::Bool(false));
    Ok(Value::Object(declared))
}

fn set_enum(properties: &mut Map<String, Value>, name: &str, formats: &[String]) {
    if let Some(property) = properties.get_mut(name).and_then(Value::as_object_mut) {
        let values: Vec<Value> =
            std::iter::once(Value::Null).chain(formats.iter().cloned().map(Value::String)).collect();
        property.insert("enum".to_owned(), Value::Array(values));
    }
}

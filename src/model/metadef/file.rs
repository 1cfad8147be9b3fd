//! Namespaces as files: the JSON that `glance-manage db_load_metadefs` reads and `db_export_metadefs` writes
//! (`glance/db/sqlalchemy/metadata.py`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    Association, Contents, NAME_CHARS_MAX, Namespace, NamespaceFields, NamespaceVisibility, Object, Property,
    StoredContents,
};

/// Owner of a namespace whose file names none.
const DEFAULT_OWNER: &str = "admin";
const OWNER_CHARS_MAX: usize = 255;

/// One file: a namespace and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceFile {
    /// The namespace.
    pub fields: NamespaceFields,
    /// Its contents. Property definitions are kept as written.
    pub contents: Contents,
}

/// Reads a file.
///
/// # Errors
/// A sentence naming the fault.
pub fn parse(text: &str) -> Result<NamespaceFile, String> {
    let value: Value = serde_json::from_str(text).map_err(|e| format!("it is not JSON: {e}"))?;
    let object = value.as_object().ok_or("it must be a JSON object")?;
    let name = short_text(object, "namespace", NAME_CHARS_MAX)?.ok_or("it has no \"namespace\"")?;
    let visibility = match optional_text(object, "visibility")?.as_deref() {
        None | Some("private") => NamespaceVisibility::Private,
        Some("public") => NamespaceVisibility::Public,
        Some(other) => return Err(format!("\"visibility\" is {other:?}; it must be public or private")),
    };
    let protected = match object.get("protected") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(other) => return Err(format!("\"protected\" is {other}; it must be true or false")),
    };
    let fields = NamespaceFields {
        namespace: name,
        display_name: short_text(object, "display_name", NAME_CHARS_MAX)?,
        description: optional_text(object, "description")?,
        visibility,
        protected,
        owner: short_text(object, "owner", OWNER_CHARS_MAX)?.unwrap_or_else(|| DEFAULT_OWNER.to_owned()),
    };
    let contents = Contents {
        associations: Some(list(object, "resource_type_associations", association)?),
        properties: Some(properties(object)?),
        objects: Some(list(object, "objects", nested_object)?),
        tags: Some(list(object, "tags", name_of)?),
    };
    refuse_twins(&contents)?;
    Ok(NamespaceFile { fields, contents })
}

fn optional_text(object: &Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => Err(format!("{key:?} contains a NUL character")),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{key:?} is {other}; it must be a text")),
    }
}

fn short_text(object: &Map<String, Value>, key: &str, max: usize) -> Result<Option<String>, String> {
    match optional_text(object, key)? {
        Some(text) if text.chars().count() > max => {
            Err(format!("{key:?} has more than {max} characters: {text:?}"))
        }
        found => Ok(found),
    }
}

fn name_of(object: &Map<String, Value>) -> Result<String, String> {
    short_text(object, "name", NAME_CHARS_MAX)?.ok_or_else(|| "something in it has no \"name\"".to_owned())
}

fn list<T>(
    object: &Map<String, Value>,
    key: &str,
    read: impl Fn(&Map<String, Value>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let entries = match object.get(key) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => value.as_array().ok_or_else(|| format!("{key:?} must be a list"))?,
    };
    entries
        .iter()
        .map(|entry| read(entry.as_object().ok_or_else(|| format!("{key:?} must hold objects"))?))
        .collect()
}

fn association(object: &Map<String, Value>) -> Result<Association, String> {
    Ok(Association {
        name: name_of(object)?,
        prefix: short_text(object, "prefix", NAME_CHARS_MAX)?,
        properties_target: short_text(object, "properties_target", NAME_CHARS_MAX)?,
    })
}

fn map<'a>(object: &'a Map<String, Value>, key: &str) -> Result<Option<&'a Map<String, Value>>, String> {
    let found = match object.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_object().ok_or_else(|| format!("{key:?} must be an object"))?,
    };
    match found.iter().find(|(_, definition)| !definition.is_object()) {
        Some((name, _)) => Err(format!("the property {name:?} must be an object")),
        None => Ok(Some(found)),
    }
}

fn properties(object: &Map<String, Value>) -> Result<Vec<Property>, String> {
    let Some(definitions) = map(object, "properties")? else { return Ok(Vec::new()) };
    let mut found = Vec::with_capacity(definitions.len());
    for (name, definition) in definitions {
        if name.chars().count() > NAME_CHARS_MAX || name.contains('\0') {
            return Err(format!("the property name {name:?} is too long or contains NUL"));
        }
        let schema = definition.as_object().cloned().unwrap_or_default();
        found.push(Property { name: name.clone(), schema });
    }
    Ok(found)
}

fn nested_object(object: &Map<String, Value>) -> Result<Object, String> {
    let required = match object.get("required") {
        None | Some(Value::Null) => Vec::new(),
        Some(value) => value
            .as_array()
            .and_then(|names| names.iter().map(|n| n.as_str().map(str::to_owned)).collect())
            .ok_or("\"required\" of an object must be a list of texts")?,
    };
    Ok(Object {
        name: name_of(object)?,
        description: optional_text(object, "description")?,
        required: Some(required),
        properties: Some(map(object, "properties")?.cloned().unwrap_or_default()),
    })
}

fn refuse_twins(contents: &Contents) -> Result<(), String> {
    let associations = contents.associations.iter().flatten().map(|a| ("association", &a.name));
    let objects = contents.objects.iter().flatten().map(|o| ("object", &o.name));
    let tags = contents.tags.iter().flatten().map(|t| ("tag", t));
    let mut seen = BTreeSet::new();
    for (kind, name) in associations.chain(objects).chain(tags) {
        if !seen.insert((kind, name)) {
            return Err(format!("it has the {kind} {name:?} twice"));
        }
    }
    Ok(())
}

/// Writes a namespace as its file. Definitions of properties leave as they came.
pub fn render(namespace: &Namespace, contents: &StoredContents) -> Value {
    let fields = &namespace.fields;
    let mut file = Map::new();
    file.insert("namespace".to_owned(), json!(fields.namespace));
    for (key, value) in [("display_name", &fields.display_name), ("description", &fields.description)] {
        if let Some(text) = value {
            file.insert(key.to_owned(), json!(text));
        }
    }
    file.insert("visibility".to_owned(), json!(fields.visibility.as_str()));
    file.insert("protected".to_owned(), json!(fields.protected));
    file.insert("owner".to_owned(), json!(fields.owner));
    let associations: Vec<Value> = contents.associations.iter().map(|a| association_json(&a.value)).collect();
    file.insert("resource_type_associations".to_owned(), Value::Array(associations));
    let properties: Map<String, Value> = contents
        .properties
        .iter()
        .map(|p| (p.value.name.clone(), Value::Object(p.value.schema.clone())))
        .collect();
    file.insert("properties".to_owned(), Value::Object(properties));
    let objects: Vec<Value> = contents.objects.iter().map(|o| object_json(&o.value)).collect();
    file.insert("objects".to_owned(), Value::Array(objects));
    // Tags are kept newest first; a file has them in the order in which they came.
    let tags: Vec<Value> = contents.tags.iter().rev().map(|tag| json!({"name": tag.value})).collect();
    file.insert("tags".to_owned(), Value::Array(tags));
    Value::Object(file)
}

fn association_json(association: &Association) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(association.name));
    if let Some(prefix) = &association.prefix {
        object.insert("prefix".to_owned(), json!(prefix));
    }
    if let Some(target) = &association.properties_target {
        object.insert("properties_target".to_owned(), json!(target));
    }
    Value::Object(object)
}

fn object_json(object: &Object) -> Value {
    let mut shown = Map::new();
    shown.insert("name".to_owned(), json!(object.name));
    if let Some(description) = &object.description {
        shown.insert("description".to_owned(), json!(description));
    }
    if let Some(required) = object.required.as_ref().filter(|required| !required.is_empty()) {
        shown.insert("required".to_owned(), json!(required));
    }
    shown.insert("properties".to_owned(), Value::Object(object.properties.clone().unwrap_or_default()));
    Value::Object(shown)
}

/// The name of a namespace's file: the title's letters and digits, as Glance's export names it; the namespace's
/// own when it has no title or another file of the same export has the name.
pub fn file_name(fields: &NamespaceFields, taken: &BTreeSet<String>) -> String {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    let candidates = [fields.display_name.as_deref().map(letters), Some(letters(&fields.namespace))];
    for candidate in candidates.into_iter().flatten().filter(|name| !name.is_empty()) {
        let name = format!("{candidate}.json");
        if !taken.contains(&name) {
            return name;
        }
    }
    let base = letters(&fields.namespace);
    (2_u64..).map(|n| format!("{base}-{n}.json")).find(|name| !taken.contains(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_minimal_file_gets_glances_defaults() {
        let file = parse(r#"{"namespace": "N"}"#).unwrap();
        assert_eq!(file.fields.owner, "admin");
        assert_eq!(file.fields.visibility, NamespaceVisibility::Private);
        assert!(!file.fields.protected);
    }

    #[test]
    fn faults_are_named() {
        for (text, part) in [
            ("[", "not JSON"),
            ("[]", "JSON object"),
            ("{}", "no \"namespace\""),
            (r#"{"namespace": 1}"#, "must be a text"),
            (r#"{"namespace": "N", "visibility": "shared"}"#, "visibility"),
            (r#"{"namespace": "N", "protected": "x"}"#, "protected"),
            (r#"{"namespace": "N", "tags": [{"name": "a"}, {"name": "a"}]}"#, "twice"),
            (r#"{"namespace": "N", "tags": [{}]}"#, "no \"name\""),
            (r#"{"namespace": "N", "tags": {}}"#, "list"),
            (r#"{"namespace": "N", "properties": {"p": 1}}"#, "\"p\""),
            (r#"{"namespace": "N", "objects": [{"name": "o", "required": "x"}]}"#, "required"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.contains(part), "{text}: {fault}");
        }
        let long = format!(r#"{{"namespace": "{}"}}"#, "x".repeat(81));
        assert!(parse(&long).unwrap_err().contains("80"));
    }

    #[test]
    fn files_of_one_export_never_share_a_name() {
        let mut fields = parse(r#"{"namespace": "A::B", "display_name": "A _nice-title"}"#).unwrap().fields;
        let mut taken = BTreeSet::new();
        for expected in ["Anicetitle.json", "AB.json", "AB-2.json", "AB-3.json"] {
            let name = file_name(&fields, &taken);
            assert_eq!(name, expected);
            taken.insert(name);
        }
        fields.display_name = None;
        assert_eq!(file_name(&fields, &BTreeSet::new()), "AB.json");
    }
}

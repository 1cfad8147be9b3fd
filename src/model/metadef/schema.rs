//! The schemas of metadata definitions: `/v2/schemas/metadefs/…` serves the same schemas that bodies are checked
//! with.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::model::{
    error::{Error, Result},
    schema_fault,
};

/// The types that have a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the documentation
pub enum Kind {
    Namespace,
    Object,
    Property,
    ResourceType,
    Tag,
}

struct Item {
    document: Value,
    validator: Validator,
}

struct Schemas {
    items: [Item; 5],
    bulk_tags: Validator,
}

static SCHEMAS: LazyLock<std::result::Result<Schemas, String>> = LazyLock::new(compile_all);

const SOURCES: [&str; 5] = [
    include_str!("../../../schema/metadef-namespace.json"),
    include_str!("../../../schema/metadef-object.json"),
    include_str!("../../../schema/metadef-property.json"),
    include_str!("../../../schema/metadef-resource-type.json"),
    include_str!("../../../schema/metadef-tag.json"),
];

fn compile(document: &Value) -> std::result::Result<Validator, String> {
    jsonschema::validator_for(document).map_err(|e| e.to_string())
}

fn item(source: &str) -> std::result::Result<Item, String> {
    let document: Value = serde_json::from_str(source).map_err(|e| e.to_string())?;
    let validator = compile(&document)?;
    Ok(Item { document, validator })
}

fn compile_all() -> std::result::Result<Schemas, String> {
    let [namespace, object, property, resource_type, tag] = SOURCES;
    // Published nowhere, in Glance neither; whether `tags` is there is asked after the policy.
    let bulk_tags = json!({
        "properties": {"tags": {"type": "array", "items": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": false,
        }}},
        "additionalProperties": false,
    });
    Ok(Schemas {
        items: [item(namespace)?, item(object)?, item(property)?, item(resource_type)?, item(tag)?],
        bulk_tags: compile(&bulk_tags)?,
    })
}

fn schemas() -> Result<&'static Schemas> {
    SCHEMAS.as_ref().map_err(|e| Error::internal("metadef schemas", e))
}

fn of(kind: Kind) -> Result<&'static Item> {
    let [namespace, object, property, resource_type, tag] = &schemas()?.items;
    Ok(match kind {
        Kind::Namespace => namespace,
        Kind::Object => object,
        Kind::Property => property,
        Kind::ResourceType => resource_type,
        Kind::Tag => tag,
    })
}

/// Checks a body.
///
/// # Errors
/// [`Error::Invalid`] naming the first member that does not fit.
pub fn check(kind: Kind, body: &Value) -> Result<()> {
    let item = of(kind)?;
    let name = item.document.get("name").and_then(Value::as_str).unwrap_or_default();
    schema_fault::check(&item.validator, name, body)
}

/// Checks the body of a bulk creation of tags.
///
/// # Errors
/// [`Error::Invalid`] naming the first member that does not fit.
pub fn check_bulk_tags(body: &Value) -> Result<()> {
    schema_fault::check(&schemas()?.bulk_tags, "tags", body)
}

/// The document that `/v2/schemas/metadefs/{name}` serves; `None` for names that have none.
///
/// # Errors
/// [`Error::Internal`] if the schemas do not compile.
pub fn document(name: &str) -> Result<Option<Value>> {
    let item = |kind| of(kind).map(|item| Some(item.document.clone()));
    match name {
        "namespace" => item(Kind::Namespace),
        "object" => item(Kind::Object),
        "property" => item(Kind::Property),
        "resource_type" => item(Kind::ResourceType),
        "tag" => item(Kind::Tag),
        "namespaces" => list(Kind::Namespace, "namespaces").map(Some),
        "objects" => list(Kind::Object, "objects").map(Some),
        "properties" => list(Kind::Property, "properties").map(Some),
        "resource_types" => list(Kind::ResourceType, "resource_type_associations").map(Some),
        "tags" => list(Kind::Tag, "tags").map(Some),
        _ => Ok(None),
    }
}

/// The schema of a list (`glance/schema.py: CollectionSchema`, and `DictCollectionSchema` for properties, which are
/// listed by name and therefore need none inside).
fn list(kind: Kind, name: &str) -> Result<Value> {
    let mut item = of(kind)?.document.clone();
    let definitions = item.as_object_mut().and_then(|object| object.shift_remove("definitions"));
    let member = if kind == Kind::Property {
        if let Some(required) = item.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| name != "name");
        }
        json!({"type": "object", "additionalProperties": item})
    } else {
        json!({"type": "array", "items": item})
    };
    let text = json!({"type": "string"});
    let mut document = Map::new();
    document.insert("name".to_owned(), json!(name));
    let mut properties = Map::new();
    properties.insert(name.to_owned(), member);
    for key in ["first", "next", "schema"] {
        properties.insert(key.to_owned(), text.clone());
    }
    document.insert("properties".to_owned(), Value::Object(properties));
    document.insert(
        "links".to_owned(),
        json!([
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ]),
    );
    if let Some(definitions) = definitions {
        document.insert("definitions".to_owned(), definitions);
    }
    Ok(Value::Object(document))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_schema_compiles_and_is_served() {
        for name in ["namespace", "object", "property", "resource_type", "tag"] {
            let one = document(name).unwrap().unwrap();
            assert_eq!(one.get("additionalProperties"), Some(&json!(false)), "{name}");
        }
        for name in ["namespaces", "objects", "properties", "resource_types", "tags"] {
            let list = document(name).unwrap().unwrap();
            assert!(list.get("links").is_some(), "{name}");
            compile(&list).unwrap();
        }
        assert!(document("nothing").unwrap().is_none());
    }

    #[test]
    fn properties_are_listed_by_name() {
        let list = document("properties").unwrap().unwrap();
        let item = list.pointer("/properties/properties/additionalProperties").unwrap();
        assert_eq!(item.get("required"), Some(&json!(["type", "title"])));
        assert!(item.get("definitions").is_none() && list.get("definitions").is_some());
    }
}

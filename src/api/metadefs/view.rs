//! Metadata definitions as JSON: members in Glance's order, absent where there is no value
//! (`glance/common/wsme_utils.py: WSMEModelTransformer`, `glance/api/v2/model/`).

use serde_json::{Map, Value, json};

use crate::model::{
    metadef::{Association, Contents, Namespace, Object, Property, Stored, StoredContents, property},
    time::Timestamp,
};

const NAMESPACES: &str = "/v2/metadefs/namespaces";

fn put(view: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    view.insert(key.to_owned(), value.into());
}

fn put_text(view: &mut Map<String, Value>, key: &str, value: Option<&str>) {
    if let Some(text) = value {
        put(view, key, text);
    }
}

fn put_times(view: &mut Map<String, Value>, created_at: Timestamp, updated_at: Option<Timestamp>) {
    put(view, "created_at", created_at.isotime());
    put_text(view, "updated_at", updated_at.map(Timestamp::isotime).as_deref());
}

/// Members of a namespace's JSON that say what it holds, in order.
type Held = Vec<(&'static str, Value)>;

fn with_held(namespace: &Namespace, held: Held) -> Value {
    let fields = &namespace.fields;
    let mut view = Map::new();
    put(&mut view, "namespace", fields.namespace.as_str());
    put_text(&mut view, "display_name", fields.display_name.as_deref());
    put_text(&mut view, "description", fields.description.as_deref());
    put(&mut view, "visibility", fields.visibility.as_str());
    put(&mut view, "protected", fields.protected);
    put(&mut view, "owner", fields.owner.as_str());
    put_times(&mut view, namespace.created_at, namespace.updated_at);
    for (key, value) in held {
        put(&mut view, key, value);
    }
    put(&mut view, "self", format!("{NAMESPACES}/{}", fields.namespace));
    put(&mut view, "schema", "/v2/schemas/metadefs/namespace");
    Value::Object(view)
}

/// A namespace alone.
pub fn namespace(namespace: &Namespace) -> Value {
    with_held(namespace, Vec::new())
}

/// A namespace in a list: with its associations, if it has any.
pub fn listed(namespace: &Namespace, associations: &[Stored<Association>]) -> Value {
    let mut held = Vec::new();
    if !associations.is_empty() {
        held.push(("resource_type_associations", self::associations(associations)));
    }
    with_held(namespace, held)
}

/// A new namespace: with what the client gave it, as the client gave it.
pub fn created(namespace: &Namespace, contents: &Contents) -> Value {
    let mut held = Held::new();
    if let Some(list) = &contents.associations {
        held.push((
            "resource_type_associations",
            list.iter().map(|a| Value::Object(association_fields(a))).collect(),
        ));
    }
    if let Some(list) = &contents.properties {
        let map: Map<String, Value> =
            list.iter().map(|p| (p.name.clone(), Value::Object(property::view(&p.schema)))).collect();
        held.push(("properties", Value::Object(map)));
    }
    if let Some(list) = &contents.objects {
        held.push(("objects", list.iter().map(|o| Value::Object(object_fields(o, ""))).collect()));
    }
    if let Some(list) = &contents.tags {
        held.push(("tags", list.iter().map(|name| json!({"name": name})).collect()));
    }
    with_held(namespace, held)
}

/// A namespace with all its parts; `prefix` is prepended to the names of properties.
pub fn whole(namespace: &Namespace, contents: &StoredContents, prefix: &str) -> Value {
    let name = &namespace.fields.namespace;
    let mut held = Held::new();
    if !contents.associations.is_empty() {
        held.push(("resource_type_associations", associations(&contents.associations)));
    }
    if !contents.properties.is_empty() {
        held.push(("properties", properties(&contents.properties, prefix)));
    }
    if !contents.objects.is_empty() {
        held.push(("objects", contents.objects.iter().map(|o| object(name, o, prefix)).collect()));
    }
    if !contents.tags.is_empty() {
        held.push(("tags", contents.tags.iter().map(|tag| json!({"name": tag.value})).collect()));
    }
    with_held(namespace, held)
}

fn association_fields(association: &Association) -> Map<String, Value> {
    let mut view = Map::new();
    put(&mut view, "name", association.name.as_str());
    put_text(&mut view, "prefix", association.prefix.as_deref());
    put_text(&mut view, "properties_target", association.properties_target.as_deref());
    view
}

/// An association.
pub fn association(association: &Stored<Association>) -> Value {
    let mut view = association_fields(&association.value);
    put_times(&mut view, association.created_at, association.updated_at);
    Value::Object(view)
}

/// A list of associations.
pub fn associations(list: &[Stored<Association>]) -> Value {
    list.iter().map(association).collect()
}

/// A tag, or a resource type: a name and its times.
pub fn named(thing: &Stored<String>) -> Value {
    let mut view = Map::new();
    put(&mut view, "name", thing.value.as_str());
    put_times(&mut view, thing.created_at, thing.updated_at);
    Value::Object(view)
}

/// A property by itself: with its name.
pub fn property(property: &Property) -> Value {
    let mut view = Map::new();
    put(&mut view, "name", property.name.as_str());
    let mut definition = property::view(&property.schema);
    definition.shift_remove("name");
    view.extend(definition);
    Value::Object(view)
}

/// Properties by their names, with `prefix` in front.
pub fn properties(list: &[Stored<Property>], prefix: &str) -> Value {
    let map: Map<String, Value> = list
        .iter()
        .map(|p| (format!("{prefix}{}", p.value.name), Value::Object(property::view(&p.value.schema))))
        .collect();
    Value::Object(map)
}

fn object_fields(object: &Object, prefix: &str) -> Map<String, Value> {
    let mut view = Map::new();
    put(&mut view, "name", object.name.as_str());
    if let Some(required) = &object.required {
        let names: Vec<Value> = required.iter().map(|name| json!(format!("{prefix}{name}"))).collect();
        put(&mut view, "required", names);
    }
    put_text(&mut view, "description", object.description.as_deref());
    if let Some(properties) = &object.properties {
        put(&mut view, "properties", Value::Object(property::view_map(properties, prefix)));
    }
    view
}

/// An object; `prefix` is prepended to the names of its properties.
pub fn object(namespace: &str, object: &Stored<Object>, prefix: &str) -> Value {
    let mut view = object_fields(&object.value, prefix);
    put_times(&mut view, object.created_at, object.updated_at);
    put(&mut view, "self", format!("{NAMESPACES}/{namespace}/objects/{}", object.value.name));
    put(&mut view, "schema", "/v2/schemas/metadefs/object");
    Value::Object(view)
}

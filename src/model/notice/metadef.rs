//! What notifications say of metadata definitions.

use serde_json::{Map, Value, json};

use super::{
    image::{gone, members},
    told::{Notice, Priority},
};
use crate::model::{
    metadef::{Association, Contents, Namespace, Object, Property, Stored, property::KEYS},
    time::Timestamp,
};

/// The members of a property's definition that are told: all but these.
const UNTOLD: [&str; 3] = ["name", "operators", "readonly"];

fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.into_iter().filter(|key| !UNTOLD.contains(key))
}

/// What happened to a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act<'a> {
    /// It is new.
    Create,
    /// It changed; it had this name.
    Update(&'a str),
    /// It is gone.
    Delete,
}

impl Act<'_> {
    fn kind(self, kinds: [&'static str; 3]) -> &'static str {
        let [create, update, delete] = kinds;
        match self {
            Self::Create => create,
            Self::Update(_) => update,
            Self::Delete => delete,
        }
    }

    fn old<'b>(&'b self, name: &'b str) -> &'b str {
        if let Self::Update(old) = self { old } else { name }
    }

    fn end(self, mut payload: Map<String, Value>, now: Timestamp) -> Map<String, Value> {
        if self == Self::Delete {
            gone(&mut payload, now);
        }
        payload
    }
}

fn notice(kind: &'static str, space: &Namespace, target: &str, payload: Map<String, Value>) -> Notice {
    let subject = format!("metadef-{}", space.id);
    Notice { kind, priority: Priority::Info, subject, target: target.to_owned(), payload: payload.into() }
}

/// The two times of a record; one that never changed seems to change now, as Glance has it.
fn times(created: Timestamp, updated: Option<Timestamp>, now: Timestamp) -> (String, String) {
    (created.isotime(), updated.unwrap_or(now).isotime())
}

fn of_namespace(space: &Namespace, old: &str, now: Timestamp) -> Map<String, Value> {
    let (created_at, updated_at) = times(space.created_at, space.updated_at, now);
    let fields = &space.fields;
    members(json!({
        "namespace": fields.namespace,
        "namespace_old": old,
        "display_name": fields.display_name,
        "protected": fields.protected,
        "visibility": fields.visibility.as_str(),
        "owner": fields.owner,
        "description": fields.description,
        "created_at": created_at,
        "updated_at": updated_at,
        "deleted": false,
        "deleted_at": null,
    }))
}

/// A namespace.
pub fn namespace(act: Act<'_>, space: &Namespace, now: Timestamp) -> Notice {
    let kind = act.kind(["metadef_namespace.create", "metadef_namespace.update", "metadef_namespace.delete"]);
    let name = &space.fields.namespace;
    notice(kind, space, name, act.end(of_namespace(space, act.old(name), now), now))
}

/// All parts of one kind of a namespace are gone, says the event `kind`.
pub fn emptied(kind: &'static str, space: &Namespace, now: Timestamp) -> Notice {
    let name = &space.fields.namespace;
    notice(kind, space, name, of_namespace(space, name, now))
}

/// An object.
pub fn object(act: Act<'_>, space: &Namespace, stored: &Stored<Object>, now: Timestamp) -> Notice {
    let kind = act.kind(["metadef_object.create", "metadef_object.update", "metadef_object.delete"]);
    let (created_at, updated_at) = times(stored.created_at, stored.updated_at, now);
    let object = &stored.value;
    let properties: Vec<Value> = object.properties.iter().flatten().map(of_object_property).collect();
    let payload = members(json!({
        "namespace": space.fields.namespace,
        "name": object.name,
        "name_old": act.old(&object.name),
        "properties": properties,
        "required": object.required,
        "description": object.description,
        "created_at": created_at,
        "updated_at": updated_at,
        "deleted": false,
        "deleted_at": null,
    }));
    notice(kind, space, &object.name, act.end(payload, now))
}

/// A property of an object; what says nothing is null.
fn of_object_property((name, schema): (&String, &Value)) -> Value {
    let says = |value: &&Value| match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
    };
    let mut told = Map::from_iter([("name".to_owned(), json!(name))]);
    for key in keys() {
        told.insert(key.to_owned(), schema.get(key).filter(says).cloned().unwrap_or_default());
    }
    told.into()
}

/// A property.
pub fn property(act: Act<'_>, space: &Namespace, property: &Property, now: Timestamp) -> Notice {
    let kind = act.kind(["metadef_property.create", "metadef_property.update", "metadef_property.delete"]);
    let mut payload = members(json!({
        "namespace": space.fields.namespace,
        "name": property.name,
        "name_old": act.old(&property.name),
    }));
    for key in keys() {
        payload.insert(key.to_owned(), property.schema.get(key).cloned().unwrap_or_default());
    }
    payload.insert("deleted".to_owned(), false.into());
    payload.insert("deleted_at".to_owned(), Value::Null);
    notice(kind, space, &property.name, act.end(payload, now))
}

/// An association with a type of resource, which never changes.
pub fn association(act: Act<'_>, space: &Namespace, stored: &Stored<Association>, now: Timestamp) -> Notice {
    let kinds =
        ["metadef_resource_type.create", "metadef_resource_type.update", "metadef_resource_type.delete"];
    let (created_at, updated_at) = times(stored.created_at, stored.updated_at, now);
    let association = &stored.value;
    let payload = members(json!({
        "namespace": space.fields.namespace,
        "name": association.name,
        "name_old": association.name,
        "prefix": association.prefix,
        "properties_target": association.properties_target,
        "created_at": created_at,
        "updated_at": updated_at,
        "deleted": false,
        "deleted_at": null,
    }));
    notice(act.kind(kinds), space, &association.name, act.end(payload, now))
}

/// A tag.
pub fn tag(act: Act<'_>, space: &Namespace, stored: &Stored<String>, now: Timestamp) -> Notice {
    let kind = act.kind(["metadef_tag.create", "metadef_tag.update", "metadef_tag.delete"]);
    let (created_at, updated_at) = times(stored.created_at, stored.updated_at, now);
    let name = &stored.value;
    let payload = members(json!({
        "namespace": space.fields.namespace,
        "name": name,
        "name_old": act.old(name),
        "created_at": created_at,
        "updated_at": updated_at,
        "deleted": false,
        "deleted_at": null,
    }));
    notice(kind, space, name, act.end(payload, now))
}

/// A new namespace with its parts, in Glance's order.
pub fn whole(space: &Namespace, contents: &Contents, now: Timestamp) -> Vec<Notice> {
    let act = Act::Create;
    let mut notices = vec![namespace(act, space, now)];
    let associations = contents.associations.iter().flatten();
    notices.extend(associations.map(|part| association(act, space, &fresh(part.clone(), now), now)));
    let objects = contents.objects.iter().flatten();
    notices.extend(objects.map(|part| object(act, space, &fresh(part.clone(), now), now)));
    let tags = contents.tags.iter().flatten();
    notices.extend(tags.map(|part| tag(act, space, &fresh(part.clone(), now), now)));
    notices.extend(contents.properties.iter().flatten().map(|part| property(act, space, part, now)));
    notices
}

/// A part that was made just now.
pub fn fresh<T>(value: T, now: Timestamp) -> Stored<T> {
    Stored { id: 0, value, created_at: now, updated_at: Some(now) }
}

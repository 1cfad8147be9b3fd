//! What is told of metadata definitions.

use serde_json::{Map, Value, json};

use super::{NOW, TIME, names, space};
use crate::model::{
    metadef::{Association, Object, Property, Stored},
    notice::metadef::{Act, association, emptied, namespace, object, property, tag},
};

fn stored<T>(value: T) -> Stored<T> {
    Stored { id: 1, value, created_at: NOW, updated_at: None }
}
/// Proves what definitions are told with.
#[test]
fn definitions_are_told_as_by_glance() {
    let space = space();
    let renamed = namespace(Act::Update("M"), &space, NOW);
    let expected = json!({"namespace": "N", "namespace_old": "M", "display_name": null, "protected": true,
        "visibility": "public", "owner": "p", "description": "d", "created_at": TIME, "updated_at": TIME,
        "deleted": false, "deleted_at": null});
    assert_eq!((renamed.kind, &renamed.payload), ("metadef_namespace.update", &expected));
    assert_eq!(renamed.subject, "metadef-7");
    let deleted = namespace(Act::Delete, &space, NOW).payload;
    assert_eq!((&deleted["namespace_old"], &deleted["deleted"]), (&json!("N"), &json!(true)));
    let emptied = emptied("metadef_namespace.delete_tags", &space, NOW);
    assert_eq!((emptied.kind, &emptied.payload["deleted"]), ("metadef_namespace.delete_tags", &json!(false)));
}

/// Proves what is told of properties, alone and in objects, where what says nothing is null.
#[test]
fn properties_are_told_as_by_glance() {
    let space = space();
    let schema = json!({"type": "integer", "title": "t", "minimum": 0, "enum": [], "operators": ["<in>"]});
    let properties = Map::from_iter([("k".to_owned(), schema.clone())]);
    let value = Object {
        name: "o".to_owned(),
        description: None,
        required: Some(vec!["k".to_owned()]),
        properties: Some(properties),
    };
    let told = object(Act::Update("before"), &space, &stored(value), NOW).payload;
    assert_eq!(
        names(&told),
        [
            "namespace",
            "name",
            "name_old",
            "properties",
            "required",
            "description",
            "created_at",
            "updated_at",
            "deleted",
            "deleted_at"
        ]
    );
    assert_eq!((&told["name"], &told["name_old"]), (&json!("o"), &json!("before")));
    let inner = &told["properties"][0];
    assert_eq!(names(inner).len(), 17);
    assert_eq!(
        (&inner["type"], &inner["minimum"], &inner["enum"]),
        (&json!("integer"), &Value::Null, &Value::Null)
    );
    let members = schema.as_object().unwrap().clone();
    let told =
        property(Act::Create, &space, &Property { name: "k".to_owned(), schema: members }, NOW).payload;
    assert_eq!(names(&told).len(), 21);
    assert_eq!((&told["minimum"], &told["enum"], &told["pattern"]), (&json!(0), &json!([]), &Value::Null));
}

/// Proves what is told of associations and tags.
#[test]
fn associations_and_tags_are_told_as_by_glance() {
    let space = space();
    let value =
        Association { name: "OS::X".to_owned(), prefix: Some("x_".to_owned()), properties_target: None };
    let told = association(Act::Delete, &space, &stored(value), NOW);
    assert_eq!(told.kind, "metadef_resource_type.delete");
    assert_eq!(
        names(&told.payload),
        [
            "namespace",
            "name",
            "name_old",
            "prefix",
            "properties_target",
            "created_at",
            "updated_at",
            "deleted",
            "deleted_at"
        ]
    );
    let told = tag(Act::Create, &space, &stored("t".to_owned()), NOW);
    let expected = json!({"namespace": "N", "name": "t", "name_old": "t", "created_at": TIME, "updated_at": TIME,
        "deleted": false, "deleted_at": null});
    assert_eq!((told.kind, told.payload), ("metadef_tag.create", expected));
}

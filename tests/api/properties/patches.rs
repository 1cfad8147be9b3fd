//! What a patch makes of an image: the server against a simple model, and against documents of every kind.

use std::{cell::RefCell, collections::BTreeMap, future::IntoFuture};

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{runner, runtime};
use crate::support::*;

on_each_database! {
    /// Any patch is answered with what a simple model of properties and attributes says, and the next show
    /// agrees with it; what is refused changes nothing.
    fn patches_do_what_the_model_says(database: Database) {
        let app = database.app();
        let runtime = runtime();
        let alice = app.as_member("alice");
        let id = runtime.block_on(alice.created(image().with("seed", "0")));
        let state = RefCell::new(runtime.block_on(alice.show(&id).into_future()).json());
        let outcome = runner(80).run(&vec(operation(), 0..5), |operations| {
            let before = state.borrow().clone();
            let answer = runtime.block_on(alice.update(&id, json!(operations)).into_future());
            let shown = runtime.block_on(alice.show(&id).into_future()).json();
            state.replace(shown.clone());
            match model(&before, &operations) {
                Ok(expected) => {
                    prop_assert_eq!(answer.status, 200, "{:?}", answer);
                    prop_assert_eq!(without_times(&answer.json()), without_times(&shown));
                    prop_assert_eq!(without_times(&shown), without_times(&expected));
                }
                Err(status) => {
                    prop_assert_eq!(answer.status, status, "{:?} {:?}", answer, operations);
                    prop_assert_eq!(shown, before);
                }
            }
            Ok(())
        });
        outcome.unwrap_or_else(|fault| panic!("{fault}"));
    }

    /// No document that looks like a patch, in whatever way it is wrong, gets anything but a 200 or a 4xx.
    fn no_patch_breaks_the_server(database: Database) {
        let app = database.app();
        let runtime = runtime();
        let alice = app.as_member("alice");
        let id = runtime.block_on(alice.created(image().with("seed", "0")));
        let dialects = select(&[PATCH_V20, PATCH_V21][..]);
        let outcome = runner(200).run(&(dialects, odd_document()), |(dialect, document)| {
            let answer = runtime.block_on(alice.update_as(dialect, &id, document).into_future());
            prop_assert!(answer.status == 200 || (400..500).contains(&answer.status), "{:?}", answer);
            Ok(())
        });
        outcome.unwrap_or_else(|fault| panic!("{fault}"));
        runtime.block_on(alice.show(&id).into_future()).expect(200);
    }
}

fn verb() -> impl Strategy<Value = &'static str> {
    select(&["add", "replace", "remove"][..])
}

/// An operation in the v2.1 dialect on few names, so that operations meet.
fn operation() -> impl Strategy<Value = Value> {
    let custom = (verb(), select(&["a", "b", "a/b", "~", "é", "kernel"][..]), "[a-zéß☃ \"<]{0,6}")
        .prop_map(|(verb, name, value)| (verb, name.to_owned(), json!(value)));
    let core = (verb(), select(&["name", "min_disk", "os_hidden", "tags", "disk_format"][..]), core_value())
        .prop_map(|(verb, name, value)| (verb, name.to_owned(), value));
    prop_oneof![3 => custom, 1 => core].prop_map(|(verb, name, value)| {
        let path = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        if verb == "remove" {
            json!({"op": verb, "path": path})
        } else {
            json!({"op": verb, "path": path, "value": value})
        }
    })
}

fn core_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..10).prop_map(Value::from),
        select(&["raw", "qcow2", "text"][..]).prop_map(Value::from),
        vec(select(&["t1", "t2", "t3"][..]), 0..3).prop_map(|tags| json!(tags)),
    ]
}

/// Whether the schema takes a value for a core attribute.
fn fits(name: &str, value: &Value) -> bool {
    match name {
        "name" => value.is_null() || value.is_string(),
        "min_disk" => value.is_i64(),
        "os_hidden" => value.is_boolean(),
        "tags" => value.is_array(),
        _ => value.is_null() || matches!(value.as_str(), Some("raw" | "qcow2")),
    }
}

/// What a patch makes of a shown image, or the status with which it is refused.
fn model(before: &Value, operations: &[Value]) -> Result<Value, u16> {
    let parsed: Vec<(&str, String, &Value)> = operations
        .iter()
        .map(|operation| {
            let name = operation["path"].as_str().unwrap()[1..].replace("~1", "/").replace("~0", "~");
            (operation["op"].as_str().unwrap(), name, &operation["value"])
        })
        .collect();
    let is_core = |name: &str| ["name", "min_disk", "os_hidden", "tags", "disk_format"].contains(&name);
    if parsed.iter().any(|(verb, name, value)| *verb != "remove" && is_core(name) && !fits(name, value)) {
        return Err(400);
    }
    let mut after: Map<String, Value> = before.as_object().unwrap().clone();
    for (verb, name, value) in parsed {
        let exists = after.contains_key(&name);
        match (verb, is_core(&name)) {
            ("remove", true) => return Err(403),
            (_, true) if name == "min_disk" && value.as_i64() < Some(0) => return Err(400),
            (_, true) => {
                after.insert(name, value.clone());
            }
            ("replace" | "remove", false) if !exists => return Err(409),
            ("remove", false) => {
                after.remove(&name);
            }
            (_, false) => {
                after.insert(name, value.clone());
            }
        }
    }
    Ok(Value::Object(after))
}

/// The image without what the model does not know: times, and the order of keys and tags.
fn without_times(image: &Value) -> BTreeMap<String, Value> {
    let mut fields: BTreeMap<String, Value> = image.as_object().unwrap().clone().into_iter().collect();
    fields.remove("updated_at");
    let mut tags: Vec<String> = serde_json::from_value(fields["tags"].clone()).unwrap();
    tags.sort();
    tags.dedup();
    fields.insert("tags".to_owned(), json!(tags));
    fields
}

/// JSON that resembles a patch, with every part replaced now and then by something else.
fn odd_document() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no NaN", |n| n.is_finite()).prop_map(|n| json!(n)),
        any::<String>().prop_map(Value::from),
    ];
    let nested = scalar.prop_recursive(3, 12, 4, |inner| {
        let map = proptest::collection::btree_map(any::<String>(), inner.clone(), 0..4);
        prop_oneof![vec(inner, 0..4).prop_map(Value::from), map.prop_map(|map| json!(map))]
    });
    const NAMES: &[&str] = &[
        "/name",
        "/tags",
        "/tags/-",
        "/locations",
        "/locations/-",
        "/locations/0",
        "/owner",
        "/visibility",
        "/min_ram",
        "/id",
        "/os_glance_x",
        "/",
        "",
        "/~",
        "/~2",
        "/a/b",
        "/protected",
        "/kernel_id",
        "/disk_format",
        "/self",
    ];
    let path = prop_oneof![
        4 => select(NAMES).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => any::<String>().prop_map(|text| format!("/{text}")),
    ];
    let well_formed = (verb(), path.clone(), nested.clone())
        .prop_map(|(verb, path, value)| json!({"op": verb, "path": path, "value": value}));
    let old_form =
        (verb(), path, nested.clone()).prop_map(|(verb, path, value)| json!({verb: path, "value": value}));
    let element = prop_oneof![5 => well_formed, 3 => old_form, 1 => nested.clone()];
    prop_oneof![8 => vec(element, 0..4).prop_map(Value::from), 1 => nested]
}

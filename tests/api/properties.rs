//! Rules that hold for every input: who sees what and in which order, what a patch makes of an image, and that
//! no query string breaks the server.

use std::{cell::RefCell, collections::BTreeMap, future::IntoFuture};

use proptest::{
    collection::vec,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value, json};
use vitrine::{
    db::{
        self, Db, DbError,
        images_page::{self, Page},
    },
    model::{
        caller::Caller,
        image::Image,
        list::{Direction, SORT_KEYS},
        member::MemberStatus,
        status::Status,
        time::Timestamp,
        visibility::{MemberFilter, Scope, Visibility, VisibilityFilter},
    },
};

use crate::support::*;

fn runner(cases: u32) -> TestRunner {
    // Failures are shown with their input; files of old failures would be written beside the sources.
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

const PROJECTS: [&str; 3] = ["p1", "p2", "p3"];

fn project() -> impl Strategy<Value = Option<String>> {
    prop_oneof![1 => Just(None), 4 => select(&PROJECTS[..]).prop_map(|p| Some(p.to_owned()))]
}

fn member_status() -> impl Strategy<Value = MemberStatus> {
    select(&MemberStatus::ALL[..])
}

/// An image with its members. Values are few, so that ties are many.
fn image_and_members() -> impl Strategy<Value = (Image, BTreeMap<&'static str, MemberStatus>)> {
    let names = prop_oneof![Just(None), select(&["", "a", "b"][..]).prop_map(|name| Some(name.to_owned()))];
    let formats = prop_oneof![Just(None), select(&["raw", "iso"][..]).prop_map(|name| Some(name.to_owned()))];
    let members = proptest::collection::btree_map(select(&PROJECTS[..]), member_status(), 0..3);
    let rest = (names, formats, proptest::option::of(0_i64..3), 0_i64..3, 0_i64..3, any::<bool>());
    (project(), select(&Visibility::ALL[..]), rest, members).prop_map(|(owner, visibility, rest, members)| {
        let (name, disk_format, size, age, update, active) = rest;
        let stored = record("", age);
        let image = Image {
            owner,
            visibility,
            name,
            disk_format,
            size,
            status: if active { Status::Active } else { Status::Queued },
            updated_at: stored.created_at.plus_seconds(update),
            ..stored
        };
        (image, members)
    })
}

fn scope() -> impl Strategy<Value = Scope> {
    let members = prop_oneof![Just(MemberFilter::All), member_status().prop_map(MemberFilter::Only)];
    let visibility = prop_oneof![
        3 => Just(VisibilityFilter::Default),
        2 => Just(VisibilityFilter::All),
        1 => Just(VisibilityFilter::Nothing),
        4 => select(&Visibility::ALL[..]).prop_map(VisibilityFilter::Only),
    ];
    (project(), prop_oneof![1 => Just(true), 3 => Just(false)], members, visibility).prop_map(
        |(project_id, is_admin, members, visibility)| {
            let caller = Caller { project_id, is_admin, ..Caller::default() };
            Scope::of(&caller, members, visibility)
        },
    )
}

/// A complete order: some keys, then the tie-breakers that are missing.
fn sort() -> impl Strategy<Value = Vec<(&'static str, Direction)>> {
    let key = (select(&SORT_KEYS[..]), any::<bool>());
    (vec(key, 0..3), any::<bool>()).prop_map(|(keys, last)| {
        let direction = |asc: bool| if asc { Direction::Asc } else { Direction::Desc };
        let mut sort: Vec<(&'static str, Direction)> = Vec::new();
        for (key, asc) in keys.into_iter().chain([("created_at", last), ("id", last)]) {
            if sort.iter().all(|(known, _)| *known != key) {
                sort.push((key, direction(asc)));
            }
        }
        sort
    })
}

/// What the order compares; absent values count as empty or 0.
fn sort_value(image: &Image, key: &str) -> (i64, String) {
    let text = |text: &Option<String>| (0, text.clone().unwrap_or_default());
    match key {
        "name" => text(&image.name),
        "disk_format" => text(&image.disk_format),
        "container_format" => text(&image.container_format),
        "status" => (0, image.status.as_str().to_owned()),
        "size" => (image.size.unwrap_or(0), String::new()),
        "created_at" => (image.created_at.0, String::new()),
        "updated_at" => (image.updated_at.0, String::new()),
        _ => (0, image.id.clone()),
    }
}

fn in_order(images: &mut [&Image], sort: &[(&str, Direction)]) {
    images.sort_by(|a, b| {
        let orders = sort.iter().map(|(key, direction)| {
            let order = sort_value(a, key).cmp(&sort_value(b, key));
            if *direction == Direction::Asc { order } else { order.reverse() }
        });
        orders.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
}

/// Walks the pages and answers the ids in the order in which they came.
fn walk(conn: &mut db::Conn, page: &Page) -> Vec<String> {
    let mut page = page.clone();
    let mut ids = Vec::new();
    loop {
        let images = images_page::load(conn, &page).unwrap();
        assert!(images.len() <= page.limit as usize);
        ids.extend(images.iter().map(|image| image.id.clone()));
        assert!(ids.len() < 1000, "the pages never end");
        match images.into_iter().last() {
            Some(last) => page.after = Some(last),
            None => return ids,
        }
    }
}

on_each_database! {
    /// The list in SQL holds exactly the images that the rule in Rust names, in order, and any page size shows
    /// each of them once.
    fn lists_obey_the_visibility_rule(database: Database) {
        let folder = scratch_folder();
        let database = TestDatabase::create(database, folder.path());
        let settings = db::Settings { connection: database.url().to_owned(), max_pool_size: 1, ..db::Settings::default() };
        let db = Db::open(&settings).unwrap();
        let asked = vec((scope(), sort(), 1_u32..6), 12);
        let outcome = runner(24).run(&(vec(image_and_members(), 0..14), asked), |(images, asked)| {
            // Rolled back at the end, so that every case begins with an empty database.
            let result = db.write_blocking(|conn| {
                for (image, members) in &images {
                    db::images::insert(conn, image)?;
                    for (member, status) in members {
                        db::members::insert(conn, image, member, Timestamp::now())?;
                        db::members::set_status(conn, &image.id, member, *status, Timestamp::now())?;
                    }
                }
                for (scope, sort, limit) in &asked {
                    let mut expected: Vec<&Image> = images
                        .iter()
                        .filter(|(image, members)| {
                            let membership = scope.project.as_deref().and_then(|p| members.get(p)).copied();
                            scope.contains(image, membership)
                        })
                        .map(|(image, _)| image)
                        .collect();
                    in_order(&mut expected, sort);
                    let expected: Vec<String> = expected.iter().map(|image| image.id.clone()).collect();
                    for limit in [*limit, 100] {
                        let page = Page {
                            scope: scope.clone(),
                            filters: Vec::new(),
                            os_hidden: false,
                            sort: sort.clone(),
                            after: None,
                            limit,
                        };
                        assert_eq!(walk(conn, &page), expected, "{scope:?} {sort:?} {limit}");
                    }
                }
                Err::<(), _>(DbError::Stale)
            });
            prop_assert!(matches!(result, Err(DbError::Stale)), "{:?}", result);
            Ok(())
        });
        outcome.unwrap_or_else(|fault| panic!("{fault}"));
    }

    /// Any patch is answered with what a simple model of properties and attributes says, and the next show
    /// agrees with it; what is refused changes nothing.
    fn patches_do_what_the_model_says(database: Database) {
        let app = database.app();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
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

    /// No query string gets anything but a list or a 400 (a 403 for a marker that is not the caller's).
    fn no_query_breaks_the_server(database: Database) {
        let app = database.app();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let alice = app.as_member("alice");
        runtime.block_on(app.insert(&[record("alice", 1), record("alice", 2), record("bob", 3)]));
        let outcome = runner(300).run(&vec(parameter(), 0..5), |parameters| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, value) in &parameters {
                query.append_pair(name, value);
            }
            let answer = runtime.block_on(alice.list(&query.finish()).into_future());
            prop_assert!(matches!(answer.status, 200 | 400 | 403), "{:?}", answer);
            if answer.status == 200 {
                let body = answer.json();
                prop_assert!(body["images"].as_array().unwrap().iter().all(|image| image["owner"] == "alice"));
                let first = runtime.block_on(alice.get(body["first"].as_str().unwrap()).into_future());
                prop_assert_eq!(first.status, 200, "{:?}", first);
            }
            Ok(())
        });
        outcome.unwrap_or_else(|fault| panic!("{fault}"));
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

/// A parameter that is known or not, with a value that fits or not.
fn parameter() -> impl Strategy<Value = (String, String)> {
    const NAMES: &[&str] = &[
        "limit",
        "marker",
        "member_status",
        "visibility",
        "os_hidden",
        "protected",
        "changes-since",
        "tag",
        "name",
        "id",
        "status",
        "container_format",
        "disk_format",
        "created_at",
        "updated_at",
        "size",
        "size_min",
        "size_max",
        "virtual_size_min",
        "min_disk",
        "min_ram_max",
        "checksum",
        "owner",
        "sort",
        "sort_key",
        "sort_dir",
        "locations",
        "members",
        "properties",
        "foo_min",
        "deleted",
        "is_public",
    ];
    const VALUES: &[&str] = &[
        "",
        "0",
        "1",
        "-1",
        "99999999999999999999",
        "all",
        "public",
        "true",
        "TRUE",
        "active",
        "in:a,b",
        "in:\"a,b\"",
        "in:\"",
        "eq:x",
        "gt:2020-01-01",
        "lte:2020-01-01T00:00:00Z",
        "asc",
        "desc",
        "name",
        "name:asc,size",
        "created_at",
        "1e5",
        "0001-01-01",
        "gt:9999-12-31T23:59:59.999999+00:00",
        "lt:0000-01-01",
        "eq:2020-02-30",
        "'",
        "%",
        "\\",
    ];
    let name = prop_oneof![6 => select(NAMES).prop_map(str::to_owned), 1 => any::<String>()];
    let value = prop_oneof![4 => select(VALUES).prop_map(str::to_owned), 1 => any::<String>()];
    (name, value)
}

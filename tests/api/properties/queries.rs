//! Query strings of every kind.

use std::future::IntoFuture;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{runner, runtime};
use crate::support::*;

on_each_database! {
    /// No query string gets anything but a list or a 400 (a 403 for a marker that is not the caller's).
    fn no_query_breaks_the_server(database: Database) {
        let app = database.app();
        let runtime = runtime();
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

//! `PATCH /v2/images/{id}`

use std::future::IntoFuture;

use serde_json::{Value, json};
use vitrine::model::{image::Image, properties::Property, status::Status, visibility::Visibility};

use crate::support::*;

fn add(path: &str, value: impl Into<Value>) -> Value {
    json!([{"op": "add", "path": path, "value": value.into()}])
}

fn replace(path: &str, value: impl Into<Value>) -> Value {
    json!([{"op": "replace", "path": path, "value": value.into()}])
}

fn remove(path: &str) -> Value {
    json!([{"op": "remove", "path": path}])
}

on_each_database! {
    /// The whole answer is the image after the patch, and the next show agrees; later operations see earlier ones.
    async fn operations_apply_in_order(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().with("a", "1").with("b", "2").tags(&["old"]).named("before")).await;
        let patch = json!([
            {"op": "replace", "path": "/name", "value": "after"},
            {"op": "add", "path": "/c~1d~0", "value": "3"},
            {"op": "remove", "path": "/a"},
            {"op": "add", "path": "/a", "value": "again"},
            {"op": "replace", "path": "/c~1d~0", "value": "4"},
            {"op": "add", "path": "/ padded ", "value": "trimmed"},
            {"op": "add", "path": "//b", "value": "tolerated"},
            {"op": "add", "path": "/", "value": "nameless"},
            {"op": "replace", "path": "/tags", "value": ["x", "x", "y"]},
            {"op": "add", "path": "/min_disk", "value": 7.0},
            {"op": "replace", "path": "/disk_format", "value": "raw"},
            {"op": "replace", "path": "/container_format", "value": null},
            {"op": "replace", "path": "/os_hidden", "value": true},
            {"op": "replace", "path": "/visibility", "value": "private"},
            {"op": "add", "path": "/kernel_id", "value": null},
        ]);
        let answer = alice.update(&id, patch).await.expect(200);
        assert_eq!(answer.header("content-type"), "application/json");
        let patched = answer.json();
        assert_eq!(keys(&patched)[..7], ["b", "c/d~", "a", "padded", "", "kernel_id", "name"]);
        for (name, value) in [
            ("name", json!("after")),
            ("a", json!("again")),
            ("b", json!("tolerated")),
            ("c/d~", json!("4")),
            ("padded", json!("trimmed")),
            ("", json!("nameless")),
            ("min_disk", json!(7)),
            ("disk_format", json!("raw")),
            ("container_format", Value::Null),
            ("os_hidden", json!(true)),
            ("visibility", json!("private")),
            ("kernel_id", Value::Null),
            ("status", json!("queued")),
        ] {
            assert_eq!(patched[name], value, "{name}");
        }
        assert_eq!(patched["tags"].as_array().unwrap().len(), 2);
        let shown = alice.show(&id).await.expect(200).json();
        assert_eq!(keys(&shown), keys(&patched));
        assert_eq!(shown, patched);
    }

    /// What each operation does to what is there and what is not, in both dialects.
    async fn operations_by_target_and_dialect(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().with("there", "1")).await;
        let v20 = |verb: &str, path: &str| json!([{verb: path, "value": "x"}]);
        let v21 = |verb: &str, path: &str| json!([{"op": verb, "path": path, "value": "x"}]);
        for (verb, path, status20, status21) in [
            ("add", "/name", 409, 200),
            ("replace", "/name", 200, 200),
            ("remove", "/name", 403, 403),
            ("add", "/there", 409, 200),
            ("replace", "/there", 200, 200),
            ("replace", "/absent", 409, 409),
            ("remove", "/absent", 409, 409),
        ] {
            alice.update_as(PATCH_V20, &id, v20(verb, path)).await.expect_for(status20, (verb, path));
            alice.update_as(PATCH_V21, &id, v21(verb, path)).await.expect_for(status21, (verb, path));
        }
        for (media, patch) in [(PATCH_V20, v20("add", "/new20")), (PATCH_V21, v21("add", "/new21"))] {
            alice.update_as(media, &id, patch).await.expect(200);
        }
        alice.update_as(PATCH_V20, &id, v20("remove", "/new21")).await.expect(200);
        let shown = alice.show(&id).await.json();
        assert_eq!(keys(&shown)[..3], ["there", "new20", "name"]);
        for patch in [v21("add", "/x"), json!([{"add": "/x", "remove": "/x", "value": "x"}]), json!([{}])] {
            alice.update_as(PATCH_V20, &id, patch.clone()).await.expect_for(400, patch);
        }
        alice.update_as(PATCH_V21, &id, v20("add", "/x")).await.expect(400);
    }

    /// Other media types are 415 and are told which there are; parameters do not matter.
    async fn media_types(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        for media in ["application/json", "application/json-patch+json", "text/plain", "*/*", "", "x"] {
            let answer = alice.update_as(media, &id, json!([])).await.expect_for(415, media);
            assert_eq!(answer.header("accept-patch"), format!("{PATCH_V20}, {PATCH_V21}"));
        }
        alice.request("PATCH", &format!("/v2/images/{id}")).body("[]").await.expect(415);
        alice.update_as("text/plain", &fresh_id(), json!("nonsense")).await.expect(415);
        for suffix in ["; charset=utf-8", ";x=y"] {
            alice.update_as(&format!("{PATCH_V21}{suffix}"), &id, json!([])).await.expect(200);
        }
    }

    /// Documents and pointers that cannot be read, whatever the image: 400.
    async fn unreadable_documents(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().with("a", "1")).await;
        let before = alice.show(&id).await.text();
        for document in [
            "", "[", "{}", "1", "null", "\"add\"", "[1]", "[[]]", "[null]", "[{}]", "[{\"op\": \"add\"}]",
            "[{\"path\": \"/a\", \"value\": \"b\"}]", "[{\"op\": 1, \"path\": \"/a\", \"value\": \"b\"}]",
            "[{\"op\": \"add\", \"path\": 1, \"value\": \"b\"}]", "[{\"op\": \"add\", \"path\": \"/a\"}]",
            "[{\"op\": \"replace\", \"path\": \"/a\"}]", "[{\"op\": \"move\", \"path\": \"/a\", \"from\": \"/b\"}]",
            "[{\"op\": \"test\", \"path\": \"/a\", \"value\": \"1\"}]",
            "[{\"op\": \"copy\", \"path\": \"/a\", \"from\": \"/b\"}]",
            "[{\"op\": \"ADD\", \"path\": \"/a\", \"value\": \"b\"}]",
        ] {
            let request = alice.request("PATCH", &format!("/v2/images/{id}"));
            request.header("content-type", PATCH_V21).body(document).await.expect_for(400, document);
        }
        for path in [
            "", "a", "/a/", "/a//b", "/x/  /y", "/a~", "/a~2", "/a/b", "/tags/-", "/tags/0", "/locations/-/url",
        ] {
            alice.update(&id, add(path, "v")).await.expect_for(400, path);
            alice.update(&fresh_id(), add(path, "v")).await.expect_for(400, path);
        }
        assert_eq!(alice.show(&id).await.text(), before);
    }

    /// Values of the wrong type or size: 400; what nobody may change: 403. Both before the image is looked up.
    async fn bad_values_and_reserved_names(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().with("a", "1")).await;
        let before = alice.show(&id).await.text();
        let long = "x".repeat(256);
        for (path, value) in [
            ("/name", json!(1)),
            ("/name", json!(long)),
            ("/owner", json!(1)),
            ("/protected", json!("true")),
            ("/os_hidden", json!(0)),
            ("/visibility", json!("none")),
            ("/visibility", Value::Null),
            ("/min_disk", json!(true)),
            ("/min_disk", json!("1")),
            ("/min_ram", json!(0.5)),
            ("/min_ram", Value::Null),
            ("/tags", json!("x")),
            ("/tags", json!([1])),
            ("/tags", json!([long])),
            ("/disk_format", json!("gpt")),
            ("/container_format", json!(1)),
            ("/custom", json!(1)),
            ("/custom", json!(true)),
            ("/custom", json!([])),
            ("/custom", json!({})),
            ("/custom", Value::Null),
            ("/kernel_id", json!("x")),
        ] {
            for patch in [add(path, value.clone()), replace(path, value.clone())] {
                alice.update(&id, patch.clone()).await.expect_for(400, &patch);
                alice.update(&fresh_id(), patch.clone()).await.expect_for(400, &patch);
            }
        }
        // These are judged when the operation is applied.
        for (path, value) in [
            ("/name", json!("\u{1f600}")),
            ("/name", json!("a\0b")),
            ("/tags", json!(["\u{1f600}"])),
            ("/custom", json!("\u{10000}")),
            ("/cust\u{10000}m", json!("x")),
            ("/custom", json!("\0")),
            ("/min_disk", json!(-1)),
            ("/min_ram", json!(2_147_483_648_u64)),
            (&format!("/{long}"), json!("x")),
        ] {
            alice.update(&id, add(path, value.clone())).await.expect_for(400, (path, value));
        }
        for name in [
            "created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file",
            "schema", "id", "os_hash_algo", "os_hash_value", "location", "deleted", "deleted_at", "os_glance",
            "os_glancefoo", "os_glance_import_task", "stores",
        ] {
            let path = format!("/{name}");
            for patch in [add(&path, "x"), replace(&path, "x"), remove(&path)] {
                alice.update(&id, patch.clone()).await.expect_for(403, &patch);
                alice.update(&fresh_id(), patch.clone()).await.expect_for(403, &patch);
            }
        }
        assert_eq!(alice.show(&id).await.text(), before);
        alice.update(&fresh_id(), add("/a", "b")).await.expect(404);
    }

    /// When one operation of many fails, none is done.
    async fn all_or_nothing(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().with("a", "1").tags(&["t"])).await;
        let before = alice.show(&id).await.text();
        for (last, status) in [
            (json!({"op": "replace", "path": "/absent", "value": "x"}), 409),
            (json!({"op": "remove", "path": "/name"}), 403),
            (json!({"op": "replace", "path": "/visibility", "value": "public"}), 403),
            (json!({"op": "replace", "path": "/owner", "value": "bob"}), 403),
            (json!({"op": "add", "path": "/owner", "value": "bob"}), 403),
            (json!({"op": "replace", "path": "/min_disk", "value": -1}), 400),
            (json!({"op": "replace", "path": "/tags", "value": vec!["x"; 129]}), 413),
            (json!({"op": "add", "path": "/locations/-", "value": {"url": "http://127.0.0.1/", "metadata": {}}}), 403),
            (json!({"op": "replace", "path": "/locations", "value": []}), 403),
        ] {
            let patch = json!([
                {"op": "replace", "path": "/name", "value": "changed"},
                {"op": "remove", "path": "/a"},
                {"op": "add", "path": "/b", "value": "2"},
                {"op": "replace", "path": "/tags", "value": []},
                last,
            ]);
            alice.update(&id, patch.clone()).await.expect_for(status, patch);
            assert_eq!(alice.show(&id).await.text(), before);
        }
    }

    /// Who may change what, by Glance's default policy.
    async fn the_policy_decides(database: Database) {
        let app = database.app();
        let private = record("alice", 1);
        let community = Image { visibility: Visibility::Community, ..record("alice", 1) };
        let public = Image { visibility: Visibility::Public, ..record("alice", 1) };
        app.insert(&[private.clone(), community.clone(), public.clone()]).await;
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        for (caller, image, patch, status) in [
            (&alice, &private, replace("/name", "x"), 200),
            (&app.as_reader("alice"), &private, replace("/name", "x"), 403),
            (&app.as_reader("alice"), &private, json!([]), 200),
            (&app.as_member("bob"), &private, replace("/name", "x"), 404),
            (&app.as_member("bob"), &private, json!([]), 404),
            (&app.as_member("bob"), &community, replace("/name", "x"), 403),
            (&app.as_member("bob"), &community, json!([]), 200),
            (&app.as_role("alice", &[]), &private, replace("/name", "x"), 404),
            (&app.as_nobody(), &private, replace("/name", "x"), 401),
            (&alice, &private, replace("/visibility", "public"), 403),
            (&alice, &private, replace("/visibility", "community"), 200),
            (&alice, &public, replace("/visibility", "private"), 200),
            (&admin, &public, replace("/visibility", "public"), 200),
            (&alice, &private, replace("/owner", "bob"), 403),
            (&alice, &private, replace("/owner", "alice"), 403),
            (&alice, &private, add("/owner", "bob"), 403),
            (&admin, &private, replace("/owner", "bob"), 200),
            (&alice, &private, replace("/visibility", "private"), 403),
            (&app.as_member("bob"), &private, replace("/name", "mine now"), 200),
            (&admin, &private, replace("/owner", Value::Null), 200),
        ] {
            caller.update(&image.id, patch.clone()).await.expect_for(status, patch);
        }
    }

    /// The formats change only while the image waits for its data; the rest changes in every status.
    async fn what_the_status_allows(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for status in Status::ALL {
            if matches!(status, Status::PendingDelete | Status::Deleted) {
                continue;
            }
            let image = Image { status, ..record("alice", 1) };
            app.insert(std::slice::from_ref(&image)).await;
            let formats = if status == Status::Queued { 200 } else { 403 };
            for path in ["/disk_format", "/container_format"] {
                let same = if path == "/disk_format" { "raw" } else { "bare" };
                alice.update(&image.id, replace(path, same)).await.expect_for(formats, (status, path));
            }
            alice.update(&image.id, replace("/name", "x")).await.expect_for(200, status);
        }
    }

    /// Every change but an empty one moves `updated_at`; none moves `created_at` or loses what it does not name.
    async fn updated_at_moves(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let mut stored = record("alice", 1);
        stored.set_property("kept", Some("value".to_owned()));
        app.insert(std::slice::from_ref(&stored)).await;
        let answer = alice.update(&stored.id, json!([])).await.expect(200).json();
        assert_eq!(answer["updated_at"], "2020-01-01T00:00:01Z");
        let answer = alice.update(&stored.id, replace("/min_disk", 0)).await.expect(200).json();
        assert_ne!(answer["updated_at"], "2020-01-01T00:00:01Z");
        assert_eq!(answer["created_at"], "2020-01-01T00:00:01Z");
        assert_eq!(answer["kept"], "value");
    }

    /// Over the quota nothing may be added, but what is there may change and go.
    async fn quotas_hold(database: Database) {
        let app = database.app_with(|options| options.image.image_property_quota = 3);
        let alice = app.as_member("alice");
        let mut stored = record("alice", 1);
        let names = ["p1", "p2", "p3", "p4", "os_glance_failed_import"];
        stored.properties =
            names.map(|name| Property { name: name.to_owned(), value: Some("v".to_owned()) }).to_vec().into();
        app.insert(std::slice::from_ref(&stored)).await;
        let id = &stored.id;
        alice.update(id, add("/p5", "v")).await.expect(413);
        alice.update(id, replace("/p1", "w")).await.expect(200);
        alice.update(id, remove("/p1")).await.expect(200);
        alice.update(id, add("/p5", "v")).await.expect(413);
        alice.update(id, json!([
            {"op": "remove", "path": "/p2"},
            {"op": "add", "path": "/p5", "value": "v"},
        ])).await.expect(200);
        alice.update(id, replace("/tags", json!(vec!["x"; 129]))).await.expect(413);
    }

    /// Members stay when an image stops being shared and are there again when it is shared again.
    async fn memberships_outlive_visibility(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let id = alice.created(image().shared()).await;
        alice.share(&id, "bob").await.expect(200);
        alice.update(&id, replace("/visibility", "private")).await.expect(200);
        bob.show(&id).await.expect(404);
        alice.update(&id, replace("/visibility", "shared")).await.expect(200);
        bob.show(&id).await.expect(200);
    }

    /// Sixty patches of different properties at once: none is lost.
    async fn no_update_is_lost(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        let patches = (0..60).map(|n| alice.update(&id, add(&format!("/p{n}"), format!("v{n}"))).into_future());
        for answer in futures::future::join_all(patches).await {
            answer.expect(200);
        }
        let shown = alice.show(&id).await.json();
        for n in 0..60 {
            assert_eq!(shown[format!("p{n}")], format!("v{n}"));
        }
    }

    /// A save from an old revision changes nothing and says so.
    async fn a_stale_save_is_refused(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().named("first")).await;
        let key = id.clone();
        let old = app.write(move |conn| Ok(vitrine::db::images::find(conn, &key)?.unwrap())).await;
        alice.update(&id, replace("/name", "second")).await.expect(200);
        let stale = app.write(move |conn| {
            let new = Image { name: Some("third".to_owned()), ..old.clone() };
            Ok(matches!(vitrine::db::images::save(conn, &old, &new), Err(vitrine::db::DbError::Stale(_))))
        });
        assert!(stale.await);
        assert_eq!(alice.show(&id).await.json()["name"], "second");
    }
}

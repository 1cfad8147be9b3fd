//! `POST /v2/images`

use serde_json::{Value, json};
use vitrine::model::image::TEXT_CHARS_MAX;

use crate::support::*;

/// Attributes of every image, in Glance's order; custom properties come before them.
const KEYS: [&str; 22] = [
    "name",
    "disk_format",
    "container_format",
    "visibility",
    "size",
    "virtual_size",
    "status",
    "checksum",
    "protected",
    "min_ram",
    "min_disk",
    "owner",
    "os_hidden",
    "os_hash_algo",
    "os_hash_value",
    "id",
    "created_at",
    "updated_at",
    "tags",
    "self",
    "file",
    "schema",
];

on_each_database! {
    /// An empty object makes an image with every default, every key in order, and the headers of Glance.
    async fn an_empty_object_gets_all_defaults(database: Database) {
        let app = database.app();
        let answer = app.as_member("alice").create(image()).await.expect(201);
        let body = answer.json();
        assert_eq!(keys(&body), KEYS);
        let id = body["id"].as_str().unwrap();
        let path = format!("/v2/images/{id}");
        assert_eq!(answer.header("location"), format!("http://{}{path}", app.address()));
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(answer.header("x-openstack-request-id").starts_with("req-"));
        assert_eq!(answer.header("openstack-image-import-methods"), "glance-direct,web-download,copy-image");
        assert_eq!(answer.header("openstack-image-store-ids"), "");
        let created_at = body["created_at"].as_str().unwrap();
        assert_eq!((created_at.len(), &created_at[10..11], &created_at[19..]), (20, "T", "Z"));
        let expected = json!({
            "name": null, "disk_format": null, "container_format": null, "visibility": "shared",
            "size": null, "virtual_size": null, "status": "queued", "checksum": null, "protected": false,
            "min_ram": 0, "min_disk": 0, "owner": "alice", "os_hidden": false, "os_hash_algo": null,
            "os_hash_value": null, "id": id, "created_at": created_at, "updated_at": created_at,
            "tags": [], "self": path, "file": format!("{path}/file"), "schema": "/v2/schemas/image",
        });
        assert_eq!(body, expected);
    }

    /// What is sent is kept, custom properties first and in the order in which they were sent.
    async fn what_is_sent_is_kept(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = fresh_id();
        let new = image()
            .with("zeta", "1")
            .named("Zoë\u{2028} \"<&>\" name")
            .id(&id)
            .with("alpha", "")
            .qcow2()
            .community()
            .with("protected", true)
            .with("os_hidden", true)
            .with("min_disk", 3.0)
            .with("min_ram", 2_147_483_647)
            .tags(&["b", "a", "b", "", "snow ☃"])
            .with("kernel_id", Value::Null)
            .with("image_id", "an ordinary property")
            .with("member", "too");
        let created = alice.create(new).await.expect(201).json();
        let custom = ["zeta", "alpha", "kernel_id", "image_id", "member"];
        assert_eq!(keys(&created)[..5], custom);
        assert_eq!(keys(&created)[5..], KEYS);
        for (name, value) in [
            ("zeta", json!("1")),
            ("name", json!("Zoë\u{2028} \"<&>\" name")),
            ("id", json!(id)),
            ("disk_format", json!("qcow2")),
            ("container_format", json!("bare")),
            ("visibility", json!("community")),
            ("protected", json!(true)),
            ("os_hidden", json!(true)),
            ("min_disk", json!(3)),
            ("min_ram", json!(2_147_483_647)),
            ("kernel_id", Value::Null),
        ] {
            assert_eq!(created[name], value, "{name}");
        }
        let tags = |image: &Value| {
            let mut tags: Vec<String> = serde_json::from_value(image["tags"].clone()).unwrap();
            tags.sort();
            tags
        };
        assert_eq!(tags(&created), ["", "a", "b", "snow ☃"]);
        let shown = alice.show(&id).await.expect(200);
        let mut again = shown.json();
        assert_eq!(keys(&again), keys(&created));
        assert_eq!(tags(&again), tags(&created));
        again["tags"] = created["tags"].clone();
        assert_eq!(again, created);
        assert!(shown.text().contains("Zoë") && shown.text().contains('☃'), "non-ASCII is not escaped");
        alice.update(&id, json!([{"op": "replace", "path": "/protected", "value": false}])).await.expect(200);
    }

    /// Bodies that name the wrong things, each with its status; none leaves an image behind.
    async fn bad_bodies_are_refused(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let limit = "x".repeat(TEXT_CHARS_MAX);
        let malformed: [&[u8]; 13] = [
            b"", b"{", b"nonsense", b"\"text\"", b"1", b"true", b"null", b"[]", b"[{}]", b"{\"name\": \"a\",}",
            b"{\"name\": \"\xff\xfe\"}", b"{\"name\": \"\\ud800\"}", b"{\"min_disk\": 1e400}",
        ];
        for body in malformed {
            let answer = alice.post("/v2/images").body(body.to_vec()).await;
            answer.expect_for(400, String::from_utf8_lossy(body));
        }
        let deep = "[".repeat(100_000);
        alice.post("/v2/images").body(deep).await.expect(400);
        for (name, value) in not_of_the_schema() {
            alice.create(image().with(&name, value.clone())).await.expect_for(400, (name, value));
        }
        for (name, value) in read_only() {
            alice.create(image().with(&name, value.clone())).await.expect_for(403, (name, value));
        }
        assert_eq!(alice.list("").await.expect(200).json()["images"], json!([]));
        alice.create(image().named(&limit).tags(&[&limit]).with(&limit, "a").with("", "b")).await.expect(201);
    }

    /// Checks come in Glance's order: a read-only attribute before the schema, the schema before the policy.
    async fn the_first_fault_answers(database: Database) {
        let app = database.app();
        for (client, new, status) in [
            (app.as_member("alice"), image().with("self", "a").with("name", 1), 403),
            (app.as_member("alice"), image().with("size", 1).with("name", 1), 400),
            (app.as_reader("alice"), image().with("name", 1), 400),
            (app.as_reader("alice"), image().with("min_disk", -1), 403),
            (app.as_reader("alice"), image().tags(&["x"; 129]), 403),
            (app.as_member("alice"), image().tags(&["x"; 129]).with("size", 1), 413),
            (app.as_nobody(), image().with("name", 1), 401),
        ] {
            client.create(new.clone()).await.expect_for(status, new);
        }
    }

    /// Who may create what, by Glance's default policy.
    async fn the_policy_decides(database: Database) {
        let app = database.app();
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        for (client, new, status) in [
            (&alice, image(), 201),
            (&alice, image().private(), 201),
            (&alice, image().community(), 201),
            (&alice, image().public(), 403),
            (&alice, image().with("owner", "alice"), 201),
            (&app.as_reader("alice"), image(), 403),
            (&app.as_role("alice", &[]), image(), 403),
            (&app.as_role("alice", &["service"]), image(), 403),
            (&app.as_role("alice", &["MEMBER", "Reader"]), image(), 201),
            (&app.as_system(), image(), 403),
            (&app.as_nobody(), image(), 401),
            (&app.with_token(Some("nonsense")), image(), 401),
            (&app.with_token(Some("identity-is-away")), image(), 503),
            (&admin, image().public(), 201),
            (&admin, image().with("owner", "bob"), 201),
            (&admin, image().with("owner", Value::Null), 201),
        ] {
            client.create(new.clone()).await.expect_for(status, new);
        }
        let nobodys = admin.created(image().with("owner", "").public()).await;
        assert_eq!(alice.show(&nobodys).await.expect(200).json()["owner"], Value::Null);
    }

    /// Only who may publish does: neither a new image nor a change makes one public, however it is written.
    async fn sec_8_nobody_publishes_unasked(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        alice.create(image().raw().public()).await.expect(403);
        let id = alice.created(image().raw()).await;
        for operation in ["add", "replace"] {
            let patch = json!([{"op": operation, "path": "/visibility", "value": "public"}]);
            alice.update(&id, patch).await.expect_for(403, operation);
            let patch = json!([{operation: "/visibility", "value": "public"}]);
            alice.update_as("application/openstack-images-v2.0-json-patch", &id, patch).await.expect_for(403, operation);
        }
        assert_eq!(alice.show(&id).await.expect(200).json()["visibility"], "shared");
        assert_eq!(app.as_member("bob").list("visibility=public").await.expect(200).json()["images"], json!([]));
    }

    /// An id is never used twice, by anybody, even after its image is deleted; case makes another id.
    async fn sec_26_ids_are_used_once(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().private()).await;
        let again = || image().id(&id).named("second");
        alice.create(again()).await.expect(409);
        app.as_member("bob").create(again()).await.expect(409);
        alice.remove(&id).await.expect(204);
        alice.create(again()).await.expect(409);
        app.as_admin().create(again()).await.expect(409);
        alice.show(&id).await.expect(404);
        let lower = "abcdef00-0000-4000-8000-00000000000a";
        alice.create(image().id(lower)).await.expect(201);
        alice.create(image().id(&lower.to_uppercase())).await.expect(201);
        assert_eq!(alice.show(&lower.to_uppercase()).await.json()["id"], lower.to_uppercase());
    }

    /// Of many who ask for one id at once, one gets it.
    async fn one_of_many_gets_an_id(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = fresh_id();
        let answers = futures::future::join_all(
            (0..8).map(|_| std::future::IntoFuture::into_future(alice.create(image().id(&id)))),
        );
        let mut codes: Vec<u16> = answers.await.iter().map(|answer| answer.status).collect();
        codes.sort_unstable();
        assert_eq!(codes, [201, 409, 409, 409, 409, 409, 409, 409]);
    }

    /// Tags and properties are counted, tags before duplicates are removed.
    async fn quotas_hold(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let many = |count: usize| (0..count).map(|n| format!("k{n}"));
        let tags = |count| image().with("tags", many(count).collect::<Vec<_>>());
        let properties = |count| many(count).fold(image(), |image, name| image.with(&name, "v"));
        alice.create(tags(128)).await.expect(201);
        alice.create(tags(129)).await.expect(413);
        alice.create(image().tags(&["x"; 129])).await.expect(413);
        alice.create(properties(128)).await.expect(201);
        alice.create(properties(129)).await.expect(413);
        let unlimited = database.app_with(|options| {
            options.image.image_tag_quota = -1;
            options.image.image_property_quota = 0;
        });
        let alice = unlimited.as_member("alice");
        alice.create(tags(300)).await.expect(201);
        alice.create(properties(1)).await.expect(413);
    }

    /// Neither the content type nor the query string of the request matters, and a chunked body is a body.
    async fn only_the_body_matters(database: Database) {
        let app = database.app_with(|options| {
            options.image.enabled_import_methods = vec!["glance-direct".to_owned(), "web-download".to_owned()];
        });
        let alice = app.as_member("alice");
        for content_type in ["text/plain", "application/json; charset=latin-1", "application/octet-stream"] {
            let request = alice.post("/v2/images?name=other&limit=-1").header("content-type", content_type);
            let answer = request.body("{\"name\": \"a\"}").await.expect(201);
            assert_eq!(answer.json()["name"], "a");
            assert_eq!(answer.header("openstack-image-import-methods"), "glance-direct,web-download");
        }
        let chunks = ["{\"na", "me\": ", "\"b\"}"].map(Ok::<_, std::io::Error>);
        let body = reqwest::Body::wrap_stream(futures::stream::iter(chunks));
        assert_eq!(alice.post("/v2/images").body(body).await.expect(201).json()["name"], "b");
    }
}

/// Fields with values that the schema of images refuses.
fn not_of_the_schema() -> Vec<(String, Value)> {
    let long = "x".repeat(TEXT_CHARS_MAX + 1);
    [
        ("name", json!(1)),
        ("name", json!(["a"])),
        ("name", json!(long.as_str())),
        ("name", json!("\u{1f600}")),
        ("name", json!("a\0b")),
        ("visibility", json!("everybody")),
        ("visibility", Value::Null),
        ("protected", json!("true")),
        ("protected", json!(1)),
        ("protected", Value::Null),
        ("os_hidden", json!("yes")),
        ("owner", json!(5)),
        ("min_disk", json!(true)),
        ("min_disk", json!("1")),
        ("min_disk", json!(1.5)),
        ("min_disk", json!(-1)),
        ("min_ram", json!(2_147_483_648_u64)),
        ("min_ram", json!(1e300)),
        ("min_ram", json!(u64::MAX)),
        ("min_ram", Value::Null),
        ("tags", json!("a")),
        ("tags", json!([1])),
        ("tags", json!([long.as_str()])),
        ("tags", json!(["\u{1f600}"])),
        ("tags", Value::Null),
        ("id", json!("abc")),
        ("id", json!("6d2d6b5e-0d22-4b9a-9d1a-3a0a2b1e4c9dx")),
        ("id", json!("6d2d6b5e-0d22-4b9a-9d1a-3a0a2b1e4c9d\n")),
        ("id", json!("6d2d6b5e00d22-4b9a-9d1a-3a0a2b1e4c9d")),
        ("id", Value::Null),
        ("disk_format", json!("gpt")),
        ("disk_format", json!("")),
        ("disk_format", json!("QCOW2")),
        ("container_format", json!("box")),
        ("size", json!("x")),
        ("status", json!("sleeping")),
        ("locations", json!("nowhere")),
        ("locations", json!([{"url": "http://127.0.0.1/"}])),
        ("property", json!(1)),
        ("property", json!(true)),
        ("property", json!(["a"])),
        ("property", json!({"a": "b"})),
        ("property", Value::Null),
        ("property", json!("\u{10000}")),
        ("kernel_id", json!("no uuid")),
        ("cinder_encryption_key_deletion_policy", json!("sometimes")),
        ("\u{1f600}", json!("a")),
        ("deleted", json!(true)),
        (&*long, json!("a")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Fields that no client may write, or not with this value.
fn read_only() -> Vec<(String, Value)> {
    [
        ("direct_url", json!("a")),
        ("self", json!(1)),
        ("file", json!("a")),
        ("schema", Value::Null),
        ("stores", json!("a")),
        ("created_at", json!("2020-01-01T00:00:00Z")),
        ("updated_at", json!("2020-01-01T00:00:00Z")),
        ("status", json!("active")),
        ("checksum", json!("a")),
        ("size", json!(1)),
        ("virtual_size", json!(1)),
        ("os_hash_algo", json!("md5")),
        ("os_hash_value", json!("a")),
        ("locations", json!([])),
        ("location", json!("a")),
        ("deleted", json!("a")),
        ("deleted_at", json!("a")),
        ("os_glance", json!("a")),
        ("os_glancefoo", json!("a")),
        ("os_glance_import_task", json!("a")),
        ("owner", json!("bob")),
        ("owner", json!("")),
        ("owner", Value::Null),
        ("visibility", json!("public")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

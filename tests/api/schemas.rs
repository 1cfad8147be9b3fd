//! `/v2/schemas/…`

use serde_json::{Value, json};

use crate::support::*;

const IMAGE: [&str; 25] = [
    "id",
    "name",
    "status",
    "visibility",
    "protected",
    "os_hidden",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "owner",
    "size",
    "virtual_size",
    "container_format",
    "disk_format",
    "created_at",
    "updated_at",
    "tags",
    "direct_url",
    "min_ram",
    "min_disk",
    "self",
    "file",
    "stores",
    "schema",
    "locations",
];
const DECLARED: [&str; 9] = [
    "kernel_id",
    "ramdisk_id",
    "instance_uuid",
    "architecture",
    "os_distro",
    "os_version",
    "description",
    "cinder_encryption_key_id",
    "cinder_encryption_key_deletion_policy",
];

on_each_database! {
    /// The image schema has Glance's members and properties, and the declared ones after them.
    async fn the_image_schema(database: Database) {
        let app = database.app_with(|options| {
            options.image.disk_formats = vec!["raw".to_owned(), "gpt".to_owned()];
        });
        let anyone = app.as_role("alice", &[]);
        let answer = anyone.get("/v2/schemas/image").await.expect(200);
        assert_eq!(answer.header("content-type"), "application/json");
        let schema = answer.json();
        assert_eq!(keys(&schema), ["name", "properties", "additionalProperties", "links"]);
        assert_eq!(schema["name"], "image");
        assert_eq!(schema["additionalProperties"], json!({"type": "string"}));
        let properties = &schema["properties"];
        assert_eq!(keys(properties)[..25], IMAGE);
        let mut declared = keys(properties)[25..].to_vec();
        declared.sort_unstable();
        let mut expected = DECLARED;
        expected.sort_unstable();
        assert_eq!(declared, expected);
        for name in IMAGE {
            assert_eq!(properties[name].get("is_base"), None, "{name}");
            assert!(properties[name]["description"].is_string(), "{name}");
        }
        for name in DECLARED {
            assert_eq!(properties[name]["is_base"], false, "{name}");
        }
        for (name, keyword, value) in [
            ("name", "type", json!(["null", "string"])),
            ("name", "maxLength", json!(255)),
            ("status", "readOnly", json!(true)),
            ("status", "enum", json!(["queued", "saving", "active", "killed", "deleted", "uploading", "importing",
                "pending_delete", "deactivated"])),
            ("visibility", "enum", json!(["community", "public", "private", "shared"])),
            ("disk_format", "enum", json!([null, "raw", "gpt"])),
            ("container_format", "enum", json!([null, "ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"])),
            ("tags", "items", json!({"type": "string", "maxLength": 255})),
            ("min_disk", "type", json!("integer")),
            ("size", "type", json!(["null", "integer"])),
            ("kernel_id", "type", json!(["null", "string"])),
            ("cinder_encryption_key_deletion_policy", "enum", json!(["on_image_deletion", "do_not_delete"])),
        ] {
            assert_eq!(properties[name][keyword], value, "{name} {keyword}");
        }
        let location = &properties["locations"]["items"];
        assert_eq!(location["required"], json!(["url", "metadata"]));
        assert_eq!(keys(&location["properties"]), ["url", "metadata", "validation_data"]);
        let links = json!([
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ]);
        assert_eq!(schema["links"], links);
        // What the schema says holds.
        let alice = app.as_member("alice");
        alice.create(image().with("disk_format", "gpt")).await.expect(201);
        alice.create(image().with("disk_format", "qcow2")).await.expect(400);
    }

    /// Collections wrap the item's schema; members have the minimal kind.
    async fn the_other_schemas(database: Database) {
        let app = database.app();
        let alice = app.as_reader("alice");
        let get = async |name: &str| alice.get(&format!("/v2/schemas/{name}")).await.expect(200).json();
        let images = get("images").await;
        assert_eq!(keys(&images), ["name", "properties", "links"]);
        assert_eq!(images["name"], "images");
        assert_eq!(keys(&images["properties"]), ["images", "first", "next", "schema"]);
        assert_eq!(images["properties"]["images"], json!({"type": "array", "items": get("image").await}));
        let rels: Vec<&Value> = images["links"].as_array().unwrap().iter().map(|link| &link["rel"]).collect();
        assert_eq!(rels, ["first", "next", "describedby"]);
        let member = get("member").await;
        assert_eq!(keys(&member), ["name", "properties"]);
        let names = ["member_id", "image_id", "created_at", "updated_at", "status", "schema"];
        assert_eq!(keys(&member["properties"]), names);
        assert_eq!(member["properties"]["status"]["enum"], json!(["pending", "accepted", "rejected"]));
        let members = get("members").await;
        assert_eq!(keys(&members["properties"]), ["members", "schema"]);
        assert_eq!(members["properties"]["members"]["items"], member);
        assert_eq!(members["links"], json!([{"rel": "describedby", "href": "{schema}"}]));
    }

    /// Other names, methods, bodies and callers.
    async fn bad_requests(database: Database) {
        let app = database.app();
        let alice = app.as_reader("alice");
        for name in ["image", "images", "member", "members"] {
            let path = format!("/v2/schemas/{name}");
            app.as_nobody().get(&path).await.expect(401);
            app.as_system().get(&path).await.expect(200);
            alice.get(&path).body("{}").await.expect(400);
            for method in ["POST", "PUT", "PATCH", "DELETE", "HEAD"] {
                assert_eq!(alice.request(method, &path).await.expect(405).header("allow"), "GET");
            }
        }
        for name in ["nothing", "Image", "image/", "", "image%20"] {
            alice.get(&format!("/v2/schemas/{name}")).await.expect_for(404, name);
        }
    }

    /// The operator's declarations take the place of the shipped ones; what they require is required on create, and
    /// does not stand in the way of changing something else.
    async fn own_declarations(database: Database) {
        let flat = json!({"colour": {"type": "string", "enum": ["red", "blue"]}});
        let extended = json!({"properties": flat, "required": ["colour"]});
        for (declarations, required) in [(flat, false), (extended, true)] {
            let app = database.app_with(|options| options.declarations = Some(declarations));
            let alice = app.as_member("alice");
            let schema = alice.get("/v2/schemas/image").await.expect(200).json();
            assert_eq!(keys(&schema["properties"])[25..], ["colour"]);
            assert_eq!(schema["properties"]["colour"]["is_base"], false);
            assert_eq!(schema.get("required"), required.then(|| json!(["colour"])).as_ref());
            let items = &alice.get("/v2/schemas/images").await.json()["properties"]["images"]["items"];
            assert_eq!(*items, schema);
            let id = alice.created(image().with("colour", "red").with("os_distro", "any")).await;
            alice.create(image().with("colour", "green")).await.expect(400);
            alice.create(image()).await.expect(if required { 400 } else { 201 });
            let replace = |path: &str, value: &str| json!([{"op": "replace", "path": path, "value": value}]);
            alice.update(&id, replace("/name", "new")).await.expect(200);
            alice.update(&id, replace("/colour", "blue")).await.expect(200);
            alice.update(&id, replace("/colour", "green")).await.expect(400);
            alice.update(&id, json!([{"op": "add", "path": "/kernel_id", "value": "any text"}])).await.expect(200);
        }
    }
}

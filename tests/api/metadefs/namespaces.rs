//! Creating, showing, changing and deleting namespaces.

use std::future::IntoFuture;

use serde_json::json;

use super::{NS, created, definition, full};
use crate::support::*;

on_each_database! {
    /// A namespace is made whole, echoed as it was sent, and shown with what the database adds.
    async fn create_and_show(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        let sent = json!({
            "tags": [{"name": "t2"}, {"name": "t1"}],
            "objects": [{"name": "o2", "required": ["a,b"], "description": "x",
                         "properties": {"q": {"type": "boolean", "title": "q", "default": true}}}, {"name": "o1"}],
            "properties": {"z": {"title": "T", "type": "integer", "default": 8, "maximum": 5.5}, "p": definition()},
            "resource_type_associations": [{"name": "X::Y", "prefix": "x_", "properties_target": "image"}],
            "description": "d", "display_name": "D", "visibility": "public", "namespace": "a b:é",
        });
        let answer = admin.post(NS).json(&sent).await.expect(201);
        assert!(answer.header("location").ends_with("/v2/metadefs/namespaces/a%20b:%C3%A9"), "{answer:?}");
        let echo = answer.json();
        assert_eq!(keys(&echo), [
            "namespace", "display_name", "description", "visibility", "protected", "owner", "created_at",
            "updated_at", "resource_type_associations", "properties", "objects", "tags", "self", "schema",
        ]);
        assert_eq!(echo["owner"], "admin-project");
        assert_eq!(echo["objects"][1], json!({"name": "o1"}));
        assert_eq!(echo["properties"]["z"], json!({"type": "integer", "title": "T", "default": "8", "maximum": 5}));
        assert_eq!(echo["tags"], sent["tags"]);
        assert_eq!(echo["resource_type_associations"], sent["resource_type_associations"]);
        let shown = app.as_reader("beta").get(&format!("{NS}/a%20b:%C3%A9")).await.expect(200).json();
        assert_eq!(keys(&shown["properties"]), ["p", "z"]);
        assert_eq!(shown["objects"][0]["required"], json!([]));
        assert_eq!(keys(&shown["objects"][1]), [
            "name", "required", "description", "properties", "created_at", "updated_at", "self", "schema",
        ]);
        assert_eq!(shown["objects"][1]["required"], json!(["a,b"]), "a comma splits nothing");
        assert_eq!(shown["objects"][1]["properties"]["q"]["default"], "True");
        assert_eq!(shown["tags"], json!([{"name": "t1"}, {"name": "t2"}]));
        assert!(shown["resource_type_associations"][0]["created_at"].is_string());
    }

    /// With a resource type, its prefix stands before every property's name; without a prefix nothing changes.
    async fn show_with_prefix(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        created(&admin, full("N", "public", "alpha")).await;
        admin.post(&format!("{NS}/N/resource_types")).json(&json!({"name": "Bare"})).await.expect(201);
        let plain = admin.get(&format!("{NS}/N")).await.json();
        for query in ["resource_type=Bare", "resource_type=None", "resource_type=", "foo=1"] {
            assert_eq!(admin.get(&format!("{NS}/N?{query}")).await.expect(200).json(), plain, "{query}");
        }
        let prefixed = admin.get(&format!("{NS}/N?resource_type=A::A")).await.expect(200).json();
        assert_eq!(keys(&prefixed["properties"]), ["a_p"]);
        assert_eq!(keys(&prefixed["objects"][0]["properties"]), ["a_q"]);
        assert_eq!(prefixed["objects"][0]["required"], json!(["a_q"]));
    }

    /// Bodies that are refused leave nothing behind, neither the namespace nor its parts.
    async fn bad_bodies(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        let long = "x".repeat(81);
        for (status, more) in [
            (403, json!({"self": "x"})), (403, json!({"schema": "x"})),
            (403, json!({"created_at": "x"})), (403, json!({"updated_at": null, "foo": 1})),
            (400, json!({"namespace": 5})), (400, json!({"namespace": null})), (400, json!({"namespace": long})),
            (400, json!({"foo": 1})), (400, json!({"display_name": long})),
            (400, json!({"description": "x".repeat(501)})), (400, json!({"visibility": "shared"})),
            (400, json!({"visibility": null})), (400, json!({"protected": "true"})), (400, json!({"owner": null})),
            (400, json!({"owner": "x".repeat(256)})), (400, json!({"namespace": "N\u{1f600}"})),
            (400, json!({"description": "\u{1f600}"})), (400, json!({"namespace": "N\u{0}"})),
            (400, json!({"tags": ["a"]})), (400, json!({"tags": [{}]})), (400, json!({"tags": null})),
            (400, json!({"tags": [{"name": "a", "foo": 1}]})), (400, json!({"tags": [{"name": "\u{1f600}"}]})),
            (400, json!({"tags": [{"name": long}]})), (409, json!({"tags": [{"name": "a"}, {"name": "a"}]})),
            (400, json!({"objects": [{}]})), (400, json!({"objects": [{"name": "a", "self": "x"}]})),
            (400, json!({"objects": [{"name": long}]})),
            (409, json!({"objects": [{"name": "a"}, {"name": "a"}]})),
            (400, json!({"objects": [{"name": "a", "properties": {"p": {}}}]})),
            (400, json!({"properties": {"p": {"type": "string"}}})),
            (400, json!({"properties": {"p": {"type": "foo", "title": "t"}}})),
            (400, json!({"properties": {"p": {"type": null, "title": "t"}}})),
            (400, json!({"properties": {"p": {"type": "string", "title": "t", "foo": 1}}})),
            (400, json!({"properties": {"p": {"type": "string", "title": "t", "enum": [1]}}})),
            (400, json!({"properties": {"p": {"type": "string", "title": "t", "minLength": -1}}})),
            (400, json!({"properties": {"p": {"type": "string", "title": "t", "required": ["a"]}}})),
            (400, json!({"properties": {"p": {"type": "string", "title": "t", "items": {"x": 1}}}})),
            (400, json!({"properties": {long.as_str(): definition()}})),
            (400, json!({"resource_type_associations": [{}]})),
            (400, json!({"resource_type_associations": [{"name": "a", "foo": 1}]})),
            (400, json!({"resource_type_associations": [{"name": "a", "prefix": null}]})),
            (409, json!({"resource_type_associations": [{"name": "a"}, {"name": "a"}]})),
        ] {
            let mut body = json!({"namespace": "N"});
            for (key, value) in more.as_object().unwrap() {
                body[key] = value.clone();
            }
            admin.post(NS).json(&body).await.expect_for(status, &more);
            admin.get(&format!("{NS}/N")).await.expect_for(404, &more);
        }
        for raw in ["", "[]", "5", "null", "{", "\"x\""] {
            admin.post(NS).body(raw).await.expect_for(400, raw);
        }
        admin.post(NS).header("content-type", "text/plain").body(r#"{"namespace": "N"}"#).await.expect(201);
        admin.post(NS).json(&json!({"namespace": "N"})).await.expect(409);
        admin.get(&format!("{NS}/N")).body("{}").await.expect(400);
        admin.delete(&format!("{NS}/N")).body("{}").await.expect(400);
        assert_eq!(admin.request("PATCH", NS).await.expect(405).header("allow"), "GET, POST");
        assert_eq!(admin.post(&format!("{NS}/N")).await.expect(405).header("allow"), "GET, PUT, DELETE");
    }

    /// PUT replaces everything that it may; parts follow a renamed namespace, and a taken name changes nothing.
    async fn update(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        created(&admin, full("N", "public", "alpha")).await;
        created(&admin, json!({"namespace": "Other"})).await;
        admin.put(&format!("{NS}/N")).json(&json!({"namespace": "Other"})).await.expect(409);
        admin.put(&format!("{NS}/N")).json(&json!({})).await.expect(400);
        admin.put(&format!("{NS}/N")).json(&json!({"namespace": "N", "self": "x"})).await.expect(403);
        admin.put(&format!("{NS}/none")).json(&json!({"namespace": "none"})).await.expect(404);
        let body = json!({"namespace": "M", "description": "", "owner": "", "tags": [{"name": "ignored"}]});
        let changed = admin.put(&format!("{NS}/N")).json(&body).await.expect(200).json();
        assert_eq!(keys(&changed), [
            "namespace", "description", "visibility", "protected", "owner", "created_at", "updated_at", "self",
            "schema",
        ]);
        assert_eq!((&changed["visibility"], &changed["owner"]), (&json!("private"), &json!("admin-project")));
        admin.get(&format!("{NS}/N")).await.expect(404);
        let moved = admin.get(&format!("{NS}/M")).await.expect(200).json();
        assert_eq!(moved["tags"], json!([{"name": "t"}]));
        assert_eq!(moved["objects"][0]["self"], "/v2/metadefs/namespaces/M/objects/o");
    }

    /// Deleting takes the parts along and leaves the resource type; protection forbids it, and PUT lifts it.
    async fn delete_and_protection(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        created(&admin, full("N", "public", "alpha")).await;
        admin.put(&format!("{NS}/N")).json(&json!({"namespace": "N", "protected": true})).await.expect(200);
        for path in ["", "/objects", "/objects/o", "/properties", "/properties/p", "/tags", "/tags/t",
                     "/resource_types/A::A"] {
            admin.delete(&format!("{NS}/N{path}")).await.expect_for(403, path);
        }
        for path in ["/objects/x", "/properties/x", "/tags/x", "/resource_types/x"] {
            admin.delete(&format!("{NS}/N{path}")).await.expect_for(404, path);
        }
        admin.post(&format!("{NS}/N/tags/u")).await.expect(201);
        admin.put(&format!("{NS}/N/objects/o")).json(&json!({"name": "o"})).await.expect(200);
        let replaced = json!({"tags": [{"name": "v"}]});
        admin.post(&format!("{NS}/N/tags")).json(&replaced).await.expect(201);
        assert_eq!(admin.get(&format!("{NS}/N/tags")).await.json(), replaced);
        admin.put(&format!("{NS}/N")).json(&json!({"namespace": "N"})).await.expect(200);
        let gone = admin.delete(&format!("{NS}/N")).await.expect(204);
        assert!(gone.body.is_empty());
        admin.delete(&format!("{NS}/N")).await.expect(404);
        let types = admin.get("/v2/metadefs/resource_types").await.json();
        assert!(types["resource_types"].as_array().unwrap().iter().any(|t| t["name"] == "A::A"));
        created(&admin, json!({"namespace": "N"})).await;
        assert!(admin.get(&format!("{NS}/N")).await.json().get("tags").is_none());
    }

    /// Many at once create one namespace: one of them does, the others are told, and nothing is doubled.
    async fn at_once(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        let body = full("N", "public", "alpha");
        let calls = (0..8).map(|_| admin.post(NS).json(&body).into_future());
        let mut statuses: Vec<u16> = futures::future::join_all(calls).await.iter().map(|a| a.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
        let calls = (0..8).map(|n| {
            let name = format!("M{n}");
            let body = json!({"namespace": name, "resource_type_associations": [{"name": "Brand::New"}]});
            admin.post(NS).json(&body).into_future()
        });
        for answer in futures::future::join_all(calls).await {
            answer.expect(201);
        }
    }
}

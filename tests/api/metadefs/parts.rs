//! Objects, properties, tags and associations of namespaces.

use serde_json::{Value, json};

use super::{NS, created, definition, full, property};
use crate::support::*;

async fn with_namespace(app: &TestApp) -> Client {
    let admin = app.as_admin();
    created(&admin, full("N", "public", "alpha")).await;
    admin
}

on_each_database! {
    /// Objects: what is sent is echoed, what is absent comes to be empty, names are unique.
    async fn objects(database: Database) {
        let app = database.app();
        let admin = with_namespace(&app).await;
        let all = format!("{NS}/N/objects");
        let one = |name: &str| format!("{all}/{name}");
        let echo = admin.post(&all).json(&json!({"name": "n"})).await.expect(201);
        assert_eq!(echo.header("location"), "");
        assert_eq!(keys(&echo.json()), ["name", "created_at", "updated_at", "self", "schema"]);
        let shown = admin.get(&one("n")).await.expect(200).json();
        assert_eq!((&shown["required"], &shown["properties"]), (&json!([]), &json!({})));
        let list = admin.get(&all).await.expect(200).json();
        assert_eq!(list["schema"], "v2/schemas/metadefs/objects");
        assert_eq!((&list["objects"][0]["name"], &list["objects"][1]["name"]), (&json!("n"), &json!("o")));
        let body = json!({"name": "m", "required": ["x"], "description": "",
                          "properties": {"k": {"type": "number", "title": "t", "default": 1.5, "confidential": true}}});
        let changed = admin.put(&one("n")).json(&body).await.expect(200).json();
        assert_eq!(changed["properties"]["k"]["default"], "1.5");
        assert_eq!(changed["self"], "/v2/metadefs/namespaces/N/objects/m");
        admin.get(&one("n")).await.expect(404);
        admin.put(&one("m")).json(&json!({"name": "o"})).await.expect(409);
        admin.put(&one("m")).json(&json!({"name": "m"})).await.expect(200);
        assert_eq!(admin.get(&one("m")).await.json()["properties"], json!({}));
        admin.post(&all).json(&json!({"name": "o"})).await.expect(409);
        for (status, body) in [
            (400, json!({})), (400, json!({"name": null})), (400, json!({"name": "x".repeat(81)})),
            (400, json!({"name": "a", "foo": 1})), (403, json!({"name": "a", "self": "x"})),
            (403, json!({"name": "a", "schema": "x"})), (403, json!({"name": "a", "created_at": "x"})),
            (400, json!({"name": "a", "required": ["a", "a"]})), (400, json!({"name": "a", "required": "a"})),
            (400, json!({"name": "a", "description": null})), (400, json!({"name": "a", "properties": []})),
            (400, json!({"name": "a", "properties": {"p": {}}})), (400, json!({"name": "\u{1f600}"})),
            (400, json!({"name": "a", "properties": {"p": property(&json!({"foo": 1}))}})),
            (400, json!({"name": "a", "properties": {"p": property(&json!({"confidential": true}))}})),
            (400, json!({"name": "a", "properties": {"p": property(&json!({"enum": [1]}))}})),
            (400, json!({"name": "a", "properties": {"p": property(&json!({"required": []}))}})),
            (400, json!([])),
        ] {
            admin.post(&all).json(&body).await.expect_for(status, &body);
            admin.get(&one("a")).await.expect_for(404, &body);
        }
        admin.put(&one("m")).json(&json!({"name": "m", "properties": {"p": property(&json!({"foo": 1}))}})).await.expect(400);
        admin.put(&one("none")).json(&json!({"name": "x"})).await.expect(404);
        admin.get(&one("m")).body("{}").await.expect(400);
        admin.delete(&one("m")).await.expect(204);
        admin.delete(&one("m")).await.expect(404);
        admin.delete(&all).await.expect(204);
        assert_eq!(admin.get(&all).await.json()["objects"], json!([]));
        assert_eq!(admin.put(&all).await.expect(405).header("allow"), "GET, POST, DELETE");
        assert_eq!(admin.post(&one("m")).await.expect(405).header("allow"), "GET, PUT, DELETE");
    }

    /// Properties: one form in, one form out, names unique, prefixes of resource types.
    async fn properties(database: Database) {
        let app = database.app();
        let admin = with_namespace(&app).await;
        let all = format!("{NS}/N/properties");
        let one = |name: &str| format!("{all}/{name}");
        let sent = property(&json!({"uniqueItems": false, "maxItems": 2.0, "minimum": -1.5, "default": false,
                                    "items": {"type": "string", "enum": ["x"]}, "operators": ["<in>"], "enum": []}));
        let echo = admin.post(&all).json(&sent).await.expect(201).json();
        assert_eq!(echo.to_string(), concat!(
            r#"{"name":"a","type":"string","title":"t","operators":["<in>"],"default":"False","minimum":-1,"#,
            r#""enum":[],"items":{"type":"string","enum":["x"]},"uniqueItems":false,"maxItems":2}"#
        ));
        assert_eq!(admin.get(&one("a")).await.expect(200).json(), echo);
        assert_eq!(admin.get(&all).await.json(), json!({"properties": {"a": echo, "p": definition()}}));
        for (status, more) in [
            (400, json!({"name": null})), (400, json!({"type": null})), (400, json!({"type": "foo"})),
            (400, json!({"title": null})), (400, json!({"name": "x".repeat(81)})), (400, json!({"foo": 1})),
            (409, json!({"name": "p"})), (403, json!({"created_at": "x"})), (403, json!({"updated_at": "x"})),
            (400, json!({"self": "x"})), (400, json!({"confidential": true})), (400, json!({"required": []})),
            (400, json!({"required": ["a"]})), (400, json!({"enum": [1]})), (400, json!({"minimum": true})),
            (400, json!({"minLength": -1})), (400, json!({"items": {}})), (400, json!({"items": null})),
            (400, json!({"items": {"enum": ["a"]}})), (400, json!({"readonly": null})),
            (400, json!({"description": "\u{1f600}"})), (400, json!({"maximum": 1e30})),
            (201, json!({"default": [1]})), (201, json!({"default": "é"})), (201, json!({"pattern": "["})),
            (201, json!({"enum": ["\u{1f600}"]})),
        ] {
            admin.delete(&one("a")).await;
            admin.post(&all).json(&property(&more)).await.expect_for(status, &more);
        }
        admin.put(&one("a")).json(&property(&json!({"name": "p"}))).await.expect(409);
        admin.put(&one("a")).json(&json!({"name": "a"})).await.expect(400);
        admin.put(&one("none")).json(&property(&json!({}))).await.expect(404);
        let changed = admin.put(&one("a")).json(&property(&json!({"name": "b", "type": "integer"}))).await;
        assert_eq!(changed.expect(200).json(), json!({"name": "b", "type": "integer", "title": "t"}));
        admin.get(&one("a")).await.expect(404);
        admin.delete(&one("b")).await.expect(204);
        for (status, path) in [
            (200, "a_p?resource_type=A::A"), (404, "p?resource_type=A::A"), (404, "a_p?resource_type=none"),
            (200, "p?resource_type="), (200, "p?foo=x"), (404, "a_p"), (404, "none?resource_type=A::A"),
        ] {
            let answer = admin.get(&one(path)).await.expect_for(status, path);
            if status == 200 {
                assert_eq!(answer.json()["name"], "p", "{path}");
            }
        }
        admin.post(&format!("{NS}/N/resource_types")).json(&json!({"name": "Bare"})).await.expect(201);
        admin.get(&one("p?resource_type=Bare")).await.expect(404);
        admin.delete(&all).await.expect(204);
        assert_eq!(admin.get(&all).await.json(), json!({"properties": {}}));
    }

    /// Tags one by one: made from the path, renamed, unique with regard to case.
    async fn tags(database: Database) {
        let app = database.app();
        let admin = with_namespace(&app).await;
        let one = |name: &str| format!("{NS}/N/tags/{name}");
        for name in ["a%20b", "%C3%A9", "T", "blank", "blank%20"] {
            let made = admin.post(&one(name)).await.expect_for(201, name).json();
            assert_eq!(keys(&made), ["name", "created_at", "updated_at"]);
            assert_eq!(admin.get(&one(name)).await.expect(200).json(), made);
        }
        for (status, name) in [(409, "t".to_owned()), (400, "x".repeat(81)), (400, "%F0%9F%98%80".to_owned())] {
            admin.post(&one(&name)).await.expect_for(status, name);
        }
        admin.post(&one("z")).json(&json!({"a": 1})).await.expect(400);
        admin.delete(&one("t")).body("x").await.expect(400);
        for (status, body) in [
            (400, json!({})), (409, json!({"name": "T"})), (400, json!({"name": "x".repeat(81)})),
            (400, json!({"name": null})), (403, json!({"name": "t", "created_at": "x"})),
            (400, json!({"name": "t", "foo": 1})), (400, json!({"name": "\u{1f600}"})), (200, json!({"name": "t"})),
            (200, json!({"name": "u"})), (404, json!({"name": "v"})),
        ] {
            admin.put(&one("t")).json(&body).await.expect_for(status, &body);
        }
        admin.delete(&one("u")).await.expect(204);
        admin.delete(&one("u")).await.expect(404);
        admin.get(&one("u")).await.expect(404);
    }

    /// Tags in bulk: replaced or appended, all or none.
    async fn bulk_tags(database: Database) {
        let app = database.app();
        let admin = with_namespace(&app).await;
        let all = format!("{NS}/N/tags");
        let tags = |names: &[&str]| -> Value {
            json!({"tags": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()})
        };
        let put = |names: &[&str], append: &str| {
            admin.post(&all).header("X-OpenStack-Append", append).json(&tags(names))
        };
        assert_eq!(put(&["b", "a"], "false").await.expect(201).json(), tags(&["b", "a"]));
        assert_eq!(admin.get(&all).await.json(), tags(&["a", "b"]));
        for (n, yes) in ["true", "TRUE", "1", "t", "y", "yes", "on"].iter().enumerate() {
            put(&[&format!("k{n}")], yes).await.expect(201);
        }
        assert_eq!(admin.get(&all).await.json()["tags"].as_array().unwrap().len(), 9);
        let before = admin.get(&all).await.json();
        put(&["new", "a"], "true").await.expect(409);
        put(&["c", "c"], "false").await.expect(409);
        put(&[], "false").await.expect(201);
        for (status, body) in [
            (400, json!({})), (400, json!({"tags": [{}]})), (400, json!({"tags": ["a"]})), (400, json!({"tags": {}})),
            (400, json!({"tags": [{"name": "a", "foo": 1}]})), (400, json!({"tags": [{"name": null}]})),
            (400, json!({"foo": 1, "tags": []})), (403, json!({"created_at": 1, "tags": []})),
            (400, json!({"tags": [{"name": "x".repeat(81)}]})), (400, json!([])),
        ] {
            admin.post(&all).json(&body).await.expect_for(status, &body);
        }
        assert_eq!(admin.get(&all).await.json(), before, "what was refused changed nothing");
        put(&["\u{1f600}"], "foo").await.expect(201);
        assert_eq!(admin.get(&all).await.json(), tags(&["\u{1f600}"]));
        admin.delete(&all).await.expect(204);
        assert_eq!(admin.get(&all).await.json(), tags(&[]));
    }

    /// Associations make the resource types that they name, once, and leave them behind.
    async fn associations(database: Database) {
        let app = database.app();
        let admin = with_namespace(&app).await;
        let all = format!("{NS}/N/resource_types");
        let made = admin.post(&all).json(&json!({"name": "New", "prefix": "", "properties_target": "x"})).await;
        assert_eq!(keys(&made.expect(201).json()), ["name", "prefix", "properties_target", "created_at", "updated_at"]);
        for (status, body) in [
            (409, json!({"name": "New"})), (400, json!({})), (400, json!({"name": "x".repeat(81)})),
            (400, json!({"name": "B", "prefix": "x".repeat(81)})), (400, json!({"name": "B", "prefix": null})),
            (400, json!({"name": "B", "foo": 1})), (403, json!({"name": "B", "created_at": "x"})),
        ] {
            admin.post(&all).json(&body).await.expect_for(status, &body);
        }
        let list = admin.get(&all).await.expect(200).json();
        assert_eq!(list["resource_type_associations"].as_array().unwrap().len(), 2);
        admin.delete(&format!("{all}/A%3A%3AA")).await.expect(204);
        admin.delete(&format!("{all}/A::A")).await.expect(404);
        assert_eq!(admin.get(&format!("{all}/New")).await.expect(405).header("allow"), "DELETE");
        let types = admin.get("/v2/metadefs/resource_types").await.expect(200).json();
        let names: Vec<&str> = types["resource_types"].as_array().unwrap().iter()
            .filter_map(|t| t["name"].as_str()).filter(|n| ["A::A", "New"].contains(n)).collect();
        assert_eq!(names, ["A::A", "New"]);
        assert_eq!(admin.post("/v2/metadefs/resource_types").await.expect(405).header("allow"), "GET");
        admin.get("/v2/metadefs/resource_types").body("x").await.expect(400);
    }
}

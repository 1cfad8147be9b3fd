//! Who may do what: every call by every role, on namespaces that are their own, another's, public and private.

use serde_json::{Value, json};

use super::{NS, created, full, property};
use crate::support::*;

/// Method, path below a namespace, body, and the status for an admin.
fn calls() -> Vec<(&'static str, &'static str, Value, u16)> {
    vec![
        ("GET", "", json!(null), 200),
        ("GET", "/objects", json!(null), 200),
        ("GET", "/objects/o", json!(null), 200),
        ("GET", "/properties", json!(null), 200),
        ("GET", "/properties/p", json!(null), 200),
        ("GET", "/properties/a_p?resource_type=A::A", json!(null), 200),
        ("GET", "/tags", json!(null), 200),
        ("GET", "/tags/t", json!(null), 200),
        ("GET", "/resource_types", json!(null), 200),
        ("POST", "/objects", json!({"name": "o2"}), 201),
        ("PUT", "/objects/o2", json!({"name": "o2"}), 200),
        ("DELETE", "/objects/o2", json!(null), 204),
        ("POST", "/properties", property(&json!({"name": "p2"})), 201),
        ("PUT", "/properties/p2", property(&json!({"name": "p2"})), 200),
        ("DELETE", "/properties/p2", json!(null), 204),
        ("POST", "/tags/t2", json!(null), 201),
        ("PUT", "/tags/t2", json!({"name": "t2"}), 200),
        ("DELETE", "/tags/t2", json!(null), 204),
        ("POST", "/tags", json!({"tags": [{"name": "t3"}]}), 201),
        ("POST", "/resource_types", json!({"name": "R2"}), 201),
        ("DELETE", "/resource_types/R2", json!(null), 204),
        ("DELETE", "/objects", json!(null), 204),
        ("DELETE", "/properties", json!(null), 204),
        ("DELETE", "/tags", json!(null), 204),
        ("PUT", "", json!({"namespace": "N"}), 200),
        ("DELETE", "", json!(null), 204),
    ]
}

/// Below a namespace of project alpha.
fn expected(role: &str, visibility: &str, is_read: bool, for_admin: u16) -> u16 {
    let sees = match role {
        "admin" => return for_admin,
        "manager" | "member" | "reader" => true,
        "omember" | "oreader" => visibility == "public",
        _ => false,
    };
    match (sees, is_read) {
        (false, _) => 404,
        (true, true) => 200,
        (true, false) => 403,
    }
}

on_each_database! {
    /// The role matrix of metadata definitions, but for protection.
    async fn roles(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        // The admin comes last: its calls change what the others only try.
        let callers = [
            ("manager", app.as_role("alpha", &["manager", "member", "reader"])),
            ("member", app.as_member("alpha")),
            ("reader", app.as_reader("alpha")),
            ("omember", app.as_member("beta")),
            ("oreader", app.as_reader("beta")),
            ("service", app.as_service()),
            ("norole", app.as_role("alpha", &["unrelated"])),
            ("sysadmin", app.as_system()),
            ("admin", app.as_admin()),
        ];
        for visibility in ["private", "public"] {
            created(&admin, full("N", visibility, "alpha")).await;
            for (role, caller) in &callers {
                for (method, path, body, for_admin) in calls() {
                    let mut request = caller.request(method, &format!("{NS}/N{path}"));
                    if !body.is_null() {
                        request = request.json(&body);
                    }
                    let status = expected(role, visibility, method == "GET", for_admin);
                    request.await.expect_for(status, (role, visibility));
                }
            }
        }
        for (role, caller) in &callers {
            let sees = !matches!(*role, "service" | "norole" | "sysadmin");
            let status = if sees { 200 } else { 404 };
            caller.get(NS).await.expect_for(status, role);
            caller.get("/v2/metadefs/resource_types").await.expect_for(status, role);
            let status = if *role == "admin" { 201 } else if sees { 403 } else { 404 };
            caller.post(NS).json(&json!({"namespace": "N"})).await.expect_for(status, role);
            caller.post(NS).json(&json!({})).await.expect_for(400, role);
            caller.get("/v2/schemas/metadefs/namespace").await.expect_for(200, role);
        }
        for path in [NS, "/v2/metadefs/resource_types", "/v2/schemas/metadefs/tag"] {
            app.as_nobody().get(path).await.expect_for(401, path);
        }
    }

    /// A namespace that is hidden is absent for every call, whatever of it is asked for.
    async fn hidden_is_absent(database: Database) {
        let app = database.app();
        created(&app.as_admin(), full("N", "private", "alpha")).await;
        let stranger = app.as_member("beta");
        for (method, path, body, _) in calls() {
            for name in ["N", "none"] {
                let mut request = stranger.request(method, &format!("{NS}/{name}{path}"));
                if !body.is_null() {
                    request = request.json(&body);
                }
                request.await.expect_for(404, (method, path, name));
            }
        }
    }

    /// Schemas: each is served to whoever has a token, by GET alone.
    async fn schemas(database: Database) {
        let app = database.app();
        let reader = app.as_reader("alpha");
        for (name, title) in [
            ("namespace", "namespace"), ("namespaces", "namespaces"), ("object", "object"), ("objects", "objects"),
            ("property", "property"), ("properties", "properties"), ("tag", "tag"), ("tags", "tags"),
            ("resource_type", "resource_type_association"), ("resource_types", "resource_type_associations"),
        ] {
            let path = format!("/v2/schemas/metadefs/{name}");
            assert_eq!(reader.get(&path).await.expect(200).json()["name"], title);
            assert_eq!(reader.put(&path).await.expect(405).header("allow"), "GET");
            reader.get(&path).body("x").await.expect(400);
        }
        reader.get("/v2/schemas/metadefs/nothing").await.expect(404);
        reader.get("/v2/schemas/metadefs").await.expect(404);
        reader.get("/v2/metadefs").await.expect(404);
    }
}

//! The walk through imports and tasks.

use serde_json::json;

use super::walk::{Body, Walk};
use crate::support::{Client, OCTETS, bytes, eventually};

const STAGED: &str = "00000000-0000-4000-8000-000000000011";
const BARE: &str = "00000000-0000-4000-8000-000000000012";

async fn imports(walk: &Walk, admin: &Client, owner: &Client) {
    let new = json!({"id": STAGED, "disk_format": "raw", "container_format": "bare"});
    walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
    walk.ask(admin, "POST /v2/images", Body::Json(json!({"id": BARE})), 201).await;
    walk.ask(owner, "GET /v2/info/import", Body::None, 200).await;
    let direct = json!({"method": {"name": "glance-direct"}});
    let stage = format!("PUT /v2/images/{STAGED}/stage");
    let import = format!("POST /v2/images/{STAGED}/import");
    walk.ask(owner, &import, Body::Json(direct.clone()), 409).await;
    walk.ask(owner, &stage, Body::Of("text/plain", bytes(5)), 415).await;
    let size = ("x-openstack-image-size", "6");
    walk.ask_with(owner, &stage, Body::Of(OCTETS, bytes(5)), &[size], 400).await;
    walk.ask(owner, &stage, Body::Of(OCTETS, bytes(5)), 204).await;
    walk.ask(owner, &stage, Body::Of(OCTETS, bytes(5)), 409).await;
    walk.ask(owner, &format!("PUT /v2/images/{BARE}/stage"), Body::Of(OCTETS, bytes(5)), 404).await;
    for (body, status) in [
        (json!([]), 400),
        (json!({"method": {"name": "floppy"}}), 400),
        (json!({"method": {"name": "web-download", "uri": "ftp://example.org/x"}}), 409),
        (direct.clone(), 202),
    ] {
        walk.ask(owner, &import, Body::Json(body), status).await;
    }
    walk.ask(owner, &format!("POST /v2/images/{BARE}/import"), Body::Json(direct.clone()), 404).await;
    walk.ask(admin, &format!("POST /v2/images/{BARE}/import"), Body::Json(direct), 409).await;
    eventually("active", async || {
        let image = owner.show(STAGED).await.expect(200).json();
        if image["status"] == "active" { Ok(()) } else { Err(image) }
    })
    .await;
}

/// Every kind of import and every kind of caller.
pub async fn imports_and_tasks(walk: &Walk, admin: &Client, owner: &Client) {
    imports(walk, admin, owner).await;
    let of_image = walk.ask(owner, &format!("GET /v2/images/{STAGED}/tasks"), Body::None, 200).await.json();
    walk.ask(owner, &format!("GET /v2/images/{BARE}/tasks"), Body::None, 404).await;
    let task = of_image["tasks"][0]["id"].as_str().unwrap();
    walk.ask(admin, &format!("GET /v2/tasks/{task}"), Body::None, 200).await;
    walk.ask(owner, &format!("GET /v2/tasks/{task}"), Body::None, 403).await;
    walk.ask(admin, &format!("GET /v2/tasks/{STAGED}"), Body::None, 404).await;
    walk.ask(admin, &format!("DELETE /v2/tasks/{task}"), Body::None, 405).await;
    for (query, status) in [("", 200), ("?limit=1&status=success&sort_key=type", 200), ("?marker=x", 400)] {
        walk.ask(admin, &format!("GET /v2/tasks{query}"), Body::None, status).await;
    }
    walk.ask(owner, "GET /v2/tasks", Body::None, 403).await;
    // The source is not looked at before the answer; nobody has this name.
    let input =
        json!({"import_from": "http://disk.invalid/x", "import_from_format": "raw", "image_properties": {}});
    for (client, body, status) in [
        (admin, json!({"type": "import", "input": input}), 201),
        (admin, json!({"type": "import"}), 400),
        (owner, json!({}), 403),
    ] {
        walk.ask(client, "POST /v2/tasks", Body::Json(body), status).await;
    }
}

//! The walk through stores that are added while the service runs, and through the rules of placement.

use serde_json::json;

use super::walk::{Body, Walk};
use crate::support::TestApp;

/// On a server where file stores may be added below its data folder.
pub async fn storages(walk: &Walk, app: &TestApp) {
    let (admin, owner) = (&app.as_admin(), &app.as_member("owner"));
    let folder = app.folder().join("nfs1");
    std::fs::create_dir(&folder).unwrap();
    let new = json!({"id": "nfs1", "type": "file", "options": {"datadir": folder}, "hosts": ["hv1"], "roles": ["iso"]});
    let wrong = json!({"id": "nfs1", "type": "file", "options": {"datadir": "/etc"}});
    let rules = "/ext/v1/placement-rules";
    for (client, line, body, status) in [
        (owner, "POST /ext/v1/stores", new.clone(), 403),
        (admin, "POST /ext/v1/stores", wrong, 400),
        (admin, "POST /ext/v1/stores?dry_run=true", new.clone(), 200),
        (admin, "POST /ext/v1/stores", new.clone(), 201),
        (admin, "POST /ext/v1/stores", new, 409),
        (admin, "PATCH /ext/v1/stores/nfs1", json!({"weight": 3}), 200),
        (admin, "PATCH /ext/v1/stores/nfs1?dry_run=true", json!({"read_only": true}), 200),
        (admin, "PATCH /ext/v1/stores/nfs1", json!({"weight": "3"}), 400),
        (admin, "PATCH /ext/v1/stores/none", json!({}), 404),
        (admin, "PATCH /ext/v1/stores/fast", json!({}), 409),
        (owner, "PATCH /ext/v1/stores/nfs1", json!({}), 403),
        (owner, "POST /ext/v1/placement-rules", json!({"store": "nfs1"}), 403),
        (admin, "POST /ext/v1/placement-rules", json!({"store": "none"}), 400),
        (
            admin,
            "POST /ext/v1/placement-rules",
            json!({"when": {"disk_format": "iso"}, "store": "nfs1"}),
            201,
        ),
        (admin, "POST /ext/v1/placement-rules/try", json!({"image": {"disk_format": "iso"}}), 200),
        (admin, "POST /ext/v1/placement-rules/try", json!({}), 400),
        (admin, "POST /ext/v1/placement-rules/try", json!({"image_id": "none"}), 404),
        (owner, "POST /ext/v1/placement-rules/try", json!({"image": {}}), 403),
    ] {
        walk.ask(client, line, Body::Json(body), status).await;
    }
    let listed = walk.ask(admin, &format!("GET {rules}"), Body::None, 200).await.json();
    walk.ask(owner, &format!("GET {rules}"), Body::None, 403).await;
    let rule = format!("{rules}/{}", listed["placement_rules"][0]["id"].as_str().unwrap());
    walk.ask(admin, &format!("PATCH {rule}"), Body::Json(json!({"position": 7})), 200).await;
    walk.ask(admin, &format!("PATCH {rule}"), Body::Json(json!({"position": -7})), 400).await;
    let store = "/ext/v1/stores/nfs1";
    for (client, line, status) in [
        (admin, format!("GET {rule}"), 200),
        (admin, format!("DELETE {store}"), 409),
        (owner, format!("DELETE {rule}"), 403),
        (admin, format!("DELETE {rule}"), 204),
        (admin, format!("DELETE {rule}"), 404),
        (admin, format!("GET {rule}"), 404),
        (owner, format!("DELETE {store}"), 403),
        (admin, format!("DELETE {store}?dry_run=true"), 200),
        (admin, format!("DELETE {store}"), 204),
        (admin, format!("DELETE {store}"), 404),
    ] {
        walk.ask(client, &line, Body::None, status).await;
    }
}

//! The walk through the extensions.

use serde_json::json;

use super::walk::{Body, Walk};
use crate::support::{Client, OCTETS, bytes, eventually};

const FAILED: &str = "00000000-0000-4000-8000-000000000021";
const STOPPED: &str = "00000000-0000-4000-8000-000000000022";
const USED: &str = "00000000-0000-4000-8000-000000000023";

/// The id of the one job of an image, once it is in a state.
async fn job_of(client: &Client, image: &str, state: &str) -> String {
    let path = format!("/ext/v1/jobs?image_id={image}&state={state}");
    eventually(state, async || {
        let jobs = client.get(&path).await.expect(200).json();
        jobs["jobs"][0]["id"].as_str().map(str::to_owned).ok_or(jobs)
    })
    .await
}

async fn consumers(walk: &Walk, admin: &Client, owner: &Client) {
    let new = json!({"id": USED, "disk_format": "raw", "container_format": "bare"});
    walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
    let data = Body::Of(OCTETS, bytes(5));
    walk.ask(owner, &format!("PUT /v2/images/{USED}/file"), data, 204).await;
    let path = format!("/ext/v1/images/{USED}");
    let server = format!("{path}/consumers/server/s");
    for (client, line, body, status) in [
        (admin, format!("PUT {server}"), Body::Json(json!({"project_id": "p"})), 201),
        (admin, format!("PUT {server}"), Body::None, 200),
        (owner, format!("PUT {server}"), Body::None, 403),
        (admin, format!("GET {path}/consumers?limit=1"), Body::None, 200),
        (owner, format!("GET {path}/delete-preview"), Body::None, 200),
        (admin, format!("DELETE {server}"), Body::None, 204),
        (admin, format!("DELETE {server}"), Body::None, 404),
        (owner, format!("POST {path}/retire"), Body::None, 204),
        (admin, format!("PUT {server}"), Body::None, 409),
        (owner, format!("POST {path}/unretire"), Body::None, 204),
        (admin, "PUT /ext/v1/consumers?scope=h".to_owned(), Body::Json(json!({"consumers": []})), 200),
    ] {
        walk.ask(client, &line, body, status).await;
    }
}

async fn webhooks(walk: &Walk, owner: &Client) {
    let new = json!({"url": "http://127.0.0.1:9/x", "events": ["image.delete"]});
    walk.ask(owner, "POST /ext/v1/webhooks", Body::Json(new.clone()), 201).await;
    walk.ask(owner, "POST /ext/v1/webhooks", Body::Json(json!({"url": "file:///"})), 400).await;
    walk.ask(owner, "GET /ext/v1/webhooks", Body::None, 200).await;
    let id = owner.get("/ext/v1/webhooks").await.expect(200).json()["webhooks"][0]["id"].clone();
    let path = format!("/ext/v1/webhooks/{}", id.as_str().unwrap());
    for (method, status) in [("GET", 200), ("DELETE", 204), ("GET", 404), ("DELETE", 404)] {
        walk.ask(owner, &format!("{method} {path}"), Body::None, status).await;
    }
}

/// Everything that they answer.
pub async fn extensions(walk: &Walk, admin: &Client, owner: &Client) {
    consumers(walk, admin, owner).await;
    walk.ask(owner, "GET /ext/v1", Body::None, 200).await;
    // Nobody listens at the first; the second takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silence = format!("http://{}/x", silent.local_addr().unwrap());
    for (id, uri) in [(FAILED, "http://127.0.0.1:9/x"), (STOPPED, &silence)] {
        let new = json!({"id": id, "disk_format": "raw", "container_format": "bare"});
        walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
        let body = json!({"method": {"name": "web-download", "uri": uri}});
        walk.ask(owner, &format!("POST /v2/images/{id}/import"), Body::Json(body), 202).await;
    }
    for (query, status) in [("", 200), ("?columns=id,status_text&bom=true", 200), ("?limit=1", 400)] {
        walk.ask(owner, &format!("GET /ext/v1/images.csv{query}"), Body::None, status).await;
    }
    for (query, status) in [("", 200), ("?limit=1", 200), ("?marker=x", 400)] {
        walk.ask(owner, &format!("GET /ext/v1/images/{FAILED}/events{query}"), Body::None, status).await;
    }
    for (query, status) in [("", 200), ("?limit=1", 200), ("?marker=x", 400)] {
        walk.ask(owner, &format!("GET /ext/v1/events{query}"), Body::None, status).await;
    }
    for (query, status) in [("?seconds=1", 200), ("?seconds=0", 400)] {
        walk.ask(owner, &format!("GET /ext/v1/events/stream{query}"), Body::None, status).await;
    }
    webhooks(walk, owner).await;
    let (failed, running) = (job_of(owner, FAILED, "failed").await, job_of(owner, STOPPED, "running").await);
    walk.ask(owner, "GET /ext/v1/jobs", Body::None, 200).await;
    for (id, call, status) in [
        (&failed, "GET", 200),
        (&running, "GET", 200),
        (&failed, "cancel", 409),
        (&running, "retry", 409),
        (&running, "cancel", 202),
        (&failed, "retry", 202),
    ] {
        let line = if call == "GET" {
            format!("GET /ext/v1/jobs/{id}")
        } else {
            format!("POST /ext/v1/jobs/{id}/{call}")
        };
        walk.ask(owner, &line, Body::None, status).await;
    }
    job_of(owner, STOPPED, "cancelled").await;
}

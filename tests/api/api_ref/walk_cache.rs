//! The walk through the image cache.

use serde_json::json;

use super::walk::{Body, Walk};
use crate::support::{Client, OCTETS, bytes, eventually};

const IMAGE: &str = "00000000-0000-4000-8000-000000000031";
const QUEUED: &str = "00000000-0000-4000-8000-000000000032";

/// A server with a cache and the calls of earlier releases.
pub async fn cache(walk: &Walk, admin: &Client, owner: &Client) {
    for id in [IMAGE, QUEUED] {
        let new = json!({"id": id, "disk_format": "raw", "container_format": "bare"});
        walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
    }
    walk.ask(owner, &format!("PUT /v2/images/{IMAGE}/file"), Body::Of(OCTETS, bytes(5)), 204).await;
    let entry = format!("/v2/cache/{IMAGE}");
    walk.ask(owner, &format!("PUT {entry}"), Body::None, 403).await;
    walk.ask(admin, &format!("PUT {entry}"), Body::Json(json!({})), 400).await;
    walk.ask(admin, &format!("PUT /v2/cache/{QUEUED}"), Body::None, 400).await;
    walk.ask(admin, &format!("PUT {entry}"), Body::None, 202).await;
    eventually("cached", async || {
        let state = walk.ask(admin, "GET /v2/cache", Body::None, 200).await.json();
        if state["cached_images"][0]["image_id"] == IMAGE { Ok(()) } else { Err(state) }
    })
    .await;
    walk.ask(owner, &format!("GET /v2/images/{IMAGE}/file"), Body::None, 200).await;
    walk.ask(admin, "GET /v2/cached_images", Body::None, 200).await;
    for (caller, line, status) in [
        (owner, "GET /v2/cache", 403),
        (admin, "POST /v2/cache/clean", 200),
        (owner, "POST /v2/cache/clean", 403),
        (admin, "POST /v2/cache/prune", 200),
        (owner, "POST /v2/cache/prune", 403),
        (owner, "GET /v2/cached_images", 403),
        (admin, "GET /v2/queued_images", 200),
    ] {
        walk.ask(caller, line, Body::None, status).await;
    }
    walk.ask(admin, &format!("GET /v2/cache/nodes/{IMAGE}"), Body::None, 200).await;
    walk.ask(admin, &format!("DELETE {entry}"), Body::None, 204).await;
    let target = |text| [("x-image-cache-clear-target", text)];
    walk.ask_with(admin, "DELETE /v2/cache", Body::None, &target("both"), 400).await;
    walk.ask_with(admin, "DELETE /v2/cache", Body::None, &target("queue"), 204).await;
    walk.ask(admin, &format!("PUT /v2/queued_images/{IMAGE}"), Body::None, 200).await;
    for list in ["/v2/queued_images", "/v2/cached_images"] {
        walk.ask(admin, &format!("DELETE {list}/{IMAGE}"), Body::None, 200).await;
        walk.ask(admin, &format!("DELETE {list}"), Body::None, 200).await;
    }
}

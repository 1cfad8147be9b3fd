//! The walk through several stores.

use serde_json::json;

use super::walk::{Body, Walk};
use crate::support::{Client, OCTETS, bytes, eventually};

const IMAGE: &str = "00000000-0000-4000-8000-000000000021";
const QUEUED: &str = "00000000-0000-4000-8000-000000000022";

/// Stores `fast` (the default) and `slow`, among others.
pub async fn stores(walk: &Walk, admin: &Client, owner: &Client) {
    walk.ask(owner, "GET /versions", Body::None, 200).await;
    walk.ask(owner, "GET /v2/info/stores", Body::None, 200).await;
    walk.ask(owner, "GET /v2/info/usage", Body::None, 200).await;
    walk.ask(owner, "GET /v2/info/stores/detail", Body::None, 403).await;
    walk.ask(admin, "GET /v2/info/stores/detail", Body::None, 200).await;
    for id in [IMAGE, QUEUED] {
        let new = json!({"id": id, "disk_format": "raw", "container_format": "bare"});
        walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
    }
    let upload = format!("PUT /v2/images/{IMAGE}/file");
    for (store, status) in [("none", 400), ("slow", 204)] {
        let data = Body::Of(OCTETS, bytes(5));
        walk.ask_with(owner, &upload, data, &[("x-image-meta-store", store)], status).await;
    }
    walk.ask(owner, &format!("GET /v2/images/{IMAGE}/file?prefer=slow,fast"), Body::None, 200).await;
    walk.ask(owner, &format!("GET /v2/images/{IMAGE}/file?prefer=none"), Body::None, 400).await;
    for (image, store, status) in [(IMAGE, "none", 409), (IMAGE, "slow", 403), (QUEUED, "slow", 409)] {
        walk.ask(admin, &format!("DELETE /v2/stores/{store}/{image}"), Body::None, status).await;
    }
    let copy = |store| Body::Json(json!({"method": {"name": "copy-image"}, "stores": [store]}));
    let import = format!("POST /v2/images/{IMAGE}/import");
    walk.ask(admin, &import, copy("slow"), 400).await;
    walk.ask(admin, &import, copy("none"), 409).await;
    walk.ask(owner, &import, copy("fast"), 403).await;
    walk.ask(admin, &import, copy("fast"), 202).await;
    eventually("copied", async || {
        let image = walk.ask(owner, &format!("GET /v2/images/{IMAGE}"), Body::None, 200).await.json();
        let done = image["stores"] == "fast,slow" && image.get("os_glance_import_task").is_none();
        if done { Ok(()) } else { Err(image) }
    })
    .await;
    walk.ask(owner, &format!("DELETE /v2/stores/slow/{IMAGE}"), Body::None, 403).await;
    walk.ask(admin, &format!("DELETE /v2/stores/near/{IMAGE}"), Body::None, 404).await;
    walk.ask(admin, &format!("DELETE /v2/stores/slow/{IMAGE}"), Body::None, 204).await;
}

//! The walk through uploads in parts.

use serde_json::json;

use super::walk::{Body, Walk};
use crate::support::{Client, OCTETS};

const IMAGE: &str = "00000000-0000-4000-8000-00000000002d";
const OFFSET_MEDIA: &str = "application/offset+octet-stream";

/// Everything that they answer.
pub async fn uploads(walk: &Walk, owner: &Client) {
    let new = json!({"id": IMAGE, "disk_format": "raw", "container_format": "bare"});
    walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
    let open = format!("POST /ext/v1/images/{IMAGE}/uploads");
    walk.ask(owner, &open, Body::Json(json!({"size": 0})), 400).await;
    let size = Body::Json(json!({"size": 5}));
    let first = walk.ask(owner, &open, size.clone(), 201).await.json();
    walk.ask(owner, &open, size.clone(), 409).await;
    let path = format!("/ext/v1/uploads/{}", first["upload_id"].as_str().unwrap());
    walk.ask(owner, &format!("DELETE {path}"), Body::None, 204).await;
    let second = walk.ask(owner, &open, size, 201).await.json();
    let path = format!("/ext/v1/uploads/{}", second["upload_id"].as_str().unwrap());
    let some = |text: &str| Body::Of(OFFSET_MEDIA, text.as_bytes().to_vec());
    let at = |offset: &'static str| [("upload-offset", offset)];
    walk.ask(owner, &format!("GET /ext/v1/images/{IMAGE}/uploads"), Body::None, 200).await;
    walk.ask(owner, &format!("GET {path}"), Body::None, 200).await;
    walk.ask(owner, &format!("HEAD {path}"), Body::None, 204).await;
    walk.ask(owner, &format!("POST {path}/complete"), Body::None, 409).await;
    walk.ask_with(owner, &format!("PATCH {path}"), some("h"), &at("1"), 409).await;
    walk.ask_with(owner, &format!("PATCH {path}"), some("hello!"), &at("0"), 400).await;
    walk.ask_with(owner, &format!("PATCH {path}"), Body::Of(OCTETS, vec![0]), &at("0"), 415).await;
    walk.ask_with(owner, &format!("PATCH {path}"), some("he"), &at("0"), 204).await;
    walk.ask(owner, &format!("PUT {path}/parts/1"), some("hello"), 404).await;
    walk.ask(owner, &format!("PUT {path}/parts/0"), some("hell"), 400).await;
    walk.ask(owner, &format!("PUT {path}/parts/0"), Body::Of("text/plain", vec![0]), 415).await;
    walk.ask(owner, &format!("PUT {path}/parts/0"), some("hello"), 204).await;
    walk.ask(owner, &format!("POST {path}/complete"), Body::None, 204).await;
    walk.ask(owner, &format!("GET {path}"), Body::None, 404).await;
}

/// A completion that is not waited for.
pub async fn long_completion(walk: &Walk, owner: &Client) {
    let new = json!({"id": IMAGE, "disk_format": "raw", "container_format": "bare"});
    walk.ask(owner, "POST /v2/images", Body::Json(new), 201).await;
    let open = format!("POST /ext/v1/images/{IMAGE}/uploads");
    let opened = walk.ask(owner, &open, Body::Json(json!({"size": 5})), 201).await.json();
    let path = format!("/ext/v1/uploads/{}", opened["upload_id"].as_str().unwrap());
    let part = Body::Of(OCTETS, b"hello".to_vec());
    walk.ask(owner, &format!("PUT {path}/parts/0"), part, 204).await;
    walk.ask(owner, &format!("POST {path}/complete"), Body::None, 202).await;
    owner.becomes(IMAGE, "active").await;
}

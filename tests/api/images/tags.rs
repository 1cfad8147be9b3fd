//! `PUT` and `DELETE /v2/images/{id}/tags/{tag}`

use std::future::IntoFuture;

use serde_json::json;
use vitrine::model::{image::Image, status::Status, visibility::Visibility};

use crate::support::*;

async fn tags(client: &Client, id: &str) -> Vec<String> {
    let mut tags: Vec<String> = serde_json::from_value(client.show(id).await.json()["tags"].clone()).unwrap();
    tags.sort();
    tags
}

on_each_database! {
    /// A tag is set once however often it is put, and is gone once it is deleted; case and blanks count.
    async fn put_and_delete(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        let path = |tag: &str| format!("/v2/images/{id}/tags/{tag}");
        for (encoded, _) in [("blue", 1), ("Blue", 2), ("blue", 2), ("a%20b", 3), ("a+b", 4), ("%C3%A9%E2%98%83", 5), ("%25", 6), ("a", 7), ("a%20", 8)] {
            let answer = alice.put(&path(encoded)).await.expect_for(204, encoded);
            assert!(answer.body.is_empty());
        }
        assert_eq!(tags(&alice, &id).await, ["%", "Blue", "a", "a ", "a b", "a+b", "blue", "é☃"]);
        alice.delete(&path("blue")).await.expect(204);
        alice.delete(&path("blue")).await.expect(404);
        alice.delete(&path("%C3%A9%E2%98%83")).await.expect(204);
        alice.delete(&path("a%20")).await.expect(204);
        assert_eq!(tags(&alice, &id).await, ["%", "Blue", "a", "a b", "a+b"]);
    }

    /// A character of four bytes is taken in a path, as by Glance, which refuses it in a body. Who has it may keep it, and
    /// takes it away again.
    async fn characters_of_four_bytes(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        let path = |tag: &str| format!("/v2/images/{id}/tags/{tag}");
        let replace = |tags: &[&str]| {
            alice.update(&id, json!([{"op": "replace", "path": "/tags", "value": tags}]))
        };
        replace(&["\u{1f600}"]).await.expect(400);
        for _ in 0..2 {
            alice.put(&path("%F0%9F%98%80")).await.expect(204);
        }
        replace(&["blue", "\u{1f600}"]).await.expect(200);
        replace(&["\u{1f600}", "\u{1f601}"]).await.expect(400);
        assert_eq!(tags(&alice, &id).await, ["blue", "\u{1f600}"]);
        assert_eq!(alice.list("tag=%F0%9F%98%80").await.json()["images"].as_array().map(Vec::len), Some(1));
        alice.delete(&path("%F0%9F%98%80")).await.expect(204);
        assert_eq!(tags(&alice, &id).await, ["blue"]);
    }

    /// What is no tag, no image or no method of tags.
    async fn bad_requests(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        let path = |tag: &str| format!("/v2/images/{id}/tags/{tag}");
        alice.put(&path(&"x".repeat(255))).await.expect(204);
        alice.put(&path(&"x".repeat(256))).await.expect(400);
        alice.put(&format!("/v2/images/{}/tags/{}", fresh_id(), "x".repeat(256))).await.expect(400);
        alice.put(&path("a%2Fb")).await.expect(404);
        alice.put(&path("a%00b")).await.expect(404);
        alice.put(&path("%FF")).await.expect(400);
        alice.put(&path("")).await.expect(404);
        alice.put(&path("t")).json(&json!({})).await.expect(400);
        alice.delete(&path("t")).json(&json!({})).await.expect(400);
        alice.put(&format!("/v2/images/{}/tags/t", fresh_id())).await.expect(404);
        alice.get(&format!("/v2/images/{id}/tags")).await.expect(404);
        for method in ["GET", "POST", "PATCH", "HEAD"] {
            assert_eq!(alice.request(method, &path("t")).await.expect(405).header("allow"), "PUT, DELETE");
        }
        assert_eq!(tags(&alice, &id).await, ["x".repeat(255)]);
    }

    /// The quota counts distinct tags; at the limit, a tag that is there may be put again.
    async fn the_quota_holds(database: Database) {
        let app = database.app_with(|options| options.image.image_tag_quota = 2);
        let alice = app.as_member("alice");
        let id = alice.created(image().tags(&["a", "b"])).await;
        let put = |tag: &str| alice.put(&format!("/v2/images/{id}/tags/{tag}"));
        put("c").await.expect(413);
        put("a").await.expect(204);
        alice.delete(&format!("/v2/images/{id}/tags/a")).await.expect(204);
        put("c").await.expect(204);
        assert_eq!(tags(&alice, &id).await, ["b", "c"]);
    }

    /// Every status allows tags; who may not modify the image may not tag it.
    async fn statuses_and_policy(database: Database) {
        let app = database.app();
        for status in [Status::Queued, Status::Saving, Status::Active, Status::Deactivated, Status::Importing] {
            let image = Image { status, ..record("alice", 1) };
            app.insert(std::slice::from_ref(&image)).await;
            app.as_member("alice").put(&format!("/v2/images/{}/tags/t", image.id)).await.expect_for(204, status);
        }
        let private = record("alice", 1);
        let public = Image { visibility: Visibility::Public, ..record("alice", 1) };
        app.insert(&[private.clone(), public.clone()]).await;
        for (caller, expected) in [
            (app.as_reader("alice"), [403, 403]),
            (app.as_member("bob"), [404, 403]),
            (app.as_nobody(), [401, 401]),
            (app.as_admin(), [204, 204]),
        ] {
            for (image, status) in [&private, &public].into_iter().zip(expected) {
                caller.put(&format!("/v2/images/{}/tags/t", image.id)).await.expect(status);
            }
        }
    }

    /// Sixty tags put at once are all there.
    async fn no_tag_is_lost(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        let puts = (0..60).map(|n| alice.put(&format!("/v2/images/{id}/tags/t{n}")).into_future());
        for answer in futures::future::join_all(puts).await {
            answer.expect(204);
        }
        assert_eq!(tags(&alice, &id).await.len(), 60);
    }
}

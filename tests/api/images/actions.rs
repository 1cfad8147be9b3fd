//! `POST /v2/images/{id}/actions/…`

use serde_json::json;
use vitrine::model::{image::Image, status::Status, visibility::Visibility};

use crate::support::*;

on_each_database! {
    /// Deactivate and reactivate turn the image there and back, and may be repeated.
    async fn there_and_back(database: Database) {
        let app = database.app();
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "data").await.expect(204);
        let status = async |expected: &str| assert_eq!(alice.show(&id).await.json()["status"], expected);
        alice.act(&id, "reactivate").await.expect(204);
        status("active").await;
        for _ in 0..2 {
            assert!(alice.act(&id, "deactivate").await.expect(204).body.is_empty());
            status("deactivated").await;
        }
        alice.download(&id).await.expect(403);
        assert_eq!(admin.download(&id).await.expect(200).body, "data");
        alice.upload(&id, "other").await.expect(409);
        alice.update(&id, json!([{"op": "add", "path": "/a", "value": "b"}])).await.expect(200);
        alice.put(&format!("/v2/images/{id}/tags/t")).await.expect(204);
        alice.share(&id, "bob").await.expect(200);
        app.as_member("bob").download(&id).await.expect(403);
        for _ in 0..2 {
            alice.act(&id, "reactivate").await.expect(204);
            status("active").await;
        }
        assert_eq!(app.as_member("bob").download(&id).await.expect(200).body, "data");
    }

    /// Other statuses refuse both, with Glance's 403, and stay.
    async fn other_statuses_refuse(database: Database) {
        let app = database.app();
        for status in [Status::Queued, Status::Saving, Status::Uploading, Status::Importing, Status::Killed] {
            let image = Image { status, ..record("alice", 1) };
            app.insert(std::slice::from_ref(&image)).await;
            for action in ["deactivate", "reactivate"] {
                app.as_admin().act(&image.id, action).await.expect_for(403, (status, action));
            }
            assert_eq!(app.as_admin().show(&image.id).await.json()["status"], status.as_str());
        }
    }

    /// Who may: admins and members of the owner.
    async fn the_policy_decides(database: Database) {
        let app = database.app();
        let private = record("alice", 1);
        let community = Image { visibility: Visibility::Community, ..record("alice", 1) };
        app.insert(&[private.clone(), community.clone()]).await;
        for action in ["deactivate", "reactivate"] {
            for (caller, expected) in [
                (app.as_reader("alice"), [403, 403]),
                (app.as_member("bob"), [404, 403]),
                (app.as_role("alice", &[]), [404, 404]),
                (app.as_nobody(), [401, 401]),
                (app.as_member("alice"), [204, 204]),
                (app.as_admin(), [204, 204]),
            ] {
                caller.act(&private.id, action).await.expect_for(expected[0], action);
                caller.act(&community.id, action).await.expect_for(expected[1], action);
            }
        }
    }

    /// A body, another method, an unknown action or image: each has its status.
    async fn bad_requests(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        alice.act(&id, "deactivate").json(&json!({})).await.expect(400);
        alice.act(&fresh_id(), "deactivate").json(&json!({})).await.expect(400);
        alice.act(&fresh_id(), "deactivate").await.expect(404);
        alice.act(&id, "explode").await.expect(404);
        for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD"] {
            let answer = alice.request(method, &format!("/v2/images/{id}/actions/deactivate")).await;
            assert_eq!(answer.expect_for(405, method).header("allow"), "POST");
        }
    }
}

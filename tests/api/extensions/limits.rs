//! What projects may have (specification of the extensions, section h).

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::*;

fn path(project: &str) -> String {
    format!("/ext/v1/projects/{project}/limits")
}

async fn limit(app: &TestApp, project: &str, limits: Value) {
    app.as_admin().put(&path(project)).json(&limits).await.expect(204);
}

/// The message of a refusal.
async fn refusal(request: Request) -> String {
    request.header("accept", "application/json").await.expect(413).json()["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

on_each_database! {
    /// However many are asked for at once, a project gets as many images as it may have; others are not bound, and a deletion
    /// makes room.
    async fn a_project_has_as_many_images_as_it_may(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        limit(&app, "alice", json!({"image_count_total": 5})).await;
        let answers = join_all((0..20).map(|_| alice.create(image()).into_future())).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!((made, answers.iter().filter(|answer| answer.status == 413).count()), (5, 15));
        let said = refusal(alice.create(image())).await;
        assert!(said.starts_with("Maximum image limit reached: image_count_total 5 of 5 used"), "{said}");
        app.as_member("bob").create(image()).await.expect(201);
        let shown = alice.get(&path("alice")).await.expect(200).json();
        assert_eq!(shown, json!({
            "limits": {"enabled": true, "sentence": null, "image_count_total": 5, "private_images": null},
            "usage": {"image_count_total": 5, "private_images": 0},
        }));
        let id = alice.list("limit=1").await.json()["images"][0]["id"].as_str().unwrap().to_owned();
        alice.remove(&id).await.expect(204);
        alice.create(image()).await.expect(201);
        // An image that comes from elsewhere counts too, but an administrator may bring it.
        app.as_admin().delete(&path("alice")).await.expect(204);
        app.as_admin().delete(&path("alice")).await.expect(404);
        alice.create(image()).await.expect(201);
    }

    /// Private images have a limit of their own, which an image that turns private meets as well.
    async fn private_images_are_counted(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        limit(&app, "alice", json!({"private_images": 2})).await;
        let shared = alice.created(image().shared()).await;
        for _ in 0..2 {
            alice.create(image().private()).await.expect(201);
        }
        let said = refusal(alice.create(image().private())).await;
        assert!(said.contains("private_images 2 of 2 used"), "{said}");
        let hide = json!([{"op": "replace", "path": "/visibility", "value": "private"}]);
        alice.update(&shared, hide.clone()).await.expect(413);
        alice.create(image().shared()).await.expect(201);
        limit(&app, "alice", json!({"private_images": 3})).await;
        alice.update(&shared, hide).await.expect(200);
    }

    /// Where custom images are not enabled, projects are told so in the operator's words, single ones may all the same, and
    /// what is there stays as usable as it was.
    async fn custom_images_can_be_off(database: Database) {
        let mut app = database.app();
        let there = app.as_member("alice").created(image().raw()).await;
        app.reconfigure(|options| {
            options.image.limits.enabled = Some(false);
            options.image.trash_seconds = 3600;
        });
        let (alice, bob, admin) = (app.as_member("alice"), app.as_member("bob"), app.as_admin());
        let said = refusal(alice.create(image())).await;
        assert!(said.starts_with("Images are not enabled for this project in this region"), "{said}");
        limit(&app, "alice", json!({"enabled": false, "sentence": "No images here: ask the help desk."})).await;
        let said = refusal(alice.create(image())).await;
        assert!(said.starts_with("No images here: ask the help desk."), "{said}");
        admin.create(image()).await.expect(201);
        limit(&app, "bob", json!({"enabled": true})).await;
        bob.create(image()).await.expect(201);
        alice.upload(&there, "data").await.expect(204);
        alice.update(&there, json!([{"op": "replace", "path": "/visibility", "value": "private"}])).await.expect(200);
        alice.download(&there).await.expect(200);
        alice.remove(&there).await.expect(204);
        // What comes back from the bin is an image more.
        alice.post(&format!("/ext/v1/trash/{there}/restore")).await.expect(413);
        app.later(4000);
    }
}

/// Limits are set by operators and known to the project's own.
#[test]
fn limits_are_the_operators() {
    block_on(async {
        let app = Database::Sqlite.app();
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        for client in [&alice, &app.as_member("bob"), &app.as_service()] {
            client.put(&path("alice")).json(&json!({})).await.expect(403);
            client.delete(&path("alice")).await.expect(403);
        }
        app.as_reader("alice").get(&path("alice")).await.expect(200);
        app.as_member("bob").get(&path("alice")).await.expect(403);
        for bad in [
            json!([]),
            json!({"colour": 1}),
            json!({"image_count_total": -1}),
            json!({"image_count_total": u64::MAX}),
            json!({"enabled": "no"}),
            json!({"sentence": ""}),
            json!({"sentence": "two\nlines"}),
            json!({"sentence": "x".repeat(256)}),
        ] {
            admin.put(&path("alice")).json(&bad).await.expect_for(400, &bad);
        }
        admin.get(&path(&"a".repeat(256))).await.expect(400);
    });
}

//! Images that are given to a project and taken back in one call (issue on extensions, deliverable 4).

use serde_json::json;
use vitrine::model::consumer::InUse;

use crate::support::*;

fn call(client: &Client, id: &str, what: &str, project: &str) -> Request {
    client.post(&format!("/ext/v1/images/{id}/{what}")).json(&json!({"project_id": project}))
}

on_each_database! {
    /// A project that an image is attached to finds it in its lists at once, and loses it when it is detached; not while it
    /// has something made from it, where images in use are guarded.
    async fn an_image_is_attached_and_detached(database: Database) {
        let app = database.app_with(|options| options.image.in_use = InUse::Refuse);
        let (alice, bob, admin) = (app.as_member("alice"), app.as_member("bob"), app.as_admin());
        let id = alice.created(image().raw().private()).await;
        alice.upload(&id, "data").await.expect(204);
        let listed = async || bob.list("").await.expect(200).json()["images"].as_array().unwrap().len();
        for _ in 0..2 {
            let answer = call(&admin, &id, "attach", "bob").await.expect(200).json();
            assert_eq!(answer, json!({"image_id": id, "project_id": "bob", "status": "accepted"}));
        }
        assert_eq!((listed().await, bob.download(&id).await.status), (1, 200));
        assert_eq!(alice.show(&id).await.json()["visibility"], "shared");
        bob.answer(&id, "bob", "rejected").await.expect(200);
        call(&admin, &id, "attach", "bob").await.expect(200);
        assert_eq!(listed().await, 1);

        let server = format!("/ext/v1/images/{id}/consumers/server/s");
        admin.put(&server).json(&json!({"project_id": "bob"})).await.expect(201);
        let refused = call(&admin, &id, "detach", "bob").await.expect(409).json();
        assert_eq!(refused["error"]["reason"], "image-in-use");
        assert_eq!(listed().await, 1);
        admin.delete(&server).await.expect(204);
        call(&admin, &id, "detach", "bob").await.expect(204);
        call(&admin, &id, "detach", "bob").await.expect(404);
        assert_eq!((listed().await, bob.show(&id).await.status), (0, 404));

        call(&alice, &id, "attach", "bob").await.expect(403);
        call(&alice, &id, "detach", "bob").await.expect(403);
        call(&bob, &id, "attach", "bob").await.expect(404);
        call(&admin, &id, "attach", "alice").await.expect(409);
        let public = alice.created(image().community()).await;
        call(&admin, &public, "attach", "bob").await.expect(409);
        for project in ["", &"x".repeat(256)] {
            call(&admin, &id, "attach", project).await.expect(400);
        }
        admin.post(&format!("/ext/v1/images/{id}/attach")).json(&json!({})).await.expect(400);
    }
}

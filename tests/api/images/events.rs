//! The outbox: one event for each change, in the transaction that made it; old ones are dropped.

use serde_json::{Value, json};
use vitrine::{
    db::events::{self, Recorded},
    model::time::Timestamp,
};

use crate::support::*;

/// Every event so far, in order.
async fn recorded(app: &TestApp) -> Vec<Recorded> {
    app.app().db.read("test.events", |conn| events::after(conn, 0, 1000)).await.unwrap()
}

on_each_database! {
    /// Each change of an image leaves one event that says what changed, who did it and by which request; a request that
    /// changes nothing leaves none.
    async fn every_change_is_told(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw().shared()).await;
        let renamed = json!([{"op": "replace", "path": "/name", "value": "new"}]);
        let answer = alice.update(&id, renamed).await.expect(200);
        alice.update(&id, json!([])).await.expect(200);
        alice.put(&format!("/v2/images/{id}/tags/t")).await.expect(204);
        alice.share(&id, "bob").await.expect(200);
        alice.upload(&id, "data").await.expect(204);
        alice.act(&id, "deactivate").await.expect(204);
        alice.act(&id, "deactivate").await.expect(204);
        alice.remove(&id).await.expect(204);
        let events = recorded(&app).await;
        let kinds: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "image.create", "image.update", "image.update", "image.member.create", "image.prepare",
                "image.activate",
                "image.deactivate", "image.delete",
            ]
        );
        let owner = events[0].project_id.clone();
        for event in &events {
            assert_eq!((&event.image_id, &event.project_id), (&id, &owner));
            assert!(event.request_id.starts_with("req-") && event.user_id.is_some(), "{event:?}");
        }
        assert_eq!(events[1].request_id, answer.header("x-openstack-request-id"));
        let changes: Vec<Value> = events.iter().map(|e| serde_json::from_str(&e.changes).unwrap()).collect();
        assert_eq!(changes[1], json!({"name": [null, "new"]}));
        assert_eq!(changes[2], json!({"tags_added": ["t"]}));
        assert_eq!(changes[3], json!({"member": "bob", "status": "pending"}));
        assert_eq!(changes[4], json!({"status": ["queued", "saving"]}));
        assert_eq!(changes[5]["size"], json!([null, 4]));
        assert_eq!(changes[6], json!({"status": ["active", "deactivated"]}));
        assert_eq!(changes[7]["status"], json!(["deactivated", "deleted"]));
    }

    /// Events go by age and by number.
    async fn old_ones_are_dropped(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for _ in 0..5 {
            alice.created(image()).await;
        }
        let before = recorded(&app).await;
        let db = app.app().db.clone();
        let by_number = db.write("test.prune", |conn| events::prune(conn, Timestamp(0), 3, 100)).await.unwrap();
        assert_eq!((by_number, recorded(&app).await), (2, before[2..].to_vec()));
        let later = now().plus_seconds(1);
        let by_age = db.write("test.prune", move |conn| events::prune(conn, later, 1000, 2)).await.unwrap();
        assert_eq!((by_age, recorded(&app).await), (2, before[4..].to_vec()));
        assert_eq!(vitrine::jobs::reap::prune(&app.app()).await.unwrap(), 0);
    }
}

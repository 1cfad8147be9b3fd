//! What happened to an image (section p).

use serde_json::{Value, json};

use crate::support::*;

on_each_database! {
    /// Its owner sees every event of an image in order, page by page, with who caused it; others see none.
    async fn an_owner_sees_the_history(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let (id, other) = (alice.created(image().raw().shared()).await, alice.created(image()).await);
        alice.put(&format!("/v2/images/{id}/tags/t")).await.expect(204);
        alice.remove(&other).await.expect(204);
        alice.upload(&id, "data").await.expect(204);
        alice.share(&id, "bob").await.expect(200);
        let path = format!("/ext/v1/images/{id}/events");
        let (mut kinds, mut next) = (Vec::new(), format!("{path}?limit=2"));
        loop {
            let page = alice.get(&next).await.expect(200).json();
            let events: Vec<Value> = page["events"].as_array().unwrap().clone();
            assert!(events.len() <= 2 && events.iter().all(|event| event["image_id"] == id));
            assert!(events.iter().all(|event| event["project_id"] == "alice" && event["user_id"].is_string()));
            kinds.extend(events.iter().map(|event| event["type"].as_str().unwrap().to_owned()));
            let Some(link) = page["next"].as_str() else { break };
            next = link.to_owned();
        }
        assert_eq!(kinds, ["image.create", "image.update", "image.prepare", "image.activate", "image.member.create"]);
        let all = app.as_admin().get(&path).await.expect(200).json();
        assert_eq!(all["events"][1]["changes"], json!({"tags_added": ["t"]}));
        assert_eq!(all["next"], Value::Null);

        app.as_member("bob").answer(&id, "bob", "accepted").await.expect(200);
        app.as_member("bob").get(&path).await.expect(403);
        app.as_member("carol").get(&path).await.expect(404);
        app.as_reader("alice").get(&path).await.expect(200);
        alice.get(&format!("{path}?marker=x")).await.expect(400);
        alice.get(&format!("/ext/v1/images/{other}/events")).await.expect(404);
    }
}

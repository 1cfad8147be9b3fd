//! The bin: deleted images that come back (specification of the extensions, section j.4).

use serde_json::{Value, json};
use vitrine::image::{bin, consumers, lifecycle};

use crate::support::*;

const DAY: i64 = 24 * 3600;
const PATH: &str = "/ext/v1/trash";

fn app(database: Database) -> TestApp {
    database.app_with(|options| options.image.trash_seconds = 7 * DAY)
}

/// Ids of the images that a caller finds in the bin.
async fn binned(client: &Client) -> Vec<String> {
    let (mut ids, mut next) = (Vec::new(), format!("{PATH}?limit=1"));
    loop {
        let page = client.get(&next).await.expect(200).json();
        ids.extend(page["images"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(link) => next = link.to_owned(),
            None => return ids,
        }
    }
}

on_each_database! {
    /// A deleted image comes back by its id with all that hung on it; meanwhile it is gone, and nobody takes its id.
    async fn a_deleted_image_comes_back(database: Database) {
        let app = app(database);
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let new = image().raw().shared().named("kept").tags(&["a", "b"]).with("colour", "red");
        let tomorrow = app.app().db.clock.now().plus_seconds(DAY).isotime();
        let id = alice.created(new.with("delete_at", tomorrow)).await;
        alice.upload(&id, "data").await.expect(204);
        alice.share(&id, "bob").await.expect(200);
        bob.answer(&id, "bob", "accepted").await.expect(200);
        app.as_admin().put(&format!("/ext/v1/images/{id}/consumers/server/s")).await.expect(201);
        let (before, members) = (alice.show(&id).await.json(), alice.get(&format!("/v2/images/{id}/members")).await.json());
        alice.remove(&id).await.expect(204);
        alice.show(&id).await.expect(404);
        alice.create(image().id(&id)).await.expect(409);
        consumers::delete_unused(&app.app().images).await.unwrap();
        vitrine::jobs::reap::sweep(&app.app()).await.unwrap();
        app.later(6 * DAY);
        vitrine::jobs::reap::sweep(&app.app()).await.unwrap();

        let listed = alice.get(PATH).await.expect(200).json()["images"][0].clone();
        assert_eq!((&listed["id"], &listed["name"], &listed["size"]), (&json!(id), &json!("kept"), &json!(4)));
        assert_eq!(binned(&bob).await, Vec::<String>::new());
        assert_eq!(binned(&app.as_admin()).await, [id.as_str()]);
        for client in [&bob, &app.as_service()] {
            let refused = client.post(&format!("{PATH}/{id}/restore")).await.expect(404).json();
            assert_eq!(refused["error"]["reason"], "not-in-trash");
            client.delete(&format!("{PATH}/{id}")).await.expect(404);
        }
        app.as_reader("alice").post(&format!("{PATH}/{id}/restore")).await.expect(403);
        alice.post(&format!("{PATH}/{id}/restore")).await.expect(204);
        // It is charged for until it went, and from now on.
        let ledger = app.as_admin().get("/ext/v1/usage/events").await.expect(200).json()["events"].clone();
        let why: Vec<&Value> = ledger.as_array().unwrap().iter().map(|event| match event["type"] == "opened" {
            true => &event["interval"]["opened_by"],
            false => &event["interval"]["closed_by"],
        }).collect();
        assert_eq!(why, ["activated", "deleted", "restored"]);
        let mut after = alice.show(&id).await.json();
        after["updated_at"] = before["updated_at"].clone();
        assert_eq!(after, before);
        let answers = |members: &Value| -> Vec<Value> {
            members["members"].as_array().unwrap().iter().map(|m| json!([m["member_id"], m["status"]])).collect()
        };
        assert_eq!(answers(&alice.get(&format!("/v2/images/{id}/members")).await.json()), answers(&members));
        assert_eq!(bob.download(&id).await.expect(200).text(), "data");
        let users = app.as_admin().get(&format!("/ext/v1/images/{id}/consumers")).await.json();
        assert_eq!(users["consumers"].as_array().unwrap().len(), 1);
        // What has passed does not act on what somebody has brought back.
        assert_eq!(lifecycle::act(&app.app().images).await.unwrap(), 0);
        alice.post(&format!("{PATH}/{id}/restore")).await.expect(404);
        app.later(30 * DAY);
        app.settles().await;
        alice.download(&id).await.expect(200);
    }

    /// An image is gone for good when its time is over, or when somebody says so; one without data never comes there.
    async fn the_bin_is_emptied(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let mut ids = Vec::new();
        for _ in 0..3 {
            let id = alice.created(image().raw()).await;
            alice.upload(&id, "data").await.expect(204);
            alice.remove(&id).await.expect(204);
            app.later(60);
            ids.insert(0, id);
        }
        let empty = alice.created(image()).await;
        alice.remove(&empty).await.expect(204);
        assert_eq!(binned(&alice).await, ids);
        alice.delete(&format!("{PATH}/{}", ids[0])).await.expect(204);
        alice.delete(&format!("{PATH}/{}", ids[0])).await.expect(404);
        assert_eq!(binned(&alice).await, ids[1..]);
        app.later(7 * DAY);
        assert_eq!(binned(&alice).await, Vec::<String>::new());
        alice.post(&format!("{PATH}/{}/restore", ids[1])).await.expect(404);
        // The reaper may have been there before.
        bin::expire(&app.app().images).await.unwrap();
        app.settles().await;
    }

    /// `delayed_delete` fills the bin too; what comes back counts in the quota, and is refused where it does not fit.
    async fn delayed_deletion_fills_the_bin(database: Database) {
        let app = database.app_with(|options| {
            options.image.delayed_delete = true;
            options.image.scrub_time_seconds = 3600;
            options.image.user_storage_quota = Some(6);
        });
        let alice = app.as_member("alice");
        let mut ids = Vec::new();
        for _ in 0..2 {
            let id = alice.created(image().raw()).await;
            alice.upload(&id, "data").await.expect(204);
            alice.remove(&id).await.expect(204);
            ids.push(id);
        }
        alice.post(&format!("{PATH}/{}/restore", ids[0])).await.expect(204);
        alice.post(&format!("{PATH}/{}/restore", ids[1])).await.expect(413);
        alice.remove(&ids[0]).await.expect(204);
        alice.post(&format!("{PATH}/{}/restore", ids[1])).await.expect(204);
        // Data that is not what it was does not come back.
        std::fs::write(app.store_folder().join(&ids[0]), "da").unwrap();
        alice.remove(&ids[1]).await.expect(204);
        alice.post(&format!("{PATH}/{}/restore", ids[0])).await.expect(409);
        app.later(4000);
        app.settles().await;
    }
}

/// Markers are those that pages named.
#[test]
fn wrong_markers_are_refused() {
    block_on(async {
        let app = app(Database::Sqlite);
        let alice = app.as_member("alice");
        for marker in ["x", "1", "x:y"] {
            alice.get(&format!("{PATH}?marker={marker}")).await.expect_for(400, marker);
        }
        alice.delete(&format!("{PATH}/{}", "0".repeat(40))).await.expect(404);
        alice.delete(&format!("{PATH}/%00")).await.expect(404);
    });
}

//! What was staged at a node that does not return.

use std::fs;

use vitrine::{db, model::node::Node};

use super::*;

const HOUR: i64 = 3600;

/// Images whose data is staged in a folder that goes with its node, and what the next node on this database has.
struct Lost {
    app: TestApp,
    place: String,
    /// In this order: only staged; deleted afterwards; to be imported.
    images: [String; 3],
}

impl Lost {
    async fn of(database: Database) -> Self {
        let mut app = database.app_with(|options| options.jobs.lease_seconds = 2);
        let alice = app.as_member("alice");
        let mut images = [const { String::new() }; 3];
        for image_id in &mut images {
            *image_id = alice.created(image().raw()).await;
            stage(&alice, image_id, bytes(1000)).await.expect(204);
        }
        let staging = app.app().blobs.staging.clone();
        app.restart(|_| fs::rename(staging.folder(), staging.folder().with_extension("gone")).unwrap());
        Self { app, place: staging.id().to_owned(), images }
    }

    /// Rows of the ledger that are in the folder.
    async fn rows(&self) -> usize {
        let place = self.place.clone();
        self.app.write(move |conn| db::blobs::names_in_store(conn, &place)).await.len()
    }
}

on_each_database! {
    /// Who staged data at a node that does not return is told so after the time that is set: the image is queued again, a
    /// task says why, and the data can be staged anew. An import that was asked for fails for the same reason. Nothing of
    /// it stays in the ledger, and what another node has staged is untouched.
    async fn sec_41_staged_data_of_a_lost_node_is_given_up(database: Database) {
        let lost = Lost::of(database).await;
        let [staged, deleted, imported] = &lost.images;
        let alice = lost.app.as_member("alice");
        let here = alice.created(image().raw()).await;
        stage(&alice, &here, bytes(10)).await.expect(204);
        import(&alice, imported, json!({"method": {"name": "glance-direct"}})).await.expect(202);
        alice.remove(deleted).await.expect(204);
        assert_eq!(alice.show(staged).await.json()["status"], "uploading");
        assert_eq!(lost.rows().await, 3);

        lost.app.later(HOUR + 1);
        for id in [staged, imported] {
            let task = over(&alice, id).await;
            assert_eq!(task["status"], "failure", "{task}");
            let message = "The node that had the staged data has not been seen for so long that it is given up. \
                           The image is queued again; its data can be staged anew.";
            assert_eq!(task["message"], message, "{task}");
            let shown = alice.show(id).await.expect(200).json();
            let seen = (&shown["status"], &shown["size"], &shown["os_glance_import_task"]);
            assert_eq!(seen, (&json!("queued"), &Value::Null, &Value::Null));
        }
        eventually("nothing of it is in the ledger", async || match lost.rows().await {
            0 => Ok(()),
            rows => Err(rows),
        })
        .await;
        stage(&alice, staged, bytes(20)).await.expect(204);
        for (id, size) in [(staged, 20), (&here, 10)] {
            import(&alice, id, json!({"method": {"name": "glance-direct"}})).await.expect(202);
            holds(&alice, id, &bytes(size)).await;
        }
    }

    /// A node of a version that does not say which folder it reaches is at work, or was an hour ago: what it has staged is
    /// not given up. Once it has been silent for as long as any folder, it is.
    async fn sec_41_what_older_nodes_have_staged_is_not_given_up(database: Database) {
        let lost = Lost::of(database).await;
        let [staged, ..] = &lost.images;
        let alice = lost.app.as_member("alice");
        let old = Node {
            id: "old".to_owned(),
            host: "old".to_owned(),
            bind: "10.0.0.1:9292".to_owned(),
            version: "0.1.0".to_owned(),
            settings: [("stores".to_owned(), "0".repeat(12))].into(),
            started_at: now(),
            seen_at: now(),
            lease_until: now().plus_seconds(HOUR),
            draining_since: None,
        };
        lost.app.write(move |conn| db::nodes::enter(conn, &old)).await;
        let give_up = async || {
            let app = lost.app.app();
            let limit = app.db.clock.now().plus_seconds(-HOUR);
            vitrine::import::lost::give_up(&app.imports, limit, limit.plus_seconds(2 * HOUR)).await.unwrap()
        };
        lost.app.later(HOUR + 60);
        assert_eq!(give_up().await, Vec::<String>::new());
        assert_eq!(alice.show(staged).await.json()["status"], "uploading");
        lost.app.later(HOUR);
        eventually("it is given up", async || {
            give_up().await;
            let status = alice.show(staged).await.json()["status"].clone();
            if status == "queued" { Ok(()) } else { Err(status) }
        })
        .await;
    }
}

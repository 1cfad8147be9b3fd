//! Files of a store's folder that the ledger does not know: another service's, or those of a database that was set back.

use std::{future::IntoFuture, path::PathBuf};

use futures::channel::mpsc;
use serde_json::json;
use vitrine::{
    db,
    model::{
        blob::{Blob, BlobState},
        image::Image,
        status::Status,
        time::Timestamp,
    },
};

use crate::support::*;

/// A file of somebody else's in the store, under the name that the data of an image would have.
struct Foreign(PathBuf);

impl Foreign {
    fn of(app: &TestApp, id: &str) -> Self {
        let path = app.store_folder().join(id);
        std::fs::write(&path, "not ours").unwrap();
        Self(path)
    }

    /// Requires that it is as it was.
    fn stays(&self) {
        assert_eq!(std::fs::read(&self.0).unwrap(), b"not ours");
    }

    /// Requires the same, and removes it.
    async fn stayed(self, app: &TestApp) {
        // Whatever was to be deleted is.
        eventually("nothing is left to reap", async || {
            vitrine::jobs::reap::sweep(&app.app()).await.unwrap();
            let names = app
                .app()
                .db
                .read("test.ledger", |conn| db::blobs::names_in_store(conn, "file"))
                .await
                .unwrap();
            let waiting: Vec<_> = names.into_iter().filter(|(_, state, _)| state != "live").collect();
            if waiting.is_empty() { Ok(()) } else { Err(waiting) }
        })
        .await;
        self.stays();
        std::fs::remove_file(self.0).unwrap();
    }
}

async fn queued_as(app: &TestApp, id: &str) -> Client {
    let alice = app.as_member("alice");
    alice.created(image().raw().id(id)).await;
    alice
}

on_each_database! {
    /// An upload takes another name; neither it nor the deletion of its image touches what was there.
    async fn sec_26_an_upload_leaves_unknown_files_alone(database: Database) {
        let (app, id) = (database.app(), fresh_id());
        let foreign = Foreign::of(&app, &id);
        let alice = queued_as(&app, &id).await;
        alice.upload(&id, qcow2(1 << 20, Some("/etc/passwd"))).await.expect(415);
        foreign.stays();
        alice.upload(&id, "our data").await.expect(204);
        assert_eq!(alice.download(&id).await.expect(200).body, "our data");
        foreign.stays();
        alice.remove(&id).await.expect(204);
        foreign.stayed(&app).await;
    }

    /// The same of a file that comes while the upload is under way, whether that ends well or not.
    async fn sec_26_a_file_that_comes_during_the_upload_stays(database: Database) {
        for whole in [true, false] {
            let (app, id) = (database.app(), fresh_id());
            let alice = queued_as(&app, &id).await;
            let (sender, pieces) = mpsc::unbounded::<std::io::Result<Vec<u8>>>();
            let upload = tokio::spawn(alice.upload(&id, reqwest::Body::wrap_stream(pieces)).into_future());
            sender.unbounded_send(Ok(bytes(1000))).unwrap();
            alice.becomes(&id, "saving").await;
            let foreign = Foreign::of(&app, &id);
            if whole {
                drop(sender);
                upload.await.unwrap().expect(204);
                assert_eq!(alice.download(&id).await.expect(200).body, bytes(1000));
            } else {
                upload.abort();
                drop(sender);
                alice.becomes(&id, "queued").await;
            }
            foreign.stays();
            alice.remove(&id).await.expect(204);
            foreign.stayed(&app).await;
        }
    }

    /// Imports and their staged data leave it alone, too, when they share a file with the store and when they fail.
    async fn sec_26_an_import_leaves_unknown_files_alone(database: Database) {
        let (app, id) = (database.app(), fresh_id());
        let foreign = Foreign::of(&app, &id);
        let alice = queued_as(&app, &id).await;
        for (data, status) in [(qcow2(1 << 20, Some("/etc/passwd")), "queued"), (bytes(1000), "active")] {
            let staged = alice.put(&format!("/v2/images/{id}/stage")).header("content-type", OCTETS).body(data);
            staged.await.expect(204);
            let import = alice.post(&format!("/v2/images/{id}/import"));
            import.json(&json!({"method": {"name": "glance-direct"}})).await.expect(202);
            eventually(status, async || {
                let shown = alice.show(&id).await.json();
                let done = shown["status"] == status && shown["os_glance_import_task"].is_null();
                if done { Ok(()) } else { Err(shown) }
            })
            .await;
            foreign.stays();
        }
        assert_eq!(alice.download(&id).await.expect(200).body, bytes(1000));
        alice.remove(&id).await.expect(204);
        foreign.stayed(&app).await;
    }

    /// The reaper of a server that died during an upload deletes what was unfinished, and no file that bears its name.
    async fn sec_26_the_reaper_leaves_unknown_files_alone(database: Database) {
        let app = database.app();
        let image = Image { status: Status::Saving, ..record("alice", 1) };
        app.insert(std::slice::from_ref(&image)).await;
        let blob = Blob {
            id: fresh_id(),
            image_id: image.id.clone(),
            store: "file".to_owned(),
            name: image.id.clone(),
            state: BlobState::Writing,
            size: None,
            holder: "a node that died".to_owned(),
            lease_until: Timestamp(1),
            delete_after: Timestamp(0),
            attempts: 0,
        };
        std::fs::write(app.store_folder().join(".parts").join(&blob.id), bytes(1000)).unwrap();
        let foreign = Foreign::of(&app, &image.id);
        app.write(move |conn| db::blobs::insert(conn, &blob, now())).await;
        foreign.stayed(&app).await;
        assert_eq!(std::fs::read_dir(app.store_folder().join(".parts")).unwrap().count(), 0);
    }
}

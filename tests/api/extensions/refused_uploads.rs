//! Uploads in parts that are refused, or that another node has begun.

use serde_json::{Value, json};

use super::uploads::{MIB, append, complete, nothing_is_left, offset, opened, part, patient};
use crate::support::*;

on_each_database! {
    /// The same fault of the same data has the same status when parts of it are completed as when it is sent as a whole,
    /// and in both cases nothing of it stays.
    async fn a_fault_has_the_status_of_a_plain_upload(database: Database) {
        let (barbican, publisher) = (Barbican::start(), Publisher::new());
        let certificate = barbican.keeps("alice", "certificate", &publisher.certificate);
        let app = database.app_with(|options| {
            barbican.of(options);
            patient(options);
        });
        let (alice, data) = (app.as_member("alice"), bytes(MIB));
        let (good, other) = (publisher.signs(&data, &certificate), publisher.signs(b"x", &certificate));
        let wrong = format!("sha256:{}", "4".repeat(64));
        for (new, status, why) in [
            (with_all(image().raw(), &other), 400, "does not fit the data"),
            (image().raw().with("expected_hash", &*wrong), 400, "hash-mismatch"),
            (image().raw().with("expected_stored_hash", &*wrong), 400, "hash-mismatch"),
            (image().qcow2(), 415, "qcow2"),
            (image().raw().with("disk_format", "vmdk"), 415, "vmdk"),
        ] {
            let (plain, parts) = (alice.created(new.clone()).await, alice.created(new).await);
            let whole = alice.upload(&plain, data.clone()).await.expect_for(status, why);
            assert!(whole.text().contains(why), "{why:?} is not in {}", whole.text());
            let path = opened(&alice, &parts, MIB).await;
            append(&alice, &path, 0, &data).await.expect(204);
            let refused = complete(&alice, &path).await.expect_for(status, why).json()["error"].clone();
            assert_eq!(refused["code"], status);
            let message = refused["message"].as_str().unwrap();
            assert!(message.contains(why), "{why:?} is not in {message}");
            for id in [plain, parts] {
                let shown = alice.show(&id).await.expect(200).json();
                assert_eq!((&shown["status"], &shown["size"]), (&json!("queued"), &Value::Null), "{why}");
            }
            alice.get(&path).await.expect(404);
        }
        let id = alice.created(with_all(image().raw(), &good)).await;
        let path = opened(&alice, &id, MIB).await;
        append(&alice, &path, 0, &data).await.expect(204);
        complete(&alice, &path).await.expect(204);
        assert_eq!(alice.show(&id).await.json()["status"], "active");
        nothing_is_left(&app).await;
    }

    /// A limit that is lowered while parts arrive refuses them as it refuses a plain upload.
    async fn a_lowered_limit_has_the_status_of_a_plain_upload(database: Database) {
        let app = database.app_with(patient);
        let (alice, data) = (app.as_member("alice"), bytes(MIB));
        let (plain, parts) = (alice.created(image().raw()).await, alice.created(image().raw()).await);
        let path = opened(&alice, &parts, MIB).await;
        append(&alice, &path, 0, &data).await.expect(204);
        let limits = json!({"image_size_cap": MIB - 1});
        app.as_admin().put("/ext/v1/projects/alice/limits").json(&limits).await.expect(204);
        alice.upload(&plain, data).await.expect(413);
        complete(&alice, &path).await.expect(413);
        assert_eq!(alice.show(&parts).await.json()["status"], "queued");
        alice.get(&path).await.expect(404);
        nothing_is_left(&app).await;
    }

    /// Parts go to the node that has the others when nodes do not share a staging folder; nothing is lost by asking another,
    /// and what brings no data works on each.
    async fn parts_stay_with_the_node_that_has_the_others(database: Database) {
        let app = database.app_with(patient);
        let neighbour = app.neighbour();
        let (alice, there) = (app.as_member("alice"), neighbour.as_member("alice"));
        let (data, id) = (bytes(2 * MIB), alice.created(image().raw()).await);
        let path = opened(&alice, &id, data.len()).await;
        append(&alice, &path, 0, &data[..MIB]).await.expect(204);
        for refused in [append(&there, &path, MIB, &data[MIB..]), part(&there, &path, 0, &data)] {
            let error = refused.await.expect(409).json()["error"].clone();
            assert_eq!((&error["reason"], &error["details"]), (&json!("other-node"), &json!({})));
        }
        assert_eq!(offset(&there, &path).await, MIB);
        append(&alice, &path, MIB, &data[MIB..]).await.expect(204);
        complete(&there, &path).await.expect(204);
        assert!(alice.download(&id).await.expect(200).body == data, "other data");
        let id = alice.created(image().raw()).await;
        let path = opened(&there, &id, MIB).await;
        assert_eq!(append(&alice, &path, 0, &data[..MIB]).await.expect(409).json()["error"]["reason"], "other-node");
        alice.delete(&path).await.expect(204);
        assert_eq!(there.show(&id).await.json()["status"], "queued");
        nothing_is_left(&app).await;
    }
}

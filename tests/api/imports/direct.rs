//! `PUT /v2/images/{id}/stage` and `glance-direct`.

use serde_json::json;

use super::*;

fn direct() -> Value {
    json!({"method": {"name": "glance-direct"}})
}

on_each_database! {
    /// Staged data becomes the image's, without being written a second time on one file system.
    async fn staged_data_becomes_the_images(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        import(&alice, &id, direct()).await.expect(409);
        let data = bytes(3_000_000);
        stage(&alice, &id, data.clone()).await.expect(204);
        let staged = alice.show(&id).await.json();
        assert_eq!((&staged["status"], &staged["size"]), (&json!("uploading"), &json!(3_000_000)));
        assert_eq!(staged["checksum"], Value::Null);
        alice.download(&id).await.expect(204);
        stage(&alice, &id, data.clone()).await.expect(409);
        alice.upload(&id, data.clone()).await.expect(409);
        import(&alice, &id, direct()).await.expect(202);
        let shown = holds(&alice, &id, &data).await;
        assert_eq!((&shown["os_glance_importing_to_stores"], &shown["os_glance_failed_import"]), (&json!(""), &json!("")));
        assert_eq!(shown["virtual_size"], 3_000_000);
        import(&alice, &id, direct()).await.expect(409);
        nothing_is_staged(&app).await;
    }

    /// Data that is not what was declared is refused; the image can be staged again.
    async fn data_of_another_format_is_refused(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let id = alice.created(image().qcow2()).await;
        stage(&alice, &id, bytes(100_000)).await.expect(204);
        import(&alice, &id, direct()).await.expect(202);
        failed(&app, &alice, &id, "queued", "the data is raw, but disk_format is qcow2").await;
        let good = qcow2(1 << 20, None);
        stage(&alice, &id, good.clone()).await.expect(204);
        import(&alice, &id, direct()).await.expect(202);
        holds(&alice, &id, &good).await;
    }

    /// What a client may stage, and when.
    async fn staging_is_checked_as_an_upload_is(database: Database) {
        let app = database.app_with(|options| options.image.image_size_cap = 1000);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        stage(&app.as_reader("alice"), &id, bytes(10)).await.expect(403);
        stage(&app.as_member("bob"), &id, bytes(10)).await.expect(404);
        alice.put(&format!("/v2/images/{id}/stage")).body("x").await.expect(415);
        stage(&alice, &id, bytes(1001)).await.expect(413);
        stage(&alice, &id, bytes(10)).header("x-openstack-image-size", "11").await.expect(400);
        stage(&alice, &id, bytes(10)).header("x-openstack-image-size", "x").await.expect(400);
        assert_eq!(alice.show(&id).await.json()["status"], "queued");
        stage(&alice, &id, bytes(10)).await.expect(204);
        alice.remove(&id).await.expect(204);
        nothing_is_staged(&app).await;
    }

    /// What the owner expects of the bytes is held against them before the image is active.
    async fn expected_hashes_are_honoured(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let data = b"hello".to_vec();
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let right = format!("md5:5d41402abc4b2a76b9719d911017c592,sha256:{sha256}");
        let wrong = format!("sha256:{}", sha256.replace("2c", "2d"));
        for property in ["expected_hash", "expected_stored_hash"] {
            let id = alice.created(image().raw().with(property, wrong.clone())).await;
            alice.upload(&id, data.clone()).await.expect(400);
            assert_eq!(alice.show(&id).await.json()["status"], "queued");
            stage(&alice, &id, data.clone()).await.expect(204);
            import(&alice, &id, direct()).await.expect(202);
            failed(&app, &alice, &id, "queued", "hash-mismatch").await;
            let patch = json!([{"op": "replace", "path": format!("/{property}"), "value": right}]);
            alice.update(&id, patch).await.expect(200);
            stage(&alice, &id, data.clone()).await.expect(204);
            import(&alice, &id, direct()).await.expect(202);
            holds(&alice, &id, &data).await;
            let id = alice.created(image().raw().with(property, right.clone())).await;
            alice.upload(&id, data.clone()).await.expect(204);
        }
    }

    /// An expectation is readable, comes before the data, and is not inherited by Nova's snapshots.
    async fn expectations_are_set_while_the_image_is_queued(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let (data, md5) = (b"hello".to_vec(), "md5:5d41402abc4b2a76b9719d911017c592");
        let add = |value: &str| json!([{"op": "add", "path": "/expected_hash", "value": value}]);
        let unreadable = image().raw().with("expected_hash", "md5:x".to_owned());
        alice.create(unreadable).await.expect(400);
        let id = alice.created(image().raw()).await;
        alice.update(&id, add("crc32:0")).await.expect(400);
        alice.update(&id, add(md5)).await.expect(200);
        stage(&alice, &id, data.clone()).await.expect(204);
        let other = "md5:00000000000000000000000000000000";
        let refused = alice.update(&id, add(other)).await.expect(409);
        assert!(refused.text().contains("only while the image is queued"), "{refused:?}");
        import(&alice, &id, direct()).await.expect(202);
        holds(&alice, &id, &data).await;
        alice.update(&id, add(md5)).await.expect(200);
        alice.update(&id, add(other)).await.expect(409);
        alice.update(&id, json!([{"op": "remove", "path": "/expected_hash"}])).await.expect(200);

        let snapshot = image().raw().with("expected_hash", other.to_owned());
        let id = alice.created(snapshot.with("image_type", "snapshot".to_owned())).await;
        alice.upload(&id, data).await.expect(204);
    }
}

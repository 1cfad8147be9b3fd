//! `user_storage_quota` on the ways that data takes through the staging folder, and into several stores.

use std::future::IntoFuture;

use futures::future::join_all;
use vitrine::import::settings::Plugin;

use super::{source::*, stores::with_stores_and, *};
use crate::images::quota::{queued, used, within};

fn limited(database: Database, quota: u64, plugins: &'static [Plugin]) -> TestApp {
    database.app_with(move |options| {
        reach_loopback(options);
        options.imports.plugins = plugins.to_vec();
        options.image.user_storage_quota = Some(quota);
    })
}

/// Deletes images, and requires that they leave nothing that counts.
async fn all_is_free_again(app: &TestApp, ids: &[String]) {
    let alice = app.as_member("alice");
    join_all(ids.iter().map(|id| alice.remove(id).into_future())).await;
    nothing_is_staged(app).await;
    app.settles().await;
    assert_eq!(used(app, "alice").await, 0);
}

on_each_database! {
    /// Fifty uploads, stages and imports at once, with and without a length, keep to the quota at every moment; what
    /// got in is what counts in the end, and nothing does once it is deleted.
    async fn sec_44_everything_at_once_keeps_to_the_quota(database: Database) {
        const QUOTA: u64 = 1_000_000;
        const SIZE: usize = 40_000;
        let app = limited(database, QUOTA, &[]);
        let (alice, source) = (app.as_member("alice"), Source::of(bytes(SIZE)));
        let ids = queued(&app, 50).await;
        let begun = ids.iter().enumerate().map(|(at, id)| match at % 4 {
            0 => alice.upload(id, bytes(SIZE)).into_future(),
            1 => alice.upload(id, crate::images::data::chunked(bytes(SIZE))).into_future(),
            2 => stage(&alice, id, bytes(SIZE)).into_future(),
            _ => download(&alice, id, &source.url("/")).into_future(),
        });
        let answers = within(&app, QUOTA, join_all(begun)).await;
        let mut kept = 0;
        for (at, id) in ids.iter().enumerate() {
            if at % 4 == 3 {
                let task = within(&app, QUOTA, over(&alice, id)).await;
                kept += u64::from(task["status"] == "success");
            } else {
                kept += u64::from(answers[at].status == 204);
            }
        }
        app.settles().await;
        assert_eq!(used(&app, "alice").await, kept * SIZE as u64);
        for (at, answer) in answers.iter().enumerate().filter(|(at, _)| at % 4 != 3) {
            let shown = alice.show(&ids[at]).await.json();
            let expected = match (answer.status, at % 4) {
                (413, _) => "queued",
                (204, 2) => "uploading",
                (204, _) => "active",
                _ => panic!("{answer:?}"),
            };
            assert_eq!(shown["status"], expected, "{answer:?}");
        }
        // Staged data that is imported counts once.
        let staged: Vec<_> = (0..ids.len()).filter(|at| at % 4 == 2 && answers[*at].status == 204).collect();
        for at in staged {
            import(&alice, &ids[at], json!({"method": {"name": "glance-direct"}})).await.expect(202);
            within(&app, QUOTA, over(&alice, &ids[at])).await;
            assert_eq!(alice.show(&ids[at]).await.json()["status"], "active");
        }
        nothing_is_staged(&app).await;
        assert_eq!(used(&app, "alice").await, kept * SIZE as u64);
        all_is_free_again(&app, &ids).await;
    }

    /// What is staged counts from its first byte until it is gone, whatever becomes of it.
    async fn sec_44_staged_data_counts(database: Database) {
        let app = limited(database, 100_000, &[]);
        let alice = app.as_member("alice");
        let ids = queued(&app, 3).await;
        stage(&alice, &ids[0], bytes(60_000)).await.expect(204);
        stage(&alice, &ids[1], bytes(40_001)).await.expect(413);
        alice.upload(&ids[1], bytes(40_001)).await.expect(413);
        let chunked = crate::images::data::chunked(bytes(40_001));
        let request = alice.put(&format!("/v2/images/{}/stage", ids[1])).header("content-type", OCTETS);
        request.body(chunked).await.expect(413);
        assert_eq!(alice.show(&ids[1]).await.json()["status"], "queued");
        stage(&alice, &ids[1], bytes(40_000)).await.expect(204);
        assert_eq!(used(&app, "alice").await, 100_000);
        for id in &ids[..2] {
            import(&alice, id, json!({"method": {"name": "glance-direct"}})).await.expect(202);
            over(&alice, id).await;
        }
        assert_eq!(used(&app, "alice").await, 100_000);
        alice.remove(&ids[0]).await.expect(204);
        stage(&alice, &ids[2], bytes(60_000)).await.expect(204);
        all_is_free_again(&app, &ids).await;
    }

    /// Each store that is to have the data counts: a store more than there is room for is left out, or ends the import.
    async fn sec_44_every_store_of_an_import_counts(database: Database) {
        let app = with_stores_and(database, &["fast", "cheap", "far"], |options| {
            options.image.user_storage_quota = Some(250_000);
        });
        let (alice, source) = (app.as_member("alice"), Source::of(bytes(100_000)));
        let method = json!({"name": "web-download", "uri": source.url("/")});
        let ids = queued(&app, 2).await;
        import(&alice, &ids[0], json!({"method": method, "all_stores": true})).await.expect(202);
        failed(&app, &alice, &ids[0], "queued", "storage quota").await;
        app.settles().await;
        assert_eq!(used(&app, "alice").await, 0);
        let body = json!({"method": method, "all_stores": true, "all_stores_must_succeed": false});
        import(&alice, &ids[0], body).await.expect(202);
        let shown = holds(&alice, &ids[0], &bytes(100_000)).await;
        assert_eq!((&shown["stores"], &shown["os_glance_failed_import"]), (&json!("fast,cheap"), &json!("far")));
        app.settles().await;
        assert_eq!(used(&app, "alice").await, 200_000);
        all_is_free_again(&app, &ids).await;
    }

    /// Copies that are asked for at once keep to the quota.
    async fn sec_44_parallel_copies_keep_to_the_quota(database: Database) {
        let app = with_stores_and(database, &["fast", "cheap", "far"], |options| {
            options.image.user_storage_quota = Some(100_000);
        });
        let admin = app.as_role("alice", ADMIN);
        let ids = queued(&app, 6).await;
        for id in &ids {
            admin.upload(id, bytes(10_000)).await.expect(204);
        }
        for id in &ids {
            let body = json!({"method": {"name": "copy-image"}, "stores": ["cheap"]});
            import(&admin, id, body).await.expect(202);
        }
        let mut copied = 0;
        for id in &ids {
            let task = within(&app, 100_000, over(&admin, id)).await;
            if task["status"] == "success" {
                copied += 1;
            } else {
                assert!(task["message"].as_str().unwrap().contains("storage quota"), "{task}");
            }
        }
        assert_eq!(copied, 4);
        app.settles().await;
        assert_eq!(used(&app, "alice").await, 100_000);
        all_is_free_again(&app, &ids).await;
    }

    /// The cap on the size of one image holds on every way, where nobody says how much there will be as well.
    async fn sec_12_the_size_cap_holds_on_every_way(database: Database) {
        const CAP: usize = 300_000;
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.image.image_size_cap = CAP as u64;
            options.imports.plugins = vec![Plugin::Decompression];
        });
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let chunked = || crate::images::data::chunked(bytes(CAP + 1));
        alice.upload(&id, chunked()).await.expect(413);
        let request = alice.put(&format!("/v2/images/{id}/stage")).header("content-type", OCTETS);
        request.body(chunked()).await.expect(413);
        let endless = Source::start(|_| Reply::Endless(bytes(65536)));
        let packed = Source::of(super::plugins::piped(&bytes(CAP + 1), "gzip", &["-c"]));
        for (source, message) in [(endless, "at most 300000"), (packed, "more than 300000")] {
            download(&alice, &id, &source.url("/")).await.expect(202);
            failed(&app, &alice, &id, "queued", message).await;
        }
        app.settles().await;
        alice.upload(&id, bytes(CAP)).await.expect(204);
    }

    /// Data that grows when it is unpacked or converted grows no further than the quota.
    async fn sec_44_plugins_keep_to_the_quota(database: Database) {
        let app = limited(database, 3_000_000, &[Plugin::Decompression]);
        let alice = app.as_member("alice");
        let ids = queued(&app, 2).await;
        for (id, length) in ids.iter().zip([4_000_000, 3_000_000]) {
            let packed = super::plugins::piped(&bytes(length), "gzip", &["-c"]);
            let source = Source::of(packed);
            download(&alice, id, &source.url("/")).await.expect(202);
            let task = over(&alice, id).await;
            if length > 3_000_000 {
                assert_eq!(task["status"], "failure", "{task}");
                assert!(task["message"].as_str().unwrap().contains("storage quota"), "{task}");
            } else {
                assert_eq!(task["status"], "success", "{task}");
            }
            nothing_is_staged(&app).await;
        }
        assert_eq!(used(&app, "alice").await, 3_000_000);
        all_is_free_again(&app, &ids).await;

        let app = limited(database, 3_000_000, &[Plugin::Conversion]);
        let alice = app.as_member("alice");
        for (size, status) in [(4 << 20, "failure"), (2 << 20, "success")] {
            let data = super::plugins::converted(&vec![0; size], &["-O", "qcow2"]);
            let id = alice.created(image().qcow2()).await;
            let source = Source::of(data);
            download(&alice, &id, &source.url("/")).await.expect(202);
            assert_eq!(over(&alice, &id).await["status"], status);
        }
        nothing_is_staged(&app).await;
        assert_eq!(used(&app, "alice").await, 2 << 20);
    }
}

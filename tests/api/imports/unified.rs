//! Limits of the identity service (`use_keystone_limits`) on data that is staged, imported and copied.

use std::future::IntoFuture;

use futures::future::join_all;

use super::{source::*, stores::with_stores_and, *};
use crate::images::unified::usage;

const MIB: usize = 1 << 20;

async fn limited_app(database: Database) -> TestApp {
    let app = database.app_with(|options| {
        reach_loopback(options);
        limited(options);
    });
    app.no_limits().await;
    app
}

async fn queued(client: &Client, count: usize) -> Vec<String> {
    join_all((0..count).map(|_| client.created(image().raw()))).await
}

on_each_database! {
    /// What is staged at once is as much as may be; it is free again once it is imported.
    async fn parallel_stages_keep_to_the_limit(database: Database) {
        let app = limited_app(database).await;
        app.limit(None, "image_stage_total", 3).await;
        let alice = app.as_member("alice");
        let ids = queued(&alice, 8).await;
        let answers = join_all(ids.iter().map(|id| stage(&alice, id, bytes(MIB)).into_future())).await;
        let staged = answers.iter().zip(&ids).filter(|(answer, _)| answer.status == 204);
        let staged: Vec<_> = staged.map(|(_, id)| id).collect();
        assert_eq!(staged.len(), 3, "{answers:?}");
        assert_eq!(usage(&alice).await, [0, 3, 8, 3]);
        let left = ids.iter().find(|id| !staged.contains(id)).unwrap();
        let refusal = stage(&alice, left, bytes(MIB)).await.expect(413).text();
        assert!(refusal.contains("image_stage_total"), "{refusal}");
        // It goes straight into a store.
        alice.upload(left, bytes(MIB)).await.expect(204);
        for id in &staged {
            import(&alice, id, json!({"method": {"name": "glance-direct"}})).await.expect(202);
            assert_eq!(over(&alice, id).await["status"], "success");
        }
        nothing_is_staged(&app).await;
        assert_eq!(usage(&alice).await, [4, 0, 8, 0]);
    }

    /// Staged data has to fit when it is imported; an image whose data does not is queued again.
    async fn staged_data_has_to_fit(database: Database) {
        let app = limited_app(database).await;
        app.limit(None, "image_size_total", 2).await;
        let alice = app.as_member("alice");
        let ids = queued(&alice, 4).await;
        for id in &ids {
            stage(&alice, id, bytes(MIB)).await.expect(204);
        }
        assert_eq!(usage(&alice).await, [0, 4, 4, 4]);
        let direct = || json!({"method": {"name": "glance-direct"}});
        join_all(ids.iter().map(|id| import(&alice, id, direct()).into_future())).await;
        let mut left = Vec::new();
        for id in &ids {
            let task = over(&alice, id).await;
            if task["status"] == "failure" {
                assert!(task["message"].as_str().unwrap().contains("image_size_total"), "{task}");
                left.push(id);
            }
        }
        assert_eq!(left.len(), 2);
        for id in left {
            assert_eq!(alice.show(id).await.json()["status"], "queued");
        }
        nothing_is_staged(&app).await;
        assert_eq!(usage(&alice).await, [2, 0, 4, 0]);
    }

    /// What is fetched from the web comes while the project is over no limit, and counts as being uploaded.
    async fn downloads_keep_to_the_limits(database: Database) {
        let app = limited_app(database).await;
        let (alice, source) = (app.as_member("alice"), Source::of(bytes(2 * MIB)));
        let ids = queued(&alice, 4).await;
        let refused = async |resource: &str| {
            download(&alice, &ids[0], &source.url("/")).await.expect(202);
            let task = over(&alice, &ids[0]).await;
            assert!(task["message"].as_str().unwrap().contains(resource), "{task}");
            assert_eq!(alice.show(&ids[0]).await.json()["status"], "queued");
        };
        app.limit(None, "image_count_uploading", 0).await;
        refused("image_count_uploading").await;
        app.limit(None, "image_count_uploading", 1).await;
        stage(&alice, &ids[1], bytes(2 * MIB)).await.expect(204);
        refused("image_count_uploading").await;
        app.limit(None, "image_count_uploading", 2).await;
        app.limit(None, "image_stage_total", 1).await;
        refused("image_stage_total").await;
        app.limit(None, "image_stage_total", 2).await;
        app.limit(None, "image_size_total", 1).await;
        download(&alice, &ids[0], &source.url("/")).await.expect(202);
        assert_eq!(over(&alice, &ids[0]).await["status"], "success");
        download(&alice, &ids[2], &source.url("/")).await.expect(413);
        assert_eq!(usage(&alice).await, [2, 2, 4, 1]);
    }

    /// A copy needs room in staging for its data beside what the image counts for already, as in Glance, and is refused to
    /// a project that is over its limit. It leaves nothing that counts behind.
    async fn copies_keep_to_the_limits(database: Database) {
        let app = with_stores_and(database, &["fast", "cheap", "far"], limited);
        app.no_limits().await;
        let admin = app.as_role("alice", ADMIN);
        let ids = queued(&admin, 1).await;
        admin.upload(&ids[0], bytes(2 * MIB)).await.expect(204);
        let copy = |store: &str| {
            import(&admin, &ids[0], json!({"method": {"name": "copy-image"}, "stores": [store]}))
        };
        for (resource, limit) in [("image_stage_total", 3), ("image_count_uploading", 0)] {
            app.limit(None, resource, limit).await;
            copy("cheap").await.expect(202);
            failed(&app, &admin, &ids[0], "active", resource).await;
            app.limit(None, resource, limit + 1).await;
            assert_eq!(usage(&admin).await, [2, 0, 1, 0]);
        }
        app.limit(None, "image_size_total", 2).await;
        copy("cheap").await.expect(202);
        assert_eq!(over(&admin, &ids[0]).await["status"], "success");
        assert_eq!(usage(&admin).await, [4, 0, 1, 0]);
        copy("far").await.expect(413);
    }
}

//! Limits of the identity service (`use_keystone_limits`) on creating, uploading and restoring images.

use std::future::IntoFuture;

use futures::future::join_all;
use serde_json::{Value, json};

use super::data::chunked;
use crate::support::*;

const MIB: usize = 1 << 20;

/// An app whose limits nobody reaches yet.
pub async fn app(database: Database) -> TestApp {
    app_with(database, |_| {}).await
}

async fn app_with(database: Database, change: impl FnOnce(&mut vitrine::server::Options)) -> TestApp {
    let app = database.app_with(|options| {
        limited(options);
        change(options);
    });
    app.no_limits().await;
    app
}

/// What a client is told that it uses, in the order of Glance's answer.
pub async fn usage(client: &Client) -> [u64; 4] {
    let usage = client.get("/v2/info/usage").await.expect(200).json();
    ["image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"]
        .map(|name| usage["usage"][name]["usage"].as_u64().unwrap_or_else(|| panic!("{usage}")))
}

/// How many answers have a status; all others must have the other.
fn count(answers: &[Answer], status: u16, other: u16) -> usize {
    assert!(answers.iter().all(|answer| [status, other].contains(&answer.status)), "{answers:?}");
    answers.iter().filter(|answer| answer.status == status).count()
}

on_each_database! {
    /// Of what twenty projects upload at once each gets in what there is room for: not a byte more, and not one upload less.
    async fn parallel_uploads_of_many_projects_keep_to_their_limits(database: Database) {
        let app = app(database).await;
        app.limit(None, "image_size_total", 2).await;
        let mut images = Vec::new();
        for project in (0..20).map(|number| format!("project-{number}")) {
            let client = app.as_member(&project);
            for _ in 0..5 {
                images.push((client.created(image().raw()).await, app.as_member(&project)));
            }
        }
        let uploads = images.iter().map(|(id, client)| client.upload(id, bytes(MIB)).into_future());
        let answers = join_all(uploads).await;
        for (answers, images) in answers.chunks(5).zip(images.chunks(5)) {
            assert_eq!(count(answers, 204, 413), 2);
            assert_eq!(usage(&images[0].1).await, [2, 0, 5, 0]);
            for (answer, (id, client)) in answers.iter().zip(images) {
                let status = if answer.status == 204 { "active" } else { "queued" };
                assert_eq!(client.show(id).await.json()["status"], status);
            }
        }
    }

    /// Data of unknown size is admitted while its project is not over its limit, as in Glance, but not by many at once.
    async fn parallel_uploads_of_unknown_size_pass_the_limit_once(database: Database) {
        let app = app(database).await;
        app.limit(None, "image_size_total", 2).await;
        let alice = app.as_member("alice");
        let ids = join_all((0..12).map(|_| alice.created(image().raw()))).await;
        let uploads = ids.iter().map(|id| alice.upload(id, chunked(bytes(MIB))).into_future());
        let answers = join_all(uploads).await;
        // One after another three would pass: at 0, 1 and 2 MiB the project is not over its limit.
        assert!((1..=3).contains(&count(&answers, 204, 413)), "{answers:?}");
        let [size, ..] = usage(&alice).await;
        assert_eq!(size as usize, count(&answers, 204, 413));
    }

    /// Images that are created at once, for a project and for others by an administrator, are as many as there may be.
    async fn parallel_images_keep_to_their_number(database: Database) {
        let app = app(database).await;
        app.limit(None, "image_count_total", 3).await;
        for project in ["alice", "bob"] {
            let client = app.as_member(project);
            let answers = join_all((0..10).map(|_| client.create(image().raw()).into_future())).await;
            assert_eq!(count(&answers, 201, 413), 3);
            assert_eq!(usage(&client).await[2], 3);
        }
        // Glance counts what the caller's project has, whoever the image is for.
        let admin = app.as_role("alice", ADMIN);
        admin.create(image().with("owner", "carol")).await.expect(413);
        app.as_admin().create(image().with("owner", "alice")).await.expect(201);
        let alice = app.as_member("alice");
        let id = alice.list("").await.json()["images"][0]["id"].as_str().unwrap().to_owned();
        alice.remove(&id).await.expect(204);
        alice.create(image()).await.expect(413);
        app.limit(Some("alice"), "image_count_total", 4).await;
        alice.create(image()).await.expect(201);
        app.limit(Some("alice"), "image_count_total", -1).await;
        alice.create(image()).await.expect(201);
    }

    /// Images that are staged and uploaded at once are as many as may be on their way; the others stay queued.
    async fn parallel_uploads_keep_to_their_number(database: Database) {
        let app = app(database).await;
        app.limit(None, "image_count_uploading", 3).await;
        let alice = app.as_member("alice");
        let ids = join_all((0..10).map(|_| alice.created(image().raw()))).await;
        let stages = ids.iter().map(|id| {
            let request = alice.put(&format!("/v2/images/{id}/stage")).header("content-type", OCTETS);
            request.body(bytes(1000)).into_future()
        });
        let answers = join_all(stages).await;
        assert_eq!(count(&answers, 204, 413), 3);
        assert_eq!(usage(&alice).await, [0, 0, 10, 3]);
        let left = ids.iter().zip(&answers).filter(|(_, answer)| answer.status == 413);
        let left: Vec<_> = left.map(|(id, _)| id).collect();
        for id in &left {
            assert_eq!(alice.show(id).await.json()["status"], "queued");
        }
        let refusal = alice.upload(left[0], "data").await.expect(413).text();
        assert!(refusal.contains("image_count_uploading"), "{refusal}");
        app.limit(None, "image_count_uploading", 4).await;
        alice.upload(left[0], "data").await.expect(204);
        app.as_member("bob").created(image().raw()).await;
    }

    /// A limit is reached and not passed, in Glance's order and rounding; a refusal names what there is to know.
    async fn limits_are_glances(database: Database) {
        let app = app(database).await;
        app.limit(None, "image_size_total", 1).await;
        let alice = app.as_member("alice");
        let ids = join_all((0..4).map(|_| alice.created(image().raw()))).await;
        alice.upload(&ids[0], bytes(2 * MIB)).await.expect(413);
        alice.upload(&ids[0], bytes(MIB)).await.expect(204);
        alice.upload(&ids[1], bytes(MIB)).await.expect(413);
        // Less than a MiB is no MiB, and who does not say how much there is has asked for nothing.
        alice.upload(&ids[1], chunked(bytes(MIB))).await.expect(204);
        let refusal = alice.upload(&ids[2], "x").await.expect(413);
        for part in ["alice", "image_size_total", "1 MiB", "uses 2", "requests 0"] {
            assert!(refusal.text().contains(part), "{refusal:?}");
        }
        // The limit comes before the image.
        alice.upload(&fresh_id(), "x").await.expect(413);
        let imported = alice.post(&format!("/v2/images/{}/import", fresh_id()));
        imported.json(&json!({"method": {"name": "glance-direct"}})).await.expect(413);
        app.limit(Some("alice"), "image_size_total", 3).await;
        alice.upload(&ids[2], bytes(MIB)).await.expect(204);
        alice.remove(&ids[0]).await.expect(204);
        alice.upload(&ids[3], bytes(MIB)).await.expect(204);
        let shown = alice.get("/v2/info/usage").await.expect(200).json();
        let of = |usage: u64, limit: i64| json!({"usage": usage, "limit": limit});
        let expected = json!({"usage": {"image_size_total": of(3, 3), "image_stage_total": of(0, -1),
            "image_count_total": of(3, -1), "image_count_uploading": of(0, -1)}});
        assert_eq!(shown, expected);
        assert_eq!(usage(&app.as_system()).await, [0; 4]);
    }

    /// What is not registered may not be had, as in oslo.limit.
    async fn what_is_not_registered_may_not_be_had(database: Database) {
        let app = database.app_with(limited);
        let refusal = app.as_member("alice").create(image()).await.expect(413).text();
        assert!(refusal.contains("image_count_total"), "{refusal}");
        app.no_limits().await;
        app.as_member("alice").create(image()).await.expect(201);
    }

    /// An image comes back from the trash only where there is room for it and its data.
    async fn restored_images_keep_to_the_limits(database: Database) {
        let app = app_with(database, |options| options.image.trash_seconds = 3600).await;
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.upload(&id, bytes(2 * MIB)).await.expect(204);
        alice.remove(&id).await.expect(204);
        assert_eq!(usage(&alice).await, [0; 4]);
        let restore = async || alice.post(&format!("/ext/v1/trash/{id}/restore")).await;
        for (resource, usage) in [("image_size_total", 0), ("image_count_total", 0)] {
            app.limit(Some("alice"), resource, usage).await;
            let refusal: Value = restore().await.expect(413).json();
            assert_eq!(refusal["error"]["reason"], "over-limit", "{refusal}");
            assert_eq!(refusal["error"]["details"]["resource"], resource, "{refusal}");
            app.limit(Some("alice"), resource, 2).await;
        }
        restore().await.expect(204);
        assert_eq!(usage(&alice).await, [2, 0, 1, 0]);
    }

    /// Without limits nothing is limited, and the project's usage is not told.
    async fn nothing_is_limited_by_default(database: Database) {
        let app = database.app();
        assert_eq!(app.as_member("alice").get("/v2/info/usage").await.expect(200).json(), json!({"usage": {}}));
    }
}

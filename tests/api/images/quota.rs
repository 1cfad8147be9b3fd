//! `user_storage_quota` under concurrency: uploads, locations and deletions that meet at the limit.

use std::future::IntoFuture;

use futures::{StreamExt, channel::mpsc, future::join_all};
use serde_json::json;
use vitrine::{
    access::unified::Counts,
    blob::draft::NewDraft,
    db,
    model::{event::Author, status::Status, unified::Resource},
};

use super::data::chunked;
use crate::support::*;

/// Bytes that a project keeps and has reserved, as the next request counts them.
pub async fn used(app: &TestApp, project: &str) -> u64 {
    let project = project.to_owned();
    app.app().db.read("test.stored", move |conn| db::quota::stored(conn, &project)).await.unwrap()
}

/// Images of alice's, queued.
pub async fn queued(app: &TestApp, count: usize) -> Vec<String> {
    let alice = app.as_member("alice");
    join_all((0..count).map(|_| alice.created(image().raw()))).await
}

/// Waits for `work` while it looks again and again whether alice is within `quota`.
pub async fn within<T>(app: &TestApp, quota: u64, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            used = used(app, "alice") => assert!(used <= quota, "{used} bytes of {quota}"),
        }
    }
}

fn limited(database: Database, quota: u64) -> TestApp {
    database.app_with(move |options| options.image.user_storage_quota = Some(quota))
}

on_each_database! {
    /// Of fifty uploads at once as many get in as there is room for, to the byte; what they kept is free again when they
    /// are deleted.
    async fn sec_44_parallel_uploads_keep_to_the_quota(database: Database) {
        let app = limited(database, 1_000_000);
        let alice = app.as_member("alice");
        let ids = queued(&app, 50).await;
        let uploads = join_all(ids.iter().map(|id| alice.upload(id, bytes(100_000)).into_future()));
        let answers = within(&app, 1_000_000, uploads).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 10);
        assert_eq!(answers.iter().filter(|answer| answer.status == 413).count(), 40, "{answers:?}");
        app.settles().await;
        assert_eq!(used(&app, "alice").await, 1_000_000);
        join_all(ids.iter().map(|id| alice.remove(id).into_future())).await;
        assert_eq!(used(&app, "alice").await, 0);
    }

    /// Data of unknown size is cut where the room ends, and what was reserved ahead of it is given back.
    async fn sec_44_chunked_uploads_keep_to_the_quota(database: Database) {
        let app = limited(database, 5_000_000);
        let alice = app.as_member("alice");
        let ids = queued(&app, 12).await;
        let uploads = join_all(ids.iter().map(|id| alice.upload(id, chunked(bytes(700_000))).into_future()));
        let answers = within(&app, 5_000_000, uploads).await;
        app.settles().await;
        let kept = answers.iter().filter(|answer| answer.status == 204).count() as u64;
        assert_eq!(answers.iter().filter(|answer| answer.status == 413).count() as u64, 12 - kept);
        assert_eq!(used(&app, "alice").await, kept * 700_000);
        let left = 5_000_000 - kept * 700_000;
        let last = alice.created(image().raw()).await;
        alice.upload(&last, chunked(bytes(usize::try_from(left).unwrap() + 1))).await.expect(413);
        alice.upload(&last, chunked(bytes(usize::try_from(left).unwrap()))).await.expect(204);
        assert_eq!(used(&app, "alice").await, 5_000_000);
    }

    /// Data that is on its way counts although its image is deleted meanwhile, for as long as its bytes may be there.
    async fn sec_14_deleting_during_the_upload_frees_nothing_before_its_time(database: Database) {
        let app = limited(database, 1_000_000);
        let alice = app.as_member("alice");
        let token = Persona::with_roles("alice", MEMBER).token();
        let mut under_way = Vec::new();
        for id in queued(&app, 4).await {
            let mut raw = app.raw();
            raw.send(format!("PUT /v2/images/{id}/file HTTP/1.1\r\nhost: x\r\nx-auth-token: {token}\r\n\
                content-type: {OCTETS}\r\ncontent-length: 250000\r\n\r\n").as_bytes());
            raw.send(&bytes(125_000));
            eventually("saving", async || match alice.show(&id).await.json()["status"].as_str() {
                Some("saving") => Ok(()),
                other => Err(format!("{other:?}")),
            })
            .await;
            alice.remove(&id).await.expect(204);
            under_way.push(raw);
        }
        assert_eq!(used(&app, "alice").await, 1_000_000);
        let next = alice.created(image().raw()).await;
        alice.upload(&next, "x").await.expect(413);
        for mut raw in under_way {
            assert_eq!(raw.send(&bytes(125_000)).status(), 410);
        }
        app.settles().await;
        assert_eq!(used(&app, "alice").await, 0);
        alice.upload(&next, bytes(1_000_000)).await.expect(204);
    }

    /// An upload whose image is deleted is cut before it has sent everything: it looks at each step.
    async fn sec_14_an_upload_without_an_image_is_cut(database: Database) {
        let app = limited(database, 100_000_000);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let (sender, pieces) = mpsc::unbounded::<Vec<u8>>();
        let body = reqwest::Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>));
        let upload = tokio::spawn(alice.upload(&id, body).into_future());
        sender.unbounded_send(bytes(1000)).unwrap();
        eventually("saving", async || match alice.show(&id).await.json()["status"].as_str() {
            Some("saving") => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        alice.remove(&id).await.expect(204);
        sender.unbounded_send(bytes(3_000_000)).unwrap();
        // The body has not ended.
        eventually("cut", async || match used(&app, "alice").await {
            0 => Ok(()),
            used => Err(used),
        })
        .await;
        drop(sender);
        upload.await.unwrap().expect(410);
    }

    /// What a dead process had reserved goes with its lease.
    async fn sec_44_reservations_end_with_the_lease(database: Database) {
        let app = limited(database, 1000);
        let inner = app.app();
        let ids = queued(&app, 2).await;
        let store = &inner.stores.get(inner.stores.default_id()).unwrap();
        let (owner, payer) = (Some("alice"), Some("alice"));
        let (image_id, size, caller) = (ids[0].as_str(), Some(900), None);
        let (holder, prepares) = (None, None);
        let counts = Counts { resource: Resource::SizeTotal, binding: true };
        let new = NewDraft { image_id, owner, payer, store, name: None, size, counts, caller, holder, prepares };
        let draft = inner.blobs.begin_upload(Author::service(), new, Status::Saving, |_| Ok(())).await;
        drop(draft.unwrap());
        assert_eq!(used(&app, "alice").await, 900);
        let alice = app.as_member("alice");
        alice.upload(&ids[1], bytes(101)).await.expect(413);
        app.later(3600);
        app.settles().await;
        assert_eq!(used(&app, "alice").await, 0);
        alice.upload(&ids[1], bytes(1000)).await.expect(204);
    }

    /// Locations that are added at once, by PATCH and by POST, come to no more than the quota.
    async fn sec_44_parallel_locations_keep_to_the_quota(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.image.show_multiple_locations = true;
            options.image.user_storage_quota = Some(40);
        });
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let ids = queued(&app, 24).await;
        let (patched, posted) = ids.split_at(12);
        let add = |id: &String| {
            let location = json!({"url": source.url("a"), "metadata": {}});
            let patch = json!([{"op": "add", "path": "/locations/-", "value": location}]);
            alice.update(id, patch).into_future()
        };
        let post = |id: &String| {
            alice.post(&format!("/v2/images/{id}/locations")).json(&json!({"url": source.url("a")})).into_future()
        };
        let both = futures::future::join(join_all(patched.iter().map(add)), join_all(posted.iter().map(post)));
        let (patches, posts) = within(&app, 40, both).await;
        assert!(posts.iter().all(|answer| answer.status == 202), "{posts:?}");
        let mut active = patches.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(patches.iter().filter(|answer| answer.status == 413).count(), 12 - active);
        for id in posted {
            let task = eventually("the task is over", async || {
                let task = alice.get(&format!("/v2/images/{id}/tasks")).await.json()["tasks"][0].clone();
                if task["status"] == "success" || task["status"] == "failure" { Ok(task) } else { Err(task) }
            })
            .await;
            let shown = alice.show(id).await.json();
            let succeeded = task["status"] == "success";
            assert_eq!(shown["status"], if succeeded { "active" } else { "queued" }, "{task} {shown}");
            if !succeeded {
                assert!(task["message"].as_str().unwrap().contains("storage quota"), "{task}");
            }
            active += usize::from(succeeded);
        }
        assert_eq!(active, 10);
        assert_eq!(used(&app, "alice").await, 40);
    }
}

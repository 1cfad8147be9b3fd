//! `DELETE /v2/images/{id}`

use std::sync::Arc;

use futures::FutureExt;
use serde_json::json;
use vitrine::{
    image::Images,
    model::{event::Author, image::Image, status::Status, visibility::Visibility},
};

use crate::support::*;

on_each_database! {
    /// Deleting takes the bytes, and leaves nothing that any call can see.
    async fn nothing_remains(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw().shared().tags(&["t"]).with("p", "v")).await;
        alice.upload(&id, bytes(100_000)).await.expect(204);
        alice.share(&id, "bob").await.expect(200);
        let answer = alice.remove(&id).await.expect(204);
        assert!(answer.body.is_empty());
        let path = format!("/v2/images/{id}");
        for (method, path) in [
            ("GET", path.clone()),
            ("DELETE", path.clone()),
            ("GET", format!("{path}/file")),
            ("GET", format!("{path}/members")),
            ("PUT", format!("{path}/tags/x")),
            ("POST", format!("{path}/actions/deactivate")),
        ] {
            for caller in [&alice, &app.as_admin(), &app.as_member("bob")] {
                caller.request(method, &path).await.expect_for(404, (method, &path));
            }
        }
        alice.upload(&id, "data").await.expect(404);
        alice.update(&id, json!([{"op": "add", "path": "/a", "value": "b"}])).await.expect(404);
        for filter in ["", "tag=t", "p=v", "visibility=all&member_status=all", "status=deleted"] {
            for caller in [&alice, &app.as_admin(), &app.as_member("bob")] {
                assert_eq!(caller.list(filter).await.expect(200).json()["images"], json!([]), "{filter}");
            }
        }
        app.settles().await;
        assert_eq!(std::fs::read_dir(app.store_folder()).unwrap().count(), 1, "only the folder of parts");
    }

    /// Who may delete: admins and members of the owner; who cannot see the image is told that there is none.
    async fn the_policy_decides(database: Database) {
        let app = database.app();
        let images: Vec<Image> = [Visibility::Private, Visibility::Shared, Visibility::Community]
            .into_iter()
            .map(|visibility| Image { visibility, ..record("alice", 1) })
            .collect();
        app.insert(&images).await;
        app.as_member("alice").share(&images[1].id, "mallory").await.expect(200);
        for (caller, expected) in [
            (app.as_reader("alice"), [403, 403, 403]),
            (app.as_member("bob"), [404, 404, 403]),
            (app.as_member("mallory"), [404, 403, 403]),
            (app.as_role("alice", &[]), [404, 404, 404]),
            (app.as_service(), [404, 404, 404]),
            (app.as_nobody(), [401, 401, 401]),
            (app.as_admin(), [204, 204, 204]),
        ] {
            for (image, status) in images.iter().zip(expected) {
                caller.remove(&image.id).await.expect_for(status, image.visibility);
            }
        }
    }

    /// Nobody deletes what is another's, whatever its status, and whether deletion is delayed or not; its data stays.
    async fn sec_1_nobody_deletes_what_is_anothers(database: Database) {
        let app = database.app();
        let delaying = database.app_with(|options| options.image.delayed_delete = true);
        for app in [app, delaying] {
            let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
            for (visibility, refusal) in
                [(Visibility::Private, 404), (Visibility::Shared, 404), (Visibility::Community, 403), (Visibility::Public, 403)]
            {
                for status in Status::ALL.into_iter().filter(|status| *status != Status::Deleted) {
                    let image = Image { visibility, status, ..record("alice", 1) };
                    app.insert(std::slice::from_ref(&image)).await;
                    bob.remove(&image.id).await.expect_for(refusal, (visibility, status));
                    assert_eq!(alice.show(&image.id).await.expect(200).json()["status"], status.as_str());
                }
            }
            let id = alice.created(image().raw().shared()).await;
            alice.upload(&id, "data").await.expect(204);
            alice.share(&id, "bob").await.expect(200);
            bob.answer(&id, "bob", "accepted").await.expect(200);
            bob.remove(&id).await.expect(403);
            bob.delete(&format!("/v2/stores/default/{id}")).await.expect(404);
            assert_eq!(alice.download(&id).await.expect(200).body, "data");
        }
    }

    /// A protected image stays, for admins too, with all that belongs to it.
    async fn protected_images_stay(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw().with("protected", true)).await;
        alice.upload(&id, "data").await.expect(204);
        alice.remove(&id).await.expect(403);
        app.as_admin().remove(&id).await.expect(403);
        assert_eq!(alice.download(&id).await.expect(200).body, "data");
        alice.update(&id, json!([{"op": "replace", "path": "/protected", "value": false}])).await.expect(200);
        alice.delete(&format!("/v2/images/{id}")).body("{}").await.expect(400);
        alice.remove(&id).await.expect(204);
    }

    /// Every status of a living image allows its deletion; a deactivated one loses its bytes too.
    async fn every_status_can_be_deleted(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for status in Status::ALL {
            if matches!(status, Status::PendingDelete | Status::Deleted) {
                continue;
            }
            let image = Image { status, ..record("alice", 1) };
            app.insert(std::slice::from_ref(&image)).await;
            alice.remove(&image.id).await.expect_for(204, status);
        }
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "data").await.expect(204);
        alice.act(&id, "deactivate").await.expect(204);
        alice.remove(&id).await.expect(204);
        app.settles().await;
    }

    /// A delayed deletion hides the image at once and keeps its bytes until they are due.
    async fn delayed_deletion_keeps_the_bytes(database: Database) {
        let app = database.app_with(|options| {
            options.image.delayed_delete = true;
            options.image.scrub_time_seconds = 3600;
        });
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "data").await.expect(204);
        alice.remove(&id).await.expect(204);
        alice.show(&id).await.expect(404);
        assert_eq!(app.faults().await.len(), 1, "a doomed row, which keeps its file");
        assert!(app.store_folder().join(&id).exists());
        app.later(3500);
        vitrine::jobs::reap::sweep(&app.app()).await.unwrap();
        assert!(app.store_folder().join(&id).exists(), "there are a hundred seconds left");
        app.later(101);
        app.settles().await;
    }

    /// The reaper is woken for data that goes, and for nothing else: each of its looks writes.
    async fn only_data_wakes_the_reaper(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let (empty, full) = (alice.created(image().raw()).await, alice.created(image().raw()).await);
        alice.upload(&full, "data").await.expect(204);
        let images = Images { doomed: Arc::default(), ..app.app().images.clone() };
        let renamed = |image: &Image| Ok(Some(Image { name: Some("other".to_owned()), ..image.clone() }));
        let deleted = |image: &Image| Ok(Some(Image { status: Status::Deleted, ..image.clone() }));
        images.change_for(&Author::service(), &full, renamed).await.unwrap();
        images.change_for(&Author::service(), &empty, deleted).await.unwrap();
        assert!(images.doomed.notified().now_or_never().is_none());
        images.change_for(&Author::service(), &full, deleted).await.unwrap();
        assert!(images.doomed.notified().now_or_never().is_some());
        app.app().images.doomed.notify_one();
        app.settles().await;
    }

    /// Of many who delete one image at once, one succeeds.
    async fn one_of_many_deletes(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "data").await.expect(204);
        let answers = futures::future::join_all(
            (0..8).map(|_| std::future::IntoFuture::into_future(alice.remove(&id))),
        );
        let mut codes: Vec<u16> = answers.await.iter().map(|answer| answer.status).collect();
        codes.sort_unstable();
        assert_eq!(codes, [204, 404, 404, 404, 404, 404, 404, 404]);
    }
}

//! Uploads that are cut off, raced, overtaken by a deletion, or whose server dies.

use std::future::IntoFuture;

use futures::{StreamExt, channel::mpsc, future::join_all};
use vitrine::{
    access::unified::Counts,
    blob::draft::NewDraft,
    db,
    model::{
        blob::{Blob, BlobState},
        error::Error,
        event::Author,
        image::Image,
        status::Status,
        time::Timestamp,
        unified::Resource,
    },
};

use super::data::chunked;
use crate::support::*;

/// A body that goes on when the test says so, and ends when the sender is dropped.
fn slow_body() -> (mpsc::UnboundedSender<Vec<u8>>, reqwest::Body) {
    let (sender, pieces) = mpsc::unbounded();
    (sender, reqwest::Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>)))
}

/// An image in `saving` whose bytes a node that is gone began to write.
async fn abandoned(app: &TestApp, lease_until: Timestamp) -> Image {
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
        lease_until,
        delete_after: Timestamp(0),
        attempts: 0,
    };
    std::fs::write(app.store_folder().join(".parts").join(&blob.id), bytes(1000)).unwrap();
    app.write(move |conn| db::blobs::insert(conn, &blob, now())).await;
    image
}

on_each_database! {
    /// A client that goes away in the middle leaves a queued image, which takes the data the next time.
    async fn truncated_uploads_can_be_repeated(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let token = Persona::with_roles("alice", MEMBER).token();
        let length = "content-length: 1000000";
        let chunked = "transfer-encoding: chunked";
        for (framing, sent) in [
            (length, bytes(0)),
            (length, bytes(70_000)),
            (chunked, bytes(0)),
            (chunked, b"40\r\nabc".to_vec()),
            (chunked, b"3\r\nabc\r\n".to_vec()),
        ] {
            let id = alice.created(image().raw()).await;
            let head = format!(
                "PUT /v2/images/{id}/file HTTP/1.1\r\nhost: x\r\nx-auth-token: {token}\r\n\
                 content-type: {OCTETS}\r\n{framing}\r\n\r\n"
            );
            let mut raw = app.raw();
            raw.send(head.as_bytes()).send(&sent);
            alice.becomes(&id, "saving").await;
            drop(raw);
            alice.becomes(&id, "queued").await;
            app.settles().await;
            // Chunks that cannot be read end the connection, answered or not.
            if sent.ends_with(b"\r\n") {
                let junk = [&sent[..], b"\xff\xffjunk\r\n"].concat();
                let status = app.raw().send(head.as_bytes()).send(&junk).status();
                assert!(matches!(status, 0 | 400), "{status}");
            }
            eventually("taken", async || {
                let answer = alice.upload(&id, bytes(1000)).await;
                if answer.status == 204 { Ok(()) } else { Err(answer) }
            })
            .await;
            assert_eq!(alice.download(&id).await.expect(200).body, bytes(1000));
        }
    }

    /// While one upload is under way a second one is refused and does not disturb it.
    async fn a_second_upload_is_refused(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let (sender, body) = slow_body();
        let first = tokio::spawn(alice.upload(&id, body).into_future());
        sender.unbounded_send(bytes(1000)).unwrap();
        alice.becomes(&id, "saving").await;
        alice.upload(&id, "other").await.expect(409);
        alice.download(&id).await.expect(204);
        alice.update(&id, serde_json::json!([{"op": "add", "path": "/p", "value": "v"}])).await.expect(200);
        sender.unbounded_send(bytes(500)).unwrap();
        drop(sender);
        first.await.unwrap().expect(204);
        let shown = alice.show(&id).await.json();
        assert_eq!((shown["status"].as_str(), shown["p"].as_str()), (Some("active"), Some("v")));
        assert_eq!(alice.download(&id).await.body, [bytes(1000), bytes(500)].concat());
    }

    /// Of many uploads that begin at once, one wins, and its bytes are the image's.
    async fn one_of_many_uploads_wins(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let data = |n: usize| vec![u8::try_from(n).unwrap() + 1; 300_000];
        let uploads = (0..6).map(|n| alice.upload(&id, chunked(data(n))).into_future());
        let answers = join_all(uploads).await;
        let winners: Vec<usize> = (0..6).filter(|n| answers[*n].status == 204).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|answer| matches!(answer.status, 204 | 409)), "{answers:?}");
        assert_eq!(alice.download(&id).await.expect(200).body, data(winners[0]));
    }

    /// An image that is deleted during its upload stays deleted, and the upload is told: 410.
    async fn sec_20_deleted_during_the_upload(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let (sender, body) = slow_body();
        let upload = tokio::spawn(alice.upload(&id, body).into_future());
        sender.unbounded_send(bytes(1000)).unwrap();
        alice.becomes(&id, "saving").await;
        alice.remove(&id).await.expect(204);
        sender.unbounded_send(bytes(1000)).unwrap();
        drop(sender);
        upload.await.unwrap().expect(410);
        alice.show(&id).await.expect(404);
        app.settles().await;
    }

    /// A running upload ends well although its server is told to stop.
    async fn a_stopping_server_finishes_uploads(database: Database) {
        let mut app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let (sender, body) = slow_body();
        let upload = tokio::spawn(alice.upload(&id, body).into_future());
        sender.unbounded_send(bytes(1000)).unwrap();
        alice.becomes(&id, "saving").await;
        drop(sender);
        upload.await.unwrap().expect(204);
        app.restart(|_| {});
        let alice = app.as_member("alice");
        assert_eq!(alice.download(&id).await.expect(200).body, bytes(1000));
        app.settles().await;
    }

    /// An upload whose server died goes back to `queued` when the lease is over, not before; nothing of it stays.
    async fn the_reaper_returns_abandoned_uploads(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let (past, future) = (Timestamp(1), now().plus_seconds(3600));
        let (dead, alive) = (abandoned(&app, past).await, abandoned(&app, future).await);
        vitrine::jobs::reap::sweep(&app.app()).await.unwrap();
        alice.becomes(&dead.id, "queued").await;
        assert_eq!(alice.show(&alive.id).await.json()["status"], "saving");
        alice.upload(&dead.id, bytes(5000)).await.expect(204);
        alice.upload(&alive.id, "data").await.expect(409);
        // The other node dies as well.
        app.later(7200);
        app.settles().await;
        alice.becomes(&alive.id, "queued").await;
        alice.upload(&alive.id, "data").await.expect(204);
        assert_eq!(alice.download(&dead.id).await.expect(200).body, bytes(5000));
    }

    /// An upload that breaks off without a word keeps its image no longer than its lease: the process renews only what
    /// somebody in it still holds.
    async fn nobody_holds_what_broke_off(database: Database) {
        let app = database.app();
        let (alice, inner) = (app.as_member("alice"), app.app());
        let mut drafts = Vec::new();
        for _ in 0..2 {
            let id = alice.created(image().raw()).await;
            let store = &inner.stores.get(inner.stores.default_id()).unwrap();
            let (name, payer, holder) = (Some(id.as_str()), None, None);
            let (size, caller) = (None, None);
            let (owner, prepares) = (None, None);
            let counts = Counts { resource: Resource::SizeTotal, binding: true };
            let new = NewDraft { image_id: &id, owner, payer, store, name, size, counts, caller, holder, prepares };
            let draft = inner.blobs.begin_upload(Author::service(), new, Status::Saving, |_| Ok(())).await;
            drafts.push((id, draft.unwrap().0));
        }
        let (broken, under_way) = (drafts.pop().unwrap(), drafts.pop().unwrap());
        drop(broken.1);
        // Before the clock is turned: the service looks for leases that have run out by itself.
        let (holders, until) = (inner.leases().holders(), inner.leases().end().plus_seconds(3600));
        assert_eq!(holders.as_slice(), std::slice::from_ref(&under_way.1.blob.id));
        let held = holders.clone();
        app.write(move |conn| db::blobs::set_leases(conn, &held, until)).await;
        app.later(3600);
        // The service may have renewed it for less meanwhile.
        app.write(move |conn| db::blobs::set_leases(conn, &holders, until)).await;
        vitrine::jobs::reap::sweep(&inner).await.unwrap();
        assert_eq!(alice.show(&broken.0).await.json()["status"], "queued");
        assert_eq!(alice.show(&under_way.0).await.json()["status"], "saving");
        drop(under_way.1.abandon(Author::service(), Error::conflict("It was broken off.")).await);
        assert_eq!(alice.show(&under_way.0).await.json()["status"], "queued");
    }

    /// A server alone on its data folder knows at its start that nobody else writes.
    async fn a_restart_takes_over_at_once(database: Database) {
        let mut app = database.app();
        let future = now().plus_seconds(3600);
        let image = abandoned(&app, future).await;
        app.restart(|_| {});
        let alice = app.as_member("alice");
        if database != Database::Sqlite {
            assert_eq!(alice.show(&image.id).await.json()["status"], "saving");
            app.later(7200);
        }
        app.settles().await;
        alice.becomes(&image.id, "queued").await;
        alice.upload(&image.id, "data").await.expect(204);
    }

    /// What a failed upload left under the image's name does not stand in the way of the next one.
    async fn remains_do_not_stand_in_the_way(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let blob = Blob {
            id: fresh_id(),
            image_id: id.clone(),
            store: "file".to_owned(),
            name: id.clone(),
            state: BlobState::Doomed,
            size: None,
            holder: "another node".to_owned(),
            lease_until: now().plus_seconds(3600),
            delete_after: Timestamp(0),
            attempts: 0,
        };
        std::fs::write(app.store_folder().join(&id), "remains").unwrap();
        app.write(move |conn| db::blobs::insert(conn, &blob, now())).await;
        alice.upload(&id, "data").await.expect(204);
        app.later(7200);
        app.settles().await;
        assert_eq!(alice.download(&id).await.expect(200).body, "data");
    }

    /// A node that was silent for longer than its leases last finds that others have taken back what it was receiving: the
    /// client is told that the image has changed meanwhile, and may send it again.
    async fn an_upload_that_was_taken_back_is_told_so(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for (place, status) in [("file", "saving"), ("stage", "uploading")] {
            let id = alice.created(image().raw()).await;
            let (send, body) = slow_body();
            let request = alice.put(&format!("/v2/images/{id}/{place}")).header("content-type", OCTETS);
            let request = request.body(body);
            let others = async {
                send.unbounded_send(bytes(1000)).unwrap();
                alice.becomes(&id, status).await;
                eventually("it is taken back", async || {
                    // Its node may renew the lease at any moment.
                    app.write(db::blobs::end_leases).await;
                    vitrine::jobs::reap::sweep(&app.app()).await.unwrap();
                    let shown = alice.show(&id).await.json();
                    if shown["status"] == "queued" { Ok(()) } else { Err(shown) }
                })
                .await;
                app.settles().await;
                drop(send);
            };
            let (answer, ()) = tokio::join!(request.into_future(), others);
            let answer = answer.expect_for(410, place);
            assert!(answer.text().contains("was deleted or changed during the upload"), "{answer:?}");
            alice.becomes(&id, "queued").await;
            alice.upload(&id, "data").await.expect(204);
        }
    }
}

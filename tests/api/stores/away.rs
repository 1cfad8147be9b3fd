//! Uploads into a store that does not answer: whoever sends has his answer as soon as one call of it had none.

use futures::{StreamExt, channel::mpsc};
use serde_json::{Value, json};

use super::*;

/// Requires that an image is queued without a trace, and takes data once the store is back.
async fn can_be_repeated(app: &TestApp, far: &Far, id: &str) {
    let alice = app.as_member("alice");
    assert_eq!(alice.becomes(id, "queued").await["size"], Value::Null);
    far.come_back();
    alice.upload(id, "data").header("x-image-meta-store", "far").await.expect(204);
    assert_eq!(alice.show(id).await.expect(200).json()["status"], json!("active"));
    app.settles().await;
}

on_each_database! {
    /// A store that is away when an upload begins is asked one thing, and nothing after that: each further call of one
    /// that hangs would take as long again.
    async fn sec_37_an_upload_asks_a_dead_store_once(database: Database) {
        let far = Far::new("far");
        let app = with_far(database, &far, |options| options.stores.fencing.after = 0);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        far.leave_after(1);
        alice.upload(&id, "data").header("x-image-meta-store", "far").await.expect(503);
        assert_eq!(far.unanswered(), 1);
        can_be_repeated(&app, &far, &id).await;
    }

    /// One that dies in the middle is not asked to clean up: that is left to the reaper.
    async fn sec_37_an_upload_whose_store_dies_is_over_then(database: Database) {
        let far = Far::new("far");
        let app = with_far(database, &far, |options| options.stores.fencing.after = 0);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let (sender, pieces) = mpsc::unbounded::<Vec<u8>>();
        let body = reqwest::Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>));
        let upload = alice.upload(&id, body).header("x-image-meta-store", "far");
        let upload = tokio::spawn(std::future::IntoFuture::into_future(upload));
        sender.unbounded_send(bytes(100_000)).unwrap();
        alice.becomes(&id, "saving").await;
        far.leave_after(1);
        sender.unbounded_send(bytes(1 << 20)).unwrap();
        drop(sender);
        upload.await.unwrap().expect(503);
        assert_eq!(far.unanswered(), 1);
        can_be_repeated(&app, &far, &id).await;
    }
}

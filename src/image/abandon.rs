//! Takes back what a failed upload has left behind.

use std::time::Duration;

use crate::{
    app::App,
    db::{self, Db, DbResult},
    model::{blob::Blob, time::Timestamp},
    store::NamedStore,
};

/// How long a failed upload waits for a database that cannot be written.
const GIVE_UP_AGAIN: Duration = Duration::from_secs(5);

/// Takes back what an upload left: the image's `saving`, the bytes, the row. The bytes go last, and only if the
/// ledger says that they are still this upload's: a commit that reported an error may have taken place.
pub async fn abandon(app: &App, store: &NamedStore, blob: &Blob) {
    match give_up(&app.db, &app.node, blob, app.lease_end()).await {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!(blob = %blob.id, "a failed upload was not this node's any more");
            return;
        }
        Err(error) => {
            tracing::error!(%error, blob = %blob.id, "a failed upload cannot be taken back yet");
            give_up_later(app, blob.clone());
            return;
        }
    }
    let deleted = store.delete(&blob.id, &blob.name).await;
    if let Err(error) = &deleted {
        tracing::warn!(%error, blob = %blob.id, "the bytes of a failed upload stay for the reaper");
    }
    let (deleted, blob_id, now) = (deleted.is_ok(), blob.id.clone(), Timestamp::now());
    let result = app
        .db
        .write("blob.end_upload", move |conn| match deleted {
            true => db::blobs::remove(conn, &blob_id),
            false => db::blobs::doom(conn, &blob_id, now, now),
        })
        .await;
    if let Err(error) = result {
        tracing::error!(%error, "the row of a failed upload cannot be removed yet");
        give_up_later(app, blob.clone());
    }
    app.doomed.notify_one();
}

async fn give_up(db: &Db, node: &str, blob: &Blob, lease_end: Timestamp) -> DbResult<bool> {
    let (node, blob) = (node.to_owned(), blob.clone());
    db.write("image.abandon_upload", move |conn| {
        db::blobs::give_up(conn, &blob, &node, lease_end, Timestamp::now())
    })
    .await
}

/// Keeps trying: while this process lives its leases are renewed, so nobody else would ever take the image out of
/// `saving`. When it ends, the next reaper does.
fn give_up_later(app: &App, blob: Blob) {
    let (db, node) = (app.db.clone(), app.node.clone());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(GIVE_UP_AGAIN).await;
            match give_up(&db, &node, &blob, Timestamp(0)).await {
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, blob = %blob.id, "a failed upload still waits"),
            }
        }
    });
}

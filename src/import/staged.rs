//! Blobs in the staging folder during an import: begun, finished together with the step that made them, dropped.

use super::state::{Staged, State};
use crate::{
    app::App,
    db,
    model::{
        blob::{Blob, BlobState},
        error::Error,
        time::Timestamp,
    },
    work::{Done, Work},
};

/// A row for a blob of an image that is about to be written by this node.
pub fn draft(app: &App, image_id: &str, store: &str, name: Option<&str>, size: Option<u64>) -> Blob {
    let id = uuid::Uuid::new_v4().to_string();
    Blob {
        image_id: image_id.to_owned(),
        store: store.to_owned(),
        name: name.unwrap_or(&id).to_owned(),
        id,
        state: BlobState::Writing,
        size: size.and_then(|s| i64::try_from(s).ok()),
        lease_node: app.node.clone(),
        lease_until: app.lease_end(),
        delete_after: Timestamp(0),
        attempts: 0,
    }
}

/// Enters a blob of the staging folder into the ledger.
///
/// # Errors
/// The database's.
pub async fn begin(app: &App, image_id: &str, size: Option<u64>) -> Done<Blob> {
    let blob = draft(app, image_id, app.staging.id(), None, size);
    let row = blob.clone();
    app.db.write("blob.begin_staged", move |conn| db::blobs::insert(conn, &row, Timestamp::now())).await?;
    Ok(blob)
}

/// Makes the blob the data of the import: it turns `live`, what it replaces goes, and the job's state says so, all in
/// one transaction.
///
/// # Errors
/// [`crate::work::Failure::Lost`] when the job or the blob is not this node's any more.
pub async fn finish(app: &App, work: &Work, blob: &Blob, size: u64, state: &mut State) -> Done<()> {
    let before = state.staged.replace(Staged { blob: blob.id.clone(), store: blob.store.clone(), size });
    let replaced = before.filter(|old| state.original.as_ref() != Some(old)).map(|old| old.blob);
    let bytes = i64::try_from(size).map_err(|e| Error::internal("staging", e))?;
    let (id, node, value) = (work.job.id.clone(), app.node.clone(), state.to_value()?);
    let blob_id = blob.id.clone();
    app.db
        .write("blob.finish_staged", move |conn| {
            let now = Timestamp::now();
            db::blobs::make_live(conn, &blob_id, &node, bytes, now)?;
            if let Some(old) = &replaced {
                db::blobs::doom(conn, old, now, now)?;
            }
            db::jobs::save_state(conn, &id, &node, &value, "")
        })
        .await?;
    app.doomed.notify_one();
    Ok(())
}

/// Drops staged data.
///
/// # Errors
/// The database's.
pub async fn drop_blobs(app: &App, blobs: Vec<String>) -> Done<()> {
    app.db
        .write("blob.drop_staged", move |conn| {
            let now = Timestamp::now();
            blobs.iter().try_for_each(|id| db::blobs::doom(conn, id, now, now))
        })
        .await?;
    app.doomed.notify_one();
    Ok(())
}

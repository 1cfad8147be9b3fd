//! Blobs in the staging folder during an import: begun, finished together with the step that made them, removed.

use super::{
    Imports,
    state::{Staged, State},
};
use crate::{
    access::unified::Counts,
    blob::{
        draft::{BeginFault, Draft, NewDraft},
        faults::store_fault,
    },
    db,
    model::{blob::Blob, error::Error, image::Image, job::written, status::Status, unified::Resource},
    work::{Done, Work},
};

/// The message of a task whose staged data was given up.
pub const LOST: &str = "The node that had the staged data has not been seen for so long that it is given up.";

/// Enters a blob of the staging folder into the ledger, with room for it under the quota.
///
/// # Errors
/// [`crate::work::Failure::Final`] over the quota, and the database's.
pub async fn begin(imports: &Imports, work: &Work, image: &Image, size: Option<u64>) -> Done<Draft> {
    let (store, payer) = (&imports.blobs.staging.store, work.job.owner.as_deref());
    let (image_id, owner, holder) = (image.id.as_str(), image.owner.as_deref(), Some(&work.holder));
    // What an upload has received into the staging folder is stored, in other stores without a detour.
    let resource = if image.status == Status::Saving { Resource::SizeTotal } else { Resource::StageTotal };
    let counts = Counts { resource, binding: false };
    let (name, caller, prepares) = (None, None, None);
    let new = NewDraft { image_id, owner, payer, store, name, size, counts, holder, caller, prepares };
    imports.blobs.begin(new).await.map_err(|fault| match fault {
        BeginFault::Store(error) => store_fault(&error).into(),
        BeginFault::Db(error) => error.into(),
    })
}

/// Makes the blob the data of the import: it becomes `live`, replaces the previous one, and is recorded in the job's
/// state, in one transaction.
///
/// # Errors
/// [`crate::work::Failure::Lost`] when the job or the blob is not this node's any more; the store's.
pub async fn finish(imports: &Imports, work: &Work, blob: &Blob, size: u64, state: &mut State) -> Done<()> {
    // A plug-in has synced its file, but not the name: after a cut of the power the row would point to nothing.
    imports.blobs.staging.sync().await.map_err(|e| store_fault(&e))?;
    let before = state.staged.replace(Staged { blob: blob.id.clone(), store: blob.store.clone(), size });
    let replaced = before.filter(|old| state.original.as_ref() != Some(old)).map(|old| old.blob);
    let bytes = i64::try_from(size).map_err(|e| Error::internal("staging", e))?;
    let (id, node, value) = (work.job.id.clone(), work.node.clone(), written(state)?);
    let (blob, clock) = (blob.clone(), imports.images.db.clock.clone());
    imports
        .images
        .db
        .write("blob.finish_staged", move |conn| {
            let now = clock.now();
            db::blobs::make_live(conn, &blob.id, &blob.holder, bytes, now)?;
            if let Some(old) = &replaced {
                db::blobs::doom(conn, old, now, now)?;
            }
            db::jobs::save_state(conn, &id, &node, &value, "", now)
        })
        .await?;
    imports.images.doomed.notify_one();
    Ok(())
}

/// Drops staged data.
///
/// # Errors
/// The database's.
pub async fn drop_blobs(imports: &Imports, blobs: Vec<String>) -> Done<()> {
    let clock = imports.images.db.clock.clone();
    imports
        .images
        .db
        .write("blob.drop_staged", move |conn| {
            let now = clock.now();
            blobs.iter().try_for_each(|id| db::blobs::doom(conn, id, now, now))
        })
        .await?;
    imports.images.doomed.notify_one();
    Ok(())
}

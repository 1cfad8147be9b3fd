//! The last step, one transaction: blobs become `live`, the image gets its data, the lock and the staged data are
//! removed.

use super::{
    FAILED_IMPORT, IMPORTING_TO_STORES, Imports,
    asked::Method,
    distribute::Arrived,
    plan::{Plan, list_of},
    state::State,
};
use crate::{
    blob::facts,
    db::{self, DbError},
    image::{change, readers},
    model::{error::Error, image::Image, job::written, status::Status},
    work::{
        Done, Failure, Work,
        queue::{LOCK_PROPERTY, is_locked_by},
    },
};

/// Ends an import with success.
///
/// # Errors
/// [`Failure::Lost`] when the job or a blob is not this node's any more, [`Failure::Cancelled`] when the image is gone.
pub async fn activate(
    imports: &Imports,
    work: &Work,
    plan: &Plan,
    state: &mut State,
    arrived: Arrived,
) -> Done<()> {
    work.check()?;
    let Arrived { blobs, failed, facts } = arrived;
    let size = i64::try_from(facts.size).map_err(|e| Error::internal("import", e))?;
    let copies = plan.asked.method == Method::CopyImage;
    let tells = plan.asked.method != Method::Upload;
    let dropped: Vec<String> =
        [state.staged.take(), state.original.take()].into_iter().flatten().map(|s| s.blob).collect();
    state.done = true;
    state.remote = None;
    let plugged = state.clone();
    let (job, node, value) = (work.job.clone(), work.node.clone(), written(state)?);
    let (left, failed) = (list_of(imports, &[]), list_of(imports, &failed));
    let (id, mut door, images) =
        (plan.image_id.clone(), imports.images.door(work.author()), imports.images.clone());
    door.moved.uploaded = blobs.len();
    let finish = move |conn: &mut db::Conn| {
        let now = door.clock.now();
        change::in_txn(conn, &door, &id, |conn, before| {
            if !is_locked_by(before, &job) {
                return Err(DbError::stale("image", &before.id));
            }
            // From here on the locations count, and what was reserved for them does not.
            for (blob, _) in &blobs {
                db::blobs::make_live(conn, &blob.id, &blob.holder, size, now)?;
            }
            for blob in &dropped {
                db::blobs::doom(conn, blob, now, now)?;
            }
            if let Some(upload) = &plugged.upload {
                db::uploads::end(conn, upload, now)?;
            }
            let mut after = before.clone();
            plugged.apply(&mut after);
            after.remove_property(LOCK_PROPERTY);
            if tells {
                after.set_property(IMPORTING_TO_STORES, left.clone());
                after.set_property(FAILED_IMPORT, failed.clone());
            } else {
                // An upload before this one may have failed after its answer.
                after.remove_property(FAILED_IMPORT);
            }
            after.locations.extend(blobs.iter().map(|(_, location)| location.clone()));
            if !copies {
                after.status = Status::Active;
                facts.describe(&mut after, &facts::algorithm(&images, before))?;
            }
            Ok(Some(after))
        })?;
        db::jobs::save_state(conn, &job.id, &node, &value, "", now)
    };
    let result = imports.images.db.write_patiently("image.activate_import", finish).await;
    imports.images.doomed.notify_one();
    match result {
        Err(DbError::Domain(Error::ImageNotFound(_))) => {
            Err(Failure::Cancelled("the image was deleted".to_owned()))
        }
        other => {
            other?;
            readers::admit(&imports.images, &plan.image_id).await;
            Ok(())
        }
    }
}

/// The secure hash that the image keeps; for copies, which must have it already.
pub fn kept_hash(imports: &Imports, image: &Image) -> Option<(String, String)> {
    Some((facts::algorithm(&imports.images, image), image.os_hash_value.clone()?))
}

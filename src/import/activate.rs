//! The last step: blobs turn `live`, the image gets its data, the lock and the staged data go; one transaction.

use super::{
    FAILED_IMPORT, IMPORTING_TO_STORES,
    distribute::Delivered,
    facts,
    job::{Plan, is_locked_by, list_of},
    request::Method,
    state::State,
};
use crate::{
    app::App,
    db::{self, DbError},
    image::system::LOCK_PROPERTY,
    model::{error::Error, image::Image, status::Status, time::Timestamp},
    work::{Done, Failure, Work},
};

/// Ends an import with success.
///
/// # Errors
/// [`Failure::Lost`] when the job or a blob is not this node's any more, [`Failure::Cancelled`] when the image is gone.
pub async fn activate(
    app: &App,
    work: &Work,
    plan: &Plan,
    state: &mut State,
    delivered: Delivered,
) -> Done<()> {
    work.check()?;
    let Delivered { blobs, failed, facts } = delivered;
    let size = i64::try_from(facts.size).map_err(|e| Error::internal("import", e))?;
    let copies = plan.asked.method == Method::CopyImage;
    let dropped: Vec<String> =
        [state.staged.take(), state.original.take()].into_iter().flatten().map(|s| s.blob).collect();
    state.done = true;
    let plugged = state.clone();
    let (job, node, value) = (work.job.clone(), app.node.clone(), state.to_value()?);
    let (lists, image_id) = ((list_of(app, &[]), list_of(app, &failed)), plan.image_id.clone());
    let default_algorithm = app.settings.hashing_algorithm.clone();
    let result = app
        .db
        .write("image.activate_import", move |conn| {
            let now = Timestamp::now();
            let before =
                db::images::find(conn, &image_id)?.ok_or_else(|| Error::ImageNotFound(image_id.clone()))?;
            if !is_locked_by(&before, &job) {
                return Err(DbError::Stale);
            }
            let mut after = Image { updated_at: now, ..before.clone() };
            plugged.apply(&mut after);
            after.remove_property(LOCK_PROPERTY);
            after.set_property(IMPORTING_TO_STORES, lists.0.clone());
            after.set_property(FAILED_IMPORT, lists.1.clone());
            after.locations.extend(blobs.iter().map(|(_, location)| location.clone()));
            if !copies {
                let algorithm = before.os_hash_algo.clone().unwrap_or_else(|| default_algorithm.clone());
                after.status = Status::Active;
                after.size = Some(size);
                after.virtual_size = facts.virtual_size.and_then(|v| i64::try_from(v).ok());
                after.checksum = facts.hashes.get("md5").cloned();
                after.os_hash_value = facts.hashes.get(&algorithm).cloned();
                after.os_hash_algo = Some(algorithm);
            }
            for (blob, _) in &blobs {
                db::blobs::make_live(conn, &blob.id, &node, size, now)?;
            }
            for blob in &dropped {
                db::blobs::doom(conn, blob, now, now)?;
            }
            db::jobs::save_state(conn, &job.id, &node, &value, "")?;
            // A PATCH may have come first on a database that lets both run: then the transaction runs again.
            match db::images::save(conn, &before, &after) {
                Err(DbError::Stale) => Err(DbError::Retry("the image changed meanwhile".to_owned())),
                other => other.map(drop),
            }
        })
        .await;
    app.doomed.notify_one();
    match result {
        Err(DbError::Domain(Error::ImageNotFound(_))) => {
            Err(Failure::Cancelled("the image was deleted".to_owned()))
        }
        other => Ok(other?),
    }
}

/// The secure hash that the image keeps; for copies, which must have it already.
pub fn kept_hash(app: &App, image: &Image) -> Option<(String, String)> {
    Some((facts::algorithm(app, image), image.os_hash_value.clone()?))
}

//! Deleting an image (`glance/api/v2/images.py: ImagesController.delete`).

use crate::{
    app::App,
    db::{self, DbError},
    model::{
        caller::Caller,
        error::{Error, Result},
        status::Status,
        time::Timestamp,
    },
};

use super::access;

const ATTEMPTS: usize = 20;

/// Deletes an image: its record turns into a tombstone and its blobs are doomed, in one transaction; the
/// reaper deletes the bytes at once, or after `scrub_time` with `delayed_delete`.
///
/// # Errors
/// [`Error::Forbidden`] for protected images and without the right.
pub async fn delete(app: &App, caller: &Caller, id: &str) -> Result<()> {
    access::mutating(caller)?;
    for _ in 0..ATTEMPTS {
        let image = access::find(app, caller, id).await?;
        access::enforce(app, caller, "delete_image", &image).await?;
        if image.protected {
            return Err(Error::forbidden(format!("Image {id} is protected and cannot be deleted.")));
        }
        if !image.status.may_become(Status::Deleted) {
            return Err(Error::invalid(format!("Image {id} in status {} cannot be deleted.", image.status)));
        }
        access::owned(caller, &image)?;
        let now = Timestamp::now();
        let delay = if app.settings.delayed_delete { app.settings.scrub_time_seconds } else { 0 };
        let result = app
            .db
            .write("image.delete", move |conn| {
                db::images::delete(conn, &image, now)?;
                db::jobs::cancel_of_image(conn, &image.id)?;
                db::cached_images::forget_image(conn, &image.id)?;
                db::blobs::doom_of_image(conn, &image.id, now.plus_seconds(delay), now)
            })
            .await;
        match result {
            Ok(()) => {
                app.doomed.notify_one();
                forget(app, id).await;
                return Ok(());
            }
            Err(DbError::Stale) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(Error::conflict(format!("Image {id} is being changed by too many requests at once; try again.")))
}

/// Drops the copy in this node's cache; other nodes find by themselves that theirs is of no use.
async fn forget(app: &App, id: &str) {
    let Some(cache) = &app.cache else { return };
    if let Err(error) = cache.drop_copy(id).await {
        tracing::warn!(image = id, %error, "a copy of a deleted image stays in the cache until the next sweep");
    }
}

//! What several stores add to an image: taking its data out of one of them
//! (`glance/api/v2/images.py: ImagesController.delete_from_store`), and what callers are told about the stores.

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

use super::access::{self, CallerTarget};

/// How often the change is decided anew because another change came first.
const ATTEMPTS: usize = 20;

/// Requires that store ids are part of the API.
///
/// # Errors
/// [`Error::NotFound`] with a single store.
pub fn several(app: &App) -> Result<()> {
    if app.stores.multiple {
        return Ok(());
    }
    Err(Error::NotFound("Several stores are not enabled on this server.".to_owned()))
}

/// Requires the right to the stores' particulars.
///
/// # Errors
/// [`Error::NotFound`] with a single store, [`Error::Forbidden`] without the right.
pub async fn may_see_details(app: &App, caller: &Caller) -> Result<()> {
    several(app)?;
    let rule = "stores_info_detail";
    if access::allowed(app, caller, rule, &CallerTarget(caller)).await? {
        return Ok(());
    }
    Err(access::refused(rule))
}

/// Takes the data of an active image out of one store; another location must be left. The first location in that
/// store goes from the image, and its blob is doomed in the same transaction.
///
/// # Errors
/// In Glance's order: [`Error::Forbidden`] for read-only callers, [`Error::NotFound`] with a single store,
/// [`Error::Conflict`] for an unknown store, [`Error::ImageNotFound`] and [`Error::Forbidden`] by the rules,
/// [`Error::Conflict`] unless the image is active, [`Error::Forbidden`] for the last location, and
/// [`Error::NotFound`] when the image has no data in that store.
pub async fn delete(app: &App, caller: &Caller, store: &str, id: &str) -> Result<()> {
    access::mutating(caller)?;
    several(app)?;
    if app.stores.get(store).is_none() {
        return Err(Error::conflict(format!("The store {store:?} is not configured on this node.")));
    }
    for _ in 0..ATTEMPTS {
        let before = access::find(app, caller, id).await?;
        access::enforce(app, caller, "get_image_location", &before).await?;
        access::enforce(app, caller, "delete_image_location", &before).await?;
        if before.status != Status::Active {
            return Err(Error::conflict(format!(
                "Data can be deleted from a store only while the image is active, and it is {}.",
                before.status
            )));
        }
        if before.locations.len() == 1 {
            return Err(Error::forbidden(
                "The last location of an image cannot be deleted; delete the image.",
            ));
        }
        let at = before.locations.iter().position(|location| location.store.as_deref() == Some(store));
        let at =
            at.ok_or_else(|| Error::NotFound(format!("The image has no data in the store {store:?}.")))?;
        let mut after = before.clone();
        let location = after.locations.remove(at);
        let now = Timestamp::now();
        after.updated_at = now;
        let delay = if app.settings.delayed_delete { app.settings.scrub_time_seconds } else { 0 };
        let result = app
            .db
            .write("image.delete_from_store", move |conn| {
                db::images::save(conn, &before, &after)?;
                match &location.blob_id {
                    Some(blob) => db::blobs::doom(conn, blob, now.plus_seconds(delay), now),
                    None => Ok(()),
                }
            })
            .await;
        match result {
            Ok(()) => {
                app.doomed.notify_one();
                return Ok(());
            }
            Err(DbError::Stale) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(Error::conflict(format!("Image {id} is being changed by too many requests at once; try again.")))
}

//! Several stores: deleting an image's data from one of them (`glance/api/v2/images.py:
//! ImagesController.delete_from_store`), and what callers are shown about stores.

use super::{Images, locations};
use crate::{
    access::{self, targets::CallerTarget},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        status::Status,
    },
};

/// Requires that store ids are part of the API.
///
/// # Errors
/// [`Error::NotFound`] with a single store.
pub fn several(images: &Images) -> Result<()> {
    if images.stores.multiple {
        return Ok(());
    }
    Err(Error::NotFound("Several stores are not enabled on this server.".to_owned()))
}

/// Requires the right to the stores' particulars.
///
/// # Errors
/// [`Error::NotFound`] with a single store, [`Error::Forbidden`] without the right.
pub async fn may_see_details(images: &Images, caller: &Caller) -> Result<()> {
    several(images)?;
    let rule = "stores_info_detail";
    if images.access.allowed(caller, rule, &CallerTarget(caller)).await? {
        return Ok(());
    }
    Err(access::refused(rule))
}

/// Deletes the data of an active image from one store; another location must remain. The first location in that store
/// is removed from the image, and its blob becomes `doomed` in the same transaction.
///
/// # Errors
/// In Glance's order: [`Error::Forbidden`] for read-only callers, [`Error::NotFound`] with a single store,
/// [`Error::Conflict`] for an unknown store, [`Error::ImageNotFound`] and [`Error::Forbidden`] by the rules,
/// [`Error::Conflict`] unless the image is active, [`Error::Forbidden`] for the last location,
/// [`Error::NotFound`] when the image has no data in that store, and [`Error::Conflict`] when others use that.
pub async fn delete(images: &Images, caller: &Caller, store: &str, id: &str) -> Result<()> {
    access::mutating(caller)?;
    several(images)?;
    if !images.stores.has(store) {
        return Err(Error::conflict(format!("The store {store:?} is not configured on this node.")));
    }
    let decide = async |before: &Image| {
        images.access.enforce(caller, "get_image_location", before).await?;
        images.access.enforce(caller, "delete_image_location", before).await?;
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
        locations::check_unused(images, before.locations.get(at..=at).unwrap_or_default()).await?;
        let mut after = before.clone();
        after.locations.remove(at);
        Ok(Some(after))
    };
    images.change(caller, id, decide).await.map(drop)
}

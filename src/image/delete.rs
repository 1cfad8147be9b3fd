//! Deleting an image (`glance/api/v2/images.py: ImagesController.delete`).

use std::sync::{Mutex, PoisonError};

use super::{Images, bundle_disks, consumers, cooldown, keys, locations};
use crate::{
    access,
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        status::Status,
    },
};

/// Deletes an image: its row becomes a tombstone and its blobs become `doomed`, in one transaction; the reaper deletes
/// the data at once, or after `scrub_time` with `delayed_delete`. Its key in the key manager may go, too. An image in use
/// may be retired instead. The disks of a bundle go with it.
///
/// # Errors
/// [`Error::Forbidden`] for images that are protected, or were until a while ago, and without the right; [`Error::Conflict`] when others use the data, or the
/// image, where that matters.
pub async fn delete(images: &Images, caller: &Caller, id: &str) -> Result<()> {
    access::mutating(caller)?;
    let gone_with_it = Mutex::new(Vec::new());
    let image = images
        .change(caller, id, async |image: &Image| {
            images.access.enforce(caller, "delete_image", image).await?;
            if image.protected {
                return Err(Error::forbidden(format!("Image {id} is protected and cannot be deleted.")));
            }
            if !image.status.may_become(Status::Deleted) {
                return Err(Error::invalid(format!(
                    "Image {id} in status {} cannot be deleted.",
                    image.status
                )));
            }
            cooldown::require_over(images, image).await?;
            let after = consumers::deleted(images, image).await?;
            if after.status == Status::Deleted {
                let disks = bundle_disks::found(images, image).await?;
                for one in disks.iter().chain([image]) {
                    locations::check_unused(images, &one.locations).await?;
                }
                *gone_with_it.lock().unwrap_or_else(PoisonError::into_inner) = disks;
            }
            Ok(Some(after))
        })
        .await?;
    // What may come back by `trash_days` keeps its key.
    if image.status == Status::Deleted && images.settings.trash_seconds == 0 {
        let disks = gone_with_it.into_inner().unwrap_or_else(PoisonError::into_inner);
        for one in disks.iter().chain([&image]) {
            keys::forget(images, caller, one).await;
        }
    }
    Ok(())
}

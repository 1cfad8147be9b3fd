//! The trash: deleted images whose data is still there, and their restoration.

use super::{
    Images, bundles,
    change::{self, Door},
    keys,
};
use crate::{
    access::{self, targets::CallerTarget},
    db::{self, Conn, trash::Binned},
    model::{
        bundle::disk_ids,
        caller::Caller,
        error::{Error, Result},
        image::{ID_CHARS_MAX, Image},
        time::Timestamp,
    },
    store::StoreErrorKind,
};

/// Images forgotten in one transaction.
const BATCH: i64 = 100;

/// The images in the trash of the caller's project, those of all projects for administrators, the latest first.
///
/// # Errors
/// [`Error::Forbidden`] without the right to list images.
pub async fn list(
    images: &Images,
    caller: &Caller,
    after: Option<(Timestamp, String)>,
    count: u32,
) -> Result<Vec<Binned>> {
    if !images.access.allowed(caller, "get_images", &CallerTarget(caller)).await? {
        return Err(access::refused("get_images"));
    }
    let owner = (!caller.is_admin).then(|| caller.project_id.clone().unwrap_or_default());
    let now = images.db.clock.now();
    let read = images.db.read("trash.list", move |conn| {
        let after = after.as_ref().map(|(time, id)| (*time, id.as_str()));
        db::trash::list(conn, owner.as_deref(), after, now, i64::from(count))
    });
    Ok(read.await?)
}

/// An image in the trash whose deletion is the caller's to decide about.
async fn find(images: &Images, caller: &Caller, id: &str) -> Result<Binned> {
    access::mutating(caller)?;
    if id.chars().count() > ID_CHARS_MAX || id.contains('\0') {
        return Err(change::not_in_bin(id));
    }
    let key = id.to_owned();
    let found = images.db.read("trash.find", move |conn| db::trash::find(conn, &key)).await?;
    let mine = |image: &Image| access::owned(caller, image).is_ok();
    let now = images.db.clock.now();
    let binned = found.filter(|binned| mine(&binned.image) && binned.expires_at > now);
    let mut binned = binned.ok_or_else(|| change::not_in_bin(id))?;
    images.access.enforce(caller, "delete_image", &binned.image).await?;
    images.stores.settle(&mut binned.image.locations);
    Ok(binned)
}

/// Restores an image as it was: with its id, data, properties and members.
///
/// # Errors
/// [`Error::NotFound`] when it is not in the trash, [`Error::Forbidden`] without the right to delete it,
/// [`Error::Conflict`] when its data is not what it was, and [`Error::TooLarge`] over the quota.
pub async fn restore(images: &Images, caller: &Caller, id: &str) -> Result<Image> {
    let binned = find(images, caller, id).await?;
    check_data(images, &binned.image).await?;
    for disk in disk_ids(&binned.image) {
        let key = disk.clone();
        let read = images.db.read("trash.find", move |conn| db::trash::find(conn, &key));
        if let Some(mut binned) = read.await? {
            images.stores.settle(&mut binned.image.locations);
            check_data(images, &binned.image).await?;
        }
    }
    let unified = images.unified.of(caller.project_id.as_deref()).await?;
    let (door, key) = (Door { unified, ..images.door_of(caller) }, id.to_owned());
    let write = images.db.write("trash.restore", move |conn| {
        let image = change::restore(conn, &door, &key)?;
        bundles::restore_disks(conn, &door, &image)?;
        Ok(image)
    });
    let image = write.await?;
    super::readers::admit(images, id).await;
    Ok(image)
}

/// Requires that what we wrote is still there, whole.
async fn check_data(images: &Images, image: &Image) -> Result<()> {
    for location in image.locations.iter().filter(|location| location.blob_id.is_some()) {
        let gone = |why: &str| Error::conflict(format!("The data of image {} {why}.", image.id));
        let Some(named) = images.stores.for_location(location) else {
            return Err(gone("is in a store that is not configured"));
        };
        match named.stat(&location.url).await {
            Ok(size) if image.size.is_none() || size == image.size_bytes() => {}
            Ok(_) => return Err(gone("is not as long as it was")),
            Err(error) if error.kind == StoreErrorKind::Unavailable => {
                tracing::warn!(%error, "a store cannot tell whether data is still there");
                return Err(Error::Unavailable("The image storage media cannot be reached.".to_owned()));
            }
            Err(error) => {
                tracing::warn!(%error, image = %image.id, "the data of an image in the trash is missing");
                return Err(gone("is gone"));
            }
        }
    }
    Ok(())
}

/// Deletes an image for good, and its key in the key manager where that goes with it.
///
/// # Errors
/// [`Error::NotFound`] when it is not in the trash, [`Error::Forbidden`] without the right to delete it.
pub async fn purge(images: &Images, caller: &Caller, id: &str) -> Result<()> {
    let binned = find(images, caller, id).await?;
    let (key, now) = (id.to_owned(), images.db.clock.now());
    let write = images.db.write("trash.purge", move |conn| {
        let removed = db::trash::remove(conn, &key)?;
        if removed {
            db::blobs::doom_of_image(conn, &key, now, now)?;
            db::image_slugs::forget(conn, &[&key])?;
        }
        Ok(removed)
    });
    if !write.await? {
        return Err(change::not_in_bin(id));
    }
    images.doomed.notify_one();
    keys::forget(images, caller, &binned.image).await;
    Ok(())
}

/// Forgets the images whose time in the trash is over; the reaper deletes their data. Returns how many.
///
/// # Errors
/// The database's.
pub async fn expire(images: &Images) -> Result<usize> {
    let mut gone = 0_usize;
    loop {
        let now = images.db.clock.now();
        let expire = move |conn: &mut Conn| db::trash::expire(conn, now, BATCH);
        match images.db.write("trash.expire", expire).await? {
            0 => return Ok(gone),
            count => gone = gone.saturating_add(count),
        }
    }
}

//! Bundles: making one of disks, showing it with them, and taking it apart. What else happens to a bundle happens to its
//! disks, see `bundle_disks`.

use serde_json::json;

use super::{
    Images, bundle_disks,
    change::{self, Door},
    create, keys, query, readers,
};
use crate::{
    access,
    db::{self, Conn, DbError, DbResult},
    model::{
        bundle::{self, Disk, FULL, INDEX_PROPERTY, KIND_PROPERTY, MAPPING_PROPERTY, SET_PROPERTY},
        caller::Caller,
        error::{Error, Result},
        image::{Image, LOCK_PROPERTY},
        lifecycle::text,
        new_image::NewImage,
        status::Status,
        visibility::Visibility,
    },
};

/// What Nova needs of an image whose disks become volumes.
const ROOT_DEVICE: (&str, &str) = ("root_device_name", "/dev/vda");

/// A bundle and its disks in the order of its mapping, of which those are `None` that the caller does not see.
#[derive(Debug)]
pub struct Bundle {
    /// The image that Nova boots.
    pub image: Image,
    /// Its disks.
    pub disks: Vec<(Disk, Option<Image>)>,
}

/// Makes a bundle of images of one project, in one transaction: an image without data whose block device mapping names them.
///
/// # Errors
/// Those of creating an image; [`Error::ImageNotFound`] for a disk that the caller does not see, [`Error::Forbidden`] without
/// the right to change it, [`Error::Conflict`] when it has no data, is another project's or in a bundle already, and
/// [`Error::Invalid`] for a volume that is too small for it.
pub async fn create(images: &Images, caller: &Caller, new: NewImage, disks: Vec<Disk>) -> Result<Bundle> {
    let is_chosen = new.id.is_some();
    let mut image = create::check(images, caller, new).await?;
    let (mut sized, mut shown) = (Vec::new(), Vec::new());
    for disk in disks {
        let found = query::show(images, caller, &disk.image_id).await?;
        images.access.enforce(caller, "modify_image", &found).await?;
        access::owned(caller, &found)?;
        check_disk(&image, &found)?;
        sized.push(disk.sized(&found)?);
    }
    describe(&mut image, &sized);
    images.settings.bounds.check_record(0, &image)?;
    let unified = images.unified.of(caller.project_id.as_deref()).await?;
    let (door, plan) = (Door { unified, ..images.door_of(caller) }, sized.clone());
    let write = images.db.write("bundle.create", move |conn| enter(conn, &door, &image, &plan, is_chosen));
    let image = write.await.map_err(|error| match error {
        DbError::Duplicate(_) => Error::conflict("An image with this id already exists, or was deleted."),
        other => other.into(),
    })?;
    readers::admit(images, &image.id).await;
    keys::follow(images, caller, None, &image).await;
    for disk in &sized {
        shown.push(query::show(images, caller, &disk.image_id).await.ok());
    }
    Ok(Bundle { image, disks: sized.into_iter().zip(shown).collect() })
}

/// Says of an image that it is the bundle of these disks.
fn describe(image: &mut Image, disks: &[Disk]) {
    for (name, value) in [
        (SET_PROPERTY, image.id.clone()),
        (KIND_PROPERTY, FULL.to_owned()),
        (MAPPING_PROPERTY, bundle::mapping(disks)),
        ("bdm_v2", "true".to_owned()),
    ] {
        image.set_property(name, Some(value));
    }
    if image.property(ROOT_DEVICE.0).is_none() {
        image.set_property(ROOT_DEVICE.0, Some(ROOT_DEVICE.1.to_owned()));
    }
}

fn enter(conn: &mut Conn, door: &Door, image: &Image, disks: &[Disk], is_chosen: bool) -> DbResult<Image> {
    // In one order, so that two bundles of the same disks wait for each other rather than for ever.
    let mut held: Vec<&str> = disks.iter().map(|disk| disk.image_id.as_str()).collect();
    held.sort_unstable();
    for id in held {
        db::consumers::hold_image(conn, id)?;
    }
    change::insert_in(conn, door, image, is_chosen)?;
    let bundle = change::in_txn(conn, door, &image.id, |_, queued| {
        Ok(Some(Image { status: Status::Active, size: Some(0), ..queued.clone() }))
    })?;
    for (place, disk) in disks.iter().enumerate() {
        bind(conn, door, &bundle, (place, disk))?;
    }
    change::admit_new(conn, door, &bundle)?;
    Ok(bundle)
}

/// Enters an image that a job makes to be a disk of a bundle; it is `importing`, and counts as any other.
///
/// # Errors
/// [`DbError::Duplicate`] when it was there before and was deleted, [`Error::TooLarge`] and [`Error::Forbidden`] when its
/// project may not have it.
pub fn enter_disk(conn: &mut Conn, door: &Door, image: &Image) -> DbResult<Image> {
    change::insert_in(conn, door, image, true)?;
    let entered = change::in_txn(conn, door, &image.id, |_, queued| {
        Ok(Some(Image { status: Status::Importing, ..queued.clone() }))
    })?;
    change::admit_new(conn, door, image)?;
    Ok(entered)
}

/// Makes an image the bundle of disks that the job which holds them has made. `decide` gives what else it becomes.
///
/// # Errors
/// What `decide` answers, [`Error::ImageNotFound`] when the image is gone, and [`Error::Conflict`] when a disk is.
pub fn complete(
    conn: &mut Conn,
    door: &Door,
    id: &str,
    disks: &[String],
    decide: impl FnOnce(&Image) -> DbResult<Image>,
) -> DbResult<Image> {
    // In one order, as when one is made of images.
    let mut held: Vec<&String> = disks.iter().collect();
    held.sort_unstable();
    for disk in held {
        db::consumers::hold_image(conn, disk)?;
    }
    let mut sized = Vec::new();
    for (place, disk) in disks.iter().enumerate() {
        let gone = || Error::conflict(format!("Disk {disk} was deleted meanwhile."));
        let found = db::images::find(conn, disk)?.ok_or_else(gone)?;
        let boot_index = if place == 0 { 0 } else { -1 };
        sized.push(Disk { image_id: disk.clone(), boot_index, volume_size: None }.sized(&found)?);
    }
    let bundle = change::in_txn(conn, door, id, |_, before| {
        let mut after = decide(before)?;
        describe(&mut after, &sized);
        let (checksum, os_hash_algo, os_hash_value) = (None, None, None);
        let (status, size, virtual_size) = (Status::Active, Some(0), None);
        Ok(Some(Image { status, size, virtual_size, checksum, os_hash_algo, os_hash_value, ..after }))
    })?;
    for (place, disk) in sized.iter().enumerate() {
        change::in_txn(conn, door, &disk.image_id, |_, held| {
            let mut after = held.clone();
            let was_locked = after.remove_property(LOCK_PROPERTY);
            Ok(was_locked.then_some(after))
        })?;
        bind(conn, door, &bundle, (place, disk))?;
    }
    Ok(bundle)
}

/// Makes an image a disk of a bundle.
fn bind(conn: &mut Conn, door: &Door, bundle: &Image, (place, disk): (usize, &Disk)) -> DbResult<()> {
    change::in_txn(conn, door, &disk.image_id, |conn, image| {
        check_disk(bundle, image)?;
        if bundle_disks::is_bound(conn, image)? {
            let text = format!("Image {} is a disk of another bundle.", image.id);
            return Err(Error::conflict(text).because("in-bundle", json!({})).into());
        }
        let mut after = image.clone();
        after.set_property(SET_PROPERTY, Some(bundle.id.clone()));
        after.set_property(INDEX_PROPERTY, Some(place.to_string()));
        if disk.boot_index < 0 {
            after.set_property(KIND_PROPERTY, Some("data".to_owned()));
            after.set_property("bootable", Some("false".to_owned()));
        }
        // What others see already stays so.
        if after.visibility == Visibility::Private {
            after.visibility = bundle.visibility;
        }
        Ok(Some(after))
    })?;
    bundle_disks::protect(conn, bundle, &disk.image_id, door.clock.now())
}

/// Requires of an image that it can be a disk of a bundle.
fn check_disk(bundle: &Image, disk: &Image) -> Result<()> {
    if disk.owner != bundle.owner {
        return Err(Error::conflict(format!(
            "Image {} belongs to another project than the bundle.",
            disk.id
        )));
    }
    if disk.status != Status::Active || bundle::is_bundle(disk) || disk.locations.is_empty() {
        let text =
            format!("Image {} cannot be a disk of a bundle: it is {} and needs data.", disk.id, disk.status);
        return Err(Error::conflict(text).because("no-data", json!({})));
    }
    Ok(())
}

/// A bundle, with its disks.
///
/// # Errors
/// [`Error::NotFound`] when there is none that the caller may see.
pub async fn show(images: &Images, caller: &Caller, id: &str) -> Result<Bundle> {
    let none = || Error::NotFound(format!("There is no bundle {id}."));
    let image = query::show(images, caller, id).await.map_err(|error| match error {
        Error::ImageNotFound(_) => none(),
        other => other,
    })?;
    if !bundle::is_bundle(&image) {
        return Err(none());
    }
    let mut disks = Vec::new();
    for disk in bundle::disks(&image) {
        let shown = match query::show(images, caller, &disk.image_id).await {
            Ok(shown) => Some(shown),
            Err(Error::ImageNotFound(_) | Error::Forbidden(_)) => None,
            Err(error) => return Err(error),
        };
        disks.push((disk, shown));
    }
    Ok(Bundle { image, disks })
}

/// Takes a bundle apart: its image goes, and its disks stay as images of their own.
///
/// # Errors
/// [`Error::NotFound`] when there is none that the caller may see, [`Error::Forbidden`] without the right to delete it or
/// when it is protected, and [`Error::Conflict`] when it is in use and may then not be deleted.
pub async fn dissolve(images: &Images, caller: &Caller, id: &str) -> Result<()> {
    access::mutating(caller)?;
    let found = show(images, caller, id).await?.image;
    images.access.enforce(caller, "delete_image", &found).await?;
    access::owned(caller, &found)?;
    let door = images.door_of(caller);
    let write = images.db.write("bundle.dissolve", move |conn| {
        let disks = bundle_disks::of(conn, &found)?;
        bundle_disks::release(conn, &found, door.clock.now())?;
        for disk in disks {
            change::in_txn(conn, &door, &disk.id, |_, disk| Ok(Some(bundle_disks::without_bundle(disk))))?;
        }
        change::in_txn(conn, &door, &found.id, |_, bundle| {
            if bundle.protected {
                let text = format!("Image {} is protected and cannot be deleted.", bundle.id);
                return Err(Error::forbidden(text).into());
            }
            Ok(Some(Image { status: Status::Deleted, ..bundle.clone() }))
        })
        .map(drop)
    });
    Ok(write.await?)
}

/// Brings back the disks of a bundle that comes back from the trash, those that stayed as images included.
///
/// # Errors
/// [`Error::Conflict`] when one is gone for good, and those of bringing it back.
pub(super) fn restore_disks(conn: &mut Conn, door: &Door, image: &Image) -> DbResult<()> {
    if !bundle::is_bundle(image) {
        return Ok(());
    }
    for (place, disk) in bundle::disks(image).iter().enumerate() {
        let was_ours = |disk: &Image| text(disk, SET_PROPERTY) == Some(&image.id);
        let binned = db::trash::find(conn, &disk.image_id)?.filter(|binned| was_ours(&binned.image));
        if binned.is_some() {
            change::restore(conn, door, &disk.image_id)?;
        } else if db::images::find(conn, &disk.image_id)?.is_none() {
            let text = format!("Disk {} of bundle {} is gone.", disk.image_id, image.id);
            return Err(Error::conflict(text).because("disk-gone", json!({})).into());
        }
        bind(conn, door, image, (place, disk))?;
    }
    Ok(())
}

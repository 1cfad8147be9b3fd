//! The images of a pool: deleting them, listing them, and whether they are in use.
//!
//! An image is deleted as in Glance (`glance_store/_drivers/rbd.py: _delete_image`): its snapshot is unprotected and
//! removed, then the image. An image that has other snapshots, or clones that outlive their parent's snapshot, is
//! moved to the trash. All calls block.

use std::{io, sync::Arc};

use nix::libc;

use super::{
    ceph::{Pool, image::Image},
    failed::is,
    url::{PART, SNAPSHOT},
};
use crate::store::{Listed, yard::ASIDE};

/// The object in which a pool keeps the names of its images, and how its keys begin.
const DIRECTORY: &str = "rbd_directory";
const KEY: &str = "name_";
/// Names that are listed at once.
pub(super) const BATCH: u64 = 1000;

/// What is fine about an error of this number.
fn unless(number: i32, result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if is(&error, number) { Ok(()) } else { Err(error) })
}

/// Removes an image and its snapshot; returns whether there was anything. An image that is in use stays as it is.
pub(super) fn remove(pool: &Arc<Pool>, name: &str) -> io::Result<bool> {
    match Image::open(pool, name) {
        Ok(image) => {
            let unprotected = unless(libc::ENOENT, image.unprotect(SNAPSHOT));
            // So it answers when the snapshot is not protected.
            unless(libc::EINVAL, unprotected)?;
            unless(libc::ENOENT, image.remove_snapshot(SNAPSHOT))?;
        }
        // There may be some of it all the same: what a removal that broke off has left.
        Err(error) if is(&error, libc::ENOENT) => {}
        Err(error) => return Err(error),
    }
    match pool.remove(name) {
        Ok(()) => Ok(true),
        Err(error) if is(&error, libc::ENOENT) => Ok(false),
        Err(error) if is(&error, libc::ENOTEMPTY) => {
            tracing::warn!(name, "an image has snapshots left; it is moved to the trash");
            unless(libc::ENOENT, pool.trash(name))?;
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Whether an image has clones that its removal would fail for.
pub(super) fn has_clones(pool: &Arc<Pool>, name: &str) -> io::Result<bool> {
    match Image::read_only(pool, name, Some(SNAPSHOT)).and_then(|image| image.has_clones()) {
        Err(error) if is(&error, libc::ENOENT) => Ok(false),
        // The user may not look into the pools where clones may be. Its removal will tell.
        Err(error) if is(&error, libc::EPERM) || is(&error, libc::EACCES) => {
            tracing::warn!(name, %error, "it cannot be told whether an image has clones");
            Ok(false)
        }
        other => other,
    }
}

/// Whether anything bears this name.
pub(super) fn exists(pool: &Arc<Pool>, name: &str) -> io::Result<bool> {
    match Image::read_only(pool, name, None) {
        Ok(_) => Ok(true),
        Err(error) if is(&error, libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Up to this many names after one, in the order of the pool, and where to continue; `None` after the last one.
pub(super) fn after(pool: &Pool, last: &str, most: u64) -> io::Result<Option<(Vec<Listed>, String)>> {
    let keys = match pool.keys(DIRECTORY, last, KEY, most) {
        // Nothing has ever been in the pool.
        Err(error) if is(&error, libc::ENOENT) => return Ok(None),
        other => other?,
    };
    let Some(last) = keys.last().cloned() else { return Ok(None) };
    let names = keys.iter().filter_map(|key| key.strip_prefix(KEY));
    // What lies out of the way is in no list.
    let names = names.filter(|name| !name.starts_with(ASIDE));
    let listed = names.map(|name| match name.strip_prefix(PART) {
        Some(id) => Listed::of(id.to_owned(), true),
        None => Listed::of(name.to_owned(), false),
    });
    Ok(Some((listed.collect(), last)))
}

/// Shows an image under its name; `id` is what it keeps. An answer that was lost is looked up.
pub(super) fn show(pool: &Arc<Pool>, part: &str, name: &str, id: &str) -> io::Result<()> {
    let Err(error) = pool.rename(part, name) else { return Ok(()) };
    let shown = || Image::read_only(pool, name, Some(SNAPSHOT))?.id();
    if shown().is_ok_and(|found| found == id) {
        tracing::info!(name, %error, "an image bears its name although the answer was lost");
        return Ok(());
    }
    Err(error)
}

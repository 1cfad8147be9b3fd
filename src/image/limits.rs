//! Limits on the number of images of a project, and regions without custom images.

use super::Images;
use crate::{
    access::{self, targets::ProjectTarget},
    db::{self, Conn, DbResult},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::{Image, Visibility},
        limits::{Limits, Usage},
        status::Status,
    },
};

/// The rule of those who set limits.
const RULE: &str = "ext:limits";
/// The rule of those who may know them.
const SHOW_RULE: &str = "ext:limits_show";

/// Requires that the owner may have another such image, in the transaction that creates it or makes it private.
/// Administrators are exempt, because what a region offers to everybody is theirs. Call it last, as [`db::quota::lock`]
/// requires.
pub(super) fn check(
    conn: &mut Conn,
    all: Option<&Limits>,
    before: Option<&Image>,
    after: &Image,
) -> DbResult<()> {
    let (Some(all), Some(owner)) = (all, after.owner.as_deref()) else { return Ok(()) };
    let was = |image: &Image| image.status != Status::Deleted && image.owner.as_deref() == Some(owner);
    let is_new = before.is_none_or(|before| !was(before));
    let hides = after.visibility == Visibility::Private
        && before.is_none_or(|before| before.visibility != Visibility::Private);
    if after.status == Status::Deleted || !is_new && !hides {
        return Ok(());
    }
    let limits = db::project_limits::find(conn, owner)?.unwrap_or_default().over(all);
    if !limits.limit() {
        return Ok(());
    }
    db::quota::lock(conn, owner)?;
    let usage = db::project_limits::usage(conn, owner)?;
    let grown = Usage {
        images: if is_new { usage.images } else { 0 },
        private_images: if hides || is_new && after.visibility == Visibility::Private {
            usage.private_images
        } else {
            0
        },
    };
    match is_new {
        true => limits.check(&grown)?,
        // Whoever has images keeps them.
        false => Limits { enabled: None, image_count_total: None, ..limits }.check(&grown)?,
    }
    Ok(())
}

/// The limits and the usage of a project.
///
/// # Errors
/// [`Error::Forbidden`] without the right.
pub async fn show(images: &Images, caller: &Caller, project: &str) -> Result<(Limits, Usage)> {
    if !images.access.allowed(caller, SHOW_RULE, &ProjectTarget(project)).await? {
        return Err(access::refused(SHOW_RULE));
    }
    let (key, all) = (project.to_owned(), images.settings.limits.clone());
    let read = images.db.read("limits.show", move |conn| {
        let own = db::project_limits::find(conn, &key)?.unwrap_or_default();
        Ok((own.over(&all), db::project_limits::usage(conn, &key)?))
    });
    Ok(read.await?)
}

/// Sets what a project may have, where that differs from the others.
///
/// # Errors
/// [`Error::Forbidden`] without the right.
pub async fn put(images: &Images, caller: &Caller, project: &str, limits: Limits) -> Result<()> {
    enforce(images, caller, project).await?;
    let (key, now) = (project.to_owned(), images.db.clock.now());
    let write = images.db.write("limits.put", move |conn| db::project_limits::put(conn, &key, &limits, now));
    Ok(write.await?)
}

/// Lets a project have what the others may.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::NotFound`] when it does already.
pub async fn remove(images: &Images, caller: &Caller, project: &str) -> Result<()> {
    enforce(images, caller, project).await?;
    let key = project.to_owned();
    let write = images.db.write("limits.remove", move |conn| db::project_limits::remove(conn, &key));
    match write.await? {
        true => Ok(()),
        false => Err(Error::NotFound(format!("Project {project} has no limits of its own."))),
    }
}

async fn enforce(images: &Images, caller: &Caller, project: &str) -> Result<()> {
    access::mutating(caller)?;
    match images.access.allowed(caller, RULE, &ProjectTarget(project)).await? {
        true => Ok(()),
        false => Err(access::refused(RULE)),
    }
}

//! Limits of projects: on the number of images and how fast they are made, on what one image may have, and regions
//! without custom images.

use std::sync::{Mutex, PoisonError};

use super::{Images, Settings};
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
/// Seconds of the time for which `create_rate` says how many.
const MINUTE: i64 = 60;

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
    if !limits.count() {
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
    match limits.create_rate.filter(|_| before.is_none()) {
        Some(rate) => check_rate(conn, owner, rate, after),
        None => Ok(()),
    }
}

/// Requires that an image is not one too many of those that its project has created within a minute, and counts it.
/// Images that are deleted again count as well.
fn check_rate(conn: &mut Conn, project: &str, rate: u64, image: &Image) -> DbResult<()> {
    let now = image.created_at;
    let found = db::image_creations::others(conn, project, now.plus_seconds(-MINUTE), rate)?;
    let Some(nth) = found else { return db::image_creations::put(conn, project, &image.id, now) };
    let micros = u64::try_from(nth.plus_seconds(MINUTE).0.saturating_sub(now.0)).unwrap_or(0);
    let after = micros.div_ceil(1_000_000).max(1);
    let text = format!("The project may create {rate} images in a minute; try again in {after} s.");
    Err(Error::TooMany { text, after }.into())
}

impl Settings {
    /// The limits of projects without limits of their own, those of Glance's options among them.
    pub fn limits_of_all(&self) -> Limits {
        // As in Glance, a negative number is no limit.
        let count = |quota: i64| u64::try_from(quota).ok();
        Limits {
            image_size_cap: Some(self.image_size_cap),
            max_virtual_size: Some(self.format_rules.max_virtual_size),
            max_properties: count(self.image_property_quota),
            max_tags: count(self.image_tag_quota),
            max_members: count(self.image_member_quota),
            max_locations: count(self.image_location_quota),
            ..self.limits.clone()
        }
    }
}

/// The limits of a project as they are now; those of all for images of nobody.
///
/// # Errors
/// The database's.
pub async fn of(images: &Images, owner: Option<&str>) -> Result<Limits> {
    let all = images.settings.limits_of_all();
    let Some(owner) = owner.map(str::to_owned) else { return Ok(all) };
    let own = images.db.read_one("limits.find", move |conn| db::project_limits::find(conn, &owner));
    Ok(own.await?.unwrap_or_default().over(&all))
}

/// The same, asked once while a change is decided again and again because others come first.
#[derive(Default)]
pub(super) struct Known(Mutex<Option<(Option<String>, Limits)>>);

impl Known {
    /// As the function of this name.
    pub(super) async fn of(&self, images: &Images, owner: Option<&str>) -> Result<Limits> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((project, limits)) = known().as_ref()
            && project.as_deref() == owner
        {
            return Ok(limits.clone());
        }
        let limits = of(images, owner).await?;
        *known() = Some((owner.map(str::to_owned), limits.clone()));
        Ok(limits)
    }
}

/// The same within a transaction, of those of all.
///
/// # Errors
/// The database's.
pub(super) fn within(conn: &mut Conn, all: &Limits, owner: Option<&str>) -> DbResult<Limits> {
    let own = owner.map(|owner| db::project_limits::find(conn, owner)).transpose()?.flatten();
    Ok(own.unwrap_or_default().over(all))
}

/// The limits and the usage of a project.
///
/// # Errors
/// [`Error::Forbidden`] without the right.
pub async fn show(images: &Images, caller: &Caller, project: &str) -> Result<(Limits, Usage)> {
    if !images.access.allowed(caller, SHOW_RULE, &ProjectTarget(project)).await? {
        return Err(access::refused(SHOW_RULE));
    }
    let (key, all) = (project.to_owned(), images.settings.limits_of_all());
    let read = images.db.read("limits.show", move |conn| {
        Ok((within(conn, &all, Some(&key))?, db::project_limits::usage(conn, &key)?))
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

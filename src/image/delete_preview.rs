//! What DELETE would do with an image.

use super::{Images, bundle_disks, cooldown, families, query};
use crate::{
    access::protection::Action,
    db::{self, Conn, DbResult},
    model::{
        caller::Caller,
        consumer::{ConsumerKind, InUse},
        error::Result,
        family::FAMILY_PROPERTY,
        image::Image,
        lifecycle,
        status::Status,
        time::Timestamp,
    },
};

/// What DELETE would do with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The reason word of a refusal.
    pub refused: Option<&'static str>,
    /// The rule for an image in use.
    pub in_use: InUse,
    /// Whether anything uses it, or a disk of the bundle that it is.
    pub is_used: bool,
    /// Consumers by kind.
    pub consumers: Vec<(ConsumerKind, i64)>,
    /// Projects that lose it.
    pub members: i64,
    /// Stores that have its data.
    pub stores: Vec<String>,
    /// The family that it is of, where the caller may know.
    pub family: Option<InFamily>,
}

/// An image in its family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFamily {
    /// The project whose family it is.
    pub owner: String,
    /// The name of the family.
    pub name: String,
    /// Whether the image is the current one.
    pub is_current: bool,
    /// The image that is the current one when this is gone.
    pub next: Option<String>,
}

fn family_of(conn: &mut Conn, image: &Image, now: Timestamp) -> DbResult<Option<InFamily>> {
    let (Some(owner), Some(name)) = (&image.owner, lifecycle::text(image, FAMILY_PROPERTY)) else {
        return Ok(None);
    };
    let lines = families::candidates(conn, owner, name, now)?.0;
    let is_current = lines.first().is_some_and(|line| line.id == image.id);
    let next = lines.into_iter().map(|line| line.id).find(|id| *id != image.id);
    Ok(Some(InFamily { owner: owner.clone(), name: name.to_owned(), is_current, next }))
}

/// Says what DELETE would do, and changes nothing.
///
/// # Errors
/// [`Error::ImageNotFound`], and [`Error::Forbidden`] without the right to delete.
pub async fn preview(images: &Images, caller: &Caller, id: &str) -> Result<Preview> {
    let image = query::show(images, caller, id).await?;
    images.access.enforce(caller, "delete_image", &image).await?;
    let (key, shown, rule) = (image.id.clone(), image.clone(), images.in_use());
    let cooldown = images.settings.cooldown_seconds;
    let now = images.db.clock.now();
    let knows_family = images.access.may(caller, Action::Read, FAMILY_PROPERTY);
    let read = images.db.read("consumer.preview", move |conn| {
        let disks = bundle_disks::of(conn, &shown)?;
        let is_protected = shown.protected || disks.iter().any(|disk| disk.protected);
        let is_bound = bundle_disks::is_bound(conn, &shown)?;
        let mut cools = false;
        for one in disks.iter().chain([&shown]) {
            cools |= cooldown::end(conn, cooldown, &one.id, now)?.is_some();
        }
        let used = (is_bound, bundle_disks::are_used(conn, &disks)?, rule.of_all(&shown, &disks));
        let kept = (is_protected, cools);
        let family = if knows_family { family_of(conn, &shown, now)? } else { None };
        Ok((db::consumers::counts(conn, &key)?, db::members::count(conn, &key)?, kept, used, family))
    });
    let (consumers, members, (is_protected, cools), (is_bound, disks_are_used, in_use), family) =
        read.await?;
    let is_used = !consumers.is_empty() || disks_are_used;
    let refused = if is_protected {
        Some("protected")
    } else if cools {
        Some("cooldown")
    } else if is_bound || is_used && in_use == InUse::Refuse {
        Some("image-in-use")
    } else if !image.status.may_become(Status::Deleted) {
        Some("conflict")
    } else {
        None
    };
    let stores = image.locations.iter().filter_map(|location| location.store.clone()).collect();
    Ok(Preview { refused, in_use, is_used, consumers, members, stores, family })
}

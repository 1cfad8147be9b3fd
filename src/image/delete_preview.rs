//! What DELETE would do with an image.

use super::{Images, bundle_disks, cooldown, query};
use crate::{
    db,
    model::{
        caller::Caller,
        consumer::{ConsumerKind, InUse},
        error::Result,
        status::Status,
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
        Ok((db::consumers::counts(conn, &key)?, db::members::count(conn, &key)?, kept, used))
    });
    let (consumers, members, (is_protected, cools), (is_bound, disks_are_used, in_use)) = read.await?;
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
    Ok(Preview { refused, in_use, is_used, consumers, members, stores })
}

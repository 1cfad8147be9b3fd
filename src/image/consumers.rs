//! Consumers of images, their effect on deletion, and retired images.

use std::collections::{BTreeSet, HashSet};

use super::{Images, bundle_disks, cooldown, in_use::InUseRule, query};
use crate::{
    access::{self, targets::CallerTarget},
    db::{self, Conn, DbResult},
    model::{
        bundle::is_bundle,
        caller::Caller,
        consumer::{Consumer, ConsumerKind, DELETE_UNUSED_PROPERTY, InUse, LIFECYCLE_PROPERTY, RETIRED},
        error::{Error, Result},
        event::Author,
        image::Image,
        lifecycle,
        status::Status,
    },
};

/// The rule of those who tell of consumers.
const RULE: &str = "ext:consumers";
/// Images, or consumers, that one transaction looks at.
const BATCH: i64 = 100;

async fn may_tell(images: &Images, caller: &Caller) -> Result<bool> {
    images.access.allowed(caller, RULE, &CallerTarget(caller)).await
}

async fn enforce(images: &Images, caller: &Caller) -> Result<()> {
    access::mutating(caller)?;
    if may_tell(images, caller).await? { Ok(()) } else { Err(access::refused(RULE)) }
}

/// An image, whosever it is: what services tell of it is nothing that it shows.
async fn whatever(images: &Images, id: &str) -> Result<Image> {
    query::find_unseen(images, id).await?.ok_or_else(|| Error::ImageNotFound(id.to_owned()))
}

/// Whether an image serves only those who have something made from it.
pub fn is_retired(image: &Image) -> bool {
    image.property(LIFECYCLE_PROPERTY).and_then(|p| p.value.as_deref()) == Some(RETIRED)
}

/// Registers a consumer. Returns it, and whether it is new. `allow_retired`: also of an image that takes no new ones.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::ImageNotFound`], [`Error::Conflict`] for a new consumer of a retired
/// image.
pub async fn put(
    images: &Images,
    caller: &Caller,
    consumer: Consumer,
    allow_retired: bool,
) -> Result<(Consumer, bool)> {
    enforce(images, caller).await?;
    let image = whatever(images, &consumer.image_id).await?;
    let closed = is_retired(&image) && !allow_retired;
    let write = images.db.write("consumer.put", move |conn| {
        if !db::consumers::hold_image(conn, &consumer.image_id)? {
            return Err(Error::ImageNotFound(consumer.image_id.clone()).into());
        }
        let new = db::consumers::put(conn, &consumer)?;
        if new && closed {
            let text = format!("Image {} is retired and takes no new consumers.", consumer.image_id);
            return Err(Error::conflict(text).into());
        }
        let stored = db::consumers::find(conn, &consumer.image_id, consumer.kind, &consumer.id)?;
        Ok((stored.unwrap_or_else(|| consumer.clone()), new))
    });
    Ok(write.await?)
}

/// Removes a consumer; with the last one an image whose deletion is pending is deleted.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::ImageNotFound`], [`Error::NotFound`] when it is not known.
pub async fn remove(
    images: &Images,
    caller: &Caller,
    image: &str,
    kind: ConsumerKind,
    id: &str,
) -> Result<()> {
    enforce(images, caller).await?;
    let image = whatever(images, image).await?;
    let (key, consumer, clock) = (image.id.clone(), id.to_owned(), images.db.clock.clone());
    let remove = move |conn: &mut Conn| {
        let removed = db::consumers::remove(conn, &key, kind, &consumer, clock.now())?;
        Ok((removed, db::consumers::counts(conn, &key)?.is_empty()))
    };
    let (removed, is_unused) = images.db.write("consumer.remove", remove).await?;
    if !removed {
        return Err(Error::NotFound(format!("Image {} has no {} {id}.", image.id, kind.as_str())));
    }
    if is_unused && image.property(DELETE_UNUSED_PROPERTY).is_some() {
        delete_if_unused(images, &image.id).await?;
    }
    Ok(())
}

/// The consumers that a caller may see: all for callers who may register them, otherwise those of the caller's project.
///
/// # Errors
/// [`Error::ImageNotFound`]
pub async fn list(
    images: &Images,
    caller: &Caller,
    id: &str,
    after: Option<(ConsumerKind, String)>,
    count: u32,
) -> Result<Vec<Consumer>> {
    let image = query::show(images, caller, id).await?;
    let project = if may_tell(images, caller).await? {
        None
    } else {
        Some(caller.project_id.clone().unwrap_or_default())
    };
    let read = images.db.read("consumer.list", move |conn| {
        let after = after.as_ref().map(|(kind, id)| (*kind, id.as_str()));
        db::consumers::list(conn, &image.id, project.as_deref(), after, i64::from(count))
    });
    Ok(read.await?)
}

/// The result of replacing a scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Consumers that are there now.
    pub kept: usize,
    /// Removed consumers of the scope.
    pub removed: usize,
    /// Images that there are not.
    pub unknown: Vec<String>,
}

/// Replaces all consumers of a scope by others, in one transaction.
///
/// # Errors
/// [`Error::Forbidden`] without the right.
pub async fn replace(
    images: &Images,
    caller: &Caller,
    scope: String,
    all: Vec<Consumer>,
    dry_run: bool,
) -> Result<Replaced> {
    enforce(images, caller).await?;
    let clock = images.db.clock.clone();
    let write = images.db.write_or_rehearse("consumer.replace", dry_run, move |conn| {
        let mut replaced = Replaced::default();
        let images: BTreeSet<&String> = all.iter().map(|consumer| &consumer.image_id).collect();
        // In one order, so that two scopes at one time wait for each other rather than for ever.
        let mut unknown = HashSet::new();
        for id in images {
            if !db::consumers::hold_image(conn, id)? {
                unknown.insert(id);
                replaced.unknown.push(id.clone());
            }
        }
        let mut kept = HashSet::new();
        for consumer in all.iter().filter(|consumer| !unknown.contains(&consumer.image_id)) {
            db::consumers::put(conn, consumer)?;
            kept.insert((&consumer.image_id, consumer.kind, &consumer.id));
        }
        for old in db::consumers::of_scope(conn, &scope)? {
            if !kept.contains(&(&old.image_id, old.kind, &old.id)) {
                db::consumers::remove(conn, &old.image_id, old.kind, &old.id, clock.now())?;
                replaced.removed = replaced.removed.saturating_add(1);
            }
        }
        // What uses an image of another region is there all the same.
        db::gone_servers::back(conn, all.iter().filter(|consumer| unknown.contains(&consumer.image_id)))?;
        replaced.kept = kept.len();
        Ok(replaced)
    });
    // Images that go with their last consumer are left to the reaper, who looks through all of them.
    Ok(write.await?)
}

/// Refuses to delete an image that has consumers where it may not be.
///
/// # Errors
/// [`Error::Conflict`]
pub(super) fn check(conn: &mut Conn, rule: &InUseRule, image: &Image) -> DbResult<()> {
    if rule.of(image) == InUse::Allow {
        return Ok(());
    }
    let counts = db::consumers::counts(conn, &image.id)?;
    if counts.is_empty() {
        return Ok(());
    }
    let users: Vec<_> = counts.iter().map(|(kind, count)| format!("{count} {}(s)", kind.as_str())).collect();
    Err(Error::conflict(format!(
        "Image {} could not be deleted because it is in use: used by {}",
        image.id,
        users.join(", ")
    ))
    .into())
}

/// The new state of an image to be deleted: retired, if it has consumers and the rule says so.
pub(super) async fn deleted(images: &Images, image: &Image) -> Result<Image> {
    let gone = Image { status: Status::Deleted, ..image.clone() };
    let rule = images.in_use();
    if !is_bundle(image) && rule.of(image) != InUse::Retire {
        return Ok(gone);
    }
    let of = image.clone();
    let read = images.db.read("consumer.count", move |conn| {
        if bundle_disks::is_bound(conn, &of)? {
            return Ok(true);
        }
        let disks = bundle_disks::of(conn, &of)?;
        if rule.of_all(&of, &disks) != InUse::Retire {
            return Ok(true);
        }
        Ok(db::consumers::counts(conn, &of.id)?.is_empty() && !bundle_disks::are_used(conn, &disks)?)
    });
    if read.await? {
        return Ok(gone);
    }
    Ok(going(image))
}

/// An image that goes with its last consumer.
pub(super) fn going(image: &Image) -> Image {
    let mut after = retired(image);
    after.set_property(DELETE_UNUSED_PROPERTY, Some("true".to_owned()));
    after
}

/// An image that serves only those who have something made from it.
pub(super) fn retired(image: &Image) -> Image {
    let mut after = Image { os_hidden: true, ..image.clone() };
    after.set_property(LIFECYCLE_PROPERTY, Some(RETIRED.to_owned()));
    after
}

/// Retires an image: it is hidden, and its data is for those who have something made from it.
///
/// # Errors
/// [`Error::Forbidden`] without the right, [`Error::Conflict`] for an image without data.
pub async fn retire(images: &Images, caller: &Caller, id: &str) -> Result<Image> {
    turn(images, caller, id, |image| (!is_retired(image)).then(|| retired(image))).await
}

/// Puts a retired image back into use.
///
/// # Errors
/// As [`retire`].
pub async fn unretire(images: &Images, caller: &Caller, id: &str) -> Result<Image> {
    turn(images, caller, id, |image| {
        is_retired(image).then(|| {
            let mut after = Image { os_hidden: false, ..image.clone() };
            after.remove_property(LIFECYCLE_PROPERTY);
            after.remove_property(DELETE_UNUSED_PROPERTY);
            after
        })
    })
    .await
}

async fn turn(
    images: &Images,
    caller: &Caller,
    id: &str,
    turned: impl Fn(&Image) -> Option<Image> + Sync,
) -> Result<Image> {
    access::mutating(caller)?;
    images
        .change(caller, id, async |image: &Image| {
            images.access.enforce(caller, "modify_image", image).await?;
            if !matches!(image.status, Status::Active | Status::Deactivated) {
                return Err(Error::conflict(format!("Image {id} is {}; it has no data.", image.status)));
            }
            Ok(turned(image))
        })
        .await
}

/// Requires that a caller may have the data of an image: that of a retired one is for its owner, for services and for
/// projects that have something made from it.
///
/// # Errors
/// [`Error::Forbidden`]
pub async fn check_data(images: &Images, caller: &Caller, image: &Image) -> Result<()> {
    // Services need it for what was made from the image.
    if !is_retired(image) || caller.is_admin || caller.serves() {
        return Ok(());
    }
    if let Some(project) = caller.project_id.clone() {
        if image.owner.as_ref() == Some(&project) {
            return Ok(());
        }
        let id = image.id.clone();
        let read = move |conn: &mut Conn| db::consumers::has_project(conn, &id, &project);
        if images.db.read("consumer.of_project", read).await? {
            return Ok(());
        }
    }
    let text = "The image is retired: its data is for those who have something made from it.";
    Err(Error::forbidden(format!("{text}{}", replacement(image))))
}

/// A sentence that names the replacement of an image, to append to another; empty if there is none.
pub fn replacement(image: &Image) -> String {
    let named = lifecycle::text(image, lifecycle::REPLACED_BY_PROPERTY).filter(|id| !id.is_empty());
    named.map(|id| format!(" It is replaced by {id}.")).unwrap_or_default()
}

/// Deletes an image whose deletion waits for its last consumer, unless it has one. Returns whether it was deleted.
async fn delete_if_unused(images: &Images, id: &str) -> Result<bool> {
    let decide = |image: &Image| {
        let waits = image.property(DELETE_UNUSED_PROPERTY).is_some() && !image.protected;
        Ok(waits.then(|| Image { status: Status::Deleted, ..image.clone() }))
    };
    match images.change_for(&Author::service(), id, decide).await {
        Ok(image) => Ok(image.status == Status::Deleted),
        // It has a consumer, perhaps since a moment ago.
        Err(Error::ImageNotFound(_) | Error::Conflict(_)) => Ok(false),
        Err(error) if error.is_because(cooldown::REASON) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes images whose deletion waited for their last consumer, and consumers of deleted images. Returns how many
/// images were deleted.
///
/// # Errors
/// The database's.
pub async fn delete_unused(images: &Images) -> Result<usize> {
    let mut deleted = 0_usize;
    loop {
        let find = move |conn: &mut Conn| db::consumers::unused(conn, BATCH);
        let found = images.db.read("consumer.unused", find).await?;
        let mut gone = 0_usize;
        for id in &found {
            gone = gone.saturating_add(usize::from(delete_if_unused(images, id).await?));
        }
        deleted = deleted.saturating_add(gone);
        if gone == 0 {
            break;
        }
    }
    while images.db.write("consumer.orphans", |conn| db::consumers::remove_orphans(conn, BATCH)).await? > 0 {}
    Ok(deleted)
}

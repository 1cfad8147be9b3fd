//! The disks of bundles: what follows for them from a change of their bundle.

use serde_json::json;

use super::{
    Images, limits,
    told::{self, Teller},
};
use crate::{
    access::quota,
    db::{self, Conn, DbError, DbResult},
    model::{
        bundle::{self, INDEX_PROPERTY, SET_PROPERTY},
        consumer::{Consumer, ConsumerKind, LIFECYCLE_PROPERTY},
        error::{Error, Result},
        event::EventKind,
        image::Image,
        limits::Limits,
        member::Member,
        time::Timestamp,
        visibility::Visibility,
    },
};

/// The scope of the consumers that protect the disks of a bundle.
fn scope(bundle: &str) -> String {
    format!("bundle:{bundle}")
}

/// Enters that a bundle uses an image.
pub(super) fn protect(conn: &mut Conn, bundle: &Image, disk: &str, now: Timestamp) -> DbResult<()> {
    let consumer = Consumer {
        image_id: disk.to_owned(),
        kind: ConsumerKind::Image,
        id: bundle.id.clone(),
        project_id: bundle.owner.clone(),
        region: None,
        scope: Some(scope(&bundle.id)),
        since: now,
        last_seen: now,
    };
    db::consumers::put(conn, &consumer).map(drop)
}

/// Ends that a bundle uses images, those included that belong to another project by now.
pub(super) fn release(conn: &mut Conn, bundle: &Image, now: Timestamp) -> DbResult<()> {
    for used in db::consumers::of_scope(conn, &scope(&bundle.id))? {
        db::consumers::remove(conn, &used.image_id, used.kind, &used.id, now)?;
    }
    Ok(())
}

/// Whether a bundle protects an image as its disk.
pub(super) fn is_bound(conn: &mut Conn, image: &Image) -> DbResult<bool> {
    let Some(set) = bundle::bundle_of(image) else { return Ok(false) };
    Ok(db::consumers::find(conn, &image.id, ConsumerKind::Image, set)?.is_some())
}

/// The disks of a bundle; none of any other image. What has come to belong to another project is none of them.
pub(super) fn of(conn: &mut Conn, image: &Image) -> DbResult<Vec<Image>> {
    if !bundle::is_bundle(image) {
        return Ok(Vec::new());
    }
    let mut disks = Vec::new();
    for consumer in db::consumers::of_scope(conn, &scope(&image.id))? {
        let disk = db::images::find(conn, &consumer.image_id)?;
        let is_own = |disk: &Image| bundle::bundle_of(disk) == Some(&image.id) && disk.owner == image.owner;
        disks.extend(disk.filter(is_own));
    }
    disks.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(disks)
}

/// The same of a bundle as it is now, with locations of the stores that are configured.
///
/// # Errors
/// The database's.
pub(super) async fn found(images: &Images, image: &Image) -> Result<Vec<Image>> {
    if !bundle::is_bundle(image) {
        return Ok(Vec::new());
    }
    let bundle = image.clone();
    let mut disks = images.db.read("bundle.disks", move |conn| of(conn, &bundle)).await?;
    for disk in &mut disks {
        images.stores.settle(&mut disk.locations);
    }
    Ok(disks)
}

/// Whether something but their bundle uses one of these disks.
pub(super) fn are_used(conn: &mut Conn, disks: &[Image]) -> DbResult<bool> {
    for disk in disks {
        let users = db::consumers::counts(conn, &disk.id)?;
        if users.into_iter().map(|(_, count)| count).sum::<i64>() > 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses to delete a disk without its bundle.
///
/// # Errors
/// [`Error::Conflict`]
pub(super) fn check_deletion(conn: &mut Conn, image: &Image) -> DbResult<()> {
    if !is_bound(conn, image)? {
        return Ok(());
    }
    let set = bundle::bundle_of(image).unwrap_or_default();
    let text = format!(
        "Image {} could not be deleted because it is in use: it is a disk of bundle {set}.",
        image.id
    );
    Err(Error::conflict(text).because("image-in-use", json!({ "bundle": set })).into())
}

/// The disks that go with a bundle, which no longer protects them.
///
/// # Errors
/// [`Error::Forbidden`] when one of them is protected.
pub(super) fn released(conn: &mut Conn, image: &Image, now: Timestamp) -> DbResult<Vec<Image>> {
    let disks = of(conn, image)?;
    for disk in &disks {
        if disk.protected {
            let text = format!(
                "Image {}, a disk of bundle {}, is protected and cannot be deleted.",
                disk.id, image.id
            );
            return Err(Error::forbidden(text).into());
        }
    }
    if bundle::is_bundle(image) {
        release(conn, image, now)?;
    }
    Ok(disks)
}

/// The disks that a change of their bundle changes, with what they become: visibility, owner, whether they are hidden and
/// retired are those of the bundle.
///
/// # Errors
/// [`Error::Conflict`] for a bundle that others are to see and that needs volumes or snapshots of its project.
pub(super) fn following(conn: &mut Conn, before: &Image, after: &Image) -> DbResult<Vec<(Image, Image)>> {
    let state =
        |image: &Image| image.property(LIFECYCLE_PROPERTY).and_then(|property| property.value.clone());
    let differ = before.visibility != after.visibility
        || before.owner != after.owner
        || before.os_hidden != after.os_hidden
        || state(before) != state(after);
    if !differ || !bundle::is_bundle(before) {
        return Ok(Vec::new());
    }
    if before.visibility != after.visibility && after.visibility != Visibility::Private {
        check_shareable(after)?;
    }
    let follow = |disk: Image| {
        let mut changed = disk.clone();
        if before.visibility != after.visibility {
            changed.visibility = after.visibility;
        }
        changed.owner.clone_from(&after.owner);
        changed.os_hidden = after.os_hidden;
        match state(after) {
            Some(state) => changed.set_property(LIFECYCLE_PROPERTY, Some(state)),
            None => drop(changed.remove_property(LIFECYCLE_PROPERTY)),
        }
        (disk, changed)
    };
    Ok(of(conn, before)?.into_iter().map(follow).collect())
}

/// Takes a disk out of its bundle.
pub(super) fn without_bundle(disk: &Image) -> Image {
    let mut after = disk.clone();
    after.remove_property(SET_PROPERTY);
    after.remove_property(INDEX_PROPERTY);
    after
}

/// Requires of a bundle that others can use all of it.
///
/// # Errors
/// [`Error::Conflict`]
pub(super) fn check_shareable(image: &Image) -> DbResult<()> {
    if !bundle::is_bundle(image) || bundle::is_self_contained(image) {
        return Ok(());
    }
    let text = format!(
        "Bundle {} cannot be shared: its block_device_mapping names volumes or snapshots, which stay in their project.",
        image.id
    );
    Err(Error::conflict(text).because("not-self-contained", json!({})).into())
}

/// Makes a project a member of the disks of a bundle, too, with the same status.
///
/// # Errors
/// [`Error::TooLarge`] over the member quota of a disk.
pub(super) fn share(
    conn: &mut Conn,
    image: &Image,
    member: &Member,
    (all, teller): (&Limits, &Teller),
    now: Timestamp,
) -> DbResult<()> {
    for disk in of(conn, image)? {
        let known = db::members::find(conn, &disk.id, &member.member)?;
        if known.as_ref().is_some_and(|known| known.status == member.status) {
            continue;
        }
        let kind = if known.is_some() { EventKind::MemberUpdate } else { EventKind::MemberCreate };
        let mut of_disk = match known {
            Some(known) => known,
            None => {
                let limit = limits::within(conn, all, disk.owner.as_deref())?.max_members;
                let count = usize::try_from(db::members::count(conn, &disk.id)?).unwrap_or(usize::MAX);
                quota::check("members for this image", limit, count.saturating_add(1))?;
                db::members::insert(conn, &disk, &member.member, now)?
            }
        };
        if of_disk.status != member.status {
            of_disk = db::members::set_status(conn, &disk.id, &member.member, member.status, now)?;
        }
        told::tell(conn, (kind, teller), &disk, (&of_disk, of_disk.status.as_str()), now)?;
    }
    Ok(())
}

/// Takes the disks of a bundle from a project, too.
pub(super) fn unshare(
    conn: &mut Conn,
    image: &Image,
    project: &str,
    teller: &Teller,
    now: Timestamp,
) -> DbResult<()> {
    for disk in of(conn, image)? {
        let Some(member) = db::members::find(conn, &disk.id, project)? else { continue };
        if db::members::remove(conn, &disk.id, project, now)? {
            told::tell(conn, (EventKind::MemberDelete, teller), &disk, (&member, ""), now)?;
        }
    }
    Ok(())
}

/// That an image changed while its bundle did: tried again.
pub(super) fn meanwhile(error: DbError) -> DbError {
    match error {
        DbError::Stale(_) => DbError::Retry("a disk of the bundle changed meanwhile".to_owned()),
        other => other,
    }
}

//! Sharing an image with projects: add, list, show, accept or reject, remove (`glance/api/v2/image_members.py`).

use super::{Images, bundle_disks, limits, query, readers, told::tell};
use crate::{
    access::{self, quota, targets::ImageTarget},
    db::{self, DbError},
    model::{
        caller::Caller,
        error::{Error, Result},
        event::{Author, EventKind},
        image::{Image, TEXT_CHARS_MAX},
        member::{Member, MemberStatus},
        new_image::check_text,
        visibility::Visibility,
    },
};

/// Adds a project to a shared image; `None` is a value that is not a string.
///
/// # Errors
/// [`Error::Forbidden`] for images that are not shared, [`Error::TooLarge`] over the member quota,
/// [`Error::Conflict`] for a project that is a member already.
pub async fn add(images: &Images, caller: &Caller, image_id: &str, project: Option<&str>) -> Result<Member> {
    access::mutating(caller)?;
    let image = query::find(images, caller, image_id).await?;
    only_shared(&image)?;
    check_side(images, caller, &image, true)?;
    enforce(images, caller, "add_member", &image).await?;
    let project = project.ok_or_else(|| Error::invalid("The member must be a text."))?;
    if project.chars().count() > TEXT_CHARS_MAX {
        return Err(Error::invalid(format!("Member ids are limited to {TEXT_CHARS_MAX} characters.")));
    }
    check_text("member id", project)?;
    let (all, name) = (images.settings.limits_of_all(), project.to_owned());
    let teller = (Author::from(caller), images.db.notices.clone());
    let clock = images.db.clock.clone();
    let added = images
        .db
        .write("member.insert", move |conn| {
            bundle_disks::check_shareable(&image)?;
            // Of two that are added at the same time the second is to count the first.
            if !db::consumers::hold_image(conn, &image.id)? {
                return Err(Error::ImageNotFound(image.id.clone()).into());
            }
            let limit = limits::within(conn, &all, image.owner.as_deref())?.max_members;
            let count = usize::try_from(db::members::count(conn, &image.id)?).unwrap_or(usize::MAX);
            quota::check("members for this image", limit, count.saturating_add(1))?;
            let now = clock.now();
            let member = db::members::insert(conn, &image, &name, now)?;
            tell(conn, (EventKind::MemberCreate, &teller), &image, (&member, member.status.as_str()), now)?;
            bundle_disks::share(conn, &image, &member, (&all, &teller), now)?;
            Ok(member)
        })
        .await;
    match added {
        Err(DbError::Duplicate(_)) => {
            Err(Error::conflict(format!("Project {project} is already a member of image {image_id}.")))
        }
        other => {
            let member = other?;
            readers::admit(images, image_id).await;
            Ok(member)
        }
    }
}

/// The members of a shared image that the caller may see: all for the owner and administrators, otherwise its own; none
/// if `get_member` refuses.
///
/// # Errors
/// [`Error::Forbidden`] for images that are not shared.
pub async fn list(images: &Images, caller: &Caller, image_id: &str) -> Result<Vec<Member>> {
    let image = query::find(images, caller, image_id).await?;
    only_shared(&image)?;
    enforce(images, caller, "get_members", &image).await?;
    // Glance asks this rule for each member, and always of the image: it leaves out all or none.
    if !images.access.allowed(caller, "get_member", &ImageTarget(&image)).await? {
        return Ok(Vec::new());
    }
    let id = image.id.clone();
    let mut members = images.db.read("member.list", move |conn| db::members::list(conn, &id)).await?;
    members.retain(|member| may_see(caller, &image, &member.member));
    Ok(members)
}

/// One membership.
///
/// # Errors
/// [`Error::NotFound`] when there is none that the caller may see, or the image is not shared.
pub async fn show(images: &Images, caller: &Caller, image_id: &str, project: &str) -> Result<Member> {
    let image = query::find(images, caller, image_id).await?;
    let missing = || not_found(image_id, project);
    if image.visibility != Visibility::Shared {
        return Err(missing());
    }
    match enforce(images, caller, "get_member", &image).await {
        Err(Error::Forbidden(_)) => return Err(missing()),
        other => other?,
    }
    find(images, caller, &image, project).await
}

/// Sets the member project's status.
///
/// # Errors
/// [`Error::Invalid`] for an unknown status, [`Error::Forbidden`] for the owner, who may not answer for the member.
pub async fn set_status(
    images: &Images,
    caller: &Caller,
    image_id: &str,
    project: &str,
    status: &str,
) -> Result<Member> {
    access::mutating(caller)?;
    let image = query::find(images, caller, image_id).await?;
    only_shared(&image)?;
    check_side(images, caller, &image, false)?;
    enforce(images, caller, "get_member", &image).await?;
    find(images, caller, &image, project).await?;
    enforce(images, caller, "modify_member", &image).await?;
    let status = MemberStatus::parse(status).ok_or_else(|| {
        Error::invalid(format!("Invalid member status {status:?}: use pending, accepted or rejected."))
    })?;
    let (name, teller) = (project.to_owned(), (Author::from(caller), images.db.notices.clone()));
    let (all, clock) = (images.settings.limits_of_all(), images.db.clock.clone());
    let saved = images
        .db
        .write("member.set_status", move |conn| {
            let now = clock.now();
            let member = db::members::set_status(conn, &image.id, &name, status, now)?;
            tell(conn, (EventKind::MemberUpdate, &teller), &image, (&member, status.as_str()), now)?;
            bundle_disks::share(conn, &image, &member, (&all, &teller), now)?;
            Ok(member)
        })
        .await;
    match saved {
        Err(DbError::Stale(_)) => Err(not_found(image_id, project)),
        other => Ok(other?),
    }
}

/// Removes a project from a shared image.
///
/// # Errors
/// [`Error::NotFound`] when it is no member.
pub async fn remove(images: &Images, caller: &Caller, image_id: &str, project: &str) -> Result<()> {
    access::mutating(caller)?;
    let image = query::find(images, caller, image_id).await?;
    only_shared(&image)?;
    check_side(images, caller, &image, true)?;
    enforce(images, caller, "get_member", &image).await?;
    find(images, caller, &image, project).await?;
    enforce(images, caller, "delete_member", &image).await?;
    let (name, teller) = (project.to_owned(), (Author::from(caller), images.db.notices.clone()));
    let clock = images.db.clock.clone();
    let removed = images
        .db
        .write("member.remove", move |conn| {
            let now = clock.now();
            let Some(member) = db::members::find(conn, &image.id, &name)? else { return Ok(false) };
            let removed = db::members::remove(conn, &image.id, &name, now)?;
            if removed {
                tell(conn, (EventKind::MemberDelete, &teller), &image, (&member, ""), now)?;
                bundle_disks::unshare(conn, &image, &name, &teller, now)?;
            }
            Ok(removed)
        })
        .await?;
    if !removed {
        return Err(not_found(image_id, project));
    }
    readers::admit(images, image_id).await;
    Ok(())
}

fn not_found(image_id: &str, project: &str) -> Error {
    Error::NotFound(format!("Project {project:?} is not a member of image {image_id}."))
}

fn only_shared(image: &Image) -> Result<()> {
    if image.visibility == Visibility::Shared {
        return Ok(());
    }
    Err(Error::forbidden(format!(
        "Only shared images have members; image {} is {}.",
        image.id, image.visibility
    )))
}

/// With `enforce_new_defaults = false`, whose rules admit everybody: only the owner's project offers and takes
/// back, and only others answer (`image_members.py: _check_visibility_and_ownership`).
fn check_side(images: &Images, caller: &Caller, image: &Image, as_owner: bool) -> Result<()> {
    if !images.access.has_old_defaults() || caller.is_admin {
        return Ok(());
    }
    let is_owner = caller.project_id == image.owner && (image.owner.is_some() || !as_owner);
    if is_owner == as_owner {
        return Ok(());
    }
    Err(Error::forbidden(format!("You may not change the members of image {} like this.", image.id)))
}

/// Every member rule first asks whether the image may be seen (`MemberAPIPolicy._enforce`).
async fn enforce(images: &Images, caller: &Caller, rule: &str, image: &Image) -> Result<()> {
    images.access.enforce(caller, "get_image", image).await?;
    images.access.enforce(caller, rule, image).await
}

fn may_see(caller: &Caller, image: &Image, project: &str) -> bool {
    let mine = caller.project_id.as_deref();
    caller.is_admin || mine.is_some() && (image.owner.as_deref() == mine || mine == Some(project))
}

async fn find(images: &Images, caller: &Caller, image: &Image, project: &str) -> Result<Member> {
    if !may_see(caller, image, project) || project.contains('\0') {
        return Err(not_found(&image.id, project));
    }
    let (id, name) = (image.id.clone(), project.to_owned());
    images
        .db
        .read("member.find", move |conn| db::members::find(conn, &id, &name))
        .await?
        .ok_or_else(|| not_found(&image.id, project))
}

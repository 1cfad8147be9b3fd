//! Attaching an image to a project and detaching it, each in one call.

use serde_json::json;

use super::{Images, bundle_disks, change, limits, query, readers, told};
use crate::{
    access::{self, quota},
    db::{self, Conn},
    model::{
        caller::Caller,
        consumer::InUse,
        error::{Error, Result},
        event::{Author, EventKind},
        image::{Image, TEXT_CHARS_MAX, Visibility},
        member::{Member, MemberStatus},
        new_image::check_text,
    },
};

/// The rule of those who accept in the name of a project.
const RULE: &str = "ext:attach";

async fn enforce(images: &Images, caller: &Caller, id: &str, project: &str) -> Result<Image> {
    access::mutating(caller)?;
    if project.is_empty() || project.chars().count() > TEXT_CHARS_MAX {
        return Err(Error::invalid(format!("project_id has 1 to {TEXT_CHARS_MAX} characters.")));
    }
    check_text("project_id", project)?;
    let image = query::show(images, caller, id).await?;
    images.access.enforce(caller, RULE, &image).await?;
    if image.owner.as_deref() == Some(project) {
        return Err(Error::conflict(format!("Image {id} is the project's own.")));
    }
    Ok(image)
}

/// Makes a project an accepted member, so that the image is in its lists at once; a private image becomes shared.
/// Repeating it is not an error.
///
/// # Errors
/// [`Error::ImageNotFound`], [`Error::Forbidden`] without the right, [`Error::Conflict`] for images that everybody sees, and
/// [`Error::TooLarge`] over the member quota.
pub async fn attach(images: &Images, caller: &Caller, id: &str, project: &str) -> Result<Member> {
    let image = enforce(images, caller, id, project).await?;
    let (door, name) = (images.door(Author::from(caller)), project.to_owned());
    let all = images.settings.limits_of_all();
    let write = images.db.write("member.attach", move |conn| {
        let image = change::in_txn(conn, &door, &image.id, |_, image| match image.visibility {
            Visibility::Shared => Ok(None),
            Visibility::Private => Ok(Some(Image { visibility: Visibility::Shared, ..image.clone() })),
            other => {
                Err(Error::conflict(format!("Image {} is {other}; projects can see it already.", image.id))
                    .into())
            }
        })?;
        bundle_disks::check_shareable(&image)?;
        let now = door.clock.now();
        let kind = match db::members::find(conn, &image.id, &name)? {
            Some(member) if member.status == MemberStatus::Accepted => return Ok(member),
            Some(_) => EventKind::MemberUpdate,
            None => {
                db::consumers::hold_image(conn, &image.id)?;
                let limit = limits::within(conn, &all, image.owner.as_deref())?.max_members;
                let count = usize::try_from(db::members::count(conn, &image.id)?).unwrap_or(usize::MAX);
                quota::check("members for this image", limit, count.saturating_add(1))?;
                db::members::insert(conn, &image, &name, now)?;
                EventKind::MemberCreate
            }
        };
        let member = db::members::set_status(conn, &image.id, &name, MemberStatus::Accepted, now)?;
        let teller = (door.author.clone(), door.notices.clone());
        told::tell(conn, (kind, &teller), &image, (&member, member.status.as_str()), now)?;
        bundle_disks::share(conn, &image, &member, (&all, &teller), now)?;
        Ok(member)
    });
    let member = write.await?;
    readers::admit(images, id).await;
    Ok(member)
}

/// Takes an image back from a project. Where images in use are guarded, not from one that has something made from it.
///
/// # Errors
/// [`Error::ImageNotFound`], [`Error::Forbidden`] without the right, [`Error::NotFound`] for a project that does not have it,
/// [`Error::Conflict`] when it is in use.
pub async fn detach(images: &Images, caller: &Caller, id: &str, project: &str) -> Result<()> {
    let image = enforce(images, caller, id, project).await?;
    let guards = images.in_use().of(&image) != InUse::Allow;
    let teller = (Author::from(caller), images.db.notices.clone());
    let (name, clock) = (project.to_owned(), images.db.clock.clone());
    let write = images.db.write("member.detach", move |conn: &mut Conn| {
        // Whoever tells of a consumer waits for us.
        if !db::consumers::hold_image(conn, &image.id)? {
            return Err(Error::ImageNotFound(image.id.clone()).into());
        }
        if guards && db::consumers::has_project(conn, &image.id, &name)? {
            let text = format!("Project {name} has something made from image {}.", image.id);
            return Err(Error::conflict(text).because("image-in-use", json!({})).into());
        }
        let now = clock.now();
        let Some(member) = db::members::find(conn, &image.id, &name)? else { return Ok(false) };
        let removed = db::members::remove(conn, &image.id, &name, now)?;
        if removed {
            told::tell(conn, (EventKind::MemberDelete, &teller), &image, (&member, ""), now)?;
            bundle_disks::unshare(conn, &image, &name, &teller, now)?;
        }
        Ok(removed)
    });
    if !write.await? {
        return Err(Error::NotFound(format!("Project {project:?} is not a member of image {id}.")));
    }
    readers::admit(images, id).await;
    Ok(())
}

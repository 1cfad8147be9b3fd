//! Short names: what the door does about them, and the image that has one.

use serde_json::json;

use super::{Images, query};
use crate::{
    access::protection::Action,
    db::{self, Conn, DbError, DbResult},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        slug::{self, SLUG_PROPERTY},
    },
};

/// Enters the short name that a change sets, in the place of the one before.
///
/// # Errors
/// [`Error::Conflict`] when another image of the project has it, also one in the bin.
pub(super) fn note(conn: &mut Conn, before: Option<&Image>, after: &Image) -> DbResult<()> {
    let was = before.and_then(slug::of);
    let is = slug::of(after);
    if was == is {
        return Ok(());
    }
    if was.is_some() {
        db::image_slugs::forget(conn, &[&after.id])?;
    }
    let Some((owner, slug)) = is else { return Ok(()) };
    db::image_slugs::insert(conn, (owner, slug), &after.id).map_err(|error| match error {
        DbError::Duplicate(_) => {
            let text = format!("Another image of project {owner} has the {SLUG_PROPERTY} {slug}, or had it and is in the bin.");
            Error::conflict(text).because("slug-taken", json!({ "slug": slug })).into()
        }
        other => other,
    })
}

/// Forgets the short name of an image that goes for good.
pub(super) fn forget(conn: &mut Conn, image: &Image) -> DbResult<()> {
    match image.property(SLUG_PROPERTY) {
        Some(_) => db::image_slugs::forget(conn, &[&image.id]),
        None => Ok(()),
    }
}

/// The image that has a short name in a project, or else in the caller's.
///
/// # Errors
/// [`Error::NotFound`] when there is none that the caller may see.
pub async fn find(images: &Images, caller: &Caller, owner: Option<&str>, slug: &str) -> Result<Image> {
    let none = || Error::NotFound(format!("No image with the {SLUG_PROPERTY} {slug} is there."));
    let owner = owner.or(caller.project_id.as_deref()).ok_or_else(none)?;
    if !slug::is_slug(slug) || !images.access.may(caller, Action::Read, SLUG_PROPERTY) {
        return Err(none());
    }
    let (owner, key) = (owner.to_owned(), slug.to_owned());
    let read = move |conn: &mut Conn| db::image_slugs::find(conn, (&owner, &key));
    let id = images.db.read_one("slug.find", read).await?.ok_or_else(none)?;
    match query::show(images, caller, &id).await {
        Err(Error::ImageNotFound(_)) => Err(none()),
        other => other,
    }
}

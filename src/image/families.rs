//! Families: their images, and which is the current one.

use std::collections::BTreeSet;

use super::{
    Images,
    query::{self, ImagePage},
};
use crate::{
    access::{self, protection::Action, targets::CallerTarget},
    db::{self, Conn, DbResult},
    model::{
        caller::Caller,
        error::{Error, Result},
        family::{FAMILY_PROPERTY, Line},
        image::{Image, Visibility},
        list::{ListQuery, PageLimits},
        time::Timestamp,
    },
};

/// Maximum number of a family's images that are considered, the newest first.
pub(super) const LINES_MAX: i64 = 10_000;
/// Public images of a family among whose owners the one for everybody is looked for.
const PUBLIC_MAX: u32 = 100;
/// Images that are asked for in turn for one that the caller may see.
const LOOKS: usize = 100;

/// The families that the caller may see, after one of them, up to `count`: owners and names.
///
/// # Errors
/// [`Error::Forbidden`] without the right to list images.
pub async fn list(
    images: &Images,
    caller: &Caller,
    after: Option<(String, String)>,
    count: u32,
) -> Result<Vec<(String, String)>> {
    if !images.access.allowed(caller, "get_images", &CallerTarget(caller)).await? {
        return Err(access::refused("get_images"));
    }
    if !images.access.may(caller, Action::Read, FAMILY_PROPERTY) {
        return Ok(Vec::new());
    }
    let project = (!caller.is_admin).then(|| caller.project_id.clone().unwrap_or_default());
    let read = images.db.read("family.list", move |conn| {
        let after = after.as_ref().map(|(owner, name)| (owner.as_str(), name.as_str()));
        db::families::list(conn, project.as_deref(), after, i64::from(count))
    });
    Ok(read.await?)
}

/// The image of a family that is the current one, of those that the caller may see.
///
/// # Errors
/// Only the database's.
pub async fn current(images: &Images, caller: &Caller, owner: &str, name: &str) -> Result<Option<Image>> {
    if !images.access.may(caller, Action::Read, FAMILY_PROPERTY) {
        return Ok(None);
    }
    let (owner, name, now) = (owner.to_owned(), name.to_owned(), images.db.clock.now());
    let read = images.db.read("family.current", move |conn| candidates(conn, &owner, &name, now));
    for line in read.await?.0.into_iter().take(LOOKS) {
        match query::show(images, caller, &line.id).await {
            Err(Error::ImageNotFound(_)) => {}
            other => return other.map(Some),
        }
    }
    Ok(None)
}

/// The current image of a family of the caller's project, or else of the first project with one for everybody.
///
/// # Errors
/// [`Error::Forbidden`] without the right to list images.
pub async fn platform(images: &Images, caller: &Caller, name: &str) -> Result<Option<Image>> {
    if let Some(project) = &caller.project_id
        && let Some(own) = current(images, caller, project, name).await?
    {
        return Ok(Some(own));
    }
    if !images.access.may(caller, Action::Read, FAMILY_PROPERTY) {
        return Ok(None);
    }
    let wanted = [(FAMILY_PROPERTY, name), ("visibility", "public")];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let query = ListQuery::parse(&wanted, PageLimits { default: PUBLIC_MAX, max: PUBLIC_MAX })?;
    let owners = query::list(images, caller, query).await?.images.into_iter().filter_map(|image| image.owner);
    for owner in owners.collect::<BTreeSet<_>>() {
        let found = current(images, caller, &owner, name).await?;
        if let Some(found) = found.filter(|image| image.visibility == Visibility::Public) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// A page of the images of a family, for `query`.
///
/// # Errors
/// [`Error::NotFound`] when the caller sees none of them at all; those of a list.
pub async fn members(
    images: &Images,
    caller: &Caller,
    owner: &str,
    name: &str,
    query: ListQuery,
) -> Result<ImagePage> {
    let page = query::list(images, caller, query.clone()).await?;
    if page.images.is_empty() && query.marker.is_none() {
        let others = ListQuery { os_hidden: !query.os_hidden, limit: 1, ..query };
        if query::list(images, caller, others).await?.images.is_empty() {
            return Err(Error::NotFound(format!("Project {owner} has no family {name}.")));
        }
    }
    Ok(page)
}

/// Those that may be the current one: the one that was published last, then the newest first. Says also whether the first
/// is that.
pub(super) fn candidates(
    conn: &mut Conn,
    owner: &str,
    name: &str,
    now: Timestamp,
) -> DbResult<(Vec<Line>, bool)> {
    let mut lines = db::families::lines(conn, owner, Some(name), LINES_MAX)?;
    lines.retain(|line| line.may_be_current(now));
    let published = db::families::published(conn, owner, Some(name))?;
    let is_published = |line: &Line| published.contains(&line.id);
    lines.sort_by(|a, b| (is_published(b), b.age()).cmp(&(is_published(a), a.age())));
    let leads = lines.first().is_some_and(is_published);
    Ok((lines, leads))
}

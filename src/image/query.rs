//! Showing one image and listing many, restricted to what the caller may see.

use std::sync::Arc;

use crate::{
    access::{
        self,
        protection::Action,
        targets::{CallerTarget, ImageTarget},
    },
    db::{
        self, Conn,
        images_page::{self, Page},
        images_seen,
    },
    model::{
        caller::Caller,
        error::{Error, Result},
        image::{ID_CHARS_MAX, Image},
        list::{Filter, ListQuery},
        visibility::{self, Scope, Visibility},
    },
};

use super::Images;

/// A page of a list.
#[derive(Debug)]
pub struct ImagePage {
    /// The images that the caller may see, in order.
    pub images: Vec<Image>,
    /// Where the next page starts, if there may be one.
    pub next_marker: Option<String>,
}

/// Shows one image.
///
/// # Errors
/// [`Error::ImageNotFound`] when the caller may not see it.
pub async fn show(images: &Images, caller: &Caller, id: &str) -> Result<Image> {
    let image = find(images, caller, id).await?;
    images.access.enforce(caller, "get_image", &image).await?;
    Ok(image)
}

/// Lists images.
///
/// # Errors
/// [`Error::Forbidden`] without the right to list, [`Error::Invalid`] for a marker that is unknown or that the caller
/// may not see.
pub async fn list(images: &Images, caller: &Caller, query: ListQuery) -> Result<ImagePage> {
    if !images.access.allowed(caller, "get_images", &CallerTarget(caller)).await? {
        return Err(access::refused("get_images"));
    }
    let after = match &query.marker {
        Some(id) => Some(find_marker(images, caller, id).await?),
        None => None,
    };
    let limit = query.limit;
    let mut page = Page {
        scope: Scope::of(caller, query.members, query.visibility),
        filters: readable(images, caller, query.filters),
        os_hidden: query.os_hidden,
        hidden_groups: match caller.is_admin {
            true => Arc::default(),
            false => images.hidden_groups.names(&images.db).await?,
        },
        sort: query.sort,
        after,
        limit,
        bytes_max: images.settings.bounds.page_bytes,
    };
    loop {
        let asked = page.clone();
        let is_usual = asked.is_usual();
        let load = move |conn: &mut Conn| images_page::load(conn, &asked);
        let loaded = match is_usual {
            true => images.db.read_kept("image.list", load).await?,
            false => images.db.read("image.list", load).await?,
        };
        let full = limit > 0 && loaded.images.len() as u64 == u64::from(limit) || loaded.is_cut;
        let last = loaded.images.last().cloned().filter(|_| loaded.is_cut);
        let seen = visible(images, caller, loaded.images).await?;
        if seen.is_empty() && last.is_some() {
            // Rules hide all that fitted: without an image there is no marker to continue from, so we continue.
            page.after = last;
            continue;
        }
        let next_marker = if full { seen.last().map(|image| image.id.clone()) } else { None };
        return Ok(ImagePage { images: seen, next_marker });
    }
}

/// The filters as they are for one who may not read every property: what is not shown to him no image has.
fn readable(images: &Images, caller: &Caller, filters: Vec<Filter>) -> Vec<Filter> {
    let may = |name: &str| images.access.may(caller, Action::Read, name);
    let filters = filters.into_iter().filter_map(|filter| match filter {
        Filter::Property(name, _) if !may(&name) => Some(Filter::Never),
        Filter::PropertyOr { name, usual, value } if !may(name) => (usual != value).then_some(Filter::Never),
        Filter::PropertyNotBelow(name, _) if !may(name) => None,
        Filter::AnyProperty(mut names) => {
            names.retain(|name| may(name));
            Some(if names.is_empty() { Filter::Never } else { Filter::AnyProperty(names) })
        }
        other => Some(other),
    });
    filters.collect()
}

/// The images of a page that the policy shows to the caller.
async fn visible(images: &Images, caller: &Caller, page: Vec<Image>) -> Result<Vec<Image>> {
    let mut seen = Vec::with_capacity(page.len());
    for mut image in page {
        images.stores.settle(&mut image.locations);
        seen_by(caller, &mut image);
        if images.access.allowed(caller, "get_image", &ImageTarget(&image)).await? {
            seen.push(image);
        }
    }
    Ok(seen)
}

/// Loads an image as the database shows it to the caller, before any rule.
///
/// # Errors
/// [`Error::ImageNotFound`] when it is absent, deleted or hidden.
pub async fn find(images: &Images, caller: &Caller, id: &str) -> Result<Image> {
    let missing = || Error::ImageNotFound(id.to_owned());
    if id.chars().count() > ID_CHARS_MAX || id.contains('\0') {
        return Err(missing());
    }
    let (key, project) = (id.to_owned(), caller.project_id.clone());
    let find = move |conn: &mut Conn| images_seen::find(conn, &key, project.as_deref());
    let (mut image, is_member) = images.db.read_one("image.find", find).await?.ok_or_else(missing)?;
    if !visibility::is_visible(caller, &image, is_member) {
        return Err(missing());
    }
    images.stores.settle(&mut image.locations);
    seen_by(caller, &mut image);
    Ok(image)
}

/// Loads an image without asking who wants it.
///
/// # Errors
/// Only the database's.
pub async fn find_unseen(images: &Images, id: &str) -> Result<Option<Image>> {
    let id = id.to_owned();
    Ok(images.db.read("image.find_for_job", move |conn| db::images::find(conn, &id)).await?)
}

/// Fills `member` as Glance does: the caller's project, when the image is shared and not its own
/// (`glance/db/__init__.py: ImageRepo._format_image_from_db`).
fn seen_by(caller: &Caller, image: &mut Image) {
    let foreign = image.visibility == Visibility::Shared && image.owner != caller.project_id;
    image.member = if foreign { caller.project_id.clone() } else { None };
}

async fn find_marker(images: &Images, caller: &Caller, id: &str) -> Result<Image> {
    let unknown = || Error::invalid(format!("Invalid marker. Image {id} could not be found."));
    if id.is_empty() || id.chars().count() > ID_CHARS_MAX || id.contains('\0') {
        return Err(unknown());
    }
    let (key, project) = (id.to_owned(), caller.project_id.clone());
    let find = move |conn: &mut Conn| images_seen::marker(conn, &key, project.as_deref());
    let found = images.db.read_one("image.find_marker", find).await?;
    let ((image, is_member), deleted) = found.ok_or_else(unknown)?;
    if deleted && !caller.is_admin {
        return Err(unknown());
    }
    if !visibility::is_visible(caller, &image, is_member) {
        // That there is one is none of his business.
        return Err(unknown());
    }
    Ok(image)
}

//! Showing one image and listing many, within what the caller may see.

use crate::{
    app::App,
    db::images_page::{self, Page},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::{ID_CHARS_MAX, Image},
        list::ListQuery,
        visibility::{self, Scope, Visibility},
    },
};

use super::access::{self, CallerTarget, ImageTarget};

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
pub async fn show(app: &App, caller: &Caller, id: &str) -> Result<Image> {
    let image = access::find(app, caller, id).await?;
    access::enforce(app, caller, "get_image", &image).await?;
    Ok(image)
}

/// Lists images.
///
/// # Errors
/// [`Error::Forbidden`] without the right to list or for a marker that the caller may not see,
/// [`Error::Invalid`] for an unknown marker.
pub async fn list(app: &App, caller: &Caller, query: ListQuery) -> Result<ImagePage> {
    if !access::allowed(app, caller, "get_images", &CallerTarget(caller)).await? {
        return Err(access::refused("get_images"));
    }
    let after = match &query.marker {
        Some(id) => Some(find_marker(app, caller, id).await?),
        None => None,
    };
    let limit = query.limit;
    let page = Page {
        scope: Scope::of(caller, query.members, query.visibility),
        filters: query.filters,
        os_hidden: query.os_hidden,
        sort: query.sort,
        after,
        limit,
    };
    let rows = app.db.read("image.list", move |conn| images_page::load(conn, &page)).await?;
    let full = limit > 0 && rows.len() as u64 == u64::from(limit);
    let mut images = Vec::with_capacity(rows.len());
    for mut image in rows {
        app.stores.settle(&mut image.locations);
        access::seen_by(caller, &mut image);
        if access::allowed(app, caller, "get_image", &ImageTarget(&image)).await? {
            images.push(image);
        }
    }
    let next_marker = if full { images.last().map(|image| image.id.clone()) } else { None };
    Ok(ImagePage { images, next_marker })
}

async fn find_marker(app: &App, caller: &Caller, id: &str) -> Result<Image> {
    let unknown = || Error::invalid(format!("Invalid marker. Image {id} could not be found."));
    if id.is_empty() || id.chars().count() > ID_CHARS_MAX || id.contains('\0') {
        return Err(unknown());
    }
    let (key, project) = (id.to_owned(), caller.project_id.clone());
    let found = app
        .db
        .read("image.find_marker", move |conn| {
            let Some((image, deleted)) = images_page::find_marker(conn, &key)? else { return Ok(None) };
            let is_member = match &project {
                Some(project) if image.visibility == Visibility::Shared => {
                    crate::db::images::is_member(conn, &key, project)?
                }
                _ => false,
            };
            Ok(Some((image, deleted, is_member)))
        })
        .await?;
    let (image, deleted, is_member) = found.ok_or_else(unknown)?;
    if deleted && !caller.is_admin {
        return Err(unknown());
    }
    if !visibility::is_visible(caller, &image, is_member) {
        return Err(Error::forbidden("Image not visible; it cannot serve as a marker."));
    }
    Ok(image)
}

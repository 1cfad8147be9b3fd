//! Whether the properties of an image are such as hypervisors know: refused where they are set, or told to those who ask.

use super::{Images, query};
use crate::{
    access::protection::Action,
    db,
    model::{
        caller::Caller,
        error::Result,
        image::Image,
        lint::{self, CHECKED, Catalogue, Validation, Warning},
    },
};

/// Requires of what a change sets that the catalogue know it, where that is so strict.
///
/// # Errors
/// [`Error::Invalid`](crate::model::error::Error::Invalid), and the database's.
pub(super) async fn check(images: &Images, before: Option<&Image>, after: &Image) -> Result<()> {
    let set = match images.settings.validation {
        Validation::Warn => return Ok(()),
        Validation::Strict => lint::set_by(before, after),
    };
    if set.is_empty() { Ok(()) } else { lint::require_known(after, &set, &catalogue(images).await?) }
}

async fn catalogue(images: &Images) -> Result<Catalogue> {
    let read = images.db.read("lint.catalogue", |conn| db::metadefs::properties::catalogue(conn, &CHECKED));
    Ok(read.await?)
}

/// Everything odd about an image, of what the caller may read of it.
///
/// # Errors
/// Those of showing it, and the database's.
pub async fn lint(images: &Images, caller: &Caller, id: &str) -> Result<Vec<Warning>> {
    let mut image = query::show(images, caller, id).await?;
    let names: Vec<String> = image.properties.iter().map(|property| property.name.clone()).collect();
    for name in names.iter().filter(|name| !images.access.may(caller, Action::Read, name)) {
        image.remove_property(name);
    }
    Ok(lint::lint(&image, &catalogue(images).await?))
}

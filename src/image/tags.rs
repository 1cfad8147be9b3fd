//! Single tags (`glance/api/v2/image_tags.py`).

use crate::{
    access::{self, quota},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::{Image, TEXT_CHARS_MAX},
        new_image::check_no_nul,
    },
};

use super::{Images, limits};

/// Adds a tag; adding one that is there succeeds.
///
/// # Errors
/// [`Error::Invalid`] for a tag too long, [`Error::TooLarge`] over the tag quota.
pub async fn put(images: &Images, caller: &Caller, id: &str, tag: &str) -> Result<()> {
    if tag.chars().count() > TEXT_CHARS_MAX {
        return Err(Error::invalid(format!("Tags are limited to {TEXT_CHARS_MAX} characters.")));
    }
    access::mutating(caller)?;
    let known = limits::Known::default();
    images
        .change(caller, id, async |image: &Image| {
            images.access.enforce(caller, "modify_image", image).await?;
            let mut after = image.clone();
            after.add_tag(tag);
            if after.tags.len() > image.tags.len() {
                let limits = known.of(images, image.owner.as_deref()).await?;
                quota::check("tags", limits.max_tags, after.tags.len())?;
                images.settings.bounds.check_record(image.variable_bytes(), &after)?;
            }
            // In a path Glance does not see that a character has four bytes, and takes it.
            check_no_nul("tag", tag)?;
            Ok(Some(after))
        })
        .await
        .map(drop)
}

/// Removes a tag.
///
/// # Errors
/// [`Error::NotFound`] when the image has no such tag.
pub async fn delete(images: &Images, caller: &Caller, id: &str, tag: &str) -> Result<()> {
    access::mutating(caller)?;
    images
        .change(caller, id, async |image: &Image| {
            images.access.enforce(caller, "modify_image", image).await?;
            if !image.tags.iter().any(|t| t == tag) {
                return Err(Error::NotFound(format!("Image {id} has no tag {tag:?}.")));
            }
            let mut after = image.clone();
            after.tags.retain(|t| t != tag);
            Ok(Some(after))
        })
        .await
        .map(drop)
}

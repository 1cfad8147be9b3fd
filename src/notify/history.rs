//! What happened to an image, for those who own it.

use super::{Images, query};
use crate::{
    db::events::{self, Recorded},
    model::{
        caller::Caller,
        error::{Error, Result},
    },
};

/// The events of an image after a place in their order, oldest first, up to `count`.
///
/// # Errors
/// [`Error::ImageNotFound`] when the caller may not see the image, [`Error::Forbidden`] when it is another project's.
pub async fn of_image(
    images: &Images,
    caller: &Caller,
    id: &str,
    after: i64,
    count: u32,
) -> Result<Vec<Recorded>> {
    let image = query::show(images, caller, id).await?;
    if !caller.is_admin && (image.owner.is_none() || image.owner != caller.project_id) {
        return Err(Error::forbidden("The history of an image is shown to the project that owns it."));
    }
    let read = move |conn: &mut _| events::of_image(conn, &image.id, after, i64::from(count));
    Ok(images.db.read("image.history", read).await?)
}

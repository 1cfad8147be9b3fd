//! Deactivate and reactivate (`glance/api/v2/image_actions.py`).

use crate::{
    access,
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        status::Status,
    },
};

use super::Images;

/// Takes the data of an active image out of use.
///
/// # Errors
/// [`Error::Forbidden`] without the right or from a status other than `active` and `deactivated`.
pub async fn deactivate(images: &Images, caller: &Caller, id: &str) -> Result<()> {
    turn(images, caller, id, "deactivate", Status::Active, Status::Deactivated).await
}

/// Puts a deactivated image back into use.
///
/// # Errors
/// [`Error::Forbidden`] without the right or from a status other than `deactivated` and `active`.
pub async fn reactivate(images: &Images, caller: &Caller, id: &str) -> Result<()> {
    turn(images, caller, id, "reactivate", Status::Deactivated, Status::Active).await
}

async fn turn(
    images: &Images,
    caller: &Caller,
    id: &str,
    rule: &str,
    from: Status,
    to: Status,
) -> Result<()> {
    access::mutating(caller)?;
    images
        .change(caller, id, async |image: &Image| {
            images.access.enforce(caller, rule, image).await?;
            if image.status == to {
                return Ok(None);
            }
            if image.status != from {
                return Err(Error::forbidden(format!(
                    "Not allowed to {rule} image in status '{}'.",
                    image.status
                )));
            }
            Ok(Some(Image { status: to, ..image.clone() }))
        })
        .await
        .map(drop)
}

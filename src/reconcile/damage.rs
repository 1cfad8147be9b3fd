//! What is done about data that is lost or damaged: it is written anew from another store, or its image is marked.

use super::scan::store_fault;
use crate::{
    blob::Blobs,
    image::query,
    model::{
        error::Error,
        finding::Finding,
        image::{ATTENTION_PROPERTY, Image, Location, in_store},
        lifecycle::text as said_of,
        status::Status,
    },
    scrub::{Outcome, Pace, Scrubber},
    store::{NamedStore, StoreErrorKind},
    work::{Done, Work},
};

/// What is said of a finding whose image is gone by now, or has other data.
const GONE: &str = "kept: the image has other data by now";

/// Writes the data of a finding anew from another store of its image; returns the result as text.
///
/// # Errors
/// [`Failure::Again`](crate::work::Failure::Again) when the database does not answer, and those of a stop.
pub(super) async fn repair(blobs: &Blobs, work: &Work, finding: &Finding) -> Done<String> {
    let Some((image, blob)) = finding.image_id.as_deref().zip(finding.blob_id.as_deref()) else {
        return Ok(GONE.to_owned());
    };
    let scrubber = Scrubber::new(blobs.clone(), Pace::new(None), true);
    Ok(match work.waiting(scrubber.mend(image, blob)).await?? {
        Outcome::Repaired => "repaired from another store".to_owned(),
        Outcome::Left => GONE.to_owned(),
        Outcome::Failed(why) => format!("not repaired: {why}"),
    })
}

/// Tells the owner of an image and administrators what is wrong with its data, by a property; with `deactivates` an image
/// that has no other data is taken out of use. Returns the result as text.
///
/// # Errors
/// [`Failure::Again`](crate::work::Failure::Again) when a store or the database does not answer.
pub(super) async fn mark(
    blobs: &Blobs,
    work: &Work,
    named: &NamedStore,
    finding: &Finding,
    deactivates: bool,
) -> Done<String> {
    let images = &blobs.images;
    let Some((id, blob)) = finding.image_id.as_deref().zip(finding.blob_id.as_deref()) else {
        return Ok(GONE.to_owned());
    };
    let Some(image) = query::find_unseen(images, id).await? else { return Ok(GONE.to_owned()) };
    let is_without_data = deactivates && !has_other_data(blobs, &image, blob).await?;
    let text = format!("{}{}{}", finding.state.as_str(), in_store(&named.id), finding.reason);
    let tell = |before: &Image| {
        if !before.locations.iter().any(|location| location.blob_id.as_deref() == Some(blob)) {
            return Ok(None);
        }
        let mut after = before.clone();
        after.set_property(ATTENTION_PROPERTY, Some(text.clone()));
        // What came beside the data meanwhile may be good.
        if is_without_data && before.status == Status::Active && before.locations == image.locations {
            after.status = Status::Deactivated;
        }
        Ok((after != *before).then_some(after))
    };
    match images.change_for(&work.author(), id, tell).await {
        Ok(after) if said_of(&after, ATTENTION_PROPERTY) != Some(&text) => Ok(GONE.to_owned()),
        Ok(after) if is_without_data && after.status == Status::Deactivated => {
            Ok("the image is marked and deactivated".to_owned())
        }
        Ok(_) => Ok("the image is marked".to_owned()),
        Err(Error::ImageNotFound(_)) => Ok(GONE.to_owned()),
        Err(error) => Err(error.into()),
    }
}

/// Whether an image has data of its size at another location than that of a blob; one that cannot be asked is an error.
async fn has_other_data(blobs: &Blobs, image: &Image, blob: &str) -> Done<bool> {
    let is_other = |location: &&Location| location.blob_id.as_deref() != Some(blob);
    for location in image.locations.iter().filter(is_other) {
        // Nobody here can tell what is in a store of other nodes.
        let Some(named) = blobs.images.stores.for_location(location) else { return Ok(true) };
        match named.stat(&location.url).await {
            Ok(size) if size == image.size_bytes() => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind == StoreErrorKind::NotFound => {}
            Err(error) => return Err(store_fault(error)),
        }
    }
    Ok(false)
}

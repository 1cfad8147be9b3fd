//! Adding locations whose data is already in a store: the call that starts it, and the job that checks, hashes and
//! activates (`glance/api/v2/images.py: add_location`); computing hashes that such an image lacks.

pub mod hash;
pub mod job;
mod measure;

use job::{Input, LocationImport, NoState};

use crate::{
    access,
    image::{Images, locations::ValidationData, query},
    model::{
        caller::Caller,
        error::{Error, Result},
        job::Job,
        status::Status,
        store_url::without_keys,
    },
    outbound::Fetcher,
    work::queue::{Queue, draft},
};

/// Starts adding a location to a queued image; a job checks, hashes and activates.
///
/// # Errors
/// In Glance's order: [`Error::Conflict`] unless the image is queued and free, [`Error::Forbidden`] without the
/// right or for a URL only services may name, [`Error::Invalid`] for hashes that are none and for a web address that
/// imports may not fetch from either.
pub async fn add(
    images: &Images,
    queue: &Queue,
    fetcher: &Fetcher,
    caller: &Caller,
    id: &str,
    url: &str,
    validation: &ValidationData,
) -> Result<()> {
    access::mutating(caller)?;
    let image = query::find(images, caller, id).await?;
    if image.status != Status::Queued {
        return Err(Error::conflict(format!(
            "Locations can only be added to a queued image; {id} is {}.",
            image.status
        )));
    }
    images.access.enforce(caller, "add_image_location", &image).await?;
    let is_service = caller.has_role("service") || caller.service_roles.iter().any(|r| r == "service");
    let may_name_it = is_service || images.stores.iter().any(|named| named.kind().is_for_everybody(url));
    if !may_name_it {
        return Err(Error::forbidden("Only services may add locations other than http ones."));
    }
    validation.check_hash(&images.settings.hashing_algorithm)?;
    if validation.checksum.is_some() {
        return Err(Error::invalid("The member checksum is not allowed in validation_data."));
    }
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    if matches!(scheme.as_str(), "http" | "https") {
        let refused = |refusal| Error::invalid(format!("The location was refused: {refusal}."));
        fetcher.check(url).await.map_err(refused)?;
    }
    let input = Input {
        image_id: id.to_owned(),
        loc_url: without_keys(url).into_owned(),
        validation_data: validation.clone(),
    };
    let job = draft::<LocationImport>(caller, &input, &NoState {}, images.db.clock.now())?;
    let job = Job { image_id: Some(id.to_owned()), ..job };
    queue.enqueue_for(images, id, Status::Queued, job).await
}

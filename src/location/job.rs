//! The job behind `POST /v2/images/{id}/locations` (`glance/async_/flows/location_import.py`).
//!
//! The image itself shows the current step: `queued` (nothing done), `importing` or `active` with the location
//! (hashing). Each step can be repeated.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::measure::{Reading, held_image, let_go, measure, record, refuse, refused};
use crate::{
    blob::{
        facts::{Facts, hashes_of},
        pour::Source,
    },
    db::{Conn, DbResult},
    format::{self, Inspector},
    image::{
        Images, limits,
        locations::{ValidationData, found, probe},
    },
    model::{
        error::Error,
        image::Image,
        job::{Job, JobKind},
        status::Status,
    },
    work::{
        Done, Failure, Work,
        durable::{Again, Durable, Ending},
    },
};

/// Bytes that are looked at before an image is used whose hash nobody vouches for: what leads to other files stands in
/// the first MiB of every format.
const LOOKED_AT_BYTES: usize = 2 << 20;

/// The job of `POST /v2/images/{id}/locations`.
pub struct LocationImport;

/// The input of such a job, as its task shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The image.
    pub image_id: String,
    /// Where its data is.
    pub loc_url: String,
    /// The hash that the caller vouches for.
    #[serde(default)]
    pub validation_data: ValidationData,
}

/// The image itself shows the progress of such a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoState {}

#[async_trait]
impl Durable for LocationImport {
    const KIND: JobKind = JobKind::LocationImport;
    type Parts = Images;
    type Input = Input;
    type State = NoState;

    fn steps(_: &Input) -> &'static [&'static str] {
        &["register"]
    }

    async fn run(images: &Images, work: &Work, input: Input, _: NoState) -> Done<Value> {
        steps(images, work, &input).await?;
        Ok(json!({ "image_id": input.image_id }))
    }

    async fn undo(images: &Images, work: &Work, input: Input, _: NoState, _: Ending) -> Done<&'static str> {
        put_back(images, work, &input).await.map(|()| "")
    }

    fn retry(_: &mut Conn, _: &Job, _: &Input, _: &NoState) -> DbResult<Again<NoState>> {
        Ok(Again { from: Status::Queued, state: NoState {}, affinity: None })
    }
}

async fn steps(images: &Images, work: &Work, input: &Input) -> Done<()> {
    let Input { image_id: id, loc_url: url, validation_data: validation } = input;
    let is_done =
        |image: &Image| image.status == Status::Active && image.locations.iter().any(|l| l.url == *url);
    let Some(image) = held_image(images, work, id, is_done).await? else { return Ok(()) };
    let verify = images.settings.do_secure_hash && validation.os_hash_value.is_some();
    if image.status == Status::Queued {
        if images.settings.do_secure_hash && !verify {
            look(images, work, url).await?;
        }
        add(images, work, &image, url, validation).await?;
    }
    if images.settings.do_secure_hash {
        let algorithm = validation.os_hash_algo.clone().filter(|_| verify);
        let algorithm = algorithm.unwrap_or_else(|| images.settings.hashing_algorithm.clone());
        let wanted = hashes_of(images, &image, &algorithm)?;
        match measure(images, work, url, &wanted).await {
            Ok(Facts { rejection: Some(why), .. }) => return refuse(images, work, id, &why).await,
            Ok(facts) => {
                let found = facts.hashes.get(&algorithm).cloned().unwrap_or_default();
                let wanted = validation.os_hash_value.as_ref().filter(|_| verify);
                if wanted.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(&found)) {
                    return Err(Failure::Final(format!(
                        "The data has the {algorithm} hash {found}, not the one given in validation_data."
                    )));
                }
                record(images, work, id, Some((facts, algorithm))).await?;
            }
            // Data that nobody vouched for stays usable without hashes.
            Err(Failure::Final(why) | Failure::Refused(_, why)) if !verify => {
                tracing::warn!(image = id, why, "the data of a location could not be hashed");
                record(images, work, id, None).await?;
            }
            Err(other) => return Err(other),
        }
    } else {
        record(images, work, id, None).await?;
    }
    Ok(())
}

/// Looks at the beginning of data that is to be used before all of it is read. Data that cannot be read is nobody's
/// danger yet.
async fn look(images: &Images, work: &Work, url: &str) -> Done<()> {
    let Some(named) = images.stores.for_url(url) else { return Ok(()) };
    let (mut beginning, mut length, mut whole) = (Vec::new(), 0_usize, false);
    let opened = work.unless_stopped(named.read(url, None)).await?;
    let Ok(chunks) = opened else { return Ok(()) };
    let mut source = Reading { work, chunks };
    while length < LOOKED_AT_BYTES {
        match source.next().await {
            Ok(Some(chunk)) => {
                length = length.saturating_add(chunk.len());
                beginning.push(chunk);
            }
            Ok(None) => {
                whole = true;
                break;
            }
            Err(Failure::Again(_)) => break,
            Err(other) => return Err(other),
        }
    }
    let inspect = move || {
        let mut inspector = Inspector::new();
        beginning.iter().for_each(|chunk| inspector.feed(chunk));
        format::check_harmless(&inspector.finish(), whole)
    };
    let verdict = crate::telemetry::blocking(inspect).await.map_err(|e| Error::internal("location", e))?;
    verdict.map_err(|rejection| refused(&rejection.to_string()))
}

/// Gives the image its location. It is active at once, unless a hash is to be found right before.
async fn add(
    images: &Images,
    work: &Work,
    image: &Image,
    url: &str,
    validation: &ValidationData,
) -> Done<()> {
    let verify = images.settings.do_secure_hash && validation.os_hash_value.is_some();
    let reachable = images.stores.for_url(url).map_or(Ok(()), |named| named.reachable());
    if let Some(absence) = reachable.err().as_ref().and_then(Failure::of_absence) {
        return Err(absence);
    }
    let (named, size) = probe(images, url).await?;
    if image.disk_format.is_none() || image.container_format.is_none() {
        return Err(Failure::Final(
            "disk_format and container_format must be set before data is added.".to_owned(),
        ));
    }
    limits::of(images, image.owner.as_deref()).await?.check_size(size)?;
    let mut metadata = named.metadata(url);
    if images.stores.multiple {
        metadata.insert("store".to_owned(), json!(named.id));
    }
    let location = found(&named, &image.id, url.to_owned(), metadata);
    let claimed = if images.settings.do_secure_hash { ValidationData::default() } else { validation.clone() };
    images
        .change_for(&work.author(), &image.id, |before: &Image| {
            let mut after = before.clone();
            after.locations = vec![location.clone()];
            after.size = i64::try_from(size).ok();
            after.status = if verify { Status::Importing } else { Status::Active };
            if images.settings.do_secure_hash && !verify {
                // Tells clients that a hash is on its way.
                after.os_hash_algo = Some(images.settings.hashing_algorithm.clone());
            }
            if claimed.os_hash_value.is_some() {
                let default = images.settings.hashing_algorithm.clone();
                after.os_hash_algo = Some(claimed.os_hash_algo.clone().unwrap_or(default));
                after.os_hash_value.clone_from(&claimed.os_hash_value);
            }
            Ok(Some(after))
        })
        .await?;
    Ok(())
}

/// Brings the image back to `queued`; of locations only those on the web stay.
async fn put_back(images: &Images, work: &Work, input: &Input) -> Done<()> {
    let url = input.loc_url.clone();
    let_go(images, work, &input.image_id, move |after: &mut Image| {
        if matches!(after.status, Status::Importing | Status::Queued) {
            after.status = Status::Queued;
            // As in Glance a location on the web stays on the queued image; it costs nothing and can be tried again.
            after.locations.retain(|l| l.url != url || url.starts_with("http"));
            (after.size, after.virtual_size) = (None, None);
            (after.checksum, after.os_hash_algo, after.os_hash_value) = (None, None, None);
        }
    })
    .await
}

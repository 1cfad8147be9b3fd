//! The job behind `POST /v2/images/{id}/locations` (`glance/async_/flows/location_import.py`).
//!
//! Steps are told apart by the image itself: `queued` (nothing done), `importing` or `active` with the location
//! (hashing). Each can be repeated.

use futures::StreamExt;
use serde_json::{Value, json};

use crate::{
    app::App,
    model::{
        error::Error,
        image::{Image, Location},
        status::Status,
    },
    store::measure::{self, Measure, Observer},
    work::{Done, Failure, Work},
};

use super::{
    locations::{ValidationData, probe},
    system::{self, LOCK_PROPERTY},
};

struct Unobserved;

impl Observer for Unobserved {
    fn feed(&mut self, _: &[u8]) {}
}

struct Hashes {
    md5: String,
    algorithm: String,
    value: String,
}

/// Runs the job.
///
/// # Errors
/// [`Failure::Final`] with a reason for the user; the image is queued again.
pub async fn run(app: &App, work: &Work) -> Done<Value> {
    let id = work.job.image_id.clone().unwrap_or_default();
    let url = work.job.input.get("loc_url").and_then(Value::as_str).unwrap_or_default().to_owned();
    let validation = ValidationData::of(work.job.input.get("validation_data"));
    match steps(app, work, &id, &url, &validation).await {
        Ok(()) => Ok(json!({ "image_id": id })),
        Err(Failure::Final(why)) => {
            give_up(app, work).await?;
            Err(Failure::Final(why))
        }
        Err(other) => Err(other),
    }
}

async fn steps(app: &App, work: &Work, id: &str, url: &str, validation: &ValidationData) -> Done<()> {
    let Some(image) = locked_image(app, work, id, url).await? else { return Ok(()) };
    let verify = app.settings.do_secure_hash && validation.os_hash_value.is_some();
    if image.status == Status::Queued {
        let (named, size) = probe(app, url).await?;
        if image.disk_format.is_none() || image.container_format.is_none() {
            return Err(Failure::Final(
                "disk_format and container_format must be set before data is added.".to_owned(),
            ));
        }
        if size > app.settings.image_size_cap {
            return Err(Failure::Final(format!(
                "Image exceeds the maximum of {} bytes.",
                app.settings.image_size_cap
            )));
        }
        let mut metadata = named.metadata(url);
        if app.stores.multiple {
            metadata.insert("store".to_owned(), json!(named.id));
        }
        let location = Location {
            id: uuid::Uuid::new_v4().to_string(),
            url: url.to_owned(),
            metadata,
            store: Some(named.id.clone()),
            blob_id: None,
        };
        let claimed =
            if app.settings.do_secure_hash { ValidationData::default() } else { validation.clone() };
        system::change(app, id, |before| {
            let mut after = before.clone();
            after.locations = vec![location.clone()];
            after.size = i64::try_from(size).ok();
            after.status = if verify { Status::Importing } else { Status::Active };
            if app.settings.do_secure_hash && !verify {
                // Tells clients that a hash is on its way.
                after.os_hash_algo = Some(app.settings.hashing_algorithm.clone());
            }
            if claimed.os_hash_value.is_some() {
                let default = app.settings.hashing_algorithm.clone();
                after.os_hash_algo = Some(claimed.os_hash_algo.clone().unwrap_or(default));
                after.os_hash_value.clone_from(&claimed.os_hash_value);
            }
            Ok(Some(after))
        })
        .await?;
    }
    if app.settings.do_secure_hash {
        let algorithm = validation.os_hash_algo.clone().filter(|_| verify);
        let algorithm = algorithm.unwrap_or_else(|| app.settings.hashing_algorithm.clone());
        match hash(app, work, url, &algorithm).await {
            Ok(hashes) => {
                let wanted = validation.os_hash_value.as_ref().filter(|_| verify);
                if wanted.is_some_and(|wanted| !wanted.eq_ignore_ascii_case(&hashes.value)) {
                    return Err(Failure::Final(format!(
                        "The data has the {algorithm} hash {}, not the one given in validation_data.",
                        hashes.value
                    )));
                }
                record(app, id, Some(hashes)).await?;
            }
            // Data that nobody vouched for stays usable without hashes.
            Err(Failure::Final(why)) if !verify => {
                tracing::warn!(image = id, why, "the data of a location could not be hashed");
                record(app, id, None).await?;
            }
            Err(other) => return Err(other),
        }
    } else {
        record(app, id, None).await?;
    }
    Ok(())
}

/// The image that the job holds; `None` when an attempt that died had come to its end.
async fn locked_image(app: &App, work: &Work, id: &str, url: &str) -> Done<Option<Image>> {
    let image = system::find(app, id).await?;
    let image = image.ok_or_else(|| Failure::Cancelled("the image was deleted".to_owned()))?;
    let lock = image.property(LOCK_PROPERTY).and_then(|p| p.value.as_deref());
    if lock == Some(work.job.id.as_str()) {
        return Ok(Some(image));
    }
    let complete = image.status == Status::Active && image.locations.iter().any(|l| l.url == url);
    if work.job.attempts > 1 && lock.is_none() && complete {
        return Ok(None);
    }
    Err(Failure::Final("The image is no longer held by this task.".to_owned()))
}

async fn hash(app: &App, work: &Work, url: &str, algorithm: &str) -> Done<Hashes> {
    let mut tries = app.settings.http_retries.max(1);
    loop {
        tries = tries.saturating_sub(1);
        match hash_once(app, work, url, algorithm).await {
            Err(Failure::Again(why)) if tries > 0 => tracing::info!(why, "hashing a location again"),
            Err(Failure::Again(why)) => return Err(Failure::Final(why)),
            other => return other,
        }
    }
}

async fn hash_once(app: &App, work: &Work, url: &str, algorithm: &str) -> Done<Hashes> {
    let unreadable = |_| Failure::Again("The data of the location cannot be read.".to_owned());
    let failed = |e: measure::MeasureError| Failure::from(Error::internal("hashing", e));
    let named =
        app.stores.for_url(url).ok_or_else(|| Failure::Final("No store serves this location.".to_owned()))?;
    let digest = measure::digest(algorithm)
        .ok_or_else(|| Failure::Final(format!("The hash algorithm {algorithm:?} is not known.")))?;
    work.set_total(named.stat(url).await.ok());
    let mut chunks = named.read(url, None).await.map_err(unreadable)?;
    let mut measure = Measure::start(digest, Unobserved).map_err(failed)?;
    while let Some(chunk) = work.unless_stopped(chunks.next()).await? {
        let chunk = chunk.map_err(unreadable)?;
        work.advance(chunk.len());
        measure.feed(chunk).await.map_err(failed)?;
    }
    let measured = measure.finish().await.map_err(failed)?;
    Ok(Hashes { md5: measured.md5, algorithm: algorithm.to_owned(), value: measured.hash })
}

/// Writes the hashes down, activates, and lets go of the image.
async fn record(app: &App, id: &str, hashes: Option<Hashes>) -> Done<()> {
    system::change(app, id, |before| {
        let mut after = before.clone();
        if hashes.is_none() && after.os_hash_value.is_none() {
            after.os_hash_algo = None;
        }
        if let Some(hashes) = &hashes {
            after.checksum = Some(hashes.md5.clone());
            after.os_hash_algo = Some(hashes.algorithm.clone());
            after.os_hash_value = Some(hashes.value.clone());
        }
        if after.status == Status::Importing {
            after.status = Status::Active;
        }
        after.remove_property(LOCK_PROPERTY);
        Ok(Some(after))
    })
    .await?;
    Ok(())
}

/// Brings the image back to `queued`; of locations only those on the web stay.
///
/// # Errors
/// [`Failure`] when the database is away.
pub async fn give_up(app: &App, work: &Work) -> Done<()> {
    let id = work.job.image_id.clone().unwrap_or_default();
    let url = work.job.input.get("loc_url").and_then(Value::as_str).unwrap_or_default();
    let lock = work.job.id.as_str();
    system::change(app, &id, |before| {
        if before.property(LOCK_PROPERTY).and_then(|p| p.value.as_deref()) != Some(lock) {
            return Ok(None);
        }
        let mut after = before.clone();
        after.remove_property(LOCK_PROPERTY);
        if matches!(after.status, Status::Importing | Status::Queued) {
            after.status = Status::Queued;
            // As in Glance a location on the web stays on the queued image; it costs nothing and can be tried again.
            after.locations.retain(|l| l.url != url || url.starts_with("http"));
            (after.size, after.virtual_size) = (None, None);
            (after.checksum, after.os_hash_algo, after.os_hash_value) = (None, None, None);
        }
        Ok(Some(after))
    })
    .await?;
    Ok(())
}

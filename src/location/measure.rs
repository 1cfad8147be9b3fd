//! Measures the data behind a location and updates the image.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;

use crate::{
    blob::{
        digests::{Digests, Wanted},
        facts::Facts,
        pour::{Fault, Limits, Nowhere, Pour, Source},
    },
    db::DbError,
    image::{Images, query},
    model::{error::Error, image::Image, status::Status},
    store::ByteStream,
    work::{
        Done, Failure, Work,
        queue::{LOCK_PROPERTY, is_locked_by},
    },
};

/// The data of a location, until the job is cancelled.
pub(super) struct Reading<'a> {
    pub(super) work: &'a Work,
    pub(super) chunks: ByteStream,
}

#[async_trait]
impl Source for Reading<'_> {
    type Error = Failure;

    async fn next(&mut self) -> Done<Option<Bytes>> {
        self.work.waiting(self.chunks.next()).await?.transpose().map_err(|_| unreadable())
    }
}

pub(super) fn unreadable() -> Failure {
    Failure::Again("The data of the location cannot be read.".to_owned())
}

/// Measures the data at a URL with the given hashes, with up to `http_retries` attempts.
///
/// # Errors
/// [`Failure::Final`] when it cannot be read.
pub(super) async fn measure(images: &Images, work: &Work, url: &str, wanted: &Wanted) -> Done<Facts> {
    let mut tries = images.settings.http_retries.max(1);
    loop {
        tries = tries.saturating_sub(1);
        match measure_once(images, work, url, wanted).await {
            Err(Failure::Again(why)) if tries > 0 => tracing::info!(why, "hashing a location again"),
            Err(Failure::Again(why)) => return Err(Failure::Final(why)),
            other => return other,
        }
    }
}

async fn measure_once(images: &Images, work: &Work, url: &str, wanted: &Wanted) -> Done<Facts> {
    let missing = || Failure::Final("No store serves this location.".to_owned());
    let named = images.stores.for_url(url).ok_or_else(missing)?;
    let wanted = Wanted { inspect: true, owner: work.job.owner.clone(), ..wanted.clone() };
    let digests = Digests::start(&wanted).map_err(Error::from)?;
    work.begin_pass(named.stat(url).await.ok());
    let chunks = named.read(url, None).await;
    let chunks = chunks.map_err(|error| Failure::of_absence(&error).unwrap_or_else(unreadable))?;
    let pour = Pour { sink: &mut Nowhere, digests: Some(digests), limits: Limits::NONE, progress: work };
    match pour.run(&mut Reading { work, chunks }).await {
        Ok(poured) => Ok(Facts::of_location(poured.measured.unwrap_or_default())),
        Err(Fault::Source(failure)) => Err(failure),
        Err(Fault::Digest(error)) => Err(Error::from(error).into()),
        Err(Fault::Excess(excess)) => Err(Error::from(excess).into()),
        Err(Fault::Sink(error)) => Err(Error::internal("hashing", error).into()),
    }
}

pub(super) fn refused(why: &str) -> Failure {
    Failure::Final(format!("The data was refused: {why}."))
}

/// Ends the job of data that is unsafe. An image that was active meanwhile is taken out of use.
pub(super) async fn refuse(images: &Images, work: &Work, id: &str, why: &str) -> Done<()> {
    let job = work.job.clone();
    let stopped = work.change(images, id, move |before: &Image| {
        if before.status != Status::Active || !is_locked_by(before, &job) {
            return Ok(None);
        }
        let mut after = Image { status: Status::Deactivated, ..before.clone() };
        after.os_hash_algo.take_if(|_| before.os_hash_value.is_none());
        after.remove_property(LOCK_PROPERTY);
        Ok(Some(after))
    });
    stopped.await?;
    Err(refused(why))
}

/// Writes the hashes down, activates, and lets go of the image.
pub(super) async fn record(
    images: &Images,
    work: &Work,
    id: &str,
    facts: Option<(Facts, String)>,
) -> Done<()> {
    work.change(images, id, move |before: &Image| {
        let mut after = before.clone();
        if facts.is_none() && after.os_hash_value.is_none() {
            after.os_hash_algo = None;
        }
        if let Some((facts, algorithm)) = &facts {
            after.checksum = facts.hashes.get("md5").cloned().or(after.checksum);
            after.os_hash_algo = Some(algorithm.clone());
            after.os_hash_value = facts.hashes.get(algorithm).cloned();
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

/// The image that the job has locked; `None` if an earlier attempt had finished, which `is_done` determines.
pub(super) async fn held_image(
    images: &Images,
    work: &Work,
    id: &str,
    is_done: impl Fn(&Image) -> bool,
) -> Done<Option<Image>> {
    let image = query::find_unseen(images, id).await?;
    let image = image.ok_or_else(|| Failure::Cancelled("the image was deleted".to_owned()))?;
    if is_locked_by(&image, &work.job) {
        return Ok(Some(image));
    }
    let is_free = image.property(LOCK_PROPERTY).and_then(|p| p.value.as_deref()).is_none();
    if work.job.attempts > 1 && is_free && is_done(&image) {
        return Ok(None);
    }
    Err(Failure::Final("The image is no longer held by this task.".to_owned()))
}

/// Releases the image of a failed job, if it exists, and undoes the job's changes to it.
pub(super) async fn let_go(
    images: &Images,
    work: &Work,
    id: &str,
    take_back: impl Fn(&mut Image) + Send + Sync + 'static,
) -> Done<()> {
    let job = work.job.clone();
    let changed = work.change(images, id, move |before: &Image| {
        if !is_locked_by(before, &job) {
            return Ok(None);
        }
        let mut after = before.clone();
        after.remove_property(LOCK_PROPERTY);
        take_back(&mut after);
        Ok(Some(after))
    });
    match changed.await {
        Ok(_) | Err(DbError::Domain(Error::ImageNotFound(_))) => Ok(()),
        Err(other) => Err(other.into()),
    }
}

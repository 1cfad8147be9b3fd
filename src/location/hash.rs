//! Computes hashes that an active image lacks because its data was added without hashing, or hashing failed. An
//! administrator requests it with `POST /v2/images/{id}/hash`, which Glance's specification of 2025.1 describes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    job::NoState,
    measure::{held_image, let_go, measure, record, refuse},
};
use crate::{
    access,
    blob::facts::{Facts, hashes_of},
    db::{Conn, DbResult},
    image::{Images, query},
    model::{
        caller::Caller,
        error::{Error, Result},
        hash::Algorithm,
        image::Image,
        job::{Job, JobKind},
        status::Status,
    },
    work::{
        Done, Failure, Work,
        durable::{Again, Durable, Ending},
        queue::{Queue, draft},
    },
};

/// The job of `POST /v2/images/{id}/hash`.
pub struct HashCalculation;

/// The input of such a job, as its task shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    /// The image.
    pub image_id: String,
    /// The hash to compute in addition to MD5.
    pub os_hash_algo: String,
}

/// Starts finding the hashes of an image; `algorithm` is the configured one unless it is named.
///
/// # Errors
/// [`Error::Invalid`] for an algorithm that is not known, [`Error::Forbidden`] without the right, [`Error::Conflict`]
/// when the image is not active, is worked on, or lacks no hash.
pub async fn start(
    images: &Images,
    queue: &Queue,
    caller: &Caller,
    id: &str,
    algorithm: Option<&str>,
) -> Result<()> {
    access::mutating(caller)?;
    let image = query::find(images, caller, id).await?;
    images.access.enforce(caller, "calculate_hash", &image).await?;
    let algorithm = algorithm.unwrap_or(&images.settings.hashing_algorithm);
    if Algorithm::of(algorithm).is_none() {
        return Err(Error::invalid(format!("The hash algorithm {algorithm:?} is not known.")));
    }
    if image.status != Status::Active {
        return Err(Error::conflict(format!(
            "Hashes can only be found of an active image; {id} is {}.",
            image.status
        )));
    }
    if (image.checksum.is_some() || !images.settings.legacy_checksum) && image.os_hash_value.is_some() {
        return Err(Error::conflict(format!("Image {id} has all its hashes.")));
    }
    let input = Input { image_id: id.to_owned(), os_hash_algo: algorithm.to_owned() };
    let job = draft::<HashCalculation>(caller, &input, &NoState {}, images.db.clock.now())?;
    let job = Job { image_id: Some(id.to_owned()), ..job };
    queue.enqueue_for(images, id, Status::Active, job).await
}

#[async_trait]
impl Durable for HashCalculation {
    const KIND: JobKind = JobKind::HashCalculation;
    type Parts = Images;
    type Input = Input;
    type State = NoState;

    fn steps(_: &Input) -> &'static [&'static str] {
        &["hash"]
    }

    async fn run(images: &Images, work: &Work, input: Input, _: NoState) -> Done<Value> {
        let Input { image_id: id, os_hash_algo: algorithm } = &input;
        if let Some(image) = held_image(images, work, id, |image| image.os_hash_value.is_some()).await? {
            announce(images, work, id, algorithm).await?;
            find(images, work, &image, algorithm).await?;
        }
        Ok(json!({ "image_id": id }))
    }

    async fn undo(images: &Images, work: &Work, input: Input, _: NoState, _: Ending) -> Done<&'static str> {
        let_go(images, work, &input.image_id, |after: &mut Image| {
            if after.os_hash_value.is_none() {
                after.os_hash_algo = None;
            }
        })
        .await
        .map(|()| "")
    }

    fn retry(_: &mut Conn, _: &Job, _: &Input, _: &NoState) -> DbResult<Again<NoState>> {
        Ok(Again { from: Status::Active, state: NoState {}, affinity: None })
    }
}

/// Tells clients that a hash is on its way.
async fn announce(images: &Images, work: &Work, id: &str, algorithm: &str) -> Done<()> {
    let author = work.author();
    let announced = images.change_for(&author, id, |before: &Image| {
        let known = before.os_hash_value.is_some() || before.os_hash_algo.as_deref() == Some(algorithm);
        let announcing = || Image { os_hash_algo: Some(algorithm.to_owned()), ..before.clone() };
        Ok((!known).then(announcing))
    });
    announced.await?;
    Ok(())
}

/// Measures the first of the locations that can be read.
async fn find(images: &Images, work: &Work, image: &Image, algorithm: &str) -> Done<()> {
    let (mut why, mut absence) = (Failure::Final("The image has no location.".to_owned()), None);
    let wanted = hashes_of(images, image, algorithm)?;
    for location in &image.locations {
        match measure(images, work, &location.url, &wanted).await {
            Ok(Facts { rejection: Some(why), .. }) => return refuse(images, work, &image.id, &why).await,
            Ok(facts) => {
                check(image, &facts, algorithm)?;
                return record(images, work, &image.id, Some((facts, algorithm.to_owned()))).await;
            }
            Err(end @ (Failure::Final(_) | Failure::Refused(..))) => why = end,
            Err(away @ Failure::Away(_)) => absence = Some(away),
            Err(other) => return Err(other),
        }
    }
    Err(absence.unwrap_or(why))
}

/// Data that is not what the image says already gives it no hash.
fn check(image: &Image, facts: &Facts, algorithm: &str) -> Done<()> {
    if let Some(size) = image.size.filter(|size| u64::try_from(*size) != Ok(facts.size)) {
        let found = facts.size;
        return Err(Failure::Final(format!("The data has {found} bytes, and the image says {size}.")));
    }
    let known = [
        ("md5", image.checksum.as_ref()),
        (
            algorithm,
            image.os_hash_value.as_ref().filter(|_| image.os_hash_algo.as_deref() == Some(algorithm)),
        ),
    ];
    for (name, said) in known {
        let found = facts.hashes.get(name).filter(|found| said.is_some_and(|said| said != *found));
        if let Some(found) = found {
            return Err(Failure::Final(format!(
                "The data has the {name} hash {found}, and the image says another."
            )));
        }
    }
    Ok(())
}

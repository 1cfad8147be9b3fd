//! Reads every byte that images have in the stores and compares it with the hashes of the images. What is damaged in
//! one store is written anew from another one's copy.

mod pace;
mod repair;

use std::sync::Arc;

pub use pace::Pace;

use crate::{
    blob::{
        Blobs,
        pour::{Fault, Limits, Nowhere, Pour, Poured},
        verify::Expected,
    },
    db::{self, DbResult},
    model::{
        error::Result,
        image::{Image, Location},
        status::Status,
    },
    store::{NamedStore, StoreError, StoreErrorKind},
};
use pace::Paced;

/// Why data cannot be repaired.
const NO_COPY: &str = "no other store has a good copy";
/// Images that are listed at once.
const PAGE: i64 = 100;

/// What the data at a location is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has the hash and the size of its image.
    Whole,
    /// It is not the image's; the text says why.
    Damaged(String),
    /// It could not be read now; the text says why.
    Unread(String),
    /// It has the size of its image, which has no hash.
    Unhashed,
}

/// What became of damaged data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: it was not damaged, or was not to be repaired.
    Left,
    /// The store has a good copy now.
    Repaired,
    /// It could not be repaired; the text says why.
    Failed(String),
}

/// The data of an image in a store, as it was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Id of the image.
    pub image: String,
    /// Id of the store.
    pub store: String,
    /// What it is.
    pub verdict: Verdict,
    /// What became of it.
    pub outcome: Outcome,
    /// Bytes that were read.
    pub bytes: u64,
}

impl Finding {
    /// What is wrong and stays wrong, as a sentence; `None` when nothing is.
    pub fn complaint(&self) -> Option<String> {
        let Self { image, store, .. } = self;
        match (&self.verdict, &self.outcome) {
            (Verdict::Whole | Verdict::Unhashed, _) | (_, Outcome::Repaired) => None,
            (Verdict::Unread(why), _) => Some(format!("image {image} in {store}: not read: {why}")),
            (Verdict::Damaged(why), Outcome::Failed(fault)) => {
                Some(format!("image {image} in {store}: damaged: {why}; not repaired: {fault}"))
            }
            (Verdict::Damaged(why), Outcome::Left) => {
                Some(format!("image {image} in {store}: damaged: {why}"))
            }
        }
    }
}

/// Looks after the data of images. Cheap to clone.
#[derive(Clone)]
pub struct Scrubber {
    blobs: Blobs,
    pace: Arc<Pace>,
    repairs: bool,
}

impl Scrubber {
    /// One that reads at a pace, and writes damaged data anew if it `repairs`.
    pub fn new(blobs: Blobs, pace: Pace, repairs: bool) -> Self {
        Self { blobs, pace: Arc::new(pace), repairs }
    }

    /// Ids of images that have data, in order, from the one after `after` on; empty after the last.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn page(&self, after: &str) -> DbResult<Vec<String>> {
        let after = after.to_owned();
        let page = move |conn: &mut db::Conn| db::check::with_data(conn, &after, PAGE);
        self.blobs.images.db.read("scrub.page", page).await
    }

    /// Reads all data of an image that this service keeps, and repairs what is damaged. An image that is gone, or has
    /// none, has no findings.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn image(&self, id: &str) -> Result<Vec<Finding>> {
        let Some(image) = self.found(id).await? else { return Ok(Vec::new()) };
        let mut findings = Vec::new();
        for location in image.locations.iter().filter(|location| location.blob_id.is_some()) {
            let (verdict, bytes) = self.look(&image, location).await;
            let store = self.blobs.images.stores.for_location(location).map(|named| named.id.clone());
            let store = store.or_else(|| location.store.clone()).unwrap_or_default();
            findings.push((
                location,
                Finding { image: id.to_owned(), store, verdict, outcome: Outcome::Left, bytes },
            ));
        }
        // What was replaced or deleted while it was read is not damaged.
        let kept = self.found(id).await?.map(|now| now.locations).unwrap_or_default();
        findings.retain(|(location, _)| kept.iter().any(|one| one.blob_id == location.blob_id));
        let good = findings.iter().find(|(_, finding)| finding.verdict == Verdict::Whole);
        let good = good.map(|(location, _)| (*location).clone());
        let mut answer = Vec::new();
        for (location, mut finding) in findings {
            if self.repairs && matches!(finding.verdict, Verdict::Damaged(_)) {
                finding.outcome = match &good {
                    Some(good) => self.repaired(&image, location, good).await,
                    None => Outcome::Failed(NO_COPY.to_owned()),
                };
            }
            answer.push(finding);
        }
        Ok(answer)
    }

    /// Writes the damaged or lost data of a blob anew from another store of its image, if it is still damaged.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn mend(&self, id: &str, blob: &str) -> Result<Outcome> {
        let Some(image) = self.found(id).await? else { return Ok(Outcome::Left) };
        let is_it = |location: &&Location| location.blob_id.as_deref() == Some(blob);
        let Some(damaged) = image.locations.iter().find(is_it) else { return Ok(Outcome::Left) };
        match self.look(&image, damaged).await.0 {
            Verdict::Damaged(_) => {}
            Verdict::Unread(why) => return Ok(Outcome::Failed(why)),
            Verdict::Whole | Verdict::Unhashed => return Ok(Outcome::Left),
        }
        for good in image.locations.iter().filter(|location| location.id != damaged.id) {
            if self.look(&image, good).await.0 == Verdict::Whole {
                return Ok(self.repaired(&image, damaged, good).await);
            }
        }
        Ok(Outcome::Failed(NO_COPY.to_owned()))
    }

    async fn found(&self, id: &str) -> DbResult<Option<Image>> {
        let id = id.to_owned();
        let find = move |conn: &mut db::Conn| db::images::find(conn, &id);
        let found = self.blobs.images.db.read("scrub.image", find).await?;
        Ok(found.filter(|image| matches!(image.status, Status::Active | Status::Deactivated)))
    }

    fn store(&self, location: &Location) -> std::result::Result<NamedStore, String> {
        let named = self.blobs.images.stores.for_location(location);
        named.ok_or_else(|| location.unserved().to_owned())
    }

    /// What the data at a location is, and how many bytes of it were read.
    async fn look(&self, image: &Image, location: &Location) -> (Verdict, u64) {
        let expected = Expected::of(image, image.size_bytes());
        let named = match self.store(location) {
            Ok(named) => named,
            Err(why) => return (Verdict::Unread(why), 0),
        };
        let (chunks, digests) = match (named.read(&location.url, None).await, expected.digests()) {
            (Ok(chunks), Ok(digests)) => (chunks, digests),
            (Err(error), _) => return (of_fault(&error), 0),
            (_, Err(error)) => return (Verdict::Unread(error.to_string()), 0),
        };
        let limits = Limits { declared: Some(expected.size), ..Limits::NONE };
        let pour = Pour { sink: &mut Nowhere, digests: Some(digests), limits, progress: &() };
        let mut source = Paced { chunks, pace: &self.pace, bytes: 0 };
        let poured = pour.run(&mut source).await;
        let verdict = match poured {
            Ok(poured) if is_met(&expected, &poured) => {
                if expected.is_hashed() {
                    Verdict::Whole
                } else {
                    Verdict::Unhashed
                }
            }
            Ok(_) => Verdict::Damaged("its hash is not that of the image".to_owned()),
            Err(Fault::Excess(_)) => Verdict::Damaged("its size is not that of the image".to_owned()),
            Err(Fault::Source(error) | Fault::Sink(error)) => of_fault(&error),
            Err(Fault::Digest(error)) => Verdict::Unread(error.to_string()),
        };
        (verdict, source.bytes)
    }
}

/// Whether what was read is what was expected; nothing is measured of an image without a hash.
fn is_met(expected: &Expected, poured: &Poured) -> bool {
    match &poured.measured {
        Some(measured) => expected.is_met_by(&measured.hashes),
        None => !expected.is_hashed(),
    }
}

/// Whether a failure of a store says that data is lost, or only that it cannot be had now.
fn of_fault(error: &StoreError) -> Verdict {
    match error.kind {
        StoreErrorKind::NotFound | StoreErrorKind::Corrupt | StoreErrorKind::SizeMismatch => {
            Verdict::Damaged(error.to_string())
        }
        _ => Verdict::Unread(error.to_string()),
    }
}

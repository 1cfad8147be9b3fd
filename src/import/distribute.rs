//! Writes data to all stores of an import: with one read, or without any if the stores can take the staged file over.

use async_trait::async_trait;

use super::{
    FAILED_IMPORT, Imports,
    asked::Method,
    bring::{Reading, pour, poured, store_failure},
    plan::{Plan, list_of, stores_in},
    state::Staged,
};
use crate::{
    blob::{
        facts::Facts,
        pour::{Fault, Limits, Pour},
        sinks::{Sinks, SinksFault, Watcher},
        unbroken::{Elsewhere, unbroken},
    },
    model::{
        blob::Blob,
        image::{Image, Location},
    },
    store::{ByteRange, ByteStream, NamedStore, StoreError},
    work::{Done, Failure, Work, queue::is_locked_by},
};

/// Data that reached the stores, with its properties; not yet `live`.
pub struct Arrived {
    /// Each blob with the location that is to point to it.
    pub blobs: Vec<(Blob, Location)>,
    /// Stores that could not be written.
    pub failed: Vec<String>,
    /// The properties of the data.
    pub facts: Facts,
}

/// Writes the stores that fail down on the image as soon as they have.
struct Failing<'a> {
    imports: &'a Imports,
    work: &'a Work,
    image_id: &'a str,
}

#[async_trait]
impl Watcher for Failing<'_> {
    async fn store_failed(&self, store: &str, error: &StoreError) {
        tracing::warn!(store, %error, image = self.image_id, "a store of an import failed");
        let imports = self.imports;
        let mut door = imports.images.door(self.work.author());
        door.moved.failed = Some(error.to_string());
        let told = imports.images.change_by(&door, self.image_id, |before: &Image| {
            if !is_locked_by(before, &self.work.job) {
                return Ok(None);
            }
            let mut failed = stores_in(before, FAILED_IMPORT);
            if !failed.iter().any(|known| known == store) {
                failed.push(store.to_owned());
            }
            let mut after = before.clone();
            after.set_property(FAILED_IMPORT, list_of(imports, &failed));
            Ok((after != *before).then_some(after))
        });
        if let Err(error) = told.await {
            tracing::warn!(%error, image = self.image_id, "a store that failed is not named on the image yet");
        }
    }
}

impl From<SinksFault> for Failure {
    fn from(fault: SinksFault) -> Self {
        match fault {
            SinksFault::Store(error) => store_failure(&error),
            SinksFault::Db(error) => error.into(),
            SinksFault::Lost => Self::Lost,
        }
    }
}

/// A blob of another store.
pub struct Origin {
    /// Its bytes.
    pub chunks: ByteStream,
    /// How many there are.
    pub size: u64,
    /// The source store.
    pub store: NamedStore,
    /// Where it is there.
    pub url: String,
    /// Where else its bytes are.
    pub elsewhere: Elsewhere,
    /// Their properties, if known without reading.
    pub known: Option<Facts>,
}

/// Writes staged data to the targets. `check` judges the data before any store shows it.
///
/// # Errors
/// What `check` answers; a store's failure, unless others may do without it.
pub async fn from_staging(
    imports: &Imports,
    work: &Work,
    plan: &Plan,
    image: &Image,
    staged: &Staged,
    facts: Option<Facts>,
    check: impl Fn(&Facts) -> Done<()>,
) -> Done<Arrived> {
    if let Some(facts) = &facts {
        check(facts)?;
    }
    let watcher = Failing { imports, work, image_id: &image.id };
    let staging = &imports.blobs.staging;
    let url = staging.url(&staged.blob);
    let mut sinks =
        open(imports, work, plan, image, &watcher, Some(staged.size), (&staging.store, &url)).await?;
    if let Some(facts) = facts.as_ref().filter(|_| sinks.is_complete()) {
        return conclude(sinks, facts.clone(), check).await;
    }
    let chunks = staging.store.read(&url, None).await;
    let mut source = Reading { work, chunks: chunks.map_err(|e| store_failure(&e))? };
    work.begin_pass(Some(staged.size));
    let moved = match facts {
        // What the data is was measured when it came.
        Some(facts) => {
            let pour = Pour { sink: &mut sinks, digests: None, limits: Limits::NONE, progress: work };
            pour.run(&mut source).await.map(|_| facts)
        }
        None => pour(imports, work, image, (&mut source, &mut sinks), Limits::NONE).await,
    };
    match moved {
        Ok(facts) => conclude(sinks, facts, check).await,
        Err(fault) => {
            sinks.cancel();
            Err(poured(fault))
        }
    }
}

/// Writes a blob of another store to the targets, measuring it. It is not read if every target takes it over and its
/// properties are known.
///
/// # Errors
/// As [`from_staging`].
pub async fn from_store(
    imports: &Imports,
    work: &Work,
    plan: &Plan,
    image: &Image,
    origin: Origin,
    check: impl Fn(&Facts) -> Done<()>,
) -> Done<Arrived> {
    let watcher = Failing { imports, work, image_id: &image.id };
    let size = Some(origin.size);
    let mut sinks = open(imports, work, plan, image, &watcher, size, (&origin.store, &origin.url)).await?;
    if let Some(facts) = origin.known.filter(|_| sinks.is_complete()) {
        drop(origin.chunks);
        let is_whole = sinks.all_have(origin.size).await;
        if matches!(is_whole, Ok(true)) {
            work.begin_pass(size);
            work.advance(usize::try_from(origin.size).unwrap_or(usize::MAX));
            return conclude(sinks, facts, check).await;
        }
        sinks.cancel();
        return Err(is_whole.err().map_or_else(changed, |error| store_failure(&error)));
    }
    work.begin_pass(size);
    // No more than there is room for.
    let limits = Limits { declared: size, ..Limits::NONE };
    // What is taken over from this very store has to be judged by what it has.
    let chunks = match origin.size.checked_sub(1).filter(|_| !sinks.is_any_shared()) {
        Some(last) => unbroken(origin.chunks, ByteRange { first: 0, last }, origin.elsewhere),
        None => origin.chunks,
    };
    let mut source = Reading { work, chunks };
    match pour(imports, work, image, (&mut source, &mut sinks), limits).await {
        Ok(facts) => conclude(sinks, facts, check).await,
        Err(fault) => {
            sinks.cancel();
            Err(if matches!(fault, Fault::Excess(_)) { changed() } else { poured(fault) })
        }
    }
}

/// The error for a source that does not match the image.
pub fn changed() -> Failure {
    Failure::Final(
        "The data in the source store is not what was once imported; it was not copied.".to_owned(),
    )
}

/// Opens every target.
async fn open<'a>(
    imports: &Imports,
    work: &'a Work,
    plan: &Plan,
    image: &Image,
    watcher: &'a dyn Watcher,
    size: Option<u64>,
    source: (&NamedStore, &str),
) -> Done<Sinks<'a>> {
    let must_succeed = plan.asked.all_stores_must_succeed || plan.targets.len() < 2;
    // Only what a client has staged had to fit, in Glance, with its size.
    let binding = plan.asked.method == Method::GlanceDirect;
    let mut sinks = Sinks::new(must_succeed, watcher, &work.holder, work.job.owner.as_deref(), binding);
    for id in &plan.targets {
        let named = imports.images.stores.get(id);
        let named = named.ok_or_else(|| Failure::Final(format!("Store {id:?} is not configured here.")))?;
        if let Err(fault) = sinks.open(&imports.blobs, image, &named, size, source).await {
            sinks.cancel();
            return Err(fault.into());
        }
    }
    Ok(sinks)
}

/// Shows the blobs, if the data is good.
async fn conclude(mut sinks: Sinks<'_>, facts: Facts, check: impl Fn(&Facts) -> Done<()>) -> Done<Arrived> {
    if let Err(failure) = check(&facts) {
        sinks.cancel();
        return Err(failure);
    }
    let delivered = sinks.conclude().await?;
    if delivered.blobs.is_empty() {
        if let Some(absence) = delivered.absent.as_ref().and_then(Failure::of_absence) {
            return Err(absence);
        }
        let why = "None of the stores could be written.".to_owned();
        return Err(if delivered.gone { Failure::Soon(why) } else { Failure::Again(why) });
    }
    Ok(Arrived { blobs: delivered.blobs, failed: delivered.failed, facts })
}

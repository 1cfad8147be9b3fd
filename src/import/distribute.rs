//! One read, all stores: shared chunks go to every store at once, and to the measuring. Where a store can simply take
//! the staged file over, nothing is written at all.

use futures::{StreamExt, future::join_all};
use serde_json::{Map, json};

use super::{
    bring::store_failure,
    facts::{self, Facts},
    job::Plan,
    staged,
    state::Staged,
};
use crate::{
    app::App,
    db,
    model::{
        blob::Blob,
        error::Error,
        image::{Image, Location},
        time::Timestamp,
    },
    store::{BlobWriter, ByteStream, NamedStore, NewBlob, StoreUrl},
    work::{Done, Failure, Work},
};

/// What reached the stores; not yet `live`.
pub struct Delivered {
    /// Each blob with the location that is to point to it.
    pub blobs: Vec<(Blob, Location)>,
    /// Stores that could not be written.
    pub failed: Vec<String>,
    /// What the data is.
    pub facts: Facts,
}

struct Target {
    blob: Blob,
    writer: Option<BlobWriter>,
    url: Option<StoreUrl>,
}

/// The stores that are being written, and those that failed.
struct Delivery<'a> {
    app: &'a App,
    must_succeed: bool,
    targets: Vec<Target>,
    failed: Vec<String>,
}

/// Writes staged data to the targets. `check` judges the data before any store shows it.
///
/// # Errors
/// What `check` answers; a store's failure, unless others may do without it.
pub async fn from_staging(
    app: &App,
    work: &Work,
    plan: &Plan,
    image: &Image,
    staged: &Staged,
    facts: Option<Facts>,
    check: impl Fn(&Facts) -> Done<()>,
) -> Done<Delivered> {
    if let Some(facts) = &facts {
        check(facts)?;
    }
    let mut delivery = Delivery::begin(app, plan);
    delivery
        .open(image, Some(staged.size), (&app.staging.store, &app.staging.url(&staged.blob)), &plan.targets)
        .await?;
    let facts = match facts {
        Some(facts) if delivery.targets.iter().all(|target| target.writer.is_none()) => facts,
        known => {
            let url = app.staging.url(&staged.blob);
            let chunks = app.staging.store.read(&url, None).await.map_err(|e| store_failure(&e))?;
            work.begin_pass(Some(staged.size));
            let measured = delivery.pour(work, image, chunks, known.is_none()).await;
            match (measured, known) {
                (Ok(None), Some(facts)) => facts,
                (Ok(Some(facts)), _) => facts,
                (Ok(None), None) => return Err(Failure::Again("The data was not measured.".to_owned())),
                (Err(failure), _) => return Err(delivery.cancel(failure).await),
            }
        }
    };
    delivery.conclude(facts, check).await
}

/// A blob of another store.
pub struct Source {
    /// Its bytes.
    pub chunks: ByteStream,
    /// The store that has it.
    pub store: NamedStore,
    /// Where it is there.
    pub url: String,
}

/// Writes a blob of another store to the targets, measuring it on the way.
///
/// # Errors
/// As [`from_staging`].
pub async fn from_store(
    app: &App,
    work: &Work,
    plan: &Plan,
    image: &Image,
    source: Source,
    check: impl Fn(&Facts) -> Done<()>,
) -> Done<Delivered> {
    let size = image.size.and_then(|s| u64::try_from(s).ok());
    let mut delivery = Delivery::begin(app, plan);
    delivery.open(image, size, (&source.store, &source.url), &plan.targets).await?;
    work.begin_pass(size);
    match delivery.pour(work, image, source.chunks, true).await {
        Ok(Some(facts)) => delivery.conclude(facts, check).await,
        Ok(None) => Err(Failure::Again("The data was not measured.".to_owned())),
        Err(failure) => Err(delivery.cancel(failure).await),
    }
}

impl<'a> Delivery<'a> {
    fn begin(app: &'a App, plan: &Plan) -> Self {
        let must_succeed = plan.asked.all_stores_must_succeed || plan.targets.len() < 2;
        Self { app, must_succeed, targets: Vec::new(), failed: Vec::new() }
    }

    /// Takes note of a store that failed; the import goes on if it may do without.
    async fn fail(&mut self, blob: &Blob, failure: Failure) -> Done<()> {
        let (id, now) = (blob.id.clone(), Timestamp::now());
        self.app.db.write("blob.doom", move |conn| db::blobs::doom(conn, &id, now, now)).await?;
        if self.must_succeed {
            return Err(failure);
        }
        tracing::warn!(store = %blob.store, %failure, "an import goes on without one of its stores");
        self.failed.push(blob.store.clone());
        Ok(())
    }

    /// Enters each blob into the ledger and opens it, or lets the store share what the source has.
    async fn open(
        &mut self,
        image: &Image,
        size: Option<u64>,
        source: (&NamedStore, &str),
        targets: &[String],
    ) -> Done<()> {
        for id in targets {
            let named = self.app.stores.get(id);
            let named =
                named.ok_or_else(|| Failure::Final(format!("Store {id:?} is not configured here.")))?;
            let blob = enter(self.app, image, id, size).await?;
            let stored = NewBlob { owner: image.owner.as_deref(), ..NewBlob::of(&blob, size) };
            let opened = match named.share(source.0, source.1, &stored).await {
                Ok(Some(url)) => Ok((Some(url), None)),
                Ok(None) => named.writer(&stored).await.map(|w| (None, Some(w))),
                Err(error) => Err(error),
            };
            match opened {
                Ok((url, writer)) => self.targets.push(Target { blob, writer, url }),
                Err(error) => self.fail(&blob, store_failure(&error)).await?,
            }
        }
        Ok(())
    }

    /// Reads the data once and gives every chunk to every writer, and to the measuring if that is wanted.
    async fn pour(
        &mut self,
        work: &Work,
        image: &Image,
        mut chunks: ByteStream,
        measured: bool,
    ) -> Done<Option<Facts>> {
        let mut measure = if measured { Some(facts::begin(self.app, image)?) } else { None };
        while let Some(chunk) = work.unless_stopped(chunks.next()).await? {
            let chunk = chunk.map_err(|e| store_failure(&e))?;
            work.advance(chunk.len());
            if let Some(measure) = &mut measure {
                measure.feed(chunk.clone()).await.map_err(|e| Error::internal("measuring", e))?;
            }
            let writes =
                self.targets.iter_mut().filter_map(|t| t.writer.as_mut()).map(|w| w.write(chunk.clone()));
            let results = join_all(writes).await;
            self.drop_failed(results.into_iter().map(|r| r.map_err(|e| store_failure(&e))).collect()).await?;
        }
        let syncs = self.targets.iter_mut().filter_map(|t| t.writer.as_mut()).map(|w| w.sync());
        let results = join_all(syncs).await;
        self.drop_failed(results.into_iter().map(|r| r.map_err(|e| store_failure(&e))).collect()).await?;
        match measure {
            Some(measure) => Ok(Some(Facts::conclude(self.app, image, measure).await?)),
            None => Ok(None),
        }
    }

    /// Leaves out the writers that failed; `results` are in the order of the targets that have a writer.
    async fn drop_failed(&mut self, results: Vec<Done<()>>) -> Done<()> {
        if results.iter().all(Result::is_ok) {
            return Ok(());
        }
        let mut results = results.into_iter();
        for mut target in std::mem::take(&mut self.targets) {
            let result = if target.writer.is_some() { results.next().unwrap_or(Ok(())) } else { Ok(()) };
            match result {
                Ok(()) => self.targets.push(target),
                Err(failure) => {
                    cancel_writer(&mut target).await;
                    self.fail(&target.blob, failure).await?;
                }
            }
        }
        Ok(())
    }

    /// Ends every writer; the ledger's rows are doomed by the job's way back.
    async fn cancel(mut self, failure: Failure) -> Failure {
        for target in &mut self.targets {
            cancel_writer(target).await;
        }
        failure
    }

    /// Shows the blobs under their names, if the data is good and the ledger says that they are still this node's.
    async fn conclude(mut self, facts: Facts, check: impl Fn(&Facts) -> Done<()>) -> Done<Delivered> {
        if let Err(failure) = check(&facts) {
            return Err(self.cancel(failure).await);
        }
        let mut blobs = Vec::new();
        for mut target in std::mem::take(&mut self.targets) {
            let (id, node) = (target.blob.id.clone(), self.app.node.clone());
            let read = self.app.db.read("blob.holds_lease", move |c| db::blobs::holds_lease(c, &id, &node));
            let held = read.await?;
            if !held {
                cancel_writer(&mut target).await;
                return Err(self.cancel(Failure::Lost).await);
            }
            let url = match (target.url.take(), target.writer.take()) {
                (Some(url), _) => Ok(url),
                (None, Some(writer)) => writer.commit().await.map_err(|e| store_failure(&e)),
                (None, None) => Err(Failure::Again("A store was not written.".to_owned())),
            };
            match url {
                Ok(url) => {
                    let location = self.location(&target.blob, url);
                    blobs.push((target.blob, location));
                }
                Err(failure) => self.fail(&target.blob, failure).await?,
            }
        }
        if blobs.is_empty() {
            return Err(Failure::Again("None of the stores could be written.".to_owned()));
        }
        Ok(Delivered { blobs, failed: self.failed, facts })
    }

    fn location(&self, blob: &Blob, url: StoreUrl) -> Location {
        let (named, url) = (self.app.stores.get(&blob.store), url.into_full());
        let mut metadata = named.map_or_else(Map::new, |named| named.metadata(&url));
        if self.app.stores.multiple {
            metadata.insert("store".to_owned(), json!(blob.store));
        }
        Location {
            id: uuid::Uuid::new_v4().to_string(),
            url,
            metadata,
            store: Some(blob.store.clone()),
            blob_id: Some(blob.id.clone()),
        }
    }
}

async fn cancel_writer(target: &mut Target) {
    if let Some(writer) = target.writer.take()
        && let Err(fault) = writer.cancel().await
    {
        tracing::warn!(%fault, "an unfinished blob could not be removed; the reaper will");
    }
}

/// Enters a blob into the ledger.
async fn enter(app: &App, image: &Image, store: &str, size: Option<u64>) -> Done<Blob> {
    let draft = staged::draft(app, &image.id, store, Some(&image.id), size);
    let write = app.db.write("blob.begin_import", move |conn| {
        let mut blob = draft.clone();
        // The remains of an earlier import may still wait for the reaper under the plain name.
        if db::blobs::name_is_taken(conn, &blob.store, &blob.name)? {
            blob.name = format!("{}.{}", blob.image_id, blob.id);
        }
        db::blobs::insert(conn, &blob, Timestamp::now())?;
        Ok(blob)
    });
    Ok(write.await?)
}

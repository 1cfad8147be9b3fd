//! One read, several stores: shared chunks go to every store at once, and a store that fails is left out if the
//! others may continue without it. A store that can take a file over needs no write at all.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;

use super::{
    Blobs, Holder,
    draft::{BeginFault, Draft, NewDraft, cancel_after},
    pour::Sink,
};
use crate::{
    access::unified::Counts,
    db::DbError,
    model::{
        blob::Blob,
        image::{Image, Location},
        unified::Resource,
    },
    store::{BlobWriter, NamedStore, StoreError, StoreErrorKind, StoreResult, StoreUrl},
};

/// Notified of stores that fail while others continue.
#[async_trait]
pub trait Watcher: Send + Sync {
    /// A store failed.
    async fn store_failed(&self, store: &str, error: &StoreError);
}

struct Target {
    draft: Draft,
    /// Absent when the store took the file over.
    writer: Option<BlobWriter>,
    url: Option<StoreUrl>,
}

/// Why the blobs of several stores could not be shown.
#[derive(Debug)]
pub enum SinksFault {
    /// A store failed.
    Store(StoreError),
    /// The ledger could not be asked, or written.
    Db(DbError),
    /// A blob is not this process's any more.
    Lost,
}

impl From<StoreError> for SinksFault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<DbError> for SinksFault {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// The stores that are being written, and those that failed.
pub struct Sinks<'a> {
    targets: Vec<Target>,
    failed: Vec<String>,
    /// Whether all of those that failed are gone.
    gone: bool,
    /// The first of those that are fenced.
    absent: Option<StoreError>,
    must_succeed: bool,
    watcher: &'a dyn Watcher,
    holder: &'a Arc<Holder>,
    payer: Option<&'a str>,
    binding: bool,
}

/// Data that reached the stores; not yet `live`.
pub struct Delivered {
    /// Each blob with the location that is to point to it.
    pub blobs: Vec<(Blob, Location)>,
    /// Stores that could not be written.
    pub failed: Vec<String>,
    /// Whether the folders of all failed stores are missing.
    pub gone: bool,
    /// The error of the first failed store that is fenced.
    pub absent: Option<StoreError>,
}

impl<'a> Sinks<'a> {
    /// Creates an empty set. `must_succeed`: the first failed store ends everything. `payer` is the project whose quota
    /// is used, and `binding` is as in [`Counts`].
    pub fn new(
        must_succeed: bool,
        watcher: &'a dyn Watcher,
        holder: &'a Arc<Holder>,
        payer: Option<&'a str>,
        binding: bool,
    ) -> Self {
        let (targets, failed) = (Vec::new(), Vec::new());
        Self { holder, payer, binding, targets, failed, gone: true, absent: None, must_succeed, watcher }
    }

    /// Enters a blob into the ledger and opens it, or lets the store share what another has at a URL.
    ///
    /// # Errors
    /// [`SinksFault`], of the store only if it must succeed.
    pub async fn open(
        &mut self,
        blobs: &Blobs,
        image: &Image,
        store: &NamedStore,
        size: Option<u64>,
        (source, from): (&NamedStore, &str),
    ) -> Result<(), SinksFault> {
        let (image_id, owner, payer) = (image.id.as_str(), image.owner.as_deref(), self.payer);
        let (name, holder) = (Some(image_id), Some(self.holder));
        let counts = Counts { resource: Resource::SizeTotal, binding: self.binding };
        let new = NewDraft {
            image_id,
            owner,
            payer,
            store,
            name,
            size,
            counts,
            holder,
            caller: None,
            prepares: None,
        };
        let mut draft = match blobs.begin(new).await {
            Ok(draft) => draft,
            Err(BeginFault::Store(error)) => return Ok(self.leave_out(&store.id, error).await?),
            // No room under the quota.
            Err(BeginFault::Db(DbError::Domain(error))) if !self.must_succeed => {
                let error = StoreError::new(StoreErrorKind::Full, format!("store {}", store.id), error);
                return Ok(self.leave_out(&store.id, error).await?);
            }
            Err(BeginFault::Db(error)) => return Err(error.into()),
        };
        let shared = draft.share(source, from, size).await;
        let opened = match shared {
            Ok(Some(url)) => Ok((Some(url), None)),
            Ok(None) => draft.writer(size).await.map(|writer| (None, Some(writer))),
            Err(error) => Err(error),
        };
        match opened {
            Ok((url, writer)) => self.targets.push(Target { draft, writer, url }),
            Err(error) => self.fail(&draft, error).await?,
        }
        Ok(())
    }

    /// Whether every store took the file over, so that there is nothing to write.
    pub fn is_complete(&self) -> bool {
        self.targets.iter().all(|target| target.writer.is_none())
    }

    /// Whether any store took the file over.
    pub fn is_any_shared(&self) -> bool {
        self.targets.iter().any(|target| target.url.is_some())
    }

    /// Whether all blobs that stores took over have this size.
    ///
    /// # Errors
    /// The store's.
    pub async fn all_have(&mut self, size: u64) -> StoreResult<bool> {
        for target in &mut self.targets {
            let Some(url) = &target.url else { continue };
            if target.draft.stored_size(url).await? != size {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Records a store that failed; the others continue if they may do without.
    async fn fail(&mut self, draft: &Draft, error: StoreError) -> StoreResult<()> {
        if let Err(fault) = draft.doom().await {
            tracing::warn!(%fault, blob = %draft.blob.id, "a failed blob waits for the end of its lease");
        }
        self.leave_out(&draft.blob.store, error).await
    }

    async fn leave_out(&mut self, store: &str, error: StoreError) -> StoreResult<()> {
        self.watcher.store_failed(store, &error).await;
        if self.must_succeed {
            return Err(error);
        }
        tracing::warn!(store, %error, "the import continues without this store");
        self.gone &= error.kind == StoreErrorKind::Gone;
        self.failed.push(store.to_owned());
        if error.is_left_alone() && self.absent.is_none() {
            self.absent = Some(error);
        }
        Ok(())
    }

    /// Leaves out the writers that failed; `results` are in the order of the targets that have a writer.
    async fn drop_failed(&mut self, results: Vec<StoreResult<()>>) -> StoreResult<()> {
        if results.iter().all(Result::is_ok) {
            return Ok(());
        }
        let (mut results, mut first) = (results.into_iter(), Ok(()));
        for mut target in std::mem::take(&mut self.targets) {
            let result = if target.writer.is_some() { results.next().unwrap_or(Ok(())) } else { Ok(()) };
            match result {
                Ok(()) => self.targets.push(target),
                Err(error) => {
                    if let Some(writer) = target.writer.take() {
                        cancel_after(writer, Some(error.kind)).await;
                    }
                    first = first.and(self.fail(&target.draft, error).await);
                }
            }
        }
        first
    }

    /// Cancels every writer. Unfinished data stays until the caller marks the rows `doomed`, which tells the reaper
    /// that an object of the same name is not its own.
    pub fn cancel(&mut self) {
        self.targets.iter_mut().for_each(|target| drop(target.writer.take()));
    }

    /// Publishes the blobs under their names, if their rows still belong to this process. May be empty.
    ///
    /// # Errors
    /// [`SinksFault`], of a store only if it must succeed.
    pub async fn conclude(mut self) -> Result<Delivered, SinksFault> {
        let mut blobs = Vec::new();
        while let Some(mut target) = self.targets.pop() {
            if !target.draft.is_held().await? {
                self.targets.push(target);
                self.cancel();
                return Err(SinksFault::Lost);
            }
            let url = match (target.url.take(), target.writer.take()) {
                (Some(url), _) => Ok(url),
                (None, Some(writer)) => target.draft.commit(writer).await,
                (None, None) => continue,
            };
            match url {
                Ok(url) => {
                    let location = target.draft.location(url);
                    blobs.push((target.draft.blob, location));
                }
                Err(error) => self.fail(&target.draft, error).await?,
            }
        }
        blobs.reverse();
        Ok(Delivered { blobs, failed: self.failed, gone: self.gone, absent: self.absent })
    }
}

#[async_trait]
impl Sink for Sinks<'_> {
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        let writers = self.targets.iter_mut().filter_map(|target| target.writer.as_mut());
        let results = join_all(writers.map(|writer| writer.write(chunk.clone()))).await;
        self.drop_failed(results).await
    }

    async fn sync(&mut self) -> StoreResult<()> {
        let writers = self.targets.iter_mut().filter_map(|target| target.writer.as_mut());
        let results = join_all(writers.map(BlobWriter::sync)).await;
        self.drop_failed(results).await
    }
}

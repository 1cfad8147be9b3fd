//! A blob while it is written: from its row to published data, or to its removal.

use std::sync::Arc;

pub use super::new_draft::{BeginFault, NewDraft};
use super::{
    Blobs, Holder,
    faults::{gone, store_fault},
    ledger,
    reserve::{Asked, Reservation},
};
use crate::{
    access::{
        quota::Allowance,
        unified::{Counts, Quota},
    },
    db::{self, Conn, DbError, DbResult},
    image::change::{self, Door},
    model::{
        blob::{Blob, BlobState},
        caller::Caller,
        error::{Error, Result},
        event::Author,
        image::{Image, Location},
        notice::image::failure,
        status::Status,
        time::Timestamp,
    },
    store::{BlobWriter, NamedStore, NewBlob, StoreError, StoreErrorKind, StoreResult, StoreUrl},
};

/// A blob that this process writes. Its row is in the ledger.
pub struct Draft {
    blobs: Blobs,
    store: NamedStore,
    owner: Option<String>,
    caller: Option<Caller>,
    holder: Arc<Holder>,
    reservation: Reservation,
    /// Something may bear the blob's name because of us.
    shown: bool,
    /// Its row.
    pub blob: Blob,
}

impl Blobs {
    /// A new row, and who holds it. A name that something in the store has already, whatever it is, is not taken. A store
    /// that does not answer to that is asked nothing else.
    async fn row(&self, new: NewDraft<'_>) -> StoreResult<(Blob, Arc<Holder>)> {
        let id = uuid::Uuid::new_v4().to_string();
        let holder = new.holder.cloned().unwrap_or_else(|| Arc::new(self.leases.hold(&id)));
        let name = new.name.map(|name| new.store.name_for(new.owner, name));
        let taken = match &name {
            Some(name) => match new.store.holds(name).await {
                Err(error) if error.kind == StoreErrorKind::Unavailable => return Err(error),
                found => found.unwrap_or(true),
            },
            None => false,
        };
        let mut row = Blob {
            image_id: new.image_id.to_owned(),
            store: new.store.id.clone(),
            name: name.unwrap_or_else(|| id.clone()),
            id,
            state: BlobState::Writing,
            size: new.size.and_then(|s| i64::try_from(s).ok()),
            holder: holder.name().to_owned(),
            lease_until: self.leases.end(),
            delete_after: Timestamp(0),
            attempts: 0,
        };
        if taken {
            row.name = row.name_of_its_own();
        }
        Ok((row, holder))
    }

    fn asked(&self, new: NewDraft<'_>, quota: Option<Quota>) -> Asked {
        let allowance = Allowance::of(self.images.settings.user_storage_quota, new.payer);
        let own = allowance.as_ref().is_some_and(|allowance| allowance.covers(new.owner));
        let counts = Counts { binding: new.counts.binding && new.size.is_some(), ..new.counts };
        let claim = quota.and_then(|quota| quota.claim(counts));
        Asked { allowance, claim, own, size: new.size }
    }

    fn draft(
        &self,
        new: NewDraft<'_>,
        holder: Arc<Holder>,
        asked: Asked,
        (blob, reserved): (Blob, u64),
    ) -> Draft {
        let reservation = Reservation::new(self.images.db.clone(), asked, blob.clone(), reserved);
        let (owner, caller) = (new.owner.map(str::to_owned), new.caller.cloned());
        Draft {
            blobs: self.clone(),
            store: new.store.clone(),
            owner,
            caller,
            holder,
            reservation,
            shown: false,
            blob,
        }
    }

    /// Inserts a blob, reserves its quota, and sets its image's status, in one transaction. Returns the image as well.
    ///
    /// # Errors
    /// [`BeginFault`], with `Error::TooLarge` over the quota.
    pub async fn begin(&self, new: NewDraft<'_>) -> std::result::Result<Draft, BeginFault> {
        let quota = self.images.unified.of(new.payer).await.map_err(DbError::from)?;
        let ((row, holder), clock) = (self.row(new).await?, self.images.db.clock.clone());
        let (asked, is_managed) = (self.asked(new, quota), new.store.terms.managed);
        let asks = asked.clone();
        let write = self.images.db.write("blob.begin", move |conn| {
            hold_store(conn, &row, is_managed)?;
            let blob = ledger::enter(conn, &row, clock.now())?;
            let reserved = asks.begin(conn, &blob)?;
            Ok((blob, reserved))
        });
        Ok(self.draft(new, holder, asked, write.await?))
    }

    /// Enters a blob, with room for it under the quota, and turns its image to `status`, in one transaction. Returns
    /// the image as it is then, too.
    ///
    /// # Errors
    /// What `check` answers of the image as it is then, `Error::ImageNotFound`, `Error::TooLarge` over the quota,
    /// `Error::Unavailable` when the store does not answer, and the database's.
    pub async fn begin_upload(
        &self,
        author: Author,
        new: NewDraft<'_>,
        status: Status,
        check: impl Fn(&Image) -> Result<()> + Send + 'static,
    ) -> Result<(Draft, Image)> {
        let unified = self.images.unified.of(new.payer).await?;
        let (row, holder) = self.row(new).await.map_err(|error| store_fault(&error))?;
        let (asked, is_managed) = (self.asked(new, unified.clone()), new.store.terms.managed);
        let (asks, mut door) = (asked.clone(), Door { unified, ..self.images.door(author) });
        let several = self.images.stores.multiple;
        door.moved.prepared = new.prepares.map(|id| several.then(|| id.to_owned())).into_iter().collect();
        let write = self.images.db.write("image.begin_upload", move |conn| {
            hold_store(conn, &row, is_managed)?;
            let image = change::in_txn(conn, &door, &row.image_id, |_, image| {
                check(image)?;
                Ok(Some(Image { status, ..image.clone() }))
            })?;
            let blob = ledger::enter(conn, &row, door.clock.now())?;
            let reserved = asks.begin(conn, &blob)?;
            Ok((image, (blob, reserved)))
        });
        let (image, entered) = write.await?;
        Ok((self.draft(new, holder, asked, entered), image))
    }
}

/// Requires that the storage that a blob goes to is still there, and keeps it there until the transaction ends. It is held
/// before the account of the project, which is the last lock of each transaction.
fn hold_store(conn: &mut Conn, row: &Blob, is_managed: bool) -> DbResult<()> {
    if is_managed { db::storages::admit(conn, &row.store) } else { Ok(()) }
}

impl Draft {
    /// Bytes of what the store has at a URL of the blob.
    ///
    /// # Errors
    /// The store's.
    pub async fn stored_size(&self, url: &StoreUrl) -> StoreResult<u64> {
        self.store.stat(url.full()).await
    }

    /// The blob as its store knows it.
    pub fn described(&self, size: Option<u64>) -> NewBlob<'_> {
        NewBlob {
            owner: self.owner.as_deref(),
            caller: self.caller.as_ref(),
            ..NewBlob::of(&self.blob, size)
        }
    }

    /// The room that the bytes have under the quota.
    pub fn reservation(&self) -> Reservation {
        self.reservation.clone()
    }

    /// Opens a writer in the store, for `size` bytes if that is known.
    ///
    /// # Errors
    /// The store's.
    pub async fn writer(&self, size: Option<u64>) -> StoreResult<BlobWriter> {
        self.store.writer(&self.described(size)).await
    }

    /// Publishes the blob and returns its URL. If its name has been taken meanwhile, another one is used.
    ///
    /// # Errors
    /// The store's; the commit may have taken place all the same.
    pub async fn commit(&mut self, mut writer: BlobWriter) -> StoreResult<StoreUrl> {
        self.shown = true;
        match writer.commit(&self.blob.name).await {
            Err(error) if error.kind == StoreErrorKind::Exists => {
                self.take_another_name(error).await?;
                writer.commit(&self.blob.name).await
            }
            other => other,
        }
    }

    /// Lets the store make what another has at a URL the blob, and returns its URL; `None` when it cannot.
    ///
    /// # Errors
    /// The store's.
    pub async fn share(
        &mut self,
        source: &NamedStore,
        from: &str,
        size: Option<u64>,
    ) -> StoreResult<Option<StoreUrl>> {
        self.shown = true;
        let shared = match self.store.share(source, from, &self.described(size)).await {
            Err(error) if error.kind == StoreErrorKind::Exists => {
                self.take_another_name(error).await?;
                self.store.share(source, from, &self.described(size)).await
            }
            other => other,
        };
        // Nothing has happened then.
        self.shown = !matches!(shared, Ok(None));
        shared
    }

    /// Takes a name of its own in place of one that something has, says `why`.
    async fn take_another_name(&mut self, why: StoreError) -> StoreResult<()> {
        let (blob, name) = (self.blob.clone(), self.blob.name_of_its_own());
        let renamed = move |conn: &mut Conn| db::blobs::rename(conn, &blob.id, &blob.holder, &name);
        match self.blobs.images.db.write("blob.rename", renamed).await {
            Ok(true) => {
                tracing::warn!(%why, blob = %self.blob.id, "a blob takes a name of its own");
                self.blob.name = self.blob.name_of_its_own();
                Ok(())
            }
            Ok(false) => Err(why),
            Err(error) => Err(StoreError::new(StoreErrorKind::Unavailable, why.place, error)),
        }
    }

    /// The blob as it is to be given up: what bears the name of one that never came to be shown is not ours.
    fn given_up(&self) -> Blob {
        let name = if self.shown { self.blob.name.clone() } else { self.blob.name_of_its_own() };
        Blob { name, ..self.blob.clone() }
    }

    /// Whether the ledger says that the blob is still its holder's to write.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn is_held(&self) -> DbResult<bool> {
        let (id, holder) = (self.blob.id.clone(), self.blob.holder.clone());
        self.blobs
            .images
            .db
            .read_patiently("blob.holds_lease", move |conn| db::blobs::holds_lease(conn, &id, &holder))
            .await
    }

    /// The location that is to point to the blob once it is at `url`.
    pub fn location(&self, url: StoreUrl) -> Location {
        let url = url.into_full();
        let mut metadata = self.store.metadata(&url);
        if self.blobs.images.stores.multiple {
            metadata.insert("store".to_owned(), self.store.id.clone().into());
        }
        Location {
            id: uuid::Uuid::new_v4().to_string(),
            url,
            metadata,
            store: Some(self.store.id.clone()),
            blob_id: Some(self.blob.id.clone()),
        }
    }

    /// Marks the blob `doomed` after a failure; the reaper removes its data.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn doom(&self) -> DbResult<()> {
        let (blob, now) = (self.given_up(), self.blobs.images.db.clock.now());
        let doom = move |conn: &mut Conn| {
            // What has become live, though its writer was told of an error, is an image's.
            match db::blobs::give_up(conn, &blob, now, now)? {
                true => db::blobs::doom(conn, &blob.id, now, now),
                false => Ok(()),
            }
        };
        self.blobs.images.db.write("blob.doom", doom).await
    }

    /// Deletes what there is of it in the store; returns whether that is done.
    async fn delete(&self, name: &str) -> bool {
        let deleted = self.store.delete(&self.blob.id, name).await;
        if let Err(fault) = &deleted {
            tracing::warn!(%fault, blob = %self.blob.id, "the bytes of a failed upload stay for the reaper");
        }
        deleted.is_ok()
    }

    /// Undoes a failed upload: the image's status, the data, the row. The data is deleted last, and only if the row
    /// still belongs to this upload, because a commit that reported an error may have succeeded. What cannot be done
    /// now, also because the store does not answer, is left to the reaper when the lease of this upload has expired.
    /// Returns the error for the client: `error`, unless the blob was taken over because this node was silent for too
    /// long.
    pub async fn abandon(self, author: Author, error: Error) -> Error {
        let images = &self.blobs.images;
        let (mut door, blob, until) = (images.door(author), self.given_up(), self.holder.end());
        door.moved.failed = Some(failure(&blob.image_id, &error));
        let name = blob.name.clone();
        let given_up = images
            .db
            .write_patiently("image.abandon_upload", move |conn| ledger::give_up(conn, &door, &blob, until))
            .await;
        match given_up {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(blob = %self.blob.id, "a failed upload had already been taken over");
                return if matches!(error, Error::Internal { .. }) { gone(&self.blob) } else { error };
            }
            Err(fault) => {
                tracing::error!(%fault, blob = %self.blob.id, "a failed upload waits for the end of its lease");
                return error;
            }
        }
        let deleted = match error {
            Error::Unavailable(_) => false,
            _ => self.delete(&name).await,
        };
        let (id, now) = (self.blob.id.clone(), images.db.clock.now());
        let result = images
            .db
            .write_patiently("blob.end_upload", move |conn| match deleted {
                true => db::blobs::remove(conn, &id),
                false => db::blobs::doom(conn, &id, now, now),
            })
            .await;
        if let Err(fault) = result {
            tracing::error!(%fault, "the row of a failed upload waits for the end of its lease");
        }
        images.doomed.notify_one();
        error
    }
}

/// Removes what a writer has written so far that has failed so. Of a store that does not answer the reaper will.
pub async fn cancel_after(writer: BlobWriter, kind: Option<StoreErrorKind>) {
    match kind {
        Some(StoreErrorKind::Unavailable) => drop(writer),
        _ => cancel(writer).await,
    }
}

/// Removes what a writer has written so far.
pub async fn cancel(writer: BlobWriter) {
    if let Err(fault) = writer.cancel().await {
        tracing::warn!(%fault, "an unfinished blob could not be removed; the reaper will");
    }
}

//! A blob from the row that says so to the bytes that are shown, or taken back.

use std::time::Duration;

use super::{Blobs, ledger};
use crate::{
    db::{self, DbResult},
    image::change::{self, Door},
    model::{
        blob::{Blob, BlobState},
        error::{Error, Result},
        event::Author,
        image::{Image, Location},
        status::Status,
        time::Timestamp,
    },
    store::{BlobWriter, NamedStore, NewBlob, StoreResult, StoreUrl},
};

/// How long a failed upload waits for a database that cannot be written.
const GIVE_UP_AGAIN: Duration = Duration::from_secs(5);

/// What a new blob is to be.
#[derive(Clone, Copy)]
pub struct NewDraft<'a> {
    /// The image that it is for.
    pub image_id: &'a str,
    /// The project that owns the image.
    pub owner: Option<&'a str>,
    /// Where it goes.
    pub store: &'a NamedStore,
    /// Its name in the store; `None` is its own id.
    pub name: Option<&'a str>,
    /// Bytes, if known.
    pub size: Option<u64>,
}

/// A blob that this process writes. Its row is in the ledger.
pub struct Draft {
    blobs: Blobs,
    store: NamedStore,
    owner: Option<String>,
    /// The row as it was entered.
    pub blob: Blob,
}

impl Blobs {
    fn row(&self, new: NewDraft<'_>) -> Blob {
        let id = uuid::Uuid::new_v4().to_string();
        Blob {
            image_id: new.image_id.to_owned(),
            store: new.store.id.clone(),
            name: new.name.unwrap_or(&id).to_owned(),
            id,
            state: BlobState::Writing,
            size: new.size.and_then(|s| i64::try_from(s).ok()),
            lease_node: self.lease.node.clone(),
            lease_until: self.lease.end(),
            delete_after: Timestamp(0),
            attempts: 0,
        }
    }

    fn draft(&self, new: NewDraft<'_>, blob: Blob) -> Draft {
        let owner = new.owner.map(str::to_owned);
        Draft { blobs: self.clone(), store: new.store.clone(), owner, blob }
    }

    /// Enters a blob.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn begin(&self, new: NewDraft<'_>) -> DbResult<Draft> {
        let row = self.row(new);
        let write =
            self.images.db.write("blob.begin", move |conn| ledger::enter(conn, &row, Timestamp::now()));
        Ok(self.draft(new, write.await?))
    }

    /// Enters a blob and turns its image to `status`, in one transaction.
    ///
    /// # Errors
    /// What `check` answers of the image as it is then, [`Error::ImageNotFound`], and the database's.
    pub async fn begin_upload(
        &self,
        author: Author,
        new: NewDraft<'_>,
        status: Status,
        check: fn(&Image) -> Result<()>,
    ) -> Result<Draft> {
        let (row, door) = (self.row(new), self.images.door(author));
        let write = self.images.db.write("image.begin_upload", move |conn| {
            change::in_txn(conn, &door, &row.image_id, |_, image| {
                check(image)?;
                Ok(Some(Image { status, ..image.clone() }))
            })?;
            ledger::enter(conn, &row, Timestamp::now())
        });
        Ok(self.draft(new, write.await?))
    }
}

impl Draft {
    /// The blob as its store knows it.
    pub fn described(&self, size: Option<u64>) -> NewBlob<'_> {
        NewBlob { owner: self.owner.as_deref(), ..NewBlob::of(&self.blob, size) }
    }

    /// Opens the store for the bytes, of which there will be `size` if that is known.
    ///
    /// # Errors
    /// The store's.
    pub async fn writer(&self, size: Option<u64>) -> StoreResult<BlobWriter> {
        self.store.writer(&self.described(size)).await
    }

    /// Whether the ledger says that the blob is still this process's to write.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn is_held(&self) -> DbResult<bool> {
        let (id, node) = (self.blob.id.clone(), self.blobs.lease.node.clone());
        self.blobs
            .images
            .db
            .read("blob.holds_lease", move |conn| db::blobs::holds_lease(conn, &id, &node))
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

    /// Takes note that the bytes did not come to anything; the reaper removes what there is of them.
    ///
    /// # Errors
    /// Only the database's own.
    pub async fn doom(&self) -> DbResult<()> {
        let (id, now) = (self.blob.id.clone(), Timestamp::now());
        self.blobs.images.db.write("blob.doom", move |conn| db::blobs::doom(conn, &id, now, now)).await
    }

    /// Takes back what an upload left: the image's status, the bytes, the row. The bytes go last, and only if the
    /// ledger says that they are still this upload's: a commit that reported an error may have taken place.
    pub async fn abandon(self, author: Author) {
        let door = self.blobs.images.door(author);
        match give_up(&self.blobs, &self.blob, door.clone(), self.blobs.lease.end()).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(blob = %self.blob.id, "a failed upload was not this node's any more");
                return;
            }
            Err(error) => {
                tracing::error!(%error, blob = %self.blob.id, "a failed upload cannot be taken back yet");
                return give_up_later(self.blobs, self.blob, door);
            }
        }
        let deleted = self.store.delete(&self.blob.id, &self.blob.name).await;
        if let Err(error) = &deleted {
            tracing::warn!(%error, blob = %self.blob.id, "the bytes of a failed upload stay for the reaper");
        }
        let (deleted, id, now) = (deleted.is_ok(), self.blob.id.clone(), Timestamp::now());
        let images = self.blobs.images.clone();
        let result = images
            .db
            .write("blob.end_upload", move |conn| match deleted {
                true => db::blobs::remove(conn, &id),
                false => db::blobs::doom(conn, &id, now, now),
            })
            .await;
        if let Err(error) = result {
            tracing::error!(%error, "the row of a failed upload cannot be removed yet");
            give_up_later(self.blobs, self.blob, door);
        }
        images.doomed.notify_one();
    }
}

async fn give_up(blobs: &Blobs, blob: &Blob, door: Door, until: Timestamp) -> DbResult<bool> {
    let (node, blob) = (blobs.lease.node.clone(), blob.clone());
    let change = move |conn: &mut db::Conn| ledger::give_up(conn, &door, &blob, &node, until);
    blobs.images.db.write("image.abandon_upload", change).await
}

/// Keeps trying: while this process lives its leases are renewed, so nobody else would ever take the image out of
/// `saving`. When it ends, the next reaper does.
fn give_up_later(blobs: Blobs, blob: Blob, door: Door) {
    crate::telemetry::spawn(async move {
        loop {
            tokio::time::sleep(GIVE_UP_AGAIN).await;
            match give_up(&blobs, &blob, door.clone(), Timestamp(0)).await {
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, blob = %blob.id, "a failed upload still waits"),
            }
        }
    });
}

/// Removes what a writer has written so far.
pub async fn cancel(writer: BlobWriter) {
    if let Err(fault) = writer.cancel().await {
        tracing::warn!(%fault, "an unfinished blob could not be removed; the reaper will");
    }
}

/// What went wrong when an upload that was complete could not be entered.
pub fn gone(blob: &Blob) -> Error {
    Error::Gone(format!("Image {} was deleted or changed during the upload.", blob.image_id))
}

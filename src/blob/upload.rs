//! Uploads: from a queued image and a client's stream to an active image whose data is durable and hashed
//! (`glance/api/v2/image_data.py: ImageDataController.upload`).
//!
//! The image and its blob change together to `saving` and `writing` before the first byte, and to `active` and `live`
//! after the last one is durable. After any failure in between, the image returns to `queued` and the blob is
//! removed: by this use case if it still runs, otherwise by the reaper when the lease has expired.

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;

use super::{
    Blobs,
    digests::Digests,
    draft::{Draft, NewDraft, cancel, cancel_after},
    facts::{self, Facts},
    faults::{gone, store_fault},
    pour::{Fault, Limits, Pour, Source, Written},
    reserve::Reserving,
};
use crate::{
    access::{self, unified::Counts},
    db::{self, DbError, DbResult},
    image::{
        change, limits, placement, query, readers,
        signature::{self, Verifier},
    },
    model::{
        caller::Caller,
        error::{Error, Result},
        event::Author,
        image::Image,
        status::Status,
        unified::Resource,
    },
    store::{BlobWriter, NamedStore, StoreError, StoreErrorKind, StoreUrl},
};

/// The client's data in pieces. A queue that closes without [`Piece::End`] means that the client disconnected.
#[derive(Debug)]
pub enum Piece {
    /// The next bytes.
    Data(Bytes),
    /// The regular end.
    End,
}

/// A client that sends.
pub struct Client(pub mpsc::Receiver<Piece>);

#[async_trait]
impl Source for Client {
    type Error = Error;

    async fn next(&mut self) -> Result<Option<Bytes>> {
        match self.0.recv().await {
            None => Err(Error::invalid("The client went away before the data was complete.")),
            Some(Piece::End) => Ok(None),
            Some(Piece::Data(chunk)) => Ok(Some(chunk)),
        }
    }
}

impl From<Fault<Error>> for Error {
    fn from(fault: Fault<Error>) -> Self {
        match fault {
            Fault::Source(error) => error,
            Fault::Excess(excess) => excess.into(),
            Fault::Digest(error) => error.into(),
            Fault::Sink(error) => store_fault(&error),
        }
    }
}

/// The parameters of an upload.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Size in bytes that the client declared; binding. `None` is unknown.
    pub declared_size: Option<u64>,
    /// Store that the client chose; only with several stores.
    pub store: Option<String>,
}

/// An upload that its caller may make.
pub struct Admitted<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// The image at that time.
    pub image: Image,
    /// The store that is to keep the data.
    pub store: NamedStore,
    /// Size in bytes that the client declared; binding.
    pub declared: Option<u64>,
    /// What verifies the signature of the data, if it has one.
    pub verifier: Option<Verifier>,
}

/// A received upload that is not published yet.
pub struct Received {
    /// The image, which is `saving`.
    pub image: Image,
    /// The writer of the data, which is not committed yet.
    pub writer: BlobWriter,
    /// Its measured properties.
    pub facts: Facts,
}

/// Checks, in Glance's order, whether a caller may upload the data of an image.
///
/// # Errors
/// As `spec` of `PUT /v2/images/{id}/file`.
pub async fn admit<'a>(
    blobs: &Blobs,
    caller: &'a Caller,
    id: &str,
    request: &Request,
) -> Result<Admitted<'a>> {
    access::mutating(caller)?;
    let images = &blobs.images;
    let chosen = chosen_store(blobs, request)?;
    let image = query::find(images, caller, id).await?;
    images.access.enforce(caller, "upload_image", &image).await?;
    check_may_save(&image)?;
    access::owned(caller, &image)?;
    let store = chosen.map_or_else(|| placement::store(images, &image), Ok)?;
    if !store.takes_data() {
        return Err(store_fault(&StoreError::new(StoreErrorKind::Unsupported, &store.id, "it only reads")));
    }
    let verifier = signature::verifier(images, caller.token.as_ref(), &image).await?;
    Ok(Admitted { caller, image, store: store.clone(), declared: request.declared_size, verifier })
}

/// Receives the data of an image into its store.
///
/// # Errors
/// As `spec` of `PUT /v2/images/{id}/file`; after any of them the image is as it was before.
pub async fn upload(blobs: &Blobs, admitted: &Admitted<'_>, pieces: mpsc::Receiver<Piece>) -> Result<()> {
    let name = Some(admitted.image.id.as_str());
    take(blobs, admitted, (&admitted.store, name), pieces, Facts::check_stored, async |draft, received| {
        finish(blobs, &Author::from(admitted.caller), draft, received).await
    })
    .await
}

/// Receives the data of an image into a store, under this name or one of its own, judges it, and lets `finish` do the
/// rest.
///
/// # Errors
/// As [`upload`], and what `check` and `finish` answer.
pub async fn take<T>(
    blobs: &Blobs,
    admitted: &Admitted<'_>,
    (store, name): (&NamedStore, Option<&str>),
    pieces: mpsc::Receiver<Piece>,
    check: fn(&Facts, &Image) -> Result<()>,
    finish: impl AsyncFnOnce(&mut Draft, Received) -> Result<T>,
) -> Result<T> {
    let Admitted { caller, image, declared, .. } = admitted;
    let _transfer = blobs.transfers.begin(caller)?;
    let (owner, payer) = (image.owner.as_deref(), caller.project_id.as_deref());
    let new = NewDraft {
        image_id: &image.id,
        owner,
        payer,
        store,
        name,
        size: *declared,
        counts: Counts { resource: Resource::SizeTotal, binding: true },
        caller: Some(caller),
        holder: None,
        prepares: Some(&admitted.store.id),
    };
    let author = Author::from(*caller);
    let admitted_image = image.clone();
    let check_before = move |image: &Image| {
        check_may_save(image)?;
        let formats = |image: &Image| (image.disk_format.clone(), image.container_format.clone());
        if formats(image) == formats(&admitted_image) && signature::is_same(image, &admitted_image) {
            return Ok(());
        }
        Err(Error::conflict("The formats or the signature of the image were changed while its upload began."))
    };
    let (mut draft, image) = blobs.begin_upload(author.clone(), new, Status::Saving, check_before).await?;
    let result = match receive(blobs, admitted, image, &draft, Client(pieces), check).await {
        Ok(received) => finish(&mut draft, received).await,
        Err(error) => Err(error),
    };
    match result {
        Err(error) => Err(draft.abandon(author, error).await),
        done => done,
    }
}

/// The store that the client names.
fn chosen_store(blobs: &Blobs, request: &Request) -> Result<Option<NamedStore>> {
    let stores = &blobs.images.stores;
    let Some(id) = request.store.as_deref().filter(|_| stores.multiple) else { return Ok(None) };
    let named = stores.get(id);
    named.map(Some).ok_or_else(|| Error::invalid(format!("Store {id:?} is not known here.")))
}

/// Requires that data may be saved for an image.
///
/// # Errors
/// [`Error::Conflict`] for its status, [`Error::Invalid`] without its formats.
pub fn check_may_save(image: &Image) -> Result<()> {
    if !image.status.may_become(Status::Saving) {
        return Err(Error::conflict(format!(
            "Image status transition from {} to saving is not allowed.",
            image.status
        )));
    }
    if image.disk_format.is_none() || image.container_format.is_none() {
        return Err(Error::invalid(
            "Properties disk_format and container_format must be set prior to saving data.",
        ));
    }
    Ok(())
}

/// Takes the bytes, measures them and judges them; on failure nothing of them is left in the store.
async fn receive(
    blobs: &Blobs,
    admitted: &Admitted<'_>,
    image: Image,
    draft: &Draft,
    mut client: Client,
    check: fn(&Facts, &Image) -> Result<()>,
) -> Result<Received> {
    let own = limits::of(&blobs.images, image.owner.as_deref()).await?;
    let limits = Limits { declared: admitted.declared, cap: own.size_cap() };
    let wanted = facts::wanted(&blobs.images, &image)?;
    let mut sink = Written(draft.writer(limits.declared).await.map_err(|e| store_fault(&e))?);
    let mut failed = None;
    let poured = async {
        let digests = Some(Digests::start(&wanted)?);
        let pour = Pour { sink: &mut sink, digests, limits, progress: &() };
        let poured = pour.run(&mut Reserving::new(&mut client, draft.reservation(), limits)).await;
        if let Err(Fault::Sink(error)) = &poured {
            failed = Some(error.kind);
        }
        let poured = poured?;
        let facts = Facts::of(&blobs.images, &own, &image, poured.measured.unwrap_or_default());
        if let Some(verifier) = &admitted.verifier {
            verifier.check(&facts.hashes)?;
        }
        facts.check_source(&image)?;
        check(&facts, &image)?;
        Ok(facts)
    };
    match poured.await {
        Ok(facts) => Ok(Received { image, writer: sink.0, facts }),
        Err(error) => {
            cancel_after(sink.0, failed).await;
            Err(error)
        }
    }
}

/// Shows what was received under its name, if the ledger says that it is still this upload's. Returns its URL.
///
/// # Errors
/// [`Error::Gone`] when it is not; the store's.
pub async fn show(draft: &mut Draft, writer: BlobWriter) -> Result<StoreUrl> {
    if !draft.is_held().await? {
        cancel(writer).await;
        return Err(gone(&draft.blob));
    }
    draft.commit(writer).await.map_err(|e| store_fault(&e))
}

/// The result of the transaction that ends an upload.
///
/// # Errors
/// [`Error::Gone`] when others took the data back, or the image is gone.
pub fn ended<T>(draft: &Draft, result: DbResult<T>) -> Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(DbError::Stale(_) | DbError::Domain(Error::ImageNotFound(_))) => Err(gone(&draft.blob)),
        Err(other) => Err(other.into()),
    }
}

/// Shows the blob and activates the image.
async fn finish(blobs: &Blobs, author: &Author, draft: &mut Draft, received: Received) -> Result<()> {
    let Received { image, writer, facts } = received;
    let images = &blobs.images;
    let url = show(draft, writer).await?;
    let (location, algorithm) = (draft.location(url), facts::algorithm(images, &image));
    let size = i64::try_from(facts.size).map_err(|e| Error::internal("upload", e))?;
    let (blob, mut door) = (draft.blob.clone(), images.door(author.clone()));
    door.moved.uploaded = 1;
    let activate = move |conn: &mut db::Conn| {
        db::blobs::make_live(conn, &blob.id, &blob.holder, size, door.clock.now())?;
        change::in_txn(conn, &door, &blob.image_id, |_, before| {
            if before.status != Status::Saving {
                return Err(DbError::stale("image", &before.id));
            }
            let mut after = Image { status: Status::Active, ..before.clone() };
            facts.describe(&mut after, &algorithm)?;
            after.locations = vec![location.clone()];
            Ok(Some(after))
        })
    };
    let activated = images.db.write_patiently("image.activate", activate).await;
    if activated.is_ok() {
        readers::admit(images, &image.id).await;
    }
    ended(draft, activated)
}

//! Bytes in: from a queued image and a stream to an active image whose every byte is durable and hashed
//! (`glance/api/v2/image_data.py: ImageDataController.upload`).
//!
//! The image and its blob enter the books together (`saving`, `writing`) before the first byte, and leave
//! together (`active`, `live`) after the last one is durable. Whatever happens in between, the image returns
//! to `queued` and the blob goes: by this use case if it still runs, else by the reaper once the lease ends.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{
    app::App,
    db::{self, DbError},
    format,
    model::{
        blob::{Blob, BlobState},
        caller::Caller,
        error::{Error, Result},
        image::{Image, Location},
        status::Status,
        time::Timestamp,
    },
    store::{
        BlobWriter, NamedStore, NewBlob, StoreError, StoreErrorKind,
        measure::{self, Measure, MeasureError},
    },
};

use super::{
    abandon::abandon,
    access,
    expected::{self, EXPECTED_HASH, EXPECTED_STORED_HASH, Examiner, Hashes},
};

/// What the client sends, piece by piece. A queue that closes without [`Piece::End`] is a client that went away.
#[derive(Debug)]
pub enum Piece {
    /// The next bytes.
    Data(Bytes),
    /// The regular end.
    End,
}

/// What an upload asks for besides its bytes.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Size in bytes that the client declared; binding. `None` is unknown.
    pub declared_size: Option<u64>,
    /// Store that the client chose; only with several stores.
    pub store: Option<String>,
}

impl From<MeasureError> for Error {
    fn from(error: MeasureError) -> Self {
        Self::internal("upload", error)
    }
}

/// A store's failure during an upload, in the caller's words; the log gets the place and the reason.
pub fn store_fault(error: &StoreError) -> Error {
    match error.kind {
        StoreErrorKind::Full => {
            tracing::warn!(%error, "store is full");
            Error::TooLarge("There is not enough disk space on the image storage media.".to_owned())
        }
        StoreErrorKind::Denied => {
            tracing::error!(%error, "store denies writing");
            Error::Unavailable("Insufficient permissions on image storage media.".to_owned())
        }
        StoreErrorKind::Unavailable => {
            tracing::error!(%error, "store is away");
            Error::Unavailable("The image storage media cannot be reached at the moment.".to_owned())
        }
        StoreErrorKind::Unsupported => Error::Gone("This store does not take uploads.".to_owned()),
        StoreErrorKind::SizeMismatch => Error::invalid("The data does not have the declared size."),
        StoreErrorKind::Exists => {
            tracing::error!(%error, "the store has an unknown object of this name");
            Error::conflict("The store already holds an object under the name of this image.")
        }
        _ => Error::internal("store", error),
    }
}

/// Receives the data of an image.
///
/// # Errors
/// As `spec` of `PUT /v2/images/{id}/file`; after any of them the image is as it was before.
pub async fn upload(
    app: &App,
    caller: &Caller,
    id: &str,
    request: Request,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<()> {
    access::mutating(caller)?;
    let store = choose_store(app, &request)?;
    let image = access::find(app, caller, id).await?;
    access::enforce(app, caller, "upload_image", &image).await?;
    check_may_save(&image)?;
    access::owned(caller, &image)?;
    let room = storage_room(app, caller, request.declared_size).await?;
    let _permit = app.uploads.acquire().await.map_err(|e| Error::internal("upload", e))?;
    let blob = begin(app, id, &store.id, request.declared_size).await?;
    let limits = Limits { declared: request.declared_size, cap: app.settings.image_size_cap, room };
    let result = match receive(app, &image, store, &blob, limits, &mut pieces).await {
        Ok(received) => finish(app, store, &blob, received).await,
        Err(error) => Err(error),
    };
    if result.is_err() {
        abandon(app, store, &blob).await;
    }
    result
}

fn choose_store<'a>(app: &'a App, request: &Request) -> Result<&'a NamedStore> {
    let wanted = request.store.as_deref().filter(|_| app.stores.multiple);
    let id = wanted.unwrap_or(app.stores.default_id());
    app.stores.get(id).ok_or_else(|| Error::invalid(format!("Store {id:?} is not known here.")))
}

fn check_may_save(image: &Image) -> Result<()> {
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

/// Bytes that the caller's project may still store; `None` is no limit.
///
/// # Errors
/// [`Error::TooLarge`] when the declared size does not fit.
pub async fn storage_room(app: &App, caller: &Caller, declared: Option<u64>) -> Result<Option<u64>> {
    let (Some(quota), Some(project)) = (app.settings.user_storage_quota, caller.project_id.clone()) else {
        return Ok(None);
    };
    let used =
        app.db.read("image.storage_usage", move |conn| db::images::storage_usage(conn, &project)).await?;
    let room = quota.saturating_sub(u64::try_from(used).unwrap_or(0));
    if declared.map_or(room == 0, |size| size > room) {
        return Err(over_quota(quota));
    }
    Ok(Some(room))
}

/// The refusal of bytes over the storage quota.
pub fn over_quota(quota: u64) -> Error {
    Error::TooLarge(format!("The storage quota of this project, {quota} bytes, would be exceeded."))
}

/// Enters image and blob into the books: `saving` and `writing`, in one transaction.
async fn begin(app: &App, id: &str, store: &str, size: Option<u64>) -> Result<Blob> {
    let now = Timestamp::now();
    let draft = Blob {
        id: uuid::Uuid::new_v4().to_string(),
        image_id: id.to_owned(),
        store: store.to_owned(),
        name: id.to_owned(),
        state: BlobState::Writing,
        size: size.and_then(|s| i64::try_from(s).ok()),
        lease_node: app.node.clone(),
        lease_until: app.lease_end(),
        delete_after: Timestamp(0),
        attempts: 0,
    };
    let result = app
        .db
        .write("image.begin_upload", move |conn| {
            let before = db::images::find(conn, &draft.image_id)?
                .ok_or_else(|| Error::ImageNotFound(draft.image_id.clone()))?;
            check_may_save(&before)?;
            let after = Image { status: Status::Saving, updated_at: now, ..before.clone() };
            db::images::save(conn, &before, &after)?;
            let mut blob = draft.clone();
            // The remains of an earlier upload may still wait for the reaper under the plain name.
            if db::blobs::name_is_taken(conn, &blob.store, &blob.name)? {
                blob.name = format!("{}.{}", blob.image_id, blob.id);
            }
            db::blobs::insert(conn, &blob, now)?;
            Ok(blob)
        })
        .await;
    match result {
        Err(DbError::Stale) => {
            Err(Error::conflict(format!("Image {id} is already being changed; try again.")))
        }
        other => Ok(other?),
    }
}

struct Limits {
    declared: Option<u64>,
    cap: u64,
    room: Option<u64>,
}

impl Limits {
    fn check(&self, size: u64) -> Result<()> {
        if let Some(declared) = self.declared.filter(|declared| size > *declared) {
            return Err(Error::invalid(format!("More data was sent than the declared {declared} bytes.")));
        }
        if size > self.cap {
            return Err(Error::TooLarge(format!("Image exceeds the maximum of {} bytes.", self.cap)));
        }
        match self.room {
            Some(room) if size > room => Err(over_quota(room)),
            _ => Ok(()),
        }
    }
}

struct Received {
    writer: BlobWriter,
    size: u64,
    hashes: Hashes,
    algorithm: String,
    virtual_size: Option<u64>,
}

/// Takes the bytes, measures them and judges them; on failure nothing of them is left in the store.
async fn receive(
    app: &App,
    image: &Image,
    store: &NamedStore,
    blob: &Blob,
    limits: Limits,
    pieces: &mut mpsc::Receiver<Piece>,
) -> Result<Received> {
    let algorithm = image.os_hash_algo.clone().unwrap_or_else(|| app.settings.hashing_algorithm.clone());
    let digest = measure::digest(&algorithm)
        .ok_or_else(|| Error::internal("upload", format!("unknown hash algorithm {algorithm:?}")))?;
    let sent = expected::of(image, EXPECTED_HASH)?;
    let stored = expected::of(image, EXPECTED_STORED_HASH)?;
    let examiner = Examiner::new(&[&sent, &stored], &algorithm)?;
    let new = NewBlob { owner: image.owner.as_deref(), ..NewBlob::of(blob, limits.declared) };
    let mut writer = store.writer(&new).await.map_err(|e| store_fault(&e))?;
    let copied = async {
        let mut measure = Measure::start(digest, examiner)?;
        loop {
            match pieces.recv().await {
                None => return Err(Error::invalid("The client went away before the data was complete.")),
                Some(Piece::End) => break,
                Some(Piece::Data(chunk)) => {
                    limits.check(measure.size().saturating_add(chunk.len() as u64))?;
                    measure.feed(chunk.clone()).await?;
                    writer.write(chunk).await.map_err(|e| store_fault(&e))?;
                }
            }
        }
        if let Some(declared) = limits.declared.filter(|declared| measure.size() < *declared) {
            return Err(Error::invalid(format!(
                "Only {} bytes were sent of the declared {declared}.",
                measure.size()
            )));
        }
        let measured = measure.finish().await?;
        writer.sync().await.map_err(|e| store_fault(&e))?;
        Ok(measured)
    };
    let judged = match copied.await {
        Ok(measured) => Examiner::finish(measured, &algorithm).and_then(|(size, examined)| {
            expected::check(EXPECTED_HASH, &sent, &examined.hashes)?;
            expected::check(EXPECTED_STORED_HASH, &stored, &examined.hashes)?;
            let virtual_size = judge(app, image, &examined.inspector.finish())?;
            Ok((size, examined.hashes, virtual_size))
        }),
        Err(error) => Err(error),
    };
    match judged {
        Ok((size, hashes, virtual_size)) => Ok(Received { writer, size, hashes, algorithm, virtual_size }),
        Err(error) => {
            if let Err(fault) = writer.cancel().await {
                tracing::warn!(%fault, "an unfinished blob could not be removed; the reaper will");
            }
            Err(error)
        }
    }
}

/// Judges the format of the data (`glance/location.py: ImageProxy.set_data`): only bare containers are looked into.
/// Answers the virtual size in bytes.
///
/// # Errors
/// [`Error::UnsupportedMediaType`] when the data is unsafe or not what was declared.
pub fn judge(app: &App, image: &Image, inspection: &format::Inspection) -> Result<Option<u64>> {
    if image.container_format.as_deref() != Some("bare") {
        return Ok(None);
    }
    let disk_format = image.disk_format.as_deref().unwrap_or_default();
    format::decide(inspection, disk_format, &app.settings.format_rules)
        .map_err(|rejection| Error::UnsupportedMediaType(rejection.to_string()))
}

/// Shows the blob and activates the image.
async fn finish(app: &App, store: &NamedStore, blob: &Blob, received: Received) -> Result<()> {
    let gone = || Error::Gone(format!("Image {} was deleted or changed during the upload.", blob.image_id));
    let Received { writer, size, hashes, algorithm, virtual_size } = received;
    let (blob_id, node) = (blob.id.clone(), app.node.clone());
    let holds =
        app.db.read("blob.holds_lease", move |conn| db::blobs::holds_lease(conn, &blob_id, &node)).await?;
    if !holds {
        if let Err(fault) = writer.cancel().await {
            tracing::warn!(%fault, "an unfinished blob could not be removed; the reaper will");
        }
        return Err(gone());
    }
    let url = writer.commit().await.map_err(|e| store_fault(&e))?.into_full();
    let size = i64::try_from(size).map_err(|e| Error::internal("upload", e))?;
    let mut metadata = store.metadata(&url);
    if app.stores.multiple {
        metadata.insert("store".to_owned(), store.id.clone().into());
    }
    let location = Location {
        id: uuid::Uuid::new_v4().to_string(),
        url,
        metadata,
        store: Some(store.id.clone()),
        blob_id: Some(blob.id.clone()),
    };
    let (blob, node) = (blob.clone(), app.node.clone());
    let now = Timestamp::now();
    let result = app
        .db
        .write("image.activate", move |conn| {
            let before = db::images::find(conn, &blob.image_id)?.ok_or(DbError::Stale)?;
            if before.status != Status::Saving {
                return Err(DbError::Stale);
            }
            let mut after = Image {
                status: Status::Active,
                size: Some(size),
                virtual_size: virtual_size.and_then(|v| i64::try_from(v).ok()),
                checksum: hashes.get("md5").cloned(),
                os_hash_algo: Some(algorithm.clone()),
                os_hash_value: hashes.get(&algorithm).cloned(),
                updated_at: now,
                ..before.clone()
            };
            after.locations = vec![location.clone()];
            db::blobs::make_live(conn, &blob.id, &node, size, now)?;
            // A PATCH may have come first on a database that lets both run: then the transaction runs again.
            match db::images::save(conn, &before, &after) {
                Err(DbError::Stale) => Err(DbError::Retry("the image changed meanwhile".to_owned())),
                other => other.map(drop),
            }
        })
        .await;
    match result {
        Err(DbError::Stale) => Err(gone()),
        other => Ok(other?),
    }
}

//! `PUT /v2/images/{id}/stage`: writes data to the staging folder (`glance/api/v2/image_data.py: stage`).

use tokio::sync::mpsc;

use super::Imports;
use crate::{
    access::{self, unified::Counts},
    blob::{
        draft::{Draft, NewDraft, cancel},
        faults::store_fault,
        pour::{Limits, Pour, Written},
        reserve::Reserving,
        upload::{Client, Piece, ended},
    },
    db::{self, DbError},
    image::{change, limits, query},
    model::{
        caller::Caller,
        error::{Error, Result},
        event::Author,
        image::Image,
        status::Status,
        unified::Resource,
    },
};

/// Receives data that an import will use.
///
/// # Errors
/// As `spec` of the call; after any of them the image is as it was before.
pub async fn stage(
    imports: &Imports,
    caller: &Caller,
    id: &str,
    declared: Option<u64>,
    pieces: mpsc::Receiver<Piece>,
) -> Result<()> {
    let image = admit(imports, caller, id, declared).await?;
    let (images, blobs) = (&imports.images, &imports.blobs);
    let cap = limits::of(images, image.owner.as_deref()).await?.size_cap();
    let _transfer = blobs.transfers.begin(caller)?;
    let author = Author::from(caller);
    let new = NewDraft {
        image_id: id,
        owner: image.owner.as_deref(),
        payer: caller.project_id.as_deref(),
        store: &blobs.staging.store,
        name: None,
        size: declared,
        counts: Counts { resource: Resource::StageTotal, binding: true },
        caller: None,
        holder: None,
        prepares: None,
    };
    let (mut draft, _) = blobs.begin_upload(author.clone(), new, Status::Uploading, check_may_stage).await?;
    let result = match receive(&mut draft, Limits { declared, cap }, Client(pieces)).await {
        Ok(size) => finish(imports, &author, &draft, size).await,
        Err(error) => Err(error),
    };
    match result {
        Err(error) => Err(draft.abandon(author, error).await),
        Ok(()) => Ok(()),
    }
}

/// Checks whether a caller may stage data for an image, of a size that is binding if it is known.
///
/// # Errors
/// As `spec` of the call.
pub(super) async fn admit(
    imports: &Imports,
    caller: &Caller,
    id: &str,
    declared: Option<u64>,
) -> Result<Image> {
    if !imports.images.settings.enabled_import_methods.iter().any(|method| method == "glance-direct") {
        return Err(Error::NotFound("The import method glance-direct is not enabled here.".to_owned()));
    }
    access::mutating(caller)?;
    let images = &imports.images;
    let project = caller.project_id.as_deref();
    images.unified.check_bytes(&images.db, project, Resource::StageTotal, declared).await?;
    let image = query::find(images, caller, id).await?;
    images.access.enforce(caller, "modify_image", &image).await?;
    check_may_stage(&image)?;
    Ok(image)
}

/// Requires that data may be staged for an image.
///
/// # Errors
/// [`Error::Conflict`]
pub(super) fn check_may_stage(image: &Image) -> Result<()> {
    if image.status != Status::Queued {
        return Err(Error::conflict(format!(
            "Image status transition from {} to uploading is not allowed.",
            image.status
        )));
    }
    Ok(())
}

/// Takes the bytes as they are: what they are is found out when they are imported.
async fn receive(draft: &mut Draft, limits: Limits, mut client: Client) -> Result<u64> {
    let mut sink = Written(draft.writer(limits.declared).await.map_err(|e| store_fault(&e))?);
    let pour = Pour { sink: &mut sink, digests: None, limits, progress: &() };
    match pour.run(&mut Reserving::new(&mut client, draft.reservation(), limits)).await {
        Ok(poured) => draft.commit(sink.0).await.map_err(|e| store_fault(&e)).map(|_| poured.size),
        Err(fault) => {
            cancel(sink.0).await;
            Err(fault.into())
        }
    }
}

async fn finish(imports: &Imports, author: &Author, draft: &Draft, size: u64) -> Result<()> {
    let bytes = i64::try_from(size).map_err(|e| Error::internal("stage", e))?;
    let (blob, door) = (draft.blob.clone(), imports.images.door(author.clone()));
    let staged = move |conn: &mut db::Conn| {
        db::blobs::make_live(conn, &blob.id, &blob.holder, bytes, door.clock.now())?;
        change::in_txn(conn, &door, &blob.image_id, |_, before| {
            if before.status != Status::Uploading {
                return Err(DbError::stale("image", &before.id));
            }
            Ok(Some(Image { size: Some(bytes), ..before.clone() }))
        })
    };
    ended(draft, imports.images.db.write_patiently("image.finish_stage", staged).await)
}

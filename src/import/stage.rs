//! `PUT /v2/images/{id}/stage`: bytes into the staging folder (`glance/api/v2/image_data.py: stage`).

use tokio::sync::mpsc;

use super::staged;
use crate::{
    app::App,
    db::{self, DbError},
    image::{
        abandon::abandon,
        access,
        upload::{Piece, store_fault},
    },
    model::{
        blob::Blob,
        caller::Caller,
        error::{Error, Result},
        image::Image,
        status::Status,
        time::Timestamp,
    },
    store::NewBlob,
};

/// Receives data that an import will use.
///
/// # Errors
/// As `spec` of the call; after any of them the image is as it was before.
pub async fn stage(
    app: &App,
    caller: &Caller,
    id: &str,
    declared: Option<u64>,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<()> {
    if !app.settings.enabled_import_methods.iter().any(|method| method == "glance-direct") {
        return Err(Error::NotFound("The import method glance-direct is not enabled here.".to_owned()));
    }
    access::mutating(caller)?;
    let image = access::find(app, caller, id).await?;
    access::enforce(app, caller, "modify_image", &image).await?;
    check_may_stage(&image)?;
    let _permit = app.uploads.acquire().await.map_err(|e| Error::internal("stage", e))?;
    let blob = begin(app, id, declared).await?;
    let result = match receive(app, &blob, declared, &mut pieces).await {
        Ok(size) => finish(app, &blob, size).await,
        Err(error) => Err(error),
    };
    if result.is_err() {
        abandon(app, &app.staging.store, &blob).await;
    }
    result
}

fn check_may_stage(image: &Image) -> Result<()> {
    if image.status != Status::Queued {
        return Err(Error::conflict(format!(
            "Image status transition from {} to uploading is not allowed.",
            image.status
        )));
    }
    Ok(())
}

/// Enters image and blob into the books: `uploading` and `writing`, in one transaction.
async fn begin(app: &App, id: &str, declared: Option<u64>) -> Result<Blob> {
    let blob = staged::draft(app, id, app.staging.id(), None, declared);
    let row = blob.clone();
    let result = app
        .db
        .write("image.begin_stage", move |conn| {
            let before = db::images::find(conn, &row.image_id)?
                .ok_or_else(|| Error::ImageNotFound(row.image_id.clone()))?;
            check_may_stage(&before)?;
            let now = Timestamp::now();
            let after = Image { status: Status::Uploading, updated_at: now, ..before.clone() };
            db::images::save(conn, &before, &after)?;
            db::blobs::insert(conn, &row, now)
        })
        .await;
    match result {
        Ok(()) => Ok(blob),
        Err(DbError::Stale) => {
            Err(Error::conflict(format!("Image {id} is already being changed; try again.")))
        }
        Err(other) => Err(other.into()),
    }
}

async fn receive(
    app: &App,
    blob: &Blob,
    declared: Option<u64>,
    pieces: &mut mpsc::Receiver<Piece>,
) -> Result<u64> {
    let fault = |e| store_fault(&e);
    let mut writer = app.staging.store.writer(&NewBlob::of(blob, declared)).await.map_err(fault)?;
    let mut size = 0_u64;
    let copied = async {
        loop {
            match pieces.recv().await {
                None => return Err(Error::invalid("The client went away before the data was complete.")),
                Some(Piece::End) => break,
                Some(Piece::Data(chunk)) => {
                    size = size.saturating_add(chunk.len() as u64);
                    if let Some(declared) = declared.filter(|declared| size > *declared) {
                        return Err(Error::invalid(format!(
                            "More data was sent than the declared {declared} bytes."
                        )));
                    }
                    let cap = app.settings.image_size_cap;
                    if size > cap {
                        return Err(Error::TooLarge(format!("Image exceeds the maximum of {cap} bytes.")));
                    }
                    writer.write(chunk).await.map_err(fault)?;
                }
            }
        }
        match declared {
            Some(declared) if size < declared => {
                Err(Error::invalid(format!("Only {size} bytes were sent of the declared {declared}.")))
            }
            _ => writer.sync().await.map_err(fault),
        }
    };
    match copied.await {
        Ok(()) => writer.commit().await.map_err(fault).map(|_| size),
        Err(error) => {
            if let Err(fault) = writer.cancel().await {
                tracing::warn!(%fault, "unfinished staged data could not be removed; the reaper will");
            }
            Err(error)
        }
    }
}

async fn finish(app: &App, blob: &Blob, size: u64) -> Result<()> {
    let gone = || Error::Gone(format!("Image {} was deleted or changed during the upload.", blob.image_id));
    let bytes = i64::try_from(size).map_err(|e| Error::internal("stage", e))?;
    let (row, node) = (blob.clone(), app.node.clone());
    let result = app
        .db
        .write("image.finish_stage", move |conn| {
            let before = db::images::find(conn, &row.image_id)?.ok_or(DbError::Stale)?;
            if before.status != Status::Uploading {
                return Err(DbError::Stale);
            }
            let now = Timestamp::now();
            let after = Image { size: Some(bytes), updated_at: now, ..before.clone() };
            db::blobs::make_live(conn, &row.id, &node, bytes, now)?;
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

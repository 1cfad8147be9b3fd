//! The one door for changes to an image: load, decide, save by revision, and again when another came first.

use crate::{
    app::App,
    db::{self, DbError, DbResult},
    model::{
        caller::Caller,
        error::{Error, Result},
        image::Image,
        time::Timestamp,
    },
};

use super::access;

/// How often a change is decided anew because another change came first.
const ATTEMPTS: usize = 20;

/// Changes an image. `decide` gets the image as the caller sees it and answers its new state, or `None` for no
/// change; it may be called several times. `updated_at` moves with every save.
///
/// # Errors
/// What `decide` answers, [`Error::ImageNotFound`], or [`Error::Conflict`] when others always came first.
pub async fn change(
    app: &App,
    caller: &Caller,
    id: &str,
    decide: impl AsyncFn(&Image) -> Result<Option<Image>>,
) -> Result<Image> {
    for _ in 0..ATTEMPTS {
        let before = access::find(app, caller, id).await?;
        let Some(mut after) = decide(&before).await? else { return Ok(before) };
        access::owned(caller, &before)?;
        after.updated_at = Timestamp::now();
        let (old, new) = (before, after.clone());
        match app.db.write("image.save", move |conn| save(conn, &old, &new)).await {
            Ok(revision) => {
                after.revision = revision;
                return Ok(after);
            }
            Err(DbError::Stale) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(Error::conflict(format!("Image {id} is being changed by too many requests at once; try again.")))
}

/// Saves the difference between two states and dooms the blobs of locations that went.
///
/// # Errors
/// [`DbError::Stale`] when another change came first.
pub(super) fn save(conn: &mut db::Conn, before: &Image, after: &Image) -> DbResult<i64> {
    let revision = db::images::save(conn, before, after)?;
    let now = Timestamp::now();
    for location in &before.locations {
        let stays = after.locations.iter().any(|l| l.blob_id == location.blob_id);
        if let (false, Some(blob_id)) = (stays, &location.blob_id) {
            db::blobs::doom(conn, blob_id, now, now)?;
        }
    }
    Ok(revision)
}

//! Changes that the service itself makes to an image, on behalf of work that somebody was allowed to start.

use crate::{
    app::App,
    db::{self, DbError},
    model::{
        error::{Error, Result},
        image::Image,
        time::Timestamp,
    },
};

/// Names the job that holds an image; set while an import or a location is under way.
pub const LOCK_PROPERTY: &str = "os_glance_import_task";

const ATTEMPTS: usize = 20;

/// Loads an image without asking who wants it.
///
/// # Errors
/// Only the database's.
pub async fn find(app: &App, id: &str) -> Result<Option<Image>> {
    let id = id.to_owned();
    Ok(app.db.read("image.find_for_job", move |conn| db::images::find(conn, &id)).await?)
}

/// Changes an image; `decide` answers its new state, or `None` for no change. Answers the image as saved, or
/// `None` when it is gone.
///
/// # Errors
/// What `decide` answers, or [`Error::Conflict`] when others always came first.
pub async fn change(
    app: &App,
    id: &str,
    decide: impl Fn(&Image) -> Result<Option<Image>> + Send,
) -> Result<Option<Image>> {
    for _ in 0..ATTEMPTS {
        let Some(before) = find(app, id).await? else { return Ok(None) };
        let Some(mut after) = decide(&before)? else { return Ok(Some(before)) };
        after.updated_at = Timestamp::now();
        let (old, new) = (before, after.clone());
        match app.db.write("image.save_for_job", move |conn| super::change::save(conn, &old, &new)).await {
            Ok(revision) => {
                after.revision = revision;
                return Ok(Some(after));
            }
            Err(DbError::Stale) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(Error::conflict(format!("Image {id} is being changed by too many requests at once; try again.")))
}

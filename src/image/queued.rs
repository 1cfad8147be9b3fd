//! Limits on images without data: their number in a project, and their age. Both are off by default.

use super::{Images, cooldown};
use crate::{
    db::{self, Conn, DbResult},
    model::{
        error::{Error, Result},
        event::Author,
        image::Image,
        status::Status,
    },
};

/// Images looked at in one transaction.
const BATCH: i64 = 100;

/// Refuses to a project the queued image that this transaction has given it, if it has too many now. Nobody else gives it
/// any until the transaction ends, so this should be its last question.
///
/// # Errors
/// [`Error::TooLarge`], and the database's.
pub(super) fn check(conn: &mut Conn, max: Option<u32>, owner: Option<&str>) -> DbResult<()> {
    let Some(max) = max else { return Ok(()) };
    // Those of nobody count together.
    db::quota::lock(conn, owner.unwrap_or_default())?;
    if db::queued::count(conn, owner)? <= i64::from(max) {
        return Ok(());
    }
    Err(Error::TooLarge(format!(
        "The project has {max} images without data, which is as many as it may have; upload some, or delete them."
    ))
    .into())
}

/// Deletes queued images that have not changed for too long. Returns how many.
///
/// # Errors
/// The database's.
pub async fn delete_stale(images: &Images) -> Result<usize> {
    let Some(seconds) = images.settings.queued_seconds else { return Ok(0) };
    let mut deleted = 0_usize;
    loop {
        let before = images.db.clock.now().plus_seconds(-seconds);
        let find = move |conn: &mut Conn| db::queued::stale(conn, before, BATCH);
        let found = images.db.read("image.stale", find).await?;
        let mut gone = 0_usize;
        for id in &found {
            let decide = |image: &Image| {
                let waits = image.status == Status::Queued && !image.protected && image.updated_at < before;
                Ok(waits.then(|| Image { status: Status::Deleted, ..image.clone() }))
            };
            match images.change_for(&Author::service(), id, decide).await {
                Ok(image) => gone = gone.saturating_add(usize::from(image.status == Status::Deleted)),
                Err(Error::ImageNotFound(_)) => {}
                Err(error) if error.is_because(cooldown::REASON) => {}
                Err(error) => return Err(error),
            }
        }
        deleted = deleted.saturating_add(gone);
        if gone == 0 {
            return Ok(deleted);
        }
    }
}

//! How long an image that was protected cannot be deleted yet (`[vitrine] protect_cooldown_hours`): so that whoever clears
//! `protected` by mistake, or is not to delete what others have protected, does not delete it in the next moment.

use serde_json::json;

use super::Images;
use crate::{
    db::{self, Conn, DbResult},
    model::{
        error::{Error, Result},
        image::Image,
        time::Timestamp,
    },
};

/// The reason word of a refusal.
pub(super) const REASON: &str = "cooldown";

/// Notes when the protection of an image is cleared, or forgets that it was.
pub(super) fn note(
    conn: &mut Conn,
    seconds: i64,
    before: &Image,
    after: &Image,
    now: Timestamp,
) -> DbResult<()> {
    if before.protected == after.protected {
        return Ok(());
    }
    // What was noted while the option was set is not to count when it is set again.
    db::unprotected::remove(conn, &after.id)?;
    if !after.protected && seconds > 0 { db::unprotected::put(conn, &after.id, now) } else { Ok(()) }
}

/// When an image can be deleted that was protected until a while ago; `None` is now.
pub(super) fn end(conn: &mut Conn, seconds: i64, id: &str, now: Timestamp) -> DbResult<Option<Timestamp>> {
    if seconds == 0 {
        return Ok(None);
    }
    let since = db::unprotected::since(conn, id)?;
    Ok(since.map(|since| since.plus_seconds(seconds)).filter(|end| *end > now))
}

/// Refuses to delete an image too early, in the transaction that deletes it, and forgets about it.
pub(super) fn check(conn: &mut Conn, seconds: i64, image: &Image, now: Timestamp) -> DbResult<()> {
    match end(conn, seconds, &image.id, now)? {
        Some(end) => Err(refusal(&image.id, end).into()),
        None => db::unprotected::remove(conn, &image.id),
    }
}

/// The same before anything is done.
///
/// # Errors
/// [`Error::Forbidden`]
pub(super) async fn require_over(images: &Images, image: &Image) -> Result<()> {
    let seconds = images.settings.cooldown_seconds;
    if seconds == 0 {
        return Ok(());
    }
    let (id, now) = (image.id.clone(), images.db.clock.now());
    let read = images.db.read_one("cooldown.end", move |conn| end(conn, seconds, &id, now));
    match read.await? {
        Some(end) => Err(refusal(&image.id, end)),
        None => Ok(()),
    }
}

fn refusal(id: &str, end: Timestamp) -> Error {
    let end = end.isotime();
    let text = format!("Image {id} was protected until a while ago and can be deleted from {end} on.");
    Error::forbidden(text).because(REASON, json!({"deletable_at": end}))
}

//! Records the dates of an image when they are set, and deletes them with the image.

use crate::{
    db::{self, Conn, DbResult},
    model::{
        image::{Image, Visibility},
        lifecycle::{Act, differ},
        status::Status,
        time::Timestamp,
    },
};

/// Records the dates that a change sets, and deletes those that it removes.
pub(super) fn note(conn: &mut Conn, before: Option<&Image>, after: &Image) -> DbResult<()> {
    for act in Act::ALL.into_iter().filter(|act| differ(before, after, *act)) {
        match act.date(after) {
            Some(date) => db::image_dates::put(conn, &after.id, act, date)?,
            None => drop(db::image_dates::remove(conn, &after.id, act)?),
        }
    }
    Ok(())
}

/// Enters the dates of an image that comes back, but for those that have passed.
pub(super) fn note_ahead(conn: &mut Conn, image: &Image, now: Timestamp) -> DbResult<()> {
    for act in Act::ALL {
        if let Some(date) = act.date(image).filter(|date| *date > now) {
            db::image_dates::put(conn, &image.id, act, date)?;
        }
    }
    Ok(())
}

/// Forgets the dates of an image that goes.
pub(super) fn forget(conn: &mut Conn, image: &Image) -> DbResult<()> {
    match Act::ALL.into_iter().any(|act| image.property(act.property()).is_some()) {
        true => db::image_dates::forget(conn, &image.id),
        false => Ok(()),
    }
}

/// Sets the default deprecation date, this many seconds from now, for an image that becomes public, if it is
/// configured.
pub(super) fn set_default(seconds: Option<i64>, before: &Image, after: &mut Image, now: Timestamp) {
    let Some(seconds) = seconds else { return };
    let serves = |image: &Image| image.status == Status::Active && image.visibility == Visibility::Public;
    let name = Act::Deprecate.property();
    if serves(after) && !serves(before) && after.property(name).is_none() {
        after.set_property(name, Some(now.plus_seconds(seconds).isotime()));
    }
}

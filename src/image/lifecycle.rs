//! The dates of images: hiding, retiring and deleting them when they come.
//!
//! A date acts once. A later change by a user stays until another date is set.

use super::{
    Images,
    change::{self, Door},
    consumers, cooldown, locations, query,
};
use crate::{
    db::{self, Conn, DbResult, image_dates::Due},
    model::{
        consumer::InUse,
        error::Result,
        event::Author,
        image::Image,
        lifecycle::{Act, Obsolete},
        status::Status,
        time::Timestamp,
    },
};

/// Acts looked at in one transaction.
const BATCH: i64 = 100;
/// Seconds after which what could not be done is tried again.
const AGAIN_SECONDS: i64 = 3600;

/// Applies all due dates. Returns how many actions were taken.
///
/// # Errors
/// The database's; what cannot be done now is tried again later.
pub async fn act(images: &Images) -> Result<usize> {
    let mut done = 0_usize;
    loop {
        let now = images.db.clock.now();
        let found = images.db.read("lifecycle.due", move |conn| db::image_dates::due(conn, now, BATCH));
        let found = found.await?;
        if found.is_empty() {
            return Ok(done);
        }
        for due in found {
            let (id, what) = (due.image_id.clone(), due.act.as_str());
            match one(images, &due, now).await {
                Ok(true) => {
                    tracing::info!(image = id, what, "a due date of an image was applied");
                    done = done.saturating_add(1);
                }
                Ok(false) => {}
                // It is gone, in use, or its store is away; none keeps the others waiting.
                Err(reason) => {
                    tracing::info!(image = id, what, %reason, "a due date of an image could not be applied");
                    postpone(images, due, now).await?;
                }
            }
        }
    }
}

async fn postpone(images: &Images, due: Due, now: Timestamp) -> Result<()> {
    let write = images.db.write("lifecycle.postpone", move |conn| again(conn, &due, now));
    Ok(write.await?)
}

/// Looks at an act again later, unless its image is gone.
fn again(conn: &mut Conn, due: &Due, now: Timestamp) -> DbResult<()> {
    if db::image_dates::remove(conn, &due.image_id, due.act)?
        && db::images::find(conn, &due.image_id)?.is_some()
    {
        db::image_dates::put(conn, &due.image_id, due.act, now.plus_seconds(AGAIN_SECONDS))?;
    }
    Ok(())
}

async fn one(images: &Images, due: &Due, now: Timestamp) -> Result<bool> {
    if due.act == Act::Delete
        && let Some(mut image) = query::find_unseen(images, &due.image_id).await?
    {
        images.stores.settle(&mut image.locations);
        locations::check_unused(images, &image.locations).await?;
    }
    let (door, obsolete, due) = (images.door(Author::service()), images.settings.obsolete, due.clone());
    let write = images.db.write("lifecycle.act", move |conn| {
        if !db::image_dates::is_due(conn, &due, now)? {
            return Ok(false);
        }
        let mut waits = false;
        change::in_txn(conn, &door, &due.image_id, |conn, image| {
            let next = decide(conn, &door, obsolete, due.act, image)?;
            waits = next.is_none();
            Ok(next.filter(|after| after != image))
        })?;
        if waits {
            again(conn, &due, now)?;
        } else {
            db::image_dates::remove(conn, &due.image_id, due.act)?;
        }
        Ok(!waits)
    });
    let done = write.await?;
    images.doomed.notify_one();
    Ok(done)
}

/// What an image is to be, or `None` while the act has to wait.
fn decide(
    conn: &mut Conn,
    door: &Door,
    obsolete: Obsolete,
    act: Act,
    image: &Image,
) -> DbResult<Option<Image>> {
    let has_data = matches!(image.status, Status::Active | Status::Deactivated);
    let after = match act {
        Act::Deprecate => Image { os_hidden: true, ..image.clone() },
        Act::Obsolete if !has_data => return Ok(None),
        Act::Obsolete => match obsolete {
            Obsolete::Retire => consumers::retired(image),
            Obsolete::Deactivate => Image { status: Status::Deactivated, ..image.clone() },
        },
        Act::Delete if image.protected || !image.status.may_become(Status::Deleted) => return Ok(None),
        Act::Delete if cooldown::end(conn, door.cooldown_seconds, &image.id, door.clock.now())?.is_some() => {
            return Ok(None);
        }
        Act::Delete => {
            let used = !db::consumers::counts(conn, &image.id)?.is_empty();
            match door.in_use.of(image) {
                InUse::Refuse if used => return Ok(None),
                InUse::Retire if used => consumers::going(image),
                _ => Image { status: Status::Deleted, ..image.clone() },
            }
        }
    };
    Ok(Some(after))
}

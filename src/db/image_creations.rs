//! What projects with a `create_rate` have created within the last minute. Whoever asks holds the project's account
//! ([`super::quota::lock`]).

use diesel::prelude::*;

use super::{Conn, DbResult, schema::image_creations};
use crate::model::time::Timestamp;

/// Seconds that the clock of another node may be ahead; what is later than that is of a clock that was set back.
const AHEAD_SECONDS: i64 = 60;

/// Forgets what a project created before `since`. If it has created `rate` images or more from then on, answers when it
/// created that of them which has to be past for another one to fit.
///
/// # Errors
/// Only the database's own.
pub fn others(conn: &mut Conn, project: &str, since: Timestamp, rate: u64) -> DbResult<Option<Timestamp>> {
    let own = image_creations::table.filter(image_creations::project_id.eq(project));
    let latest = since.plus_seconds(60 + AHEAD_SECONDS);
    diesel::delete(
        own.filter(image_creations::created_at.le(since.0).or(image_creations::created_at.gt(latest.0))),
    )
    .execute(conn)?;
    let skipped = i64::try_from(rate).unwrap_or(i64::MAX).saturating_sub(1);
    let nth: Option<i64> = own
        .order((image_creations::created_at.desc(), image_creations::image_id.desc()))
        .select(image_creations::created_at)
        .offset(skipped)
        .first(conn)
        .optional()?;
    Ok(nth.map(Timestamp))
}

/// Enters an image that a project has created.
///
/// # Errors
/// Only the database's own.
pub fn put(conn: &mut Conn, project: &str, image_id: &str, now: Timestamp) -> DbResult<()> {
    let row = (
        image_creations::project_id.eq(project),
        image_creations::created_at.eq(now.0),
        image_creations::image_id.eq(image_id),
    );
    diesel::insert_into(image_creations::table).values(row).execute(conn)?;
    Ok(())
}

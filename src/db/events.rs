//! The outbox of changes: written in the transaction of the change, read in order, deleted by age and number.
//!
//! Sequence numbers are assigned before commits: on a database with several concurrent writers, a reader may see a
//! number before a lower one. Readers of the outbox wait for gaps, or read only events that are slightly older than
//! now.

use diesel::{dsl::max, prelude::*};

use super::{Conn, DbResult, schema::events};
use crate::model::{event::Event, time::Timestamp};

/// Writes an event down.
///
/// # Errors
/// Only the database's own.
pub fn insert(conn: &mut Conn, event: &Event, now: Timestamp) -> DbResult<()> {
    let author = &event.author;
    diesel::insert_into(events::table)
        .values((
            events::kind.eq(event.kind.as_str()),
            events::image_id.eq(&event.image_id),
            events::project_id.eq(event.project_id.as_deref()),
            events::user_id.eq(author.user_id.as_deref()),
            events::request_project_id.eq(author.project_id.as_deref()),
            events::request_id.eq(&author.request_id),
            events::changes.eq(event.changes.to_string()),
            events::created_at.eq(now.0),
        ))
        .execute(conn)?;
    Ok(())
}

/// One row of the outbox, as readers get it.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = events)]
pub struct Recorded {
    /// Its place in the order.
    pub sequence: i64,
    /// What happened.
    pub kind: String,
    /// The image.
    pub image_id: String,
    /// The project that owns the image.
    pub project_id: Option<String>,
    /// The user who caused it.
    pub user_id: Option<String>,
    /// The project on whose behalf.
    pub request_project_id: Option<String>,
    /// The request that caused it; empty for the service itself.
    pub request_id: String,
    /// What changed, as a JSON object.
    pub changes: String,
    /// When, in microseconds since 1970.
    pub created_at: i64,
}

/// The events after a place in the order, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn after(conn: &mut Conn, sequence: i64, count: i64) -> DbResult<Vec<Recorded>> {
    Ok(events::table
        .filter(events::sequence.gt(sequence))
        .order(events::sequence)
        .limit(count)
        .select(Recorded::as_select())
        .load(conn)?)
}

/// The numbers of events between two numbers, both included.
///
/// # Errors
/// Only the database's own.
pub fn numbers(conn: &mut Conn, first: i64, last: i64) -> DbResult<Vec<i64>> {
    let between = events::table.filter(events::sequence.between(first, last));
    Ok(between.order(events::sequence).select(events::sequence).load(conn)?)
}

/// The events with these numbers, in their order.
///
/// # Errors
/// Only the database's own.
pub fn these(conn: &mut Conn, numbers: &[i64]) -> DbResult<Vec<Recorded>> {
    let rows = events::table.filter(events::sequence.eq_any(numbers.to_vec()));
    Ok(rows.order(events::sequence).select(Recorded::as_select()).load(conn)?)
}

/// The last number so far; zero before the first.
///
/// # Errors
/// Only the database's own.
pub fn last(conn: &mut Conn) -> DbResult<i64> {
    Ok(events::table.select(max(events::sequence)).first::<Option<i64>>(conn)?.unwrap_or_default())
}

/// The events of a project's images after a place in the order, or of all images; of one image if it is named.
///
/// # Errors
/// Only the database's own.
pub fn of_project(
    conn: &mut Conn,
    project: Option<&str>,
    image_id: Option<&str>,
    sequence: i64,
    count: i64,
) -> DbResult<Vec<Recorded>> {
    let mut rows = events::table.filter(events::sequence.gt(sequence)).into_boxed();
    if let Some(project) = project {
        rows = rows.filter(events::project_id.eq(project.to_owned()));
    }
    if let Some(image_id) = image_id {
        rows = rows.filter(events::image_id.eq(image_id.to_owned()));
    }
    Ok(rows.order(events::sequence).limit(count).select(Recorded::as_select()).load(conn)?)
}

/// The events of an image after a sequence number, oldest first, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn of_image(conn: &mut Conn, image_id: &str, sequence: i64, count: i64) -> DbResult<Vec<Recorded>> {
    Ok(events::table
        .filter(events::image_id.eq(image_id))
        .filter(events::sequence.gt(sequence))
        .order(events::sequence)
        .limit(count)
        .select(Recorded::as_select())
        .load(conn)?)
}

/// Drops events from before `oldest` and all but the last `keep`, up to `count` at once. Returns how many went.
///
/// # Errors
/// Only the database's own.
pub fn prune(conn: &mut Conn, oldest: Timestamp, keep: i64, count: i64) -> DbResult<usize> {
    let last: Option<i64> = events::table.select(max(events::sequence)).first(conn)?;
    let Some(last) = last else { return Ok(0) };
    let gone: Vec<i64> = events::table
        .filter(events::created_at.lt(oldest.0).or(events::sequence.le(last.saturating_sub(keep))))
        .order(events::sequence)
        .limit(count)
        .select(events::sequence)
        .load(conn)?;
    Ok(diesel::delete(events::table.filter(events::sequence.eq_any(gone))).execute(conn)?)
}

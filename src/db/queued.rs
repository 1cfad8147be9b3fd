//! Images without data: how many a project has, and which have waited too long.

use diesel::{
    BoolExpressionMethods, ExpressionMethods, NullableExpressionMethods, QueryDsl, RunQueryDsl,
    dsl::{exists, not},
};

use super::{
    Conn, DbResult,
    schema::{blobs, images, jobs},
};
use crate::model::{job::JobStatus, status::Status, time::Timestamp};

/// Queued images of a project.
///
/// # Errors
/// Only the database's own.
pub fn count(conn: &mut Conn, owner: Option<&str>) -> DbResult<i64> {
    let queued =
        images::table.filter(images::deleted.eq(false)).filter(images::status.eq(Status::Queued.as_str()));
    let count = match owner {
        Some(owner) => queued.filter(images::owner.eq(owner)).count().get_result(conn)?,
        None => queued.filter(images::owner.is_null()).count().get_result(conn)?,
    };
    Ok(count)
}

/// Ids of queued images unchanged since `before`, at most `limit`: unprotected, without data in any store, and without
/// an unfinished job.
///
/// # Errors
/// Only the database's own.
pub fn stale(conn: &mut Conn, before: Timestamp, limit: i64) -> DbResult<Vec<String>> {
    let data = blobs::table.filter(blobs::image_id.eq(images::id));
    let open = [JobStatus::Pending.as_str(), JobStatus::Processing.as_str()];
    let jobs = jobs::table.filter(jobs::image_id.eq(images::id.nullable())).filter(jobs::status.eq_any(open));
    let untouched = images::updated_at.lt(before.0).and(images::protected.eq(false));
    Ok(images::table
        .filter(images::deleted.eq(false))
        .filter(images::status.eq(Status::Queued.as_str()))
        .filter(untouched)
        .filter(not(exists(data)))
        .filter(not(exists(jobs)))
        .order(images::updated_at)
        .limit(limit)
        .select(images::id)
        .load(conn)?)
}

//! Jobs: inserted by the domain in the transaction that changes the image, claimed by any node by
//! compare-and-swap on the lease.

use std::collections::HashMap;

use diesel::{dsl::count_star, prelude::*};
use serde_json::Value;

use super::{Conn, DbError, DbResult, job_rows::JobRow, schema::jobs};
use crate::model::{
    job::{Job, JobStatus, Progress},
    time::Timestamp,
};

/// Enqueues a job; call it in the transaction that changes the image.
///
/// # Errors
/// Only the database's own.
pub fn insert(conn: &mut Conn, job: &Job) -> DbResult<()> {
    diesel::insert_into(jobs::table).values(JobRow::of(job)).execute(conn)?;
    Ok(())
}

/// When the oldest unfinished job was requested; `None` if all are finished.
///
/// # Errors
/// Only the database's own.
pub fn oldest_open(conn: &mut Conn) -> DbResult<Option<Timestamp>> {
    let open = [JobStatus::Pending.as_str(), JobStatus::Processing.as_str()];
    let oldest: Option<i64> = jobs::table
        .filter(jobs::status.eq_any(open))
        .select(diesel::dsl::min(jobs::created_at))
        .first(conn)?;
    Ok(oldest.map(Timestamp))
}

/// Finds a job.
///
/// # Errors
/// Only the database's own.
pub fn find(conn: &mut Conn, id: &str) -> DbResult<Option<Job>> {
    let row: Option<JobRow> =
        jobs::table.filter(jobs::id.eq(id)).select(JobRow::as_select()).first(conn).optional()?;
    row.map(JobRow::into_job).transpose()
}

/// The jobs of an image that have not expired, oldest first.
///
/// # Errors
/// Only the database's own.
pub fn list_of_image(conn: &mut Conn, image_id: &str, now: Timestamp) -> DbResult<Vec<Job>> {
    let rows: Vec<JobRow> = jobs::table
        .filter(jobs::image_id.eq(image_id))
        .filter(jobs::expires_at.is_null().or(jobs::expires_at.gt(now.0)))
        .order((jobs::created_at.asc(), jobs::id.asc()))
        .select(JobRow::as_select())
        .load(conn)?;
    rows.into_iter().map(JobRow::into_job).collect()
}

/// How often one claim looks for further jobs. A pass finds no more than one that is full of one project's jobs, or of
/// jobs that another node has just taken; the next claim continues.
const CLAIM_PASSES: usize = 8;

/// Limits on a claim.
#[derive(Clone, Debug)]
pub struct ClaimLimits {
    /// Maximum number of jobs.
    pub count: i64,
    /// Jobs of one project that may be under way at once, on all nodes.
    pub per_owner: i64,
    /// Places that this node reaches, for jobs that need one.
    pub affinities: Vec<String>,
    /// Jobs that this node works on already, whatever became of their leases.
    pub under_way: Vec<String>,
}

/// Claims due jobs for `node`, oldest first. Jobs of a project at its limit wait, without hiding those of others.
///
/// # Errors
/// Only the database's own.
pub fn claim(
    conn: &mut Conn,
    node: &str,
    now: Timestamp,
    until: Timestamp,
    limits: &ClaimLimits,
) -> DbResult<Vec<Job>> {
    let mut claimed = Vec::new();
    let mut under_way = under_way(conn, now)?;
    for _ in 0..CLAIM_PASSES {
        let missing = limits.count.saturating_sub(i64::try_from(claimed.len()).unwrap_or(i64::MAX));
        let full = under_way.iter().filter(|(_, count)| **count >= limits.per_owner);
        let full: Vec<String> = full.map(|(owner, _)| owner.clone()).collect();
        let due = due(conn, now, limits, &full, missing)?;
        if due.is_empty() {
            break;
        }
        for row in due {
            if let Some(owner) = &row.owner {
                let count = under_way.entry(owner.clone()).or_default();
                if *count >= limits.per_owner {
                    continue;
                }
                // Also when another node was faster: then the job is under way there.
                *count = count.saturating_add(1);
            }
            claimed.extend(take(conn, &row, node, now, until)?);
        }
    }
    Ok(claimed)
}

/// How many jobs of each project are under way.
fn under_way(conn: &mut Conn, now: Timestamp) -> DbResult<HashMap<String, i64>> {
    let counted: Vec<(Option<String>, i64)> = jobs::table
        .filter(jobs::status.eq(JobStatus::Processing.as_str()))
        .filter(jobs::lease_until.ge(now.0))
        .group_by(jobs::owner)
        .select((jobs::owner, count_star()))
        .load(conn)?;
    Ok(counted.into_iter().filter_map(|(owner, count)| Some((owner?, count))).collect())
}

/// Up to `count` jobs that could be begun, but for those of the projects in `full`.
fn due(
    conn: &mut Conn,
    now: Timestamp,
    limits: &ClaimLimits,
    full: &[String],
    count: i64,
) -> DbResult<Vec<JobRow>> {
    let open = [JobStatus::Pending.as_str(), JobStatus::Processing.as_str()];
    Ok(jobs::table
        .filter(jobs::status.eq_any(open))
        .filter(jobs::lease_until.lt(now.0))
        .filter(jobs::run_after.le(now.0))
        // To stop a job nobody needs to reach the place where it works.
        .filter(
            jobs::affinity
                .is_null()
                .or(jobs::affinity.eq_any(limits.affinities.clone()))
                .or(jobs::cancel_requested.eq(true)),
        )
        .filter(jobs::id.ne_all(limits.under_way.clone()))
        .filter(jobs::owner.is_null().or(jobs::owner.ne_all(full.to_vec())))
        .order((jobs::created_at, jobs::id))
        .limit(count)
        .select(JobRow::as_select())
        .load(conn)?)
}

/// Takes a job, unless another node was faster.
fn take(
    conn: &mut Conn,
    row: &JobRow,
    node: &str,
    now: Timestamp,
    until: Timestamp,
) -> DbResult<Option<Job>> {
    let seen = jobs::table
        .filter(jobs::id.eq(&row.id))
        .filter(jobs::lease_until.eq(row.lease_until))
        .filter(jobs::status.eq(&row.status));
    let changed = diesel::update(seen)
        .set((
            jobs::status.eq(JobStatus::Processing.as_str()),
            jobs::lease_node.eq(Some(node)),
            jobs::lease_until.eq(until.0),
            jobs::attempts.eq(jobs::attempts + 1),
            jobs::bytes_rate.eq(None::<i64>),
            jobs::updated_at.eq(now.0),
        ))
        .execute(conn)?;
    if changed == 1 { find(conn, &row.id) } else { Ok(None) }
}

/// Renews the lease of a job that `node` runs and records its progress. Returns whether it is to be cancelled.
///
/// # Errors
/// [`DbError::Stale`] when the job is no longer this node's.
pub fn renew(
    conn: &mut Conn,
    id: &str,
    node: &str,
    until: Timestamp,
    progress: Progress,
    now: Timestamp,
) -> DbResult<bool> {
    let changed = diesel::update(jobs::table.filter(jobs::id.eq(id)).filter(jobs::lease_node.eq(node)))
        .set((
            jobs::lease_until.eq(until.0),
            jobs::bytes_done.eq(progress.bytes),
            jobs::bytes_total.eq(progress.total),
            jobs::bytes_rate.eq(progress.rate),
            jobs::updated_at.eq(now.0),
        ))
        .execute(conn)?;
    if changed != 1 {
        return Err(DbError::stale("job", id));
    }
    Ok(jobs::table.filter(jobs::id.eq(id)).select(jobs::cancel_requested).first(conn)?)
}

/// Keeps other nodes from taking a job over before the end of the transaction.
///
/// # Errors
/// [`DbError::Stale`] when the job is no longer this node's.
pub fn hold(conn: &mut Conn, id: &str, node: &str, now: Timestamp) -> DbResult<()> {
    let changed = diesel::update(jobs::table.filter(jobs::id.eq(id)).filter(jobs::lease_node.eq(node)))
        .set(jobs::updated_at.eq(now.0))
        .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(DbError::stale("job", id)) }
}

/// Records the steps done so far.
///
/// # Errors
/// [`DbError::Stale`] when the job is no longer this node's.
pub fn save_state(
    conn: &mut Conn,
    id: &str,
    node: &str,
    state: &Value,
    message: &str,
    now: Timestamp,
) -> DbResult<()> {
    let changed = diesel::update(jobs::table.filter(jobs::id.eq(id)).filter(jobs::lease_node.eq(node)))
        .set((jobs::state.eq(state.to_string()), jobs::message.eq(message), jobs::updated_at.eq(now.0)))
        .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(DbError::stale("job", id)) }
}

/// How a job ended.
#[derive(Clone, Debug)]
pub struct End {
    /// Success or failure.
    pub status: JobStatus,
    /// What there is to say about it.
    pub message: String,
    /// What came of it.
    pub result: Option<Value>,
    /// How far it came; `None` is an attempt that had nothing to do.
    pub progress: Option<Progress>,
}

/// Ends a job, with its last progress unless the attempt made none.
///
/// # Errors
/// [`DbError::Stale`] when the job is no longer this node's.
pub fn finish(
    conn: &mut Conn,
    id: &str,
    node: &str,
    end: &End,
    (now, expires_at): (Timestamp, Timestamp),
) -> DbResult<()> {
    let progress = end.progress;
    let changed = diesel::update(jobs::table.filter(jobs::id.eq(id)).filter(jobs::lease_node.eq(node)))
        .set((
            progress
                .map(|progress| (jobs::bytes_done.eq(progress.bytes), jobs::bytes_total.eq(progress.total))),
            jobs::bytes_rate.eq(None::<i64>),
            jobs::status.eq(end.status.as_str()),
            jobs::message.eq(&end.message),
            jobs::result.eq(end.result.as_ref().map(Value::to_string)),
            jobs::lease_until.eq(0),
            jobs::expires_at.eq(Some(expires_at.0)),
            jobs::updated_at.eq(now.0),
        ))
        .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(DbError::stale("job", id)) }
}

/// Gives a job back, to be begun again later by any node. Its attempt counts or not.
///
/// # Errors
/// [`DbError::Stale`] when the job is no longer this node's.
pub fn postpone(
    conn: &mut Conn,
    id: &str,
    node: &str,
    message: &str,
    (now, run_after): (Timestamp, Timestamp),
    counts: bool,
) -> DbResult<()> {
    let changed = diesel::update(jobs::table.filter(jobs::id.eq(id)).filter(jobs::lease_node.eq(node)))
        .set((
            jobs::lease_until.eq(0),
            jobs::run_after.eq(run_after.0),
            jobs::message.eq(message),
            jobs::attempts.eq(jobs::attempts - i32::from(!counts)),
            jobs::bytes_rate.eq(None::<i64>),
            jobs::updated_at.eq(now.0),
        ))
        .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(DbError::stale("job", id)) }
}

/// Asks the open jobs of an image to stop.
///
/// # Errors
/// Only the database's own.
pub fn cancel_of_image(conn: &mut Conn, image_id: &str) -> DbResult<usize> {
    let open = [JobStatus::Pending.as_str(), JobStatus::Processing.as_str()];
    Ok(diesel::update(jobs::table.filter(jobs::image_id.eq(image_id)).filter(jobs::status.eq_any(open)))
        .set(jobs::cancel_requested.eq(true))
        .execute(conn)?)
}

/// Releases every lease of `node`, which stops in order; the interrupted attempts do not count.
///
/// # Errors
/// Only the database's own.
pub fn end_leases(conn: &mut Conn, node: &str) -> DbResult<usize> {
    let open = jobs::table.filter(jobs::status.eq(JobStatus::Processing.as_str()));
    Ok(diesel::update(open.filter(jobs::lease_node.eq(node)).filter(jobs::lease_until.gt(0)))
        .set((
            jobs::lease_until.eq(0),
            jobs::attempts.eq(jobs::attempts - 1),
            jobs::bytes_rate.eq(None::<i64>),
        ))
        .execute(conn)?)
}

/// Ends every lease of other nodes than `node`, which knows to be alone.
///
/// # Errors
/// Only the database's own.
pub fn end_other_leases(conn: &mut Conn, node: &str) -> DbResult<usize> {
    let open = jobs::table.filter(jobs::status.eq(JobStatus::Processing.as_str()));
    Ok(diesel::update(open.filter(jobs::lease_node.ne(node)))
        .set((jobs::lease_until.eq(0), jobs::bytes_rate.eq(None::<i64>)))
        .execute(conn)?)
}

/// Deletes jobs whose time in the lists is over, up to `count`.
///
/// # Errors
/// Only the database's own.
pub fn delete_expired(conn: &mut Conn, before: Timestamp, count: i64) -> DbResult<usize> {
    let ids: Vec<String> =
        jobs::table.filter(jobs::expires_at.lt(before.0)).select(jobs::id).limit(count).load(conn)?;
    Ok(diesel::delete(jobs::table.filter(jobs::id.eq_any(ids))).execute(conn)?)
}

//! Jobs, as Glance's tasks.

use serde_json::{Value, json};

use super::{
    super::{
        plan::{BATCH, Note, Told},
        tasks::CUT_OFF,
        values::{ids, integer, text, value},
    },
    plan::{Back, json_text, stamp},
};
use crate::{
    db::{
        Conn, DbError, DbResult,
        glance::{self, back},
        rows::Row,
    },
    model::{job::JobStatus, time::Timestamp},
};

/// Places in one of our rows.
const STATUS: usize = 2;
const EXPIRES_AT: usize = 16;

/// Writes the jobs that have not expired, those under way as failed. Returns how many.
///
/// # Errors
/// Only the databases'; what Glance's does not take is told and left out.
pub fn take(plan: &Back<'_>, now: Timestamp, told: &mut dyn Told) -> DbResult<u64> {
    let (mut after, mut count) = (String::new(), 0_u64);
    loop {
        let mut found = plan.ours.read_blocking(|conn| back::jobs_after(conn, &after, BATCH))?;
        let Some(last) = ids(&found).pop() else { return Ok(count) };
        after = last;
        found.retain(|row| integer(row, EXPIRES_AT).is_none_or(|expires| expires > now.0));
        if plan.dry_run {
            count = count.saturating_add(found.len() as u64);
            continue;
        }
        let taken = match plan.glance.write_blocking(|conn| write(conn, &found)) {
            Err(DbError::Other(_) | DbError::Duplicate(_)) => one_by_one(plan, &found, told)?,
            result => result.map(|()| found.len() as u64)?,
        };
        count = count.saturating_add(taken);
    }
}

fn one_by_one(plan: &Back<'_>, found: &[Row], told: &mut dyn Told) -> DbResult<u64> {
    let mut count = 0_u64;
    for one in found.chunks(1) {
        match plan.glance.write_blocking(|conn| write(conn, one)) {
            Ok(()) => count = count.saturating_add(1),
            Err(error @ (DbError::Other(_) | DbError::Duplicate(_))) => {
                let what = format!("task {}", ids(one).pop().unwrap_or_default());
                told.note(Note {
                    what,
                    why: format!("left out: Glance's database does not take it: {error}"),
                });
            }
            Err(other) => return Err(other),
        }
    }
    Ok(count)
}

fn write(conn: &mut Conn, found: &[Row]) -> DbResult<()> {
    let old = ids(found);
    glance::remove(conn, back::TASK_INFO.name, "task_id", &old)?;
    glance::remove(conn, back::TASKS.name, "id", &old)?;
    let tasks: Vec<Row> = found.iter().map(|row| task(conn, row)).collect();
    glance::insert(conn, back::TASKS, &tasks)?;
    glance::insert(conn, back::TASK_INFO, &found.iter().map(info).collect::<Vec<_>>())
}

fn is_over(row: &Row) -> bool {
    text(row, STATUS).and_then(JobStatus::parse).is_some_and(JobStatus::is_final)
}

fn task(conn: &Conn, row: &Row) -> Row {
    let status = if is_over(row) { value(row, STATUS) } else { json!(JobStatus::Failure.as_str()) };
    vec![
        value(row, 0),
        value(row, 1),
        status,
        json!(text(row, 4).unwrap_or_default()),
        value(row, 3),
        value(row, 6),
        value(row, 5),
        json!(false),
        stamp(conn, row, EXPIRES_AT),
        stamp(conn, row, 17),
        stamp(conn, row, 18),
    ]
}

fn info(row: &Row) -> Row {
    let message = if is_over(row) { value(row, 9) } else { json!(CUT_OFF) };
    let result: Value = json_text(row, 8);
    vec![value(row, 0), json_text(row, 7), result, message]
}

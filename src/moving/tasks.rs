//! Tasks, which become finished jobs.

use serde_json::{Value, json};

use super::{
    plan::{BATCH, Note, Plan, Told},
    values::{micros, text, time, value},
};
use crate::{
    db::{
        DbResult,
        glance::{self, tables, target},
        rows::Row,
    },
    model::{
        job::{JobKind, JobStatus},
        time::Timestamp,
    },
};

/// The message of a task that was unfinished.
pub(super) const CUT_OFF: &str = "The service was moved before this task had ended; ask for it again.";

/// Writes the tasks that have not expired. Returns how many.
///
/// # Errors
/// Only the database's.
pub fn take(plan: &Plan<'_>, now: Timestamp, told: &mut dyn Told) -> DbResult<u64> {
    let (mut after, mut count) = (String::new(), 0_u64);
    loop {
        let found = plan.source.read_blocking(|conn| tables::tasks_after(conn, &after, BATCH))?;
        let Some(last) = found.last().and_then(|row| text(row, 0)) else { return Ok(count) };
        after = last.to_owned();
        let mut jobs = Vec::new();
        for row in &found {
            if time(row, 4).is_some_and(|expires| expires <= now) {
                continue;
            }
            match job(row) {
                Ok(job) => jobs.push(job),
                Err(why) => told.note(Note { what: format!("task {}", value(row, 0)), why }),
            }
        }
        count = count.saturating_add(jobs.len() as u64);
        if !plan.dry_run {
            let ids: Vec<String> = jobs.iter().filter_map(|row| text(row, 0)).map(str::to_owned).collect();
            plan.target.write_blocking(|conn| {
                glance::remove(conn, "jobs", "id", &ids)?;
                glance::insert(conn, target::JOBS, &jobs)
            })?;
        }
    }
}

fn job(row: &Row) -> Result<Row, String> {
    let kind = text(row, 1)
        .and_then(JobKind::parse)
        .ok_or_else(|| format!("left out: its type is {}", value(row, 1)))?;
    let status = text(row, 2).and_then(JobStatus::parse).filter(|status| status.is_final());
    let message = match status {
        Some(_) => text(row, 12).unwrap_or_default(),
        None => CUT_OFF,
    };
    let made = time(row, 5).unwrap_or_default();
    let json_of = |at: usize| text(row, at).filter(|text| serde_json::from_str::<Value>(text).is_ok());
    let result = json_of(11).filter(|text| *text != "null");
    Ok(vec![
        value(row, 0),
        json!(kind.as_str()),
        json!(status.unwrap_or(JobStatus::Failure).as_str()),
        value(row, 7),
        value(row, 3),
        value(row, 9),
        value(row, 8),
        json!(json_of(10).unwrap_or("{}")),
        json!(result),
        json!(message),
        json!("{}"),
        json!(0),
        json!(0),
        json!(0),
        json!(false),
        json!(0),
        micros(time(row, 4)),
        json!(made.0),
        json!(time(row, 6).unwrap_or(made).0),
    ])
}

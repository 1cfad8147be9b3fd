//! Moving in: what a Glance's database has becomes rows of ours, and no data is touched: the stores keep their
//! files. Ids, times and owners stay. A pass can be stopped and goes on where it was; a later one takes what has changed
//! since.

mod crypt;
mod definitions;
mod images;
mod plan;
mod tasks;
mod values;

use serde::{Deserialize, Serialize};

pub use crypt::Key;
use plan::BATCH;
pub use plan::{Note, Plan, Told};

use crate::{
    db::{
        DbResult,
        glance::{self, tables, target},
    },
    model::time::Timestamp,
};

/// Seconds by which clocks of Glance's nodes may be behind, and transactions late: what was changed since a pass began less
/// this is looked at again.
const MARGIN_SECONDS: i64 = 600;

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Images that were looked at.
    pub seen: u64,
    /// Images that were written, the deleted ones included.
    pub images: u64,
    /// Tasks that were written.
    pub tasks: u64,
    /// Namespaces of metadata definitions that were written.
    pub namespaces: u64,
}

/// How far a source has been taken over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Mark {
    /// When the pass began that is under way or was the last, in microseconds.
    began: i64,
    /// The last image that it took, while it is under way.
    after: Option<String>,
}

/// Takes over what is there, or what has changed since the last pass ended. Blocking.
///
/// # Errors
/// A sentence when the source is no database of Glance that can be read, or either does not answer.
pub fn run(plan: &Plan<'_>, told: &mut dyn Told) -> Result<Report, String> {
    check(plan)?;
    let failed = |e: crate::db::DbError| e.to_string();
    let now = plan.target.clock.now();
    let noted = plan.target.read_blocking(|conn| target::mark(conn, plan.name)).map_err(failed)?;
    let noted: Option<Mark> = noted.and_then(|text| serde_json::from_str(&text).ok());
    let mut report = Report::default();
    let began = match noted {
        Some(Mark { began, after: None }) => {
            changes(plan, Timestamp(began), told, &mut report).map_err(failed)?;
            now.0
        }
        Some(Mark { began, after: Some(after) }) => {
            everything(plan, Mark { began, after: Some(after) }, told, &mut report).map_err(failed)?;
            began
        }
        None => {
            let mark = Mark { began: now.0, after: Some(String::new()) };
            everything(plan, mark, told, &mut report).map_err(failed)?;
            now.0
        }
    };
    report.tasks = tasks::take(plan, now, told).map_err(failed)?;
    report.namespaces = definitions::take(plan).map_err(failed)?;
    if !plan.dry_run {
        let mark = text(&Mark { began, after: None });
        plan.target.write_blocking(|conn| target::set_mark(conn, plan.name, &mark)).map_err(failed)?;
    }
    Ok(report)
}

fn text(mark: &Mark) -> String {
    serde_json::to_string(mark).unwrap_or_default()
}

/// Requires that the source be a database of Glance, of Rocky at least.
fn check(plan: &Plan<'_>) -> Result<(), String> {
    let columns =
        plan.source.read_blocking(|conn| glance::columns(conn, "images")).map_err(|e| e.to_string())?;
    if columns.iter().any(|name| name == "revision") {
        return Err(
            "the source is a database of Vitrine; `vitrine db backup` and `restore` move those".to_owned()
        );
    }
    match glance::names(tables::IMAGE).into_iter().find(|wanted| !columns.iter().any(|name| name == wanted)) {
        None => Ok(()),
        Some(missing) if columns.is_empty() => Err(format!(
            "the source is no database of Glance: it has no table `images` with a column `{missing}`"
        )),
        Some(missing) => Err(format!(
            "the table `images` of the source has no column `{missing}`; bring it up to date with Glance's own \
             `glance-manage db sync` first"
        )),
    }
}

/// Every image from a mark on.
fn everything(plan: &Plan<'_>, mut mark: Mark, told: &mut dyn Told, report: &mut Report) -> DbResult<()> {
    let all = plan.source.read_blocking(tables::count_images)?;
    loop {
        let after = mark.after.clone().unwrap_or_default();
        let found = plan.source.read_blocking(|conn| {
            let rows = tables::images_after(conn, &after, BATCH)?;
            images::read(conn, rows)
        })?;
        let Some(last) = found.last_id() else { return Ok(()) };
        mark.after = Some(last);
        let noted = text(&mark);
        report.seen = report.seen.saturating_add(found.len() as u64);
        report.images = report.images.saturating_add(images::take(plan, found, Some(&noted), told)?);
        told.progress(report.seen, all.max(report.seen));
    }
}

/// The images that have changed since a pass began.
fn changes(plan: &Plan<'_>, since: Timestamp, told: &mut dyn Told, report: &mut Report) -> DbResult<()> {
    let since = since.plus_seconds(-MARGIN_SECONDS).database_time().replace('T', " ");
    let ids = plan.source.read_blocking(|conn| tables::changed_since(conn, &since))?;
    for chunk in ids.chunks(BATCH) {
        let found = plan.source.read_blocking(|conn| {
            let rows = tables::images_of(conn, chunk)?;
            images::read(conn, rows)
        })?;
        report.seen = report.seen.saturating_add(found.len() as u64);
        report.images = report.images.saturating_add(images::take(plan, found, None, told)?);
        told.progress(report.seen, ids.len() as u64);
    }
    Ok(())
}

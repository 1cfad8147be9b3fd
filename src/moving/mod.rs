//! Import from Glance: copies the contents of a Glance database into ours without touching image data, which stays in
//! the stores. Ids, times and owners are kept. An interrupted pass continues where it was; a later one copies what
//! has changed since. `back` is the opposite direction.

mod back;
mod definitions;
mod images;
mod locations;
mod pass;
mod plan;
mod tasks;
mod values;

pub use back::{Back, run as run_back};
use pass::{Mark, Way};
use plan::BATCH;
pub use plan::{Note, Plan, Report, StagingFolder, Told};

use crate::{
    db::{
        Conn, DbResult,
        glance::{self, tables},
        rows::Row,
    },
    model::time::Timestamp,
};

/// Takes over what is there, or what has changed since the last pass ended. Blocking.
///
/// # Errors
/// A sentence when the source is no database of Glance that can be read, or either does not answer.
pub fn run(plan: &Plan<'_>, told: &mut dyn Told) -> Result<Report, String> {
    check(plan)?;
    let failed = |e: crate::db::DbError| e.to_string();
    let now = plan.target.clock.now();
    let noted = Mark::noted(plan.target, plan.name).map_err(failed)?;
    let mut report = Report::default();
    let fills = !plan.dry_run && fills(plan).map_err(failed)?;
    if fills {
        plan.target.forget_orders().map_err(failed)?;
    }
    let began = pass::images(plan, noted, now, told, &mut report).map_err(failed)?;
    report.tasks = tasks::take(plan, now, told).map_err(failed)?;
    report.namespaces = definitions::take(plan).map_err(failed)?;
    if !plan.dry_run {
        if fills {
            told.sorting();
        }
        // Also those that a pass left out which did not come to its end.
        plan.target.order_lists().map_err(failed)?;
        Mark { began, after: None }.note(plan.target, plan.name).map_err(failed)?;
    }
    Ok(report)
}

/// Images from which on a table is better filled without the orders of lists: to make them again reads all of it.
const MANY: u64 = 20_000;

/// Whether this pass makes the table several times as large as it is.
fn fills(plan: &Plan<'_>) -> DbResult<bool> {
    let there = plan.count()?;
    let here = plan.target.read_blocking(tables::count_images)?;
    Ok(there.saturating_sub(here) > MANY.max(here.saturating_mul(3)))
}

/// Requires that the source be a database of Glance, of Rocky at least.
fn check(plan: &Plan<'_>) -> Result<(), String> {
    let columns =
        plan.source.read_blocking(|conn| glance::columns(conn, "images")).map_err(|e| e.to_string())?;
    if is_ours(&columns) {
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

/// Whether a table `images` with these columns is Vitrine's.
fn is_ours(columns: &[String]) -> bool {
    columns.iter().any(|name| name == "revision")
}

impl Way for Plan<'_> {
    type Batch = images::Found;

    fn count(&self) -> DbResult<u64> {
        self.source.read_blocking(tables::count_images)
    }

    fn after(&self, after: &str) -> DbResult<(images::Found, Vec<String>)> {
        self.read(|conn| tables::after(conn, "images", tables::IMAGE, after, BATCH))
    }

    fn changed(&self, since: Timestamp) -> DbResult<Vec<String>> {
        let since = since.database_time().replace('T', " ");
        self.source.read_blocking(|conn| tables::changed_since(conn, &since))
    }

    fn these(&self, ids: &[String]) -> DbResult<(images::Found, Vec<String>)> {
        self.read(|conn| tables::images_of(conn, tables::IMAGE, ids))
    }

    fn take(&self, batch: images::Found, mark: Option<&Mark>, told: &mut dyn Told) -> DbResult<u64> {
        images::take(self, batch, mark.map(Mark::text).as_deref(), told)
    }
}

impl Plan<'_> {
    fn read(
        &self,
        images: impl FnOnce(&mut Conn) -> DbResult<Vec<Row>>,
    ) -> DbResult<(images::Found, Vec<String>)> {
        self.source.read_blocking(|conn| {
            let rows = images(conn)?;
            let ids = values::ids(&rows);
            Ok((images::read(conn, rows, &ids)?, ids))
        })
    }
}

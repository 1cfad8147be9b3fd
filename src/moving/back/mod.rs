//! Export to Glance: writes the contents of our database to a database whose tables Glance's own `db_sync` created.
//! Image data is not touched. An interrupted pass continues where it was; a later one writes what has changed since.

mod definitions;
mod images;
mod plan;
mod tasks;

pub use plan::Back;

use super::{
    is_ours,
    pass::{self, Mark, Way},
    plan::{BATCH, Report, Told},
    values::{self, micros_of, value},
};
use crate::{
    db::{
        Conn, DbResult,
        glance::{self, back, tables, target},
        rows::Row,
    },
    model::time::Timestamp,
};

/// Writes what is there, or what has changed since the last pass ended. Blocking.
///
/// # Errors
/// A sentence when the tables are not Glance's, or have rows of another origin, or either database does not answer.
pub fn run(plan: &Back<'_>, told: &mut dyn Told) -> Result<Report, String> {
    check(plan)?;
    let failed = |e: crate::db::DbError| e.to_string();
    let now = plan.ours.clock.now();
    let noted = Mark::noted(plan.ours, plan.name).map_err(failed)?;
    let is_empty = plan.glance.read_blocking(back::is_empty).map_err(failed)?;
    let noted = match noted {
        None if !is_empty => {
            return Err(
                "the tables of the target have rows that did not come from here; use an empty database, with tables \
                 that Glance's own `glance-manage db_sync` has made"
                    .to_owned(),
            );
        }
        noted => noted.filter(|_| !is_empty),
    };
    if noted.is_none() && !plan.dry_run {
        // Before the first row, so that a run that is stopped knows its own rows.
        Mark { began: now.0, after: Some(String::new()) }.note(plan.ours, plan.name).map_err(failed)?;
    }
    let mut report = Report::default();
    let began = pass::images(plan, noted, now, told, &mut report).map_err(failed)?;
    report.tasks = tasks::take(plan, now, told).map_err(failed)?;
    report.namespaces = definitions::take(plan).map_err(failed)?;
    if !plan.dry_run {
        cache(plan).map_err(failed)?;
        Mark { began, after: None }.note(plan.ours, plan.name).map_err(failed)?;
    }
    Ok(report)
}

/// Requires tables that a Glance made, of Rocky at least.
fn check(plan: &Back<'_>) -> Result<(), String> {
    let said = |e: crate::db::DbError| e.to_string();
    let columns = plan.glance.read_blocking(|conn| glance::columns(conn, "images")).map_err(said)?;
    if columns.is_empty() {
        return Err(
            "the target has no tables; make them by Glance's own `glance-manage db_sync`, of the release that is to \
             start from it"
                .to_owned(),
        );
    }
    if is_ours(&columns) {
        return Err("the target is a database of Vitrine".to_owned());
    }
    match plan.glance.read_blocking(back::lacking).map_err(said)? {
        None => Ok(()),
        Some((table, column)) => Err(format!(
            "the table `{table}` of the target has no column `{column}`; make the tables by the `glance-manage \
             db_sync` of Rocky or later"
        )),
    }
}

/// Writes the records of caches.
fn cache(plan: &Back<'_>) -> DbResult<()> {
    let (nodes, found) = plan.ours.read_blocking(back::own_cache)?;
    plan.glance.write_blocking(|conn| {
        let cached: Vec<Row> = found
            .iter()
            .map(|row| {
                let mut cached: Row = (0..5).map(|at| value(row, at)).collect();
                cached.extend([5, 6].map(|at| back::spelled(conn, micros_of(row, at))));
                cached
            })
            .collect();
        back::replace_cache(conn, &nodes, &cached)
    })
}

impl Way for Back<'_> {
    type Batch = images::Found;

    fn count(&self) -> DbResult<u64> {
        self.ours.read_blocking(tables::count_images)
    }

    fn after(&self, after: &str) -> DbResult<(images::Found, Vec<String>)> {
        self.read(|conn| tables::after(conn, "images", target::IMAGES.columns, after, BATCH))
    }

    fn changed(&self, since: Timestamp) -> DbResult<Vec<String>> {
        self.ours.read_blocking(|conn| back::changed_since(conn, since))
    }

    fn these(&self, ids: &[String]) -> DbResult<(images::Found, Vec<String>)> {
        self.read(|conn| tables::images_of(conn, target::IMAGES.columns, ids))
    }

    fn take(&self, batch: images::Found, mark: Option<&Mark>, told: &mut dyn Told) -> DbResult<u64> {
        let count = images::take(self, batch, told)?;
        match mark.filter(|_| !self.dry_run) {
            Some(mark) => mark.note(self.ours, self.name).map(|()| count),
            None => Ok(count),
        }
    }
}

impl Back<'_> {
    fn read(
        &self,
        images: impl FnOnce(&mut Conn) -> DbResult<Vec<Row>>,
    ) -> DbResult<(images::Found, Vec<String>)> {
        self.ours.read_blocking(|conn| {
            let found = images(conn)?;
            // Their ids come first in each row.
            let ids = values::ids(&found);
            Ok((images::read(conn, found, &ids)?, ids))
        })
    }
}

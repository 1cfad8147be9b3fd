//! The course of a pass, in either direction: everything in the order of the ids, then what has changed since.

use std::sync::mpsc;

use serde::{Deserialize, Serialize};

use super::plan::{BATCH, Report, Told};
use crate::{
    db::{Db, DbResult, glance::target},
    model::time::Timestamp,
    telemetry,
};

/// Seconds by which clocks of nodes may be behind, and transactions late: what was changed since a pass began less this is
/// looked at again.
const MARGIN_SECONDS: i64 = 600;

/// The progress of a migration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When the pass began that is under way or was the last, in microseconds.
    pub began: i64,
    /// The last image that it took, while it is under way.
    pub after: Option<String>,
}

impl Mark {
    /// The last progress recorded under a name.
    ///
    /// # Errors
    /// Only the database's.
    pub fn noted(ours: &Db, name: &str) -> DbResult<Option<Self>> {
        let noted = ours.read_blocking(|conn| target::mark(conn, name))?;
        Ok(noted.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// The text that is noted.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Notes it.
    ///
    /// # Errors
    /// Only the database's.
    pub fn note(&self, ours: &Db, name: &str) -> DbResult<()> {
        let text = self.text();
        ours.write_blocking(|conn| target::set_mark(conn, name, &text))
    }
}

/// Batches that are read before they are needed.
const AHEAD: usize = 1;

/// One of the two ways.
pub trait Way: Sync {
    /// What is read of some images.
    type Batch: Send;

    /// How many images there are.
    fn count(&self) -> DbResult<u64>;
    /// Reads up to [`BATCH`] images in the order of their ids; returns how many there were, and the last id.
    fn after(&self, after: &str) -> DbResult<(Self::Batch, Vec<String>)>;
    /// Ids of the images that have changed at a time or later.
    fn changed(&self, since: Timestamp) -> DbResult<Vec<String>>;
    /// Reads these images.
    fn these(&self, ids: &[String]) -> DbResult<(Self::Batch, Vec<String>)>;
    /// Writes a batch, and notes the mark; returns how many images were written.
    fn take(&self, batch: Self::Batch, mark: Option<&Mark>, told: &mut dyn Told) -> DbResult<u64>;
}

/// Takes the images, all of them or those that have changed; answers when the pass began.
///
/// # Errors
/// Only the databases'.
pub fn images(
    way: &impl Way,
    noted: Option<Mark>,
    now: Timestamp,
    told: &mut dyn Told,
    report: &mut Report,
) -> DbResult<i64> {
    let mark = match noted {
        Some(Mark { began, after: None }) => {
            changes(way, Timestamp(began), told, report)?;
            return Ok(now.0);
        }
        Some(mark) => mark,
        None => Mark { began: now.0, after: Some(String::new()) },
    };
    let began = mark.began;
    everything(way, mark, told, report)?;
    Ok(began)
}

/// Every image from a mark on. The next batch is read while one is written.
fn everything(way: &impl Way, mut mark: Mark, told: &mut dyn Told, report: &mut Report) -> DbResult<()> {
    let all = way.count()?;
    let first = mark.after.clone().unwrap_or_default();
    std::thread::scope(|scope| {
        let (send, read) = mpsc::sync_channel(AHEAD);
        telemetry::spawn_scoped(scope, move || read_all(way, first, &send));
        for batch in read {
            let (batch, last, count) = batch?;
            mark.after = Some(last);
            report.seen = report.seen.saturating_add(count);
            report.images = report.images.saturating_add(way.take(batch, Some(&mark), told)?);
            told.progress(report.seen, all.max(report.seen));
        }
        Ok(())
    })
}

/// A batch, the last id in it, and how many images there are in it.
type Read<Batch> = DbResult<(Batch, String, u64)>;

/// Reads batch after batch, until there is none, or nobody wants more.
fn read_all<W: Way>(way: &W, mut after: String, to: &mpsc::SyncSender<Read<W::Batch>>) {
    loop {
        let batch = match way.after(&after) {
            Ok((batch, mut ids)) => {
                let count = ids.len() as u64;
                let Some(last) = ids.pop() else { return };
                after.clone_from(&last);
                Ok((batch, last, count))
            }
            Err(error) => Err(error),
        };
        let failed = batch.is_err();
        if to.send(batch).is_err() || failed {
            return;
        }
    }
}

/// The images that have changed since a pass began.
fn changes(way: &impl Way, since: Timestamp, told: &mut dyn Told, report: &mut Report) -> DbResult<()> {
    let ids = way.changed(since.plus_seconds(-MARGIN_SECONDS))?;
    for chunk in ids.chunks(BATCH) {
        let (batch, found) = way.these(chunk)?;
        report.seen = report.seen.saturating_add(found.len() as u64);
        report.images = report.images.saturating_add(way.take(batch, None, told)?);
        told.progress(report.seen, ids.len() as u64);
    }
    Ok(())
}

//! The figures of `/metrics` that come from the database, counted anew when they are old.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::{app::App, db, telemetry};

/// How old they may be: they are counted from all rows.
const FRESH: Duration = Duration::from_secs(60);

/// When the figures from the database were counted last.
#[derive(Debug, Default)]
pub struct Counted(Mutex<Option<Instant>>);

/// Counts rows of the database if that was long ago. Whoever comes while that is done gets the figures from before.
pub(super) async fn count(app: &App, Counted(last): &Counted, projects: u32) {
    let Ok(mut last) = last.try_lock() else { return };
    if last.is_some_and(|last| last.elapsed() < FRESH) || app.db.is_away() {
        return;
    }
    let counted = app.db.read("metrics.count", move |conn| {
        let largest = if projects > 0 { db::figures::largest_projects(conn, projects)? } else { Vec::new() };
        Ok((db::figures::jobs(conn)?, db::figures::blobs(conn)?, largest))
    });
    match counted.await {
        Ok((jobs, blobs, projects)) => {
            let figures = telemetry::metrics().state();
            figures.jobs(jobs);
            figures.blobs(blobs);
            figures.projects(projects);
            *last = Some(Instant::now());
        }
        Err(error) => tracing::warn!(%error, "figures of the database could not be counted"),
    }
}

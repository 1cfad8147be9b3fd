//! Tells others what happens: sends notifications, writes the audit log, and bounds what waits for either.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    app::App,
    db::{self, DbResult},
    model::notice::Reader,
    notify::bus::Turn,
    telemetry,
};

/// How often notices are looked for.
const PERIOD: Duration = Duration::from_secs(1);
/// How often what waits is counted and bounded.
const PRUNE_PERIOD: Duration = Duration::from_secs(60);
/// Notices that wait for one reader at most, and for how many seconds: while a broker is away so much is kept.
const KEPT: i64 = 500_000;
const KEPT_SECONDS: i64 = 7 * 24 * 3600;
/// Notices that one transaction drops.
const BATCH: i64 = 500;

/// Sends notifications until told to stop.
pub async fn publish(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let Some(bus) = &app.bus else { return };
    loop {
        let pause = match bus.turn().await {
            Ok(Turn::More) => Duration::ZERO,
            Ok(Turn::Idle) => PERIOD,
            Ok(Turn::Again(pause)) => pause,
            Err(error) => {
                tracing::warn!(%error, "notifications could not be read; it will be tried again");
                PERIOD
            }
        };
        tokio::select! {
            _ = stopped.changed() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    if let Err(error) = bus.stop().await {
        tracing::warn!(%error, "another node sends notifications once the lease of this one has run out");
    }
}

/// Writes the audit log until told to stop; what is there then is written by the node that goes on, or after a start.
pub async fn audit(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let Some(audit) = &app.audit else { return };
    loop {
        let more = audit.turn().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the audit log could not be written; it will be tried again");
            false
        });
        let pause = if more { Duration::ZERO } else { PERIOD };
        tokio::select! {
            _ = stopped.changed() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    if let Err(error) = audit.stop().await {
        tracing::warn!(%error, "another node writes the audit log once the lease of this one has run out");
    }
}

/// Writes down which downloads have ended, until told to stop.
pub async fn note_downloads(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let mut failed = false;
    loop {
        let is_over = tokio::select! {
            _ = stopped.changed() => true,
            () = app.images.sends.ended(), if !failed => false,
            () = tokio::time::sleep(PERIOD), if failed => false,
        };
        let written = app.images.sends.write(&app.db).await;
        failed = written.is_err();
        if let Err(error) = written {
            match is_over {
                true => tracing::warn!(%error, "ended downloads could not be noted, and are lost"),
                false => tracing::warn!(%error, "ended downloads could not be noted; it will be tried again"),
            }
        }
        if is_over {
            return;
        }
    }
}

/// Bounds what waits, until told to stop.
pub async fn bound(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        for reader in Reader::ALL {
            if let Err(error) = bound_one(&app, reader, KEPT).await {
                tracing::warn!(%error, "waiting notifications could not be counted; it will be tried again");
            }
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(PRUNE_PERIOD) => {}
        }
    }
}

/// Counts what waits for a reader, and drops what is too old or more than `keep`, a bounded number in each transaction.
/// Returns how many went.
///
/// # Errors
/// The database's.
pub async fn bound_one(app: &App, reader: Reader, keep: i64) -> DbResult<usize> {
    let name = reader.as_str();
    let (waiting, oldest) =
        app.db.read("notice.backlog", move |conn| db::notices::backlog(conn, reader)).await?;
    let limit = app.db.clock.now().plus_seconds(-KEPT_SECONDS);
    telemetry::metrics().notices_waiting(name, waiting);
    if waiting <= keep && oldest.is_none_or(|oldest| oldest >= limit) {
        return Ok(0);
    }
    let mut dropped = 0_usize;
    loop {
        let prune = move |conn: &mut db::Conn| db::notices::prune(conn, reader, limit, keep, BATCH);
        match app.db.write("notice.prune", prune).await? {
            0 => break,
            count => dropped = dropped.saturating_add(count),
        }
    }
    if dropped == 0 {
        // Another node was faster.
        return Ok(0);
    }
    telemetry::metrics().notices_lost(name, dropped);
    tracing::error!(
        reader = name,
        events = dropped,
        keep,
        days = KEPT_SECONDS / 86_400,
        "the oldest events were dropped untold: more wait than are kept, or for longer"
    );
    Ok(dropped)
}

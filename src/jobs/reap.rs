//! The reaper: returns abandoned uploads to `queued`, deletes the data of doomed blobs, and cleans the staging
//! folder. Every step can be repeated, and any node can do any of them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::try_join_all;
use tokio::sync::watch;

use crate::{
    app::App,
    blob::ledger,
    db::{self, DbResult},
    image::{consumers, queued},
    import::parts,
    model::blob::Blob,
    reconcile,
    store::StoreErrorKind,
};

/// How often the reaper looks without being called.
const PERIOD: Duration = Duration::from_secs(5);
/// How often the staging folder is looked through.
const STAGING_PERIOD: Duration = Duration::from_secs(3600);
/// A staged file that nothing knows is stale when nobody has written to it for so long.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// How often images that wait for data too long are looked for.
const QUEUED_PERIOD: Duration = Duration::from_secs(300);
/// How often old events are dropped.
const EVENTS_PERIOD: Duration = Duration::from_secs(600);
/// For how long, in seconds, and how many events are kept.
const EVENTS_KEPT_SECONDS: i64 = 7 * 24 * 3600;
const EVENTS_KEPT: i64 = 100_000;
/// Rows that one transaction drops.
const ROWS_BATCH: i64 = 500;
/// For how long, in seconds, it is remembered that a server was removed from the consumers of images.
const GONE_SERVERS_KEPT_SECONDS: i64 = 365 * 24 * 3600;
/// Blobs claimed at once.
const BATCH: i64 = 32;
/// Tries of a deletion that fails after which the wait for the next one doubles. Most of what refuses is over in seconds,
/// like the time in which Ceph still counts a dead process among the users of an image.
const TRIES_OF_ONE_WAIT: i32 = 2;
/// Longest wait between two tries of a deletion that fails, in seconds.
const BACK_OFF_SECONDS_MAX: i64 = 3600;

/// Reaps until told to stop.
pub async fn run(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = sweep(&app).await {
            tracing::error!(%error, "the reaper failed; it will try again");
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = app.images.doomed.notified() => {}
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

/// Deletes stale files in the staging folder at start and periodically, until told to stop.
pub async fn clean_staging(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = reconcile::clean_staging(&app.db, &app.blobs.staging, STALE).await {
            tracing::warn!(%error, "the staging folder could not be cleaned; it will be tried again");
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(STAGING_PERIOD) => {}
        }
    }
}

/// Periodically deletes images that have waited for data too long, and images whose deletion waited for their last
/// consumer, until told to stop.
pub async fn delete_stale_images(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        match queued::delete_stale(&app.images).await {
            Ok(0) => {}
            Ok(images) => tracing::info!(images, "images that waited for data too long were deleted"),
            Err(error) => tracing::warn!(%error, "images that wait for data too long could not be deleted"),
        }
        match consumers::delete_unused(&app.images).await {
            Ok(0) => {}
            Ok(images) => tracing::info!(images, "retired images without consumers were deleted"),
            Err(error) => tracing::warn!(%error, "retired images without consumers could not be deleted"),
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(QUEUED_PERIOD) => {}
        }
    }
}

/// Periodically completes interrupted moves to quarantine, deletes expired objects there, and deletes findings of
/// deleted jobs, until told to stop.
pub async fn settle_quarantine(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        let kept = app.images.settings.quarantine_seconds;
        match reconcile::quarantine::settle(&app.db, &app.stores, kept).await {
            Ok(0) => {}
            Ok(objects) => tracing::info!(objects, "expired objects in quarantine were deleted"),
            Err(error) => tracing::warn!(%error, "the quarantine could not be read"),
        }
        match forget_findings(&app).await {
            Ok(()) => {}
            Err(error) => tracing::warn!(%error, "findings of deleted jobs could not be deleted"),
        }
        match forget_gone_servers(&app).await {
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "servers removed long ago could not be forgotten"),
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(QUEUED_PERIOD) => {}
        }
    }
}

async fn forget_findings(app: &App) -> DbResult<()> {
    while app.db.write("finding.forget", db::stores::forget_findings_of_gone).await? {}
    Ok(())
}

/// Forgets servers that were removed from the consumers of images a year ago. Returns how many.
///
/// # Errors
/// The database's.
pub async fn forget_gone_servers(app: &App) -> DbResult<usize> {
    let mut forgotten = 0_usize;
    loop {
        let before = app.db.clock.now().plus_seconds(-GONE_SERVERS_KEPT_SECONDS);
        let forget = move |conn: &mut db::Conn| db::gone_servers::forget(conn, before, ROWS_BATCH);
        match app.db.write("server.forget", forget).await? {
            0 => return Ok(forgotten),
            count => forgotten = forgotten.saturating_add(count),
        }
    }
}

/// Periodically deletes old events, until told to stop.
pub async fn prune_events(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        match prune(&app).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "old events were dropped"),
            Err(error) => tracing::warn!(%error, "old events could not be dropped; it will be tried again"),
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(EVENTS_PERIOD) => {}
        }
    }
}

/// Drops the events that are too old or too many, a bounded number in each transaction. Returns how many went.
///
/// # Errors
/// The database's.
pub async fn prune(app: &App) -> DbResult<usize> {
    let mut dropped = 0_usize;
    loop {
        let oldest = app.db.clock.now().plus_seconds(-EVENTS_KEPT_SECONDS);
        let prune = move |conn: &mut db::Conn| db::events::prune(conn, oldest, EVENTS_KEPT, ROWS_BATCH);
        match app.db.write("event.prune", prune).await? {
            0 => return Ok(dropped),
            count => dropped = dropped.saturating_add(count),
        }
    }
}

/// Does everything that is due.
///
/// # Errors
/// The database's; a store that fails is recorded on the blob and tried again later.
pub async fn sweep(app: &App) -> DbResult<()> {
    let (clock, notices) = (app.db.clock.clone(), app.db.notices.clone());
    let doom = move |conn: &mut db::Conn| ledger::doom_abandoned(conn, &clock, &notices);
    let images = app.db.write("blob.doom_abandoned", doom).await?;
    for image in images {
        tracing::warn!(image, "an upload was abandoned; the image is queued again");
    }
    for upload in parts::expire::sweep(&app.imports).await? {
        tracing::info!(upload, "an upload of which nothing came for too long was given up");
    }
    loop {
        let holder = Arc::new(app.leases().hold(uuid::Uuid::new_v4().to_string()));
        let (claimant, until, now) = (Arc::clone(&holder), holder.end(), app.db.clock.now());
        let staging = app.blobs.staging.id().to_owned();
        let blobs = app
            .db
            .write("blob.claim_doomed", move |conn| {
                db::blobs::claim_doomed(conn, claimant.name(), &staging, now, until, BATCH)
            })
            .await?;
        if blobs.is_empty() {
            return Ok(());
        }
        let mut stores = BTreeMap::<String, Vec<Blob>>::new();
        for blob in blobs {
            stores.entry(blob.store.clone()).or_default().push(blob);
        }
        try_join_all(stores.into_values().map(|blobs| reap_of_store(app, blobs))).await?;
    }
}

/// Deletes blobs of one store; no other store waits for that. One that does not answer is not asked again for each of
/// them.
async fn reap_of_store(app: &App, blobs: Vec<Blob>) -> DbResult<()> {
    let mut away = None;
    for blob in blobs {
        let result = match (app.blobs.store_of(&blob.store), &away) {
            (_, Some(reason)) => Err(String::clone(reason)),
            (Some(named), None) => match named.delete(&blob.id, &blob.name).await {
                // It never held anything, and never will delete.
                Err(error) if error.kind == StoreErrorKind::Unsupported => {
                    tracing::warn!(blob = %blob.id, %error, "the row of a blob in a read-only store was deleted");
                    Ok(())
                }
                Err(error) => {
                    let reason = error.to_string();
                    away = (error.kind == StoreErrorKind::Unavailable).then(|| reason.clone());
                    Err(reason)
                }
                Ok(()) => Ok(()),
            },
            (None, None) => Err(format!("store {:?} is not configured on this node", blob.store)),
        };
        record(app, blob, result).await?;
    }
    Ok(())
}

/// Writes down what became of a deletion.
async fn record(app: &App, blob: Blob, result: Result<(), String>) -> DbResult<()> {
    match result {
        Ok(()) => app.db.write("blob.remove", move |conn| db::blobs::remove(conn, &blob.id)).await,
        Err(reason) => {
            let wait = 1_i64 << (blob.attempts / TRIES_OF_ONE_WAIT).clamp(0, 20);
            let again_at = app.db.clock.now().plus_seconds(wait.min(BACK_OFF_SECONDS_MAX));
            tracing::warn!(blob = %blob.id, store = %blob.store, reason, "a blob could not be deleted yet");
            app.db
                .write("blob.postpone", move |conn| db::blobs::postpone(conn, &blob.id, again_at, &reason))
                .await
        }
    }
}

//! Background work: leases are renewed, remains are cleaned up.
//!
//! Above the domain, beside `api`; the domain never calls it but only leaves rows for it.

mod cache;
mod downloads;
pub mod engine;
mod lifecycle;
mod lost;
pub mod notices;
pub mod reap;
mod scrub;
mod storages;
pub mod webhooks;

use std::sync::Arc;

use tokio::{sync::watch, task::JoinHandle, time::MissedTickBehavior};

use crate::{app::App, db, model::node::Node, telemetry};

/// For how long, in seconds, the row of a node that died without a word is kept.
const FORGOTTEN_SECONDS: i64 = 24 * 3600;

/// The background tasks of one process.
pub struct Jobs {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    watcher: JoinHandle<()>,
}

impl Jobs {
    /// Starts renewing leases, reaping and running jobs, and watching the policy files. `here` is this node.
    pub fn start(app: &Arc<App>, here: Node) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (no_sweep, no_fetch) = (stopped.clone(), stopped.clone());
        let mut tasks = vec![
            telemetry::spawn(renew_leases(Arc::clone(app), here, stopped.clone())),
            telemetry::spawn(lost::run(Arc::clone(app), stopped.clone())),
            telemetry::spawn(reap::run(Arc::clone(app), stopped.clone())),
            telemetry::spawn(reap::clean_staging(Arc::clone(app), stopped.clone())),
            telemetry::spawn(reap::prune_events(Arc::clone(app), stopped.clone())),
            telemetry::spawn(Arc::clone(&app.hub).run(stopped.clone())),
            telemetry::spawn(webhooks::run(Arc::clone(app), stopped.clone())),
            telemetry::spawn(notices::publish(Arc::clone(app), stopped.clone())),
            telemetry::spawn(notices::audit(Arc::clone(app), stopped.clone())),
            telemetry::spawn(notices::note_downloads(Arc::clone(app), stopped.clone())),
            telemetry::spawn(notices::bound(Arc::clone(app), stopped.clone())),
            telemetry::spawn(webhooks::renew_seals(Arc::clone(app), stopped.clone())),
            telemetry::spawn(reap::delete_stale_images(Arc::clone(app), stopped.clone())),
            telemetry::spawn(downloads::run(Arc::clone(app), stopped.clone())),
            telemetry::spawn(lifecycle::run(Arc::clone(app), stopped.clone())),
            telemetry::spawn(reap::settle_quarantine(Arc::clone(app), stopped.clone())),
            telemetry::spawn(storages::run(Arc::clone(app), stopped.clone())),
            telemetry::spawn(scrub::run(Arc::clone(app), stopped.clone())),
            telemetry::spawn(engine::run(Arc::clone(app), stopped)),
        ];
        if let Some(cache) = app.cache() {
            tasks.push(telemetry::spawn(cache::sweep(Arc::clone(cache), no_sweep)));
            tasks.push(telemetry::spawn(cache::fetch(app.images.clone(), Arc::clone(cache), no_fetch)));
        }
        let watcher = telemetry::spawn(Arc::clone(&app.policy).watch());
        Self { stop, tasks, watcher }
    }

    /// Stops after the step under way.
    pub async fn stop(self) {
        self.watcher.abort();
        if self.stop.send(true).is_err() {
            tracing::debug!("the background tasks ended before");
        }
        for task in self.tasks {
            if let Err(fault) = task.await {
                tracing::error!(%fault, "a background task failed");
            }
        }
    }
}

async fn renew_leases(app: Arc<App>, here: Node, mut stopped: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(app.leases().beat());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            _ = ticks.tick() => {}
        }
        let (here, now, until) = (here.clone(), app.db.clock.now(), app.leases().end());
        let holders = app.leases().holders();
        let renewed = app.db.write("node.renew_leases", move |conn| {
            db::nodes::renew(conn, &here, now, until)?;
            db::nodes::forget(conn, now.plus_seconds(-FORGOTTEN_SECONDS))?;
            db::blobs::set_leases(conn, &holders, until)
        });
        let renewed = renewed.await;
        if let Err(error) = renewed {
            tracing::error!(%error, "leases could not be renewed");
        }
    }
}

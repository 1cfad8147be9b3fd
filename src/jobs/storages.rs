//! Takes up storages and rules of placement that other nodes have changed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{app::App, storage::refresh};

/// How often it is looked whether anything has changed.
const PERIOD: Duration = Duration::from_secs(1);
/// How often secrets are encrypted again whose keys are old.
const SEALS_PERIOD: Duration = Duration::from_secs(3600);

/// Takes changes up until told to stop.
pub async fn run(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    let mut renewed: Option<Instant> = None;
    loop {
        match refresh::refresh(&app.storages).await {
            Ok(false) => {}
            Ok(true) => tracing::info!("storages or placement rules have changed"),
            Err(error) => tracing::warn!(%error, "it is not known whether storages have changed"),
        }
        if renewed.is_none_or(|then| then.elapsed() >= SEALS_PERIOD) {
            renewed = Some(Instant::now());
            if let Err(error) = refresh::renew_seals(&app.storages).await {
                tracing::warn!(%error, "secrets of storages could not be encrypted again; it will be retried");
            }
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

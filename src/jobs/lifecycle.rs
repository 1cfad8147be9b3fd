//! Does with images what their dates and the rules of their projects say, every minute.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{app::App, image::lifecycle};

/// How often dates are looked at.
const PERIOD: Duration = Duration::from_secs(60);

/// Does what is due until told to stop.
pub async fn run(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        match lifecycle::act(&app.images).await {
            Ok(0) => {}
            Ok(acts) => tracing::info!(acts, "dates of images have come"),
            Err(error) => tracing::warn!(%error, "what is due by dates of images could not be done"),
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

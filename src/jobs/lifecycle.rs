//! Applies the dates of images and the retention rules of projects, every minute.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    app::App,
    image::{bin, lifecycle, retention},
};

/// How often dates are looked at.
const PERIOD: Duration = Duration::from_secs(60);

/// Applies due dates and rules until told to stop.
pub async fn run(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        match lifecycle::act(&app.images).await {
            Ok(0) => {}
            Ok(acts) => tracing::info!(acts, "dates of images have come"),
            Err(error) => tracing::warn!(%error, "what is due by dates of images could not be done"),
        }
        match retention::run_due(&app.images).await {
            Ok(0) => {}
            Ok(images) => tracing::info!(images, "images that no rule keeps were retired or deleted"),
            Err(error) => {
                tracing::warn!(%error, "the rules of projects about their images could not be applied")
            }
        }
        match bin::expire(&app.images).await {
            Ok(0) => {}
            Ok(images) => tracing::info!(images, "images in the bin are gone for good"),
            Err(error) => tracing::warn!(%error, "the bin could not be emptied"),
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

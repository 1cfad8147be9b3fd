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
            Ok(acts) => tracing::info!(acts, "due dates of images were applied"),
            Err(error) => tracing::warn!(%error, "due dates of images could not be applied"),
        }
        match retention::run_due(&app.images).await {
            Ok(0) => {}
            Ok(images) => tracing::info!(images, "images were retired or deleted by retention rules"),
            Err(error) => {
                tracing::warn!(%error, "the retention rules could not be applied")
            }
        }
        match bin::expire(&app.images).await {
            Ok(0) => {}
            Ok(images) => tracing::info!(images, "expired images in the trash were deleted"),
            Err(error) => tracing::warn!(%error, "the trash could not be emptied"),
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
    }
}

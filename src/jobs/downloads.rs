//! Writes down when images were last downloaded from this node.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::app::App;

/// How often. A node that is killed loses what came since.
const PERIOD: Duration = Duration::from_secs(3600);

/// Writes the times down until told to stop, and then once more.
pub async fn run(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        let is_over = tokio::select! {
            _ = stopped.changed() => true,
            () = tokio::time::sleep(PERIOD) => false,
        };
        if let Err(error) = app.images.downloads.write(&app.db).await {
            tracing::warn!(%error, "the last downloads of images could not be written down");
        }
        if is_over {
            return;
        }
    }
}

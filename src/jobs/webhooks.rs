//! Sends events to webhooks.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    app::App,
    db::DbResult,
    notify::{deliver, webhooks},
};

/// How often events are looked for.
const PERIOD: Duration = Duration::from_secs(1);
/// How often secrets are sealed again whose keys are old.
const SEALS_PERIOD: Duration = Duration::from_secs(3600);

/// Sends until told to stop.
pub async fn run(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        let more = match turn(&app).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(%error, "events could not be sent to webhooks; it will be tried again");
                false
            }
        };
        let pause = if more { Duration::ZERO } else { PERIOD };
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Queues new events and sends due ones. Returns whether there may be more.
///
/// # Errors
/// The database's.
pub async fn turn(app: &App) -> DbResult<bool> {
    let more = webhooks::put_in_line(&app.webhooks).await?;
    Ok(deliver::send_due(&app.webhooks).await? || more)
}

/// Re-encrypts secrets before their keys expire, until told to stop.
pub async fn renew_seals(app: Arc<App>, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(error) = webhooks::renew_seals(&app.webhooks).await {
            tracing::warn!(%error, "secrets of webhooks could not be encrypted again; it will be retried");
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(SEALS_PERIOD) => {}
        }
    }
}

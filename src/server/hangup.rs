//! SIGHUP: reads again what can change while the server runs, and says of everything else that has changed that it
//! cannot.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    error::{StartError, failed},
    options::Reread,
    supervisor::{SERVING, Supervisor, Word},
};
use crate::{api::Tls, policy::Enforcer, telemetry};

/// The options whose changes take effect at once.
const LIVE: [(&str, &str); 2] = [("DEFAULT", "debug"), ("DEFAULT", "default_log_levels")];

/// What SIGHUP reads again.
pub struct Hangup {
    /// The certificate of the API.
    pub tls: Option<Arc<Tls>>,
    /// The policy files.
    pub policy: Arc<Enforcer>,
    /// The configuration.
    pub reread: Option<Reread>,
    /// Who waits for the end of it.
    pub supervisor: Supervisor,
}

impl Hangup {
    /// Obeys the signal from now on, without end.
    ///
    /// # Errors
    /// [`StartError`] when the signal cannot be received.
    pub fn obey(self) -> Result<impl Future<Output = ()> + use<>, StartError> {
        let mut signals =
            signal(SignalKind::hangup()).map_err(|e| failed("signals cannot be received", e))?;
        let this = Arc::new(self);
        Ok(async move {
            if this.reread.as_ref().is_some_and(|reread| reread.pending.swap(false, SeqCst)) {
                Arc::clone(&this).reload().await;
            }
            while signals.recv().await.is_some() {
                // Each signal is also noted there: one that came as this began is obeyed once.
                if this.reread.as_ref().is_none_or(|reread| reread.pending.swap(false, SeqCst)) {
                    Arc::clone(&this).reload().await;
                }
            }
        })
    }

    async fn reload(self: Arc<Self>) {
        self.supervisor.tell(Word::Reloading);
        let here = Arc::clone(&self);
        if let Err(fault) = telemetry::blocking(move || here.read()).await {
            tracing::error!(%fault, "SIGHUP could not be obeyed");
        }
        self.supervisor.tell(Word::Ready(SERVING));
    }

    /// Reads all of it, and says what came of it. Blocking.
    fn read(&self) {
        tracing::info!("SIGHUP: reading certificates, policy files and the configuration again");
        if let Err(error) = telemetry::log::reopen() {
            tracing::error!("{error}");
        }
        if let Some(Err(why)) = self.tls.as_ref().map(|tls| tls.reload()) {
            tracing::error!("{why}; the certificate that was there before is shown on");
        }
        match self.policy.reload_if_changed() {
            Ok(true) => tracing::info!("the policy files have changed, and count from now on"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the policy stays as it is"),
        }
        if let Some(reread) = &self.reread {
            configure(reread);
        }
        tracing::info!("SIGHUP: done");
    }
}

/// Has the options that can change take effect, and says which cannot.
fn configure(Reread { started, again, .. }: &Reread) {
    let (loaded, config) = match again() {
        Ok(read) => read,
        Err(error) => {
            tracing::error!("{error}");
            tracing::error!("all options stay as they are");
            return;
        }
    };
    for (section, option) in started.differing(&loaded) {
        if !LIVE.contains(&(section.as_str(), option)) {
            tracing::warn!(
                "[{section}] {option} has changed; that takes effect when the server is started again"
            );
        }
    }
    match telemetry::log::set_levels(&config.log) {
        Ok(true) => tracing::info!("the levels of the log have changed"),
        Ok(false) => {}
        Err(error) => tracing::error!("the levels of the log stay as they are: {error}"),
    }
}

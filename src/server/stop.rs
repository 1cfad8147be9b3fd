//! How a server stops: it announces this and continues for a while, so that balancers use other nodes; then it
//! accepts no new connections and finishes running requests. A second signal ends it at once.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::{StartError, failed};
use crate::api::{Listener, health::Health};

/// A balancer that checks asks more often than this.
const RECENT: Duration = Duration::from_secs(60);
/// For how long connections that have begun may still come in when no new ones begin: longer than a packet is on its way
/// from a balancer.
const LINGER: Duration = Duration::from_millis(250);

/// How soon a server is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    /// When what is under way is finished.
    Graceful,
    /// Now.
    AtOnce,
}

/// The signals that end the process. Linux keeps those that come while nobody waits.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn next(&mut self) -> Word {
        tokio::select! {
            _ = self.terminate.recv() => Word::Graceful,
            _ = self.interrupt.recv() => Word::AtOnce,
            _ = self.quit.recv() => Word::AtOnce,
        }
    }
}

/// What stops a server.
pub struct Stopper<F> {
    signals: Option<Signals>,
    asked: Option<F>,
}

impl<F: Future<Output = ()>> Stopper<F> {
    /// The signals of the process, if `signals`; and the completion of `asked`.
    ///
    /// # Errors
    /// [`StartError`] when signals cannot be received.
    pub fn new(signals: bool, asked: F) -> Result<Self, StartError> {
        let signals = signals.then(Signals::new).transpose();
        Ok(Self {
            signals: signals.map_err(|e| failed("signals cannot be received", e))?,
            asked: Some(asked),
        })
    }

    /// Stops the server on request, announcing it through `tell` first. Completes when nothing is left to wait for, and
    /// never if the server ends by itself.
    pub async fn stop(
        &mut self,
        (health, tell): (&Health, impl FnOnce()),
        seconds: u64,
        listeners: Vec<Listener>,
        server: ServerHandle,
    ) {
        let asked = self.asked.take();
        let asked = async {
            match asked {
                Some(asked) => asked.await,
                None => std::future::pending().await,
            }
        };
        let word = tokio::select! {
            word = next(&mut self.signals) => word,
            () = asked => Word::Graceful,
        };
        if word == Word::AtOnce {
            return;
        }
        tell();
        let stopped = async {
            drain(health, seconds, listeners).await;
            server.stop(true).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = self.again() => {}
            () = stopped => {}
        }
    }

    /// Waits for another signal.
    pub async fn again(&mut self) {
        next(&mut self.signals).await;
        tracing::warn!("a second signal to stop; running requests are cut off");
    }
}

async fn next(signals: &mut Option<Signals>) -> Word {
    match signals {
        Some(signals) => signals.next().await,
        None => std::future::pending().await,
    }
}

/// Goes on until balancers have taken note, then lets nobody connect any more. No connection is lost: those that have begun
/// are still accepted. The sockets are closed here as far as they are ours, so that whoever comes later is refused.
async fn drain(health: &Health, seconds: u64, listeners: Vec<Listener>) {
    health.drain();
    if seconds == 0 {
        return;
    }
    if health.was_asked_within(RECENT) {
        tracing::info!(seconds, "draining: /healthcheck says so; another signal ends the server at once");
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
    for listener in &listeners {
        if let Err(error) = listener.deafen() {
            tracing::warn!(%error, "connections that begin while the server stops may be lost");
        }
    }
    tokio::time::sleep(LINGER).await;
}

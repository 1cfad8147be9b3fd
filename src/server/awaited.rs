//! Retries a database that is not available yet (`[database] max_retries` and `retry_interval`); meanwhile the server
//! answers that it waits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{dev::ServerHandle, http::KeepAlive, web::Data};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag::register_conditional_shutdown,
};
use tokio::sync::oneshot;

use super::{
    error::{StartError, failed},
    supervisor::{Supervisor, Word},
};
use crate::{
    api::{self, health::Health},
    db::{self, Db, SchemaError},
    telemetry::{self, crew::Crew},
};

/// For how long one attempt is waited for.
const LOOK: Duration = Duration::from_secs(10);
/// Attempts that hang, and are waited for no more, at most.
const HANGING: usize = 16;
/// Between two attempts at least.
const PAUSE: Duration = Duration::from_millis(100);
/// How long requests that are being answered have when the start fails.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Where a server answers.
pub struct Place {
    listeners: std::io::Result<Vec<api::Listener>>,
    bounds: api::Bounds,
    patience: Duration,
    proxies: Arc<[ipnet::IpNet]>,
    proxy_protocol: bool,
    health: Health,
}

/// A server that says to everybody that the database is not there. It has a runtime of its own, so that it can finish
/// what it has begun while the next server works already.
struct Answering {
    handle: ServerHandle,
    /// Tells it to hand over.
    over: oneshot::Sender<()>,
    starting: Starting,
}

impl Answering {
    /// Takes no more connections: those that come now wait for whoever listens next. What was taken is answered, without
    /// being waited for.
    fn hand_over(self) -> Starting {
        if self.over.send(()).is_err() {
            tracing::warn!("the server that waited for the database had ended before");
        }
        self.starting
    }

    /// Ends it. What is being answered has a moment.
    async fn end(self) {
        if tokio::time::timeout(SHUTDOWN, self.handle.stop(true)).await.is_err() {
            tracing::debug!("requests are cut off");
        }
    }
}

/// While this exists, a termination signal ends the process at once, because no work has started.
pub struct Starting(Arc<AtomicBool>);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

impl Place {
    /// Answers on listeners, within the bounds of the server.
    pub fn of(listeners: &[api::Listener], bounds: api::Bounds, settings: &api::Settings) -> Self {
        Self {
            listeners: listeners.iter().map(api::Listener::try_clone).collect(),
            bounds,
            patience: settings.request_patience,
            proxies: settings.trusted_proxies.clone().into(),
            proxy_protocol: settings.proxy_protocol,
            health: Health::new(settings.health.clone()),
        }
    }

    /// Says to everybody, until it is told to hand over, that the database is not there.
    async fn answer(self) -> Result<Answering, StartError> {
        let cannot = |e: std::io::Error| failed("cannot listen", e);
        let flag = Arc::new(AtomicBool::new(true));
        for signal in [SIGTERM, SIGINT] {
            register_conditional_shutdown(signal, 0, Arc::clone(&flag)).map_err(cannot)?;
        }
        let listening = api::Listening {
            gate: api::Gate::new(self.bounds),
            keep_alive: KeepAlive::Disabled,
            head_patience: self.patience,
            data_patience: Some(self.patience),
            gzip: false,
            proxies: self.proxies,
            proxy_protocol: self.proxy_protocol,
        };
        let (bounds, health, patience) = (self.bounds, Data::new(self.health), self.patience);
        let listeners = self.listeners.map_err(cannot)?;
        let builder = move || {
            let builder = actix_web::dev::Server::build()
                .workers(1)
                .shutdown_timeout(patience.as_secs().saturating_mul(2))
                .max_concurrent_connections(super::limits::of_worker(bounds, 1))
                .disable_signals();
            listeners.into_iter().try_fold(builder, |builder, listener| {
                api::listen_without_database(builder, listener, listening.clone(), health.clone())
            })
        };
        let (over, told_over) = oneshot::channel();
        let (told, begun) = oneshot::channel();
        Crew::new("waiting", 1, patience).later(move || {
            actix_web::rt::System::new().block_on(async move {
                let http = match builder() {
                    Ok(builder) => builder.run(),
                    Err(error) => return drop(told.send(Err(error))),
                };
                let handle = http.handle();
                drop(told.send(Ok(handle.clone())));
                let ended = tokio::join!(http, hand_over(told_over, handle, patience)).0;
                if let Err(error) = ended {
                    tracing::error!(%error, "the server that waits for the database failed");
                }
            });
        });
        let begun = begun.await.map_err(|_| failed("cannot listen", "there is no thread for it"))?;
        let handle = begun.map_err(cannot)?;
        // It answers; a manager that waited for more would have whoever installs or boots it wait for the database.
        Supervisor::of_process().tell(Word::Ready("Waiting for the database"));
        Ok(Answering { handle, over, starting: Starting(flag) })
    }
}

/// Ends a server when it is told to hand over. What it took before it heard of that has not told yet perhaps what it wants:
/// it is listened to for as long as requests may take, and nothing is cut off.
async fn hand_over(told: oneshot::Receiver<()>, handle: ServerHandle, patience: Duration) {
    if told.await.is_ok() {
        handle.pause().await;
        tokio::time::sleep(patience).await;
        handle.stop(true).await;
    }
}

/// Connects to the database, retrying as configured, and runs `check` on it. Given a listener, requests are answered
/// meanwhile; without one, standard error says what is waited for. Blocking.
///
/// # Errors
/// [`StartError`] when it cannot be reached, or `check` does not like it.
pub fn open(
    settings: &db::Settings,
    place: Option<Place>,
    check: impl Fn(&Db) -> Result<Result<(), StartError>, SchemaError> + Clone + Send + 'static,
) -> Result<(Db, Option<Starting>), StartError> {
    let db = Db::new(settings).map_err(StartError)?;
    let system = actix_web::rt::System::new();
    let hanging = Arc::new(());
    let looked = {
        let (db, hanging) = (db.clone(), Arc::clone(&hanging));
        let supervisor = place.as_ref().map_or_else(Supervisor::default, |_| Supervisor::of_process());
        let attended = attend(settings, place, move || {
            let (db, check, hangs) = (db.clone(), check.clone(), Arc::clone(&hanging));
            async move {
                if Arc::strong_count(&hangs) > HANGING {
                    return Err("it does not answer".to_owned());
                }
                let look = telemetry::blocking(move || {
                    let _hangs = hangs;
                    db.ask().and_then(|()| check(&db).map_err(|e| e.to_string()))
                });
                match tokio::time::timeout(LOOK, look).await {
                    Ok(Ok(looked)) => looked,
                    Ok(Err(fault)) => Err(fault.to_string()),
                    Err(_) => Err("it does not answer".to_owned()),
                }
            }
        });
        system.block_on(async {
            tokio::select! {
                looked = attended => looked,
                never = supervisor.keep_telling() => match never {},
            }
        })
    };
    if Arc::strong_count(&hanging) > 1 {
        // The end of a runtime waits for its threads, and those that hang on the database never come.
        std::mem::forget(system);
    }
    Ok((db, looked?))
}

/// Looks until there is an answer or no attempt left.
async fn attend<L>(
    settings: &db::Settings,
    mut place: Option<Place>,
    look: impl Fn() -> L,
) -> Result<Option<Starting>, StartError>
where
    L: Future<Output = Result<Result<(), StartError>, String>>,
{
    let is_server = place.is_some();
    let pause = Duration::from_secs(settings.start.interval_seconds).max(PAUSE);
    let mut answering = None;
    let mut attempt = 1_u32;
    let answer = loop {
        let mut looking = std::pin::pin!(look());
        let looked = match tokio::time::timeout(settings.limits.wait(), &mut looking).await {
            Ok(looked) => looked,
            Err(_) => {
                if let Some(place) = place.take() {
                    tracing::warn!(
                        "the database does not answer yet; requests are answered with 503 until it does"
                    );
                    answering = Some(place.answer().await?);
                }
                looking.await
            }
        };
        let why = match looked {
            Ok(answer) => break answer,
            Err(why) => settings.cannot_be_opened(why),
        };
        if settings.start.attempts.is_some_and(|most| attempt >= most) {
            break Err(StartError(why));
        }
        let left = settings.start.attempts.map_or("without end".to_owned(), |most| format!("of {most}"));
        if is_server {
            tracing::warn!(
                "{why}; requests are answered with 503 until it is there (attempt {attempt} {left}, the next in {pause:?})"
            );
        } else {
            eprintln!("vitrine: {why} (attempt {attempt} {left}, the next in {pause:?})");
        }
        if let Some(place) = place.take() {
            answering = Some(place.answer().await?);
        }
        tokio::time::sleep(pause).await;
        attempt = attempt.saturating_add(1);
    };
    let Some(answering) = answering else { return answer.map(|()| None) };
    if let Err(error) = answer {
        answering.end().await;
        return Err(error);
    }
    tracing::info!("the database is there");
    Ok(Some(answering.hand_over()))
}

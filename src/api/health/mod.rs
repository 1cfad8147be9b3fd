//! `/healthcheck`: for load balancers; no token needed (`oslo_middleware/healthcheck`).

mod answer;
mod checks;
pub mod route;

use std::{
    fs,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::{HttpRequest, HttpResponse};
use futures::future::join_all;
use ipnet::IpNet;
use tokio::sync::Semaphore;

pub use checks::{Check, Outcome};

use crate::{
    store::{NamedStore, Stores, health::Report},
    telemetry,
};
use answer::Details;

/// How long the files are looked for.
const LOOK: Duration = Duration::from_millis(500);
/// The headers by which a request shows that a proxy has passed it on.
const OF_PROXIES: [&str; 5] =
    ["x-forwarded", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-for", "x-forwarded-prefix"];

/// `[healthcheck]`
#[derive(Clone, Debug)]
pub struct Settings {
    /// `backends`, with what belongs to each
    pub checks: Vec<Check>,
    /// `detailed`
    pub detailed: bool,
    /// `allowed_source_ranges`: others get 404; empty allows everybody.
    pub allowed_sources: Vec<IpNet>,
    /// `ignore_proxied_requests`
    pub ignore_proxied: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let file = "/etc/glance/healthcheck_disable".into();
        Self {
            checks: vec![Check::DisableByFile(Some(file))],
            detailed: false,
            allowed_sources: Vec::new(),
            ignore_proxied: false,
        }
    }
}

/// The health of a server as reported to balancers.
#[derive(Debug)]
pub struct Health {
    settings: Settings,
    platform: String,
    /// One look at a time: a file system that hangs shall not take a thread for each question.
    seat: Arc<Semaphore>,
    asked: Mutex<Option<Instant>>,
    draining: AtomicBool,
}

impl Health {
    /// Creates it. Blocking.
    pub fn new(settings: Settings) -> Self {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            settings,
            platform: format!("Linux-{}-{}", release.trim(), std::env::consts::ARCH),
            seat: Arc::new(Semaphore::new(1)),
            asked: Mutex::default(),
            draining: AtomicBool::new(false),
        }
    }

    /// From now on the answer is that no new requests should come.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether the server is about to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Whether it was requested within the given time.
    pub fn was_asked_within(&self, time: Duration) -> bool {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.is_some_and(|then| then.elapsed() <= time)
    }

    fn note(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    async fn looked(&self, port: u16) -> Vec<Outcome> {
        let checks = self.settings.checks.clone();
        let look = async {
            let seat = Arc::clone(&self.seat).acquire_owned().await.ok()?;
            let look = telemetry::blocking(move || {
                let outcomes = checks.iter().map(|check| check.look(port)).collect();
                drop(seat);
                outcomes
            });
            look.await.ok()
        };
        let looked = tokio::time::timeout(LOOK, look).await.ok().flatten();
        looked.unwrap_or_else(|| self.settings.checks.iter().map(Check::unseen).collect())
    }

    /// What there is to say; what is well is left out beside what the server itself lacks.
    async fn outcomes(&self, port: u16, has_database: bool) -> Vec<Outcome> {
        let mut outcomes = self.looked(port).await;
        let mut own = Vec::new();
        if self.is_draining() {
            own.push(Outcome::bad("DRAINING", "The server finishes what is under way, and stops"));
        }
        if !has_database {
            own.push(Outcome::bad("DATABASE UNAVAILABLE", "The database does not answer"));
        }
        if !own.is_empty() {
            outcomes.retain(|outcome| !outcome.available);
            outcomes.append(&mut own);
        }
        outcomes
    }

    /// The answer to a question that came to `port`; `None` where it is none of this service's business. Details tell of
    /// the stores, if there are any yet; whether the node may be used does not depend on them, since all nodes have them.
    async fn answer(
        &self,
        request: &HttpRequest,
        port: u16,
        has_database: bool,
        stores: Option<&Stores>,
    ) -> Option<HttpResponse> {
        if self.ignores(request) {
            return None;
        }
        self.note();
        let outcomes = self.outcomes(port, has_database).await;
        let details = match self.settings.detailed {
            true => Some(Details { platform: &self.platform, stores: told(stores).await }),
            false => None,
        };
        Some(answer::of(request, &outcomes, details.as_ref()))
    }

    /// Whether a request is none of this service's business.
    fn ignores(&self, request: &HttpRequest) -> bool {
        let is_allowed = |address: IpAddr| {
            self.settings.allowed_sources.iter().any(|range| range.contains(&address.to_canonical()))
        };
        let source = request.peer_addr().map(|peer| peer.ip());
        let is_foreign = !self.settings.allowed_sources.is_empty() && !source.is_some_and(is_allowed);
        let is_passed_on =
            || OF_PROXIES.iter().any(|name| request.headers().get(*name).is_some_and(|v| !v.is_empty()));
        is_foreign || (self.settings.ignore_proxied && is_passed_on())
    }
}

/// How each store is.
async fn told(stores: Option<&Stores>) -> Vec<(NamedStore, Report)> {
    let named: Vec<_> = stores.map(|stores| stores.iter().collect()).unwrap_or_default();
    let reports = join_all(named.iter().map(NamedStore::report)).await;
    named.into_iter().zip(reports).collect()
}

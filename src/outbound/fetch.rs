//! Fetches from addresses that callers name: every redirect is filtered, resolved once, and connected to exactly the
//! address that was checked. A source that stalls, is too slow or lies about its size is cut off.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use reqwest::{
    Method, StatusCode, Url,
    header::{CONTENT_ENCODING, LOCATION},
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    client::{Answer, Client, Proxies, Settings},
    filter::{self, Checked, Filter, Refusal},
    guard::{Guard, Resolve, System},
};
use crate::telemetry;

/// Redirects followed at most.
const REDIRECTS_MAX: usize = 10;

/// Time limits for a source.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To accept a connection.
    pub connect: Duration,
    /// To begin its answer.
    pub first_byte: Duration,
    /// To send the next [`Patience::pace_bytes`].
    pub idle: Duration,
    /// Bytes that must come within [`Patience::idle`], unless the data ends.
    pub pace_bytes: u64,
    /// For everything.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            pace_bytes: 64 * 1024,
            total: Duration::from_secs(24 * 3600),
        }
    }
}

/// Why data could not be fetched, in words for the user: they name no address and no path behind the source.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The URI, or one that it leads to, may not be fetched from.
    #[error("The source was refused: {0}.")]
    Refused(#[from] Refusal),
    /// A redirect leads from https to http.
    #[error("The source was refused: it leads from https to http.")]
    Downgrade,
    /// Redirects without end or without a target.
    #[error("The source was refused: it redirects too often or to nowhere.")]
    Redirects,
    /// An answer other than success.
    #[error("The source answered {0}; {advice}.", advice = advice(*.0))]
    Status(u16),
    /// The data would arrive encoded, although nobody asked for that.
    #[error("The source sends its data in an encoding that was not asked for.")]
    Encoded,
    /// No connection, or it broke.
    #[error("The source could not be read: {0}.")]
    Broken(&'static str),
    /// Too slow.
    #[error("The source was cut: {0}.")]
    Slow(&'static str),
}

/// What to do about an answer.
fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "it wants to know who asks, or gives its data to others only",
        404 | 410 => "check the URI",
        429 | 500.. => "try again later, or ask its operator",
        _ => "check what it serves there",
    }
}

/// Fetches under the operator's rules. Clones share its connections.
#[derive(Clone)]
pub struct Fetcher {
    guard: Guard,
    patience: Patience,
    settings: Settings,
    client: Arc<OnceLock<Client>>,
}

/// Data that is arriving.
pub struct Body {
    answer: Answer,
    /// Bytes that the source promises.
    pub length: Option<u64>,
    patience: Patience,
    deadline: Instant,
    /// Spent waiting for the source since [`Patience::pace_bytes`] last came; our own slowness does not count.
    waited: Duration,
    window_bytes: u64,
    received: u64,
}

impl Fetcher {
    /// A fetcher for imports, which resolves names with the operating system. It uses no proxy, which would resolve
    /// names again, and keeps no connection.
    pub fn new(filter: Filter, patience: Patience) -> Self {
        let settings = Settings {
            proxies: Proxies::Nothing,
            idle_connections: Some(0),
            connect: patience.connect,
            ..Settings::new("import")
        };
        Self::with_settings(filter, patience, settings)
    }

    /// A fetcher whose client has these settings, and follows no redirect by itself. URLs that go through a configured
    /// proxy are checked first; the proxy then connects.
    pub fn with_settings(filter: Filter, patience: Patience, settings: Settings) -> Self {
        let guard = Guard {
            filter,
            resolver: Arc::new(System),
            patience: patience.connect,
            proxies: settings.proxies.hosts(),
        };
        Self { guard, patience, settings: Settings { redirects: 0, ..settings }, client: Arc::default() }
    }

    /// The same with another resolver.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.guard.resolver = resolver;
        Self { client: Arc::default(), ..self }
    }

    /// The client, created on first use, because loading the system's certificates takes time.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn client(&self) -> Result<&Client, String> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::new(&Settings { guard: Some(self.guard.clone()), ..self.settings.clone() })?;
        Ok(self.client.get_or_init(|| client))
    }

    /// The same, made on a thread where that may take its time.
    async fn ready(&self) -> Result<&Client, String> {
        if self.client.get().is_none() {
            let fetcher = self.clone();
            let made = telemetry::blocking(move || fetcher.client().map(drop));
            made.await.map_err(|e| e.to_string())??;
        }
        self.client()
    }

    /// Whether a URI may be fetched from at the moment, without fetching.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub async fn check(&self, uri: &str) -> Result<(), Refusal> {
        self.guard.check(uri).await
    }

    /// Opens a source, following redirects. `headers` go to the first origin only.
    ///
    /// # Errors
    /// [`FetchError`]
    pub async fn open(&self, uri: &str, headers: &[(&'static str, String)]) -> Result<Body, FetchError> {
        let deadline = Instant::now() + self.patience.total;
        let mut target = uri.to_owned();
        let mut origin = None;
        for _ in 0..=REDIRECTS_MAX {
            let checked = filter::check(&self.guard.filter, &target)?;
            let first = origin.get_or_insert_with(|| checked.url.origin());
            let headers = if *first == checked.url.origin() { headers } else { &[] };
            let answer = self.send(Method::GET, &checked, headers, None).await?;
            match answer.status() {
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => target = next(&checked.url, &answer)?,
                status if status.is_success() => {
                    let plain = answer.headers().get(CONTENT_ENCODING).is_none_or(|v| v == "identity");
                    return if plain { Ok(self.body(answer, deadline)) } else { Err(FetchError::Encoded) };
                }
                status => return Err(FetchError::Status(status.as_u16())),
            }
        }
        Err(FetchError::Redirects)
    }

    /// The data of an answer, for as long as it keeps its pace.
    pub fn paced(&self, answer: Answer) -> Body {
        let deadline = Instant::now() + self.patience.total;
        self.body(answer, deadline)
    }

    fn body(&self, answer: Answer, deadline: Instant) -> Body {
        Body {
            length: answer.length(),
            answer,
            patience: self.patience,
            deadline,
            waited: Duration::ZERO,
            window_bytes: 0,
            received: 0,
        }
    }

    /// Asks at one URI, and follows no redirect.
    ///
    /// # Errors
    /// [`FetchError`]; an answer that is no success is none.
    pub async fn ask(
        &self,
        method: Method,
        uri: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Answer, FetchError> {
        self.send(method, &filter::check(&self.guard.filter, uri)?, headers, None).await
    }

    /// Sends a body to one URI, and follows no redirect.
    ///
    /// # Errors
    /// [`FetchError`], also for an answer that is no success.
    pub async fn post(
        &self,
        uri: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<(), FetchError> {
        let checked = filter::check(&self.guard.filter, uri)?;
        let answer = self.send(Method::POST, &checked, headers, Some(body)).await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(FetchError::Status(status.as_u16())),
        }
    }

    /// Asks one hop. The guard answers for the addresses of its name.
    async fn send(
        &self,
        method: Method,
        checked: &Checked,
        headers: &[(&'static str, String)],
        body: Option<String>,
    ) -> Result<Answer, FetchError> {
        self.guard.check_literal(checked)?;
        if self.settings.proxies != Proxies::Nothing {
            // A proxy asks for the name by itself.
            self.guard.check(checked.url.as_str()).await?;
        }
        let client = self.ready().await.map_err(|error| {
            tracing::error!(error, "no client to fetch with");
            FetchError::Broken("no client could be made; the log has the details")
        })?;
        let mut request = client.request(method, checked.url.clone());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        match timeout(self.patience.first_byte, client.send(request)).await {
            Err(_) => Err(FetchError::Slow("it did not begin to answer in time")),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if let Some(refusal) = error.cause::<Refusal>() {
                    return Err(FetchError::Refused(refusal.clone()));
                }
                tracing::info!(%error, "a source could not be reached");
                Err(FetchError::Broken("no connection, or no answer in HTTP; check its host and port"))
            }
        }
    }
}

/// Where a redirect leads.
fn next(from: &Url, answer: &Answer) -> Result<String, FetchError> {
    let place = answer.headers().get(LOCATION).and_then(|l| l.to_str().ok()).ok_or(FetchError::Redirects)?;
    let joined = from.join(place).map_err(|_| FetchError::Redirects)?;
    if from.scheme() == "https" && joined.scheme() == "http" {
        return Err(FetchError::Downgrade);
    }
    Ok(joined.to_string())
}

impl Body {
    /// The same, with a known length.
    pub fn expecting(self, bytes: u64) -> Self {
        Self { length: Some(bytes), ..self }
    }

    /// The next bytes, or `None` after the last.
    ///
    /// # Errors
    /// [`FetchError::Slow`] and [`FetchError::Broken`], the latter also when fewer bytes came than were promised.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let began = Instant::now();
        let until = (began + self.patience.idle.saturating_sub(self.waited)).min(self.deadline);
        let arrived = timeout_at(until, self.answer.chunk()).await;
        self.waited = self.waited.saturating_add(began.elapsed());
        let chunk = match arrived {
            Ok(Ok(chunk)) => chunk,
            Ok(Err(error)) => {
                tracing::info!(%error, received = self.received, "a source broke off");
                return Err(FetchError::Broken("the connection broke before all the data had come"));
            }
            Err(_) if Instant::now() >= self.deadline => {
                return Err(FetchError::Slow("it took longer than it may"));
            }
            Err(_) => return Err(FetchError::Slow("it stalls, or sends hardly anything")),
        };
        let Some(chunk) = chunk else {
            return match self.length {
                Some(length) if length != self.received => {
                    Err(FetchError::Broken("it sent another number of bytes than it promised"))
                }
                _ => Ok(None),
            };
        };
        let bytes = chunk.len() as u64;
        self.received = self.received.saturating_add(bytes);
        self.window_bytes = self.window_bytes.saturating_add(bytes);
        if self.window_bytes >= self.patience.pace_bytes {
            (self.window_bytes, self.waited) = (0, Duration::ZERO);
        }
        Ok(Some(chunk))
    }
}

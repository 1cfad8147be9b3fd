//! Fetches from other people's web servers, at addresses that callers name: every hop is filtered, resolved once, and connected to the
//! very address that was checked; a source that stalls, crawls or lies about its size is cut.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::{
    Method, StatusCode, Url,
    header::{CONTENT_ENCODING, LOCATION},
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    client::{Answer, Client, Proxies, Settings},
    filter::{self, Checked, Filter, Refusal},
};

/// Redirects followed at most.
const REDIRECTS_MAX: usize = 10;

/// How long a source may take.
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

/// Turns names into addresses.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Every address of a name; none when there is no such name.
    async fn resolve(&self, name: &str, port: u16) -> Vec<IpAddr>;
}

/// The resolver of the operating system.
#[derive(Debug)]
pub struct System;

#[async_trait]
impl Resolve for System {
    async fn resolve(&self, name: &str, port: u16) -> Vec<IpAddr> {
        match tokio::net::lookup_host((name, port)).await {
            Ok(found) => found.map(|address| address.ip()).collect(),
            Err(error) => {
                tracing::info!(name, %error, "a source's name was not resolved");
                Vec::new()
            }
        }
    }
}

/// Fetches under the operator's rules.
#[derive(Clone)]
pub struct Fetcher {
    filter: Filter,
    patience: Patience,
    resolver: Arc<dyn Resolve>,
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
    /// A fetcher that asks the operating system for addresses.
    pub fn new(filter: Filter, patience: Patience) -> Self {
        Self { filter, patience, resolver: Arc::new(System) }
    }

    /// The same with another resolver.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Whether a URI may be fetched from at the moment, without fetching.
    ///
    /// # Errors
    /// The [`Refusal`].
    pub async fn check(&self, uri: &str) -> Result<(), Refusal> {
        self.addresses(&filter::check(&self.filter, uri)?).await.map(drop)
    }

    /// The addresses of a source, all of them checked.
    async fn addresses(&self, checked: &Checked) -> Result<Vec<IpAddr>, Refusal> {
        let addresses = match (&checked.name, checked.address) {
            (_, Some(address)) => vec![address],
            (Some(name), None) => {
                let asked = self.resolver.resolve(name, checked.port);
                timeout(self.patience.connect, asked).await.unwrap_or_default()
            }
            (None, None) => Vec::new(),
        };
        filter::check_addresses(&self.filter, checked, &addresses)?;
        Ok(addresses)
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
            let checked = filter::check(&self.filter, &target)?;
            let addresses = self.addresses(&checked).await?;
            let first = origin.get_or_insert_with(|| checked.url.origin());
            let headers = if *first == checked.url.origin() { headers } else { &[] };
            let answer = self.send(&checked, &addresses, headers).await?;
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

    /// Asks one hop, at the addresses that were checked and no others. No proxy: it would resolve the name again.
    async fn send(
        &self,
        checked: &Checked,
        addresses: &[IpAddr],
        headers: &[(&'static str, String)],
    ) -> Result<Answer, FetchError> {
        let pinned = checked.name.as_ref().map(|name| {
            let at = addresses.iter().map(|address| SocketAddr::new(*address, checked.port));
            (name.clone(), at.collect())
        });
        let settings = Settings {
            connect: self.patience.connect,
            proxies: Proxies::Nothing,
            pinned,
            ..Settings::new("import")
        };
        let client = Client::new(&settings).map_err(|error| {
            tracing::error!(error, "no client for an import");
            FetchError::Broken("no client could be made; the log has the details")
        })?;
        let mut request = client.request(Method::GET, checked.url.clone());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        match timeout(self.patience.first_byte, client.send(request)).await {
            Err(_) => Err(FetchError::Slow("it did not begin to answer in time")),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
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
    /// The same, of which so many bytes are known to come.
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
                return Err(FetchError::Slow("it took longer than an import may take"));
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

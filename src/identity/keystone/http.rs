//! Requests to Keystone: one pool of connections, everything bounded, repeated when the connection fails.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use openssl::pkey::PKey;
use reqwest::header::HeaderMap;
use reqwest::{Certificate, Client, ClientBuilder, Request, StatusCode, redirect};
use tokio::sync::Semaphore;

use super::settings::{Settings, SettingsError};

/// Largest answer that is read. A catalog of a large cloud has some hundred KiB.
const BODY_BYTES_MAX: usize = 2 << 20;
/// Requests in flight at once: more wait, so that a slow Keystone costs neither of us memory.
const REQUESTS_MAX: usize = 32;
/// Wait for a connection when `http_connect_timeout` says nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Wait for one whole answer, whatever else is configured.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// First pause before a repetition; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// An HTTP client for one Keystone.
pub(super) struct Http {
    client: Client,
    retries_max: u32,
    pause: Duration,
    permits: Semaphore,
}

/// An answer of Keystone, read to its end.
pub(super) struct Answer {
    /// Its status; redirects are not followed, lest tokens travel to an address that nobody configured.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most [`BODY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
}

/// Why there is no answer, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// No connection, none in time, or it broke.
    #[error("{}", causes(.0))]
    Transport(#[from] reqwest::Error),
    /// The answer is longer than any of Keystone's.
    #[error("the answer is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    /// The client is shutting down.
    #[error("no more requests are made")]
    Closed,
}

impl Http {
    /// Reads the certificate files; connects to nothing.
    ///
    /// # Errors
    /// A file of `cafile`, `certfile` or `keyfile` cannot be read or is not what its option says.
    pub(super) fn new(settings: &Settings) -> Result<Http, SettingsError> {
        let wait = settings.http_connect_timeout;
        if wait.is_some_and(|wait| wait.is_zero()) {
            return Err(SettingsError::new("http_connect_timeout", "0 leaves no time to connect"));
        }
        let builder = Client::builder()
            .user_agent(concat!("vitrine/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(wait.unwrap_or(CONNECT_TIMEOUT))
            .read_timeout(wait.unwrap_or(ANSWER_TIMEOUT))
            .timeout(ANSWER_TIMEOUT)
            .pool_max_idle_per_host(REQUESTS_MAX);
        let builder = with_tls(builder, settings)?;
        let client = builder.build().map_err(|e| SettingsError::new("cafile", causes(&e)))?;
        Ok(Http {
            client,
            retries_max: settings.http_request_max_retries,
            pause: PAUSE,
            permits: Semaphore::new(REQUESTS_MAX),
        })
    }

    /// The client to build requests with; send them with [`Http::send`].
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    #[cfg(test)]
    pub(super) fn set_pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// Sends a request that may be repeated, until there is an answer of whatever status.
    ///
    /// # Errors
    /// The last [`HttpError`], after `http_request_max_retries` repetitions.
    pub(super) async fn send(&self, request: Request) -> Result<Answer, HttpError> {
        let mut pause = self.pause;
        for _ in 0..self.retries_max {
            let Some(again) = request.try_clone() else { break };
            match self.attempt(again).await {
                Err(HttpError::Transport(error)) if !error.is_builder() => {
                    tracing::warn!(error = causes(&error), "Keystone does not answer; trying again");
                }
                done => return done,
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(ANSWER_TIMEOUT);
        }
        self.attempt(request).await
    }

    async fn attempt(&self, request: Request) -> Result<Answer, HttpError> {
        let _permit = self.permits.acquire().await.map_err(|_| HttpError::Closed)?;
        let mut response = self.client.execute(request).await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(HttpError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), headers: response.headers().clone(), body })
    }
}

fn with_tls(mut builder: ClientBuilder, settings: &Settings) -> Result<ClientBuilder, SettingsError> {
    if settings.insecure {
        builder = builder.tls_danger_accept_invalid_certs(true).tls_danger_accept_invalid_hostnames(true);
    }
    if let Some(path) = &settings.cafile {
        let bad = |reason| SettingsError::new("cafile", format!("{}: {reason}", path.display()));
        let authorities =
            Certificate::from_pem_bundle(&read("cafile", path)?).map_err(|e| bad(causes(&e)))?;
        if authorities.is_empty() {
            return Err(bad("holds no certificate in PEM form".to_owned()));
        }
        builder = builder.tls_certs_only(authorities);
    }
    match (&settings.certfile, &settings.keyfile) {
        (None, None) => {}
        (None, Some(_)) => return Err(SettingsError::new("keyfile", "needs certfile beside it")),
        (Some(certificate), key) => {
            builder = builder.identity(our_certificate(certificate, key.as_deref())?);
        }
    }
    Ok(builder)
}

/// Reads our certificate and its key, which may be of any kind and in the same file.
fn our_certificate(certificate: &Path, key: Option<&Path>) -> Result<reqwest::Identity, SettingsError> {
    let chain = read("certfile", certificate)?;
    let (option, path) = key.map_or(("certfile", certificate), |key| ("keyfile", key));
    let bad = |reason: String| SettingsError::new(option, format!("{}: {reason}", path.display()));
    // The callback gives no password: without it OpenSSL would ask on the terminal.
    let key = PKey::private_key_from_pem_callback(&read(option, path)?, |_| Ok(0))
        .and_then(|key| key.private_key_to_pem_pkcs8())
        .map_err(|e| bad(format!("holds no private key that can be read without a password: {e}")))?;
    reqwest::Identity::from_pkcs8_pem(&chain, &key)
        .map_err(|e| SettingsError::new("certfile", format!("{}: {}", certificate.display(), causes(&e))))
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    fs::read(path).map_err(|e| SettingsError::new(option, format!("{}: {e}", path.display())))
}

/// An error with all its causes: reqwest says the least important one first.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

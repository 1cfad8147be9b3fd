//! Requests to Keystone: one connection pool, limits on everything, repeated when the connection fails.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::settings::{Settings, SettingsError};
use crate::outbound::{
    self, Authorities, Certificate, Client, OutboundError, Request, StatusCode, Tls, Unusable,
    header::HeaderMap,
};

/// Largest answer that is read. A catalog of a large cloud has some hundred KiB, a list of 10,000 projects 5 MiB.
const BODY_BYTES_MAX: usize = 8 << 20;
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
    /// Its status; redirects are not followed, so that tokens are not sent to an unconfigured address.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, at most [`BODY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
}

/// Why there is no response, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// No connection, none in time, or it broke.
    #[error(transparent)]
    Transport(#[from] OutboundError),
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
        let client = Client::new(&outbound::Settings {
            connect: wait.unwrap_or(CONNECT_TIMEOUT),
            read: Some(wait.unwrap_or(ANSWER_TIMEOUT)),
            total: Some(ANSWER_TIMEOUT),
            idle_connections: Some(REQUESTS_MAX),
            tls: tls(settings)?,
            traced: true,
            ..outbound::Settings::new("keystone")
        });
        let client = client.map_err(|reason| SettingsError::new("cafile", reason))?;
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
                Err(HttpError::Transport(error)) if !error.is_of_the_request() => {
                    tracing::warn!(%error, "Keystone does not answer; trying again");
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
        let mut answer = self.client.execute(request).await?;
        let body = answer.body(BODY_BYTES_MAX).await?.ok_or(HttpError::TooLong)?;
        Ok(Answer { status: answer.status(), headers: answer.headers().clone(), body })
    }
}

fn tls(settings: &Settings) -> Result<Tls, SettingsError> {
    let authorities = settings.cafile.as_ref().map(|path| {
        let bad = |reason| SettingsError::new("cafile", format!("{}: {reason}", path.display()));
        Authorities::from_pem(&read("cafile", path)?).map_err(bad)
    });
    let certificate = match (&settings.certfile, &settings.keyfile) {
        (None, None) => None,
        (None, Some(_)) => return Err(SettingsError::new("keyfile", "needs certfile beside it")),
        (Some(certificate), key) => Some(our_certificate(certificate, key.as_deref())?),
    };
    Ok(Tls { verify: !settings.insecure, authorities: authorities.transpose()?, certificate })
}

/// Reads our certificate and its key, which may be in the same file.
fn our_certificate(certificate: &Path, key: Option<&Path>) -> Result<Certificate, SettingsError> {
    let (option, path) = key.map_or(("certfile", certificate), |key| ("keyfile", key));
    let found = Certificate::from_pem(&read("certfile", certificate)?, &read(option, path)?);
    found.map_err(|unusable| match unusable {
        Unusable::Chain(reason) => {
            SettingsError::new("certfile", format!("{}: {reason}", certificate.display()))
        }
        Unusable::Key(reason) => SettingsError::new(option, format!("{}: {reason}", path.display())),
    })
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, SettingsError> {
    fs::read(path).map_err(|e| SettingsError::new(option, format!("{}: {e}", path.display())))
}

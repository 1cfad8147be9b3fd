//! An HTTP client with limits, metrics, spans, and headers that name the cause where they make sense.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use reqwest::{
    IntoUrl, Method, Request, RequestBuilder, Response, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};

use super::{causes::causes, guard::Guard, spans, tls::Tls};
use crate::telemetry::{self, metrics::OutboundMetrics, trace::Span};

/// The header by which services of one cloud tell each other which request is the cause.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// The proxies to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxies {
    /// Those of the environment (`http_proxy`, `https_proxy`, `no_proxy`).
    Environment,
    /// None, whatever the environment says.
    Nothing,
    /// These, each for a scheme, `http` or `https`; without any, those of the environment.
    Given(Vec<(String, String)>),
}

impl Proxies {
    /// The hosts of those that are given, as their URLs have them.
    pub(super) fn hosts(&self) -> Vec<String> {
        let Self::Given(proxies) = self else { return Vec::new() };
        let urls = proxies.iter().filter_map(|(_, url)| Url::parse(&with_scheme(url)).ok());
        urls.filter_map(|url| url.host_str().map(str::to_owned)).collect()
    }
}

/// The settings of a client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The purpose of the requests, for metrics.
    pub purpose: &'static str,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for each further piece of an answer.
    pub read: Option<Duration>,
    /// Longest wait for the whole of an answer.
    pub total: Option<Duration>,
    /// Redirects to follow.
    pub redirects: usize,
    /// Certificates.
    pub tls: Tls,
    /// Proxies.
    pub proxies: Proxies,
    /// Resolves names; the operating system does so without it.
    pub guard: Option<Guard>,
    /// Idle connections that are kept for each server.
    pub idle_connections: Option<usize>,
    /// Whether requests name the one that caused them: for services of this cloud.
    pub traced: bool,
}

impl Settings {
    /// Those of a client that follows no redirect and waits ten seconds for a connection.
    pub fn new(purpose: &'static str) -> Self {
        Self {
            purpose,
            connect: Duration::from_secs(10),
            read: None,
            total: None,
            redirects: 0,
            tls: Tls::default(),
            proxies: Proxies::Environment,
            guard: None,
            idle_connections: None,
            traced: false,
        }
    }
}

/// Why there is no response, or no more of it; does not contain the URL, which may have secrets.
#[derive(Debug, thiserror::Error)]
#[error("{}", causes(.0))]
pub struct OutboundError(reqwest::Error);

impl From<reqwest::Error> for OutboundError {
    fn from(error: reqwest::Error) -> Self {
        Self(error.without_url())
    }
}

impl OutboundError {
    /// Whether the request itself is wrong, so that a repetition is of no use.
    pub fn is_of_the_request(&self) -> bool {
        self.0.is_builder()
    }

    /// The cause of this type, if there is one.
    pub(super) fn cause<T: Error + 'static>(&self) -> Option<&T> {
        let mut cause = self.0.source();
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

/// A client; clones share its connections.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    metrics: OutboundMetrics,
    traced: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("traced", &self.traced).finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares a client; connects to nothing.
    ///
    /// # Errors
    /// A part of a sentence naming what is at fault, a proxy's URL perhaps.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let follow = match settings.redirects {
            0 => redirect::Policy::none(),
            most => redirect::Policy::limited(most),
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("vitrine/", env!("CARGO_PKG_VERSION")))
            .redirect(follow)
            .connect_timeout(settings.connect);
        if let Some(read) = settings.read {
            builder = builder.read_timeout(read);
        }
        if let Some(total) = settings.total {
            builder = builder.timeout(total);
        }
        if let Some(idle) = settings.idle_connections {
            builder = builder.pool_max_idle_per_host(idle);
        }
        if let Some(guard) = &settings.guard {
            builder = builder.dns_resolver(guard.clone());
        }
        match &settings.proxies {
            Proxies::Environment => {}
            Proxies::Nothing => builder = builder.no_proxy(),
            Proxies::Given(proxies) => {
                for (scheme, url) in proxies {
                    builder = builder.proxy(proxy(scheme, url).map_err(|error| causes(&error))?);
                }
            }
        }
        let inner = settings.tls.apply(builder).build().map_err(|error| causes(&error))?;
        Ok(Self { inner, metrics: telemetry::metrics().outbound(settings.purpose), traced: settings.traced })
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        self.inner.request(method, url)
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// [`OutboundError`] when there is none, or the request is wrong.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, OutboundError> {
        self.execute(request.build()?).await
    }

    /// As [`Client::send`].
    ///
    /// # Errors
    /// As [`Client::send`].
    pub async fn execute(&self, mut request: Request) -> Result<Answer, OutboundError> {
        let cause = telemetry::request_id().filter(|_| self.traced);
        if let Some(id) = cause.and_then(|id| HeaderValue::from_str(&id).ok()) {
            request.headers_mut().insert(REQUEST_ID, id);
        }
        let mut span = spans::begin(&mut request, self.metrics.purpose(), self.traced);
        let call = self.metrics.begin();
        let response = self.inner.execute(request).await;
        call.end(&response);
        match response {
            Ok(response) => {
                spans::answered(&mut span, response.status());
                Ok(Answer { response, metrics: self.metrics.clone(), span })
            }
            Err(error) => Err(failed(&mut span, error)),
        }
    }
}

fn failed(span: &mut Span, error: reqwest::Error) -> OutboundError {
    let kind = if error.is_timeout() { "timeout" } else { "connection" };
    let error = OutboundError::from(error);
    span.fail(kind, || error.to_string());
    error
}

fn proxy(scheme: &str, url: &str) -> reqwest::Result<reqwest::Proxy> {
    let url = with_scheme(url);
    if scheme == "https" { reqwest::Proxy::https(url) } else { reqwest::Proxy::http(url) }
}

/// The URL of a proxy, whose scheme may be left out.
fn with_scheme(url: &str) -> String {
    if url.contains("://") { url.to_owned() } else { format!("http://{url}") }
}

/// A response whose head has arrived.
#[derive(Debug)]
pub struct Answer {
    response: Response,
    metrics: OutboundMetrics,
    /// Lasts as long as the body.
    span: Span,
}

impl Answer {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Its headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Length of its body, if given.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes of its body, or `None` after the last.
    ///
    /// # Errors
    /// [`OutboundError`] when the connection breaks or takes too long.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, OutboundError> {
        let chunk = self.response.chunk().await.map_err(|error| failed(&mut self.span, error))?;
        let length = chunk.as_ref().map_or(0, Bytes::len);
        self.metrics.add_received(length);
        self.span.add_bytes(length);
        Ok(chunk)
    }

    /// The whole of its body, or `None` when that is longer than `max` bytes.
    ///
    /// # Errors
    /// As [`Answer::chunk`].
    pub async fn body(&mut self, max: usize) -> Result<Option<Vec<u8>>, OutboundError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len().saturating_add(chunk.len()) > max {
                return Ok(None);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Some(body))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::telemetry::Context;

    /// Answers one request with `body`; its text comes out of the task.
    async fn server(body: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/secret?of=mine", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (mut text, mut buffer) = (String::new(), [0; 1024]);
            while !text.contains("\r\n\r\n") {
                let read = socket.read(&mut buffer).await.unwrap();
                text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            text
        });
        (url, task)
    }

    /// Proves that a traced client names the causing request and another does not, and that requests, failures and
    /// bytes are counted under the client's purpose.
    #[tokio::test]
    async fn requests_are_traced_and_counted() {
        for (purpose, traced) in [("test-traced", true), ("test-untraced", false)] {
            let client = Client::new(&Settings { traced, ..Settings::new(purpose) }).unwrap();
            let (url, asked) = server("12345").await;
            let context = Context::of(tracing::Span::none(), Some("req-7"));
            let answered = context.wrap(client.send(client.request(Method::GET, &url))).await;
            assert_eq!(answered.unwrap().body(5).await.unwrap().unwrap(), b"12345");
            let has_id = asked.await.unwrap().contains("x-openstack-request-id: req-7\r\n");
            assert_eq!(has_id, traced, "{purpose}");
            let gone = client.send(client.request(Method::GET, &url)).await.err().unwrap();
            assert!(!gone.to_string().contains("secret"), "{gone}");
            let text = telemetry::metrics().text();
            for line in [
                format!("vitrine_outbound_requests_total{{purpose=\"{purpose}\",outcome=\"ok\"}} 1"),
                format!("vitrine_outbound_requests_total{{purpose=\"{purpose}\",outcome=\"error\"}} 1"),
                format!("vitrine_outbound_bytes_total{{purpose=\"{purpose}\"}} 5"),
            ] {
                assert!(text.lines().any(|found| found == line), "{line} is missing:\n{text}");
            }
        }
    }

    /// Proves that a body over the bound is cut.
    #[tokio::test]
    async fn a_body_has_a_bound() {
        let client = Client::new(&Settings::new("test-bound")).unwrap();
        let (url, _asked) = server("123456").await;
        let mut answer = client.send(client.request(Method::GET, &url)).await.unwrap();
        assert_eq!(answer.body(5).await.unwrap(), None);
    }
}

//! Sends spans to an OpenTelemetry collector, by OTLP over HTTP as protobuf. Nobody waits for that but the end of the
//! process, and that not for long.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{
    client::{Client, Settings},
    tls::{Authorities, Tls},
};
use crate::telemetry::{
    self, Spawned,
    trace::{self, Finished, Value, Waiting, otlp},
};

/// Spans that one request has.
const BATCH: usize = 512;
/// For how long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How long the collector may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before the second try; it doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read, so that the connection can be used again.
const ANSWER_MAX: usize = 64 << 10;

/// A collector, to which nothing has been sent yet.
pub struct Collector {
    client: Client,
    url: Url,
    headers: HeaderMap,
    resource: Vec<(&'static str, Value)>,
}

/// The work of sending.
pub struct Sending {
    stop: watch::Sender<bool>,
    task: Spawned<()>,
}

/// Why a batch was not taken.
struct Refused {
    why: String,
    /// Whether it may be taken later.
    passes: bool,
}

impl Collector {
    /// Reads the settings; connects to nothing. `instance` is the name of this process.
    ///
    /// # Errors
    /// The option that is of no use, and a part of a sentence that says why, without secrets.
    pub fn new(settings: &trace::Settings, instance: &str) -> Result<Self, (&'static str, String)> {
        let url = address(&settings.endpoint).map_err(|why| ("trace_endpoint", why))?;
        let headers = headers(&settings.headers).map_err(|why| ("trace_headers", why))?;
        let authorities = settings.ca_file.as_ref().map(|path| {
            let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Authorities::from_pem(&pem).map_err(|why| format!("{} {why}", path.display()))
        });
        let authorities = authorities.transpose().map_err(|why| ("trace_ca_file", why))?;
        let client = Client::new(&Settings {
            total: Some(PATIENCE),
            idle_connections: Some(1),
            tls: Tls { authorities, ..Tls::default() },
            ..Settings::new("traces")
        });
        let resource = vec![
            ("service.name", settings.service.clone().into()),
            ("service.version", env!("CARGO_PKG_VERSION").into()),
            ("service.instance.id", instance.to_owned().into()),
        ];
        Ok(Self { client: client.map_err(|why| ("trace_endpoint", why))?, url, headers, resource })
    }

    /// Sends what waits, from now on.
    pub fn start(self, waiting: Waiting) -> Sending {
        let (stop, stopped) = watch::channel(false);
        let sender = Sender { collector: self, waiting, stopped, failing: false };
        Sending { stop, task: telemetry::spawn(sender.run()) }
    }
}

impl Sending {
    /// Sends what still waits, for so long and no longer.
    pub async fn finish(mut self, within: Duration) {
        self.stop.send_replace(true);
        if timeout(within, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!("the collector of traces did not take the last spans in time; they are lost");
        }
    }
}

/// Where the collector takes traces.
fn address(endpoint: &str) -> Result<Url, String> {
    let wrong = || "it is no URL like http://127.0.0.1:4318".to_owned();
    let mut url = Url::parse(endpoint).map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("what is secret belongs in trace_headers; a URL has no place for it here".to_owned());
    }
    let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let named = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(mut value)) = (named, HeaderValue::from_str(value)) else {
            return Err(format!("`{name}` and its value are no header"));
        };
        value.set_sensitive(true);
        headers.append(name, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    Ok(headers)
}

struct Sender {
    collector: Collector,
    waiting: Waiting,
    stopped: watch::Receiver<bool>,
    /// Whether the log has been told that the collector does not answer.
    failing: bool,
}

/// Waits for a first span, and for others as long as it may.
async fn fill(waiting: &mut Waiting, batch: &mut Vec<Finished>) {
    if waiting.recv_many(batch, BATCH).await == 0 {
        return;
    }
    let until = Instant::now() + LINGER;
    while batch.len() < BATCH {
        let missing = BATCH.saturating_sub(batch.len());
        if timeout_at(until, waiting.recv_many(batch, missing)).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// Returns when it was told to stop.
async fn told(stopped: &mut watch::Receiver<bool>) {
    // Whoever could tell it is gone, as good as having told it.
    drop(stopped.wait_for(|stopped| *stopped).await);
}

impl Sender {
    /// Sends batch after batch until it is told to stop and nothing waits any more.
    async fn run(mut self) {
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                () = fill(&mut self.waiting, &mut batch) => {}
                () = told(&mut self.stopped) => {}
            }
            while batch.len() < BATCH {
                let Ok(span) = self.waiting.try_recv() else { break };
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            self.deliver(batch).await;
        }
    }

    /// Sends a batch until it is taken, or never will be.
    async fn deliver(&mut self, batch: Vec<Finished>) {
        let body = Bytes::from(otlp::request(&self.collector.resource, &batch));
        let mut pause = FIRST_PAUSE;
        loop {
            let refused = match self.post(body.clone()).await {
                Ok(()) => break,
                Err(refused) => refused,
            };
            if !std::mem::replace(&mut self.failing, true) {
                let why = &refused.why;
                tracing::warn!(why, "spans cannot be sent; this is not said again until they can be");
            }
            if !refused.passes || *self.stopped.borrow() {
                telemetry::metrics().spans("lost", batch.len());
                return;
            }
            // When it stops there is one more try.
            drop(timeout(pause, told(&mut self.stopped)).await);
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
        telemetry::metrics().spans("sent", batch.len());
        if std::mem::take(&mut self.failing) {
            tracing::info!("spans can be sent again");
        }
    }

    async fn post(&self, body: Bytes) -> Result<(), Refused> {
        let Collector { client, url, headers, .. } = &self.collector;
        let request = client.request(Method::POST, url.clone()).headers(headers.clone()).body(body);
        let passing = |why: String| Refused { why, passes: true };
        let mut answer = client.send(request).await.map_err(|error| passing(error.to_string()))?;
        let status = answer.status();
        drop(answer.body(ANSWER_MAX).await);
        if status.is_success() {
            return Ok(());
        }
        let passes = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT
        );
        Err(Refused { why: format!("the collector answers {}", status.as_u16()), passes })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves where traces are sent, and which addresses are refused: none of them is repeated, as it may be secret.
    #[test]
    fn addresses_are_checked() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://otel.example/tenant/", "https://otel.example/tenant/v1/traces"),
        ] {
            assert_eq!(address(endpoint).unwrap().as_str(), expected);
        }
        for endpoint in
            ["127.0.0.1:4318", "grpc://h:4317", "http://u:word@h", "http://h?token=word", "http://"]
        {
            let why = address(endpoint).unwrap_err();
            assert!(!why.contains("word"), "{why}");
        }
    }

    /// Proves that what is no header is refused without telling its value, and that values are not shown.
    #[test]
    fn headers_are_checked() {
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let found = headers(&pair("authorization", "Bearer word")).unwrap();
        assert_eq!(found.get("authorization").unwrap(), "Bearer word");
        assert!(!format!("{found:?}").contains("word"));
        for (name, value) in [("a b", "word"), ("a", "word\n"), ("", "word")] {
            assert!(!headers(&pair(name, value)).unwrap_err().contains("word"));
        }
    }
}

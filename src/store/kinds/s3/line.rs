//! Sends requests to the server: adds a body checksum, signs, sends and retries. The library (`object_store`) builds
//! requests; all of them are sent through here.

use std::{
    error::Error,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use http::{HeaderValue, Method, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::StreamBody;
use object_store::{
    ClientOptions,
    aws::{AwsAuthorizer, AwsCredential},
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use openssl::hash::{MessageDigest, hash};
use rand::Rng;

use super::{fault::Fault, options::Settings};
use crate::{
    outbound::{self, Answer, Client, RequestBody, Tls},
    telemetry,
};

/// How long a server may do nothing before it is given up, where it has nothing to work on.
const SILENCE: Duration = Duration::from_secs(10);
/// How long it may, where it puts an object together or copies one.
const WORK: Duration = Duration::from_secs(120);
/// Pause before the second try; it doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Bytes of an answer that is read whole, at most: a thousand names, or what went wrong.
const ANSWER_MAX: usize = 4 << 20;
/// Bytes from which a body is hashed on a thread of its own.
const HASHED_ASIDE: usize = 64 << 10;
/// Says that an object is copied.
pub(super) const COPY_SOURCE: &str = "x-amz-copy-source";

/// A server and whom it knows us as. Clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Line {
    client: Client,
    credential: Arc<AwsCredential>,
    region: Arc<str>,
    /// By TLS a body is proved by its MD5; without, by what the signature covers.
    tls: bool,
    patience: Duration,
    silence: Duration,
    /// Whether the server knows conditions; it does until it says otherwise.
    knows_conditions: Arc<AtomicBool>,
}

impl HttpConnector for Line {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

/// A request that can be sent again and again.
struct Prepared {
    parts: http::request::Parts,
    body: HttpRequestBody,
    sha256: Option<Vec<u8>>,
    md5: Option<Vec<u8>>,
}

impl Prepared {
    /// Whether the server works on it for long, and says at the end of its answer whether all went well.
    fn is_work(&self) -> bool {
        let completes = self.parts.method == Method::POST
            && self.parts.uri.query().is_some_and(|query| query.contains("uploadId="));
        completes || self.parts.headers.contains_key(COPY_SOURCE)
    }
}

impl Line {
    pub(super) fn new(
        settings: &Settings,
        keys: (String, String),
        tls: bool,
        region: &str,
    ) -> Result<Self, String> {
        let tls_settings = Tls { authorities: settings.authorities.clone(), ..Tls::default() };
        let client = outbound::Settings {
            connect: SILENCE.min(settings.patience),
            tls: tls_settings,
            idle_connections: Some(settings.parallel.max(32)),
            ..outbound::Settings::new("s3")
        };
        let (key_id, secret_key) = keys;
        Ok(Self {
            client: Client::new(&client)?,
            credential: Arc::new(AwsCredential { key_id, secret_key, token: None }),
            region: region.into(),
            tls,
            patience: settings.patience,
            silence: SILENCE.min(settings.patience),
            knows_conditions: Arc::new(AtomicBool::new(true)),
        })
    }

    /// Asks for something whose answer is small, and returns its body.
    pub(super) async fn ask(&self, request: HttpRequest) -> Result<(http::response::Parts, Bytes), Fault> {
        let response = self.send(request).await?;
        let (parts, body) = response.into_parts();
        let body = body.bytes().await.map_err(|error| broken(&error))?;
        Ok((parts, body))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Fault> {
        let mut request = self.prepared(request).await?;
        let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let silence = silence_after(begun.elapsed(), self.silence, self.patience);
            let fault = match self.attempt(&request, silence).await {
                Ok(response) => return Ok(response),
                Err(fault) => fault,
            };
            if fault.is_of_a_condition() && request.parts.headers.remove(header::IF_NONE_MATCH).is_some() {
                self.knows_conditions.store(false, Relaxed);
                continue;
            }
            if !fault.passes() || begun.elapsed().saturating_add(pause) > self.patience {
                return Err(fault);
            }
            tracing::debug!(%fault, ?pause, "an S3 server is asked again");
            let part = rand::rng().random_range(0.5..1.0);
            tokio::time::sleep(pause.mul_f64(part)).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// Adds what is the same in each try.
    async fn prepared(&self, request: HttpRequest) -> Result<Prepared, Fault> {
        let (mut parts, body) = request.into_parts();
        let (pieces, tls) = (pieces(&body), self.tls);
        let is_put = parts.method == Method::PUT && !parts.headers.contains_key(COPY_SOURCE);
        let proof = move || {
            let kind = if tls { MessageDigest::md5() } else { MessageDigest::sha256() };
            let mut hasher = openssl::hash::Hasher::new(kind)?;
            pieces.iter().try_for_each(|piece| hasher.update(piece))?;
            hasher.finish().map(|digest| digest.to_vec())
        };
        let hashed = if body.content_length() < HASHED_ASIDE {
            proof()
        } else {
            telemetry::blocking(proof).await.map_err(|error| Fault::Broken(error.to_string()))?
        };
        let digest = hashed.map_err(|error| Fault::Broken(error.to_string()))?;
        let (sha256, md5) = if tls { (None, is_put.then_some(digest)) } else { (Some(digest), None) };
        if let Some(md5) = &md5 {
            let text = base64::prelude::BASE64_STANDARD.encode(md5);
            let value = HeaderValue::from_str(&text).map_err(|error| Fault::Broken(error.to_string()))?;
            parts.headers.insert("content-md5", value);
        }
        let mut prepared = Prepared { parts, body, sha256, md5 };
        if !self.knows_conditions.load(Relaxed) {
            prepared.parts.headers.remove(header::IF_NONE_MATCH);
        } else if prepared.parts.method == Method::POST && prepared.is_work() {
            // An object that is put together replaces none.
            prepared.parts.headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
        }
        Ok(prepared)
    }

    async fn attempt(&self, request: &Prepared, silence: Duration) -> Result<HttpResponse, Fault> {
        let mut signed = HttpRequest::from_parts(request.parts.clone(), request.body.clone());
        AwsAuthorizer::new(&self.credential, "s3", &self.region)
            .with_sign_payload(!self.tls)
            .try_authorize(&mut signed, request.sha256.as_deref())
            .map_err(|_| Fault::Broken("the request cannot be signed".to_owned()))?;
        let (parts, body) = signed.into_parts();
        let moved = Arc::new(AtomicU64::new(0));
        let body = RequestBody::wrap(Watched { inner: body, moved: Arc::clone(&moved) });
        let url = parts.uri.to_string();
        let outgoing = self.client.request(parts.method, url).headers(parts.headers).body(body);
        let limit = if request.is_work() { WORK } else { silence };
        let answer = unless_silent(limit, &moved, self.client.send(outgoing)).await?;
        let mut answer = answer.map_err(|error| Fault::Broken(error.to_string()))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = if !status.is_success() || request.is_work() {
            let read = unless_silent(limit, &moved, answer.body(ANSWER_MAX)).await?;
            let body = read.map_err(|error| Fault::Broken(error.to_string()))?.unwrap_or_default();
            if !status.is_success() || body.windows(7).any(|text| text == b"<Error>") {
                return Err(Fault::refused(status, &body));
            }
            whole(body.into())
        } else {
            check_etag(request.md5.as_deref(), &headers)?;
            chunks(answer, self.silence)
        };
        let mut response = HttpResponse::new(body);
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Ok(response)
    }
}

#[async_trait]
impl HttpService for Line {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // What may help was tried.
        self.send(request).await.map_err(|fault| HttpError::new(HttpErrorKind::Unknown, fault))
    }
}

/// How long a server may be silent in a try that begins after so much of the patience, so that the last one ends with it.
/// One that has sent something is silent for twice the time before that is seen.
fn silence_after(elapsed: Duration, silence: Duration, patience: Duration) -> Duration {
    silence.min(patience.saturating_sub(elapsed) / 2)
}

/// What went wrong with the body of an answer.
fn broken(error: &(dyn Error + 'static)) -> Fault {
    Fault::behind(error).unwrap_or_else(|| Fault::Broken("the answer broke off".to_owned()))
}

/// Waits for the server as long as it does something, be it that it takes more of the request.
async fn unless_silent<T>(
    limit: Duration,
    moved: &AtomicU64,
    work: impl Future<Output = T>,
) -> Result<T, Fault> {
    let (mut work, mut seen) = (pin!(work), 0);
    loop {
        if let Ok(done) = tokio::time::timeout(limit, &mut work).await {
            return Ok(done);
        }
        let now = moved.load(Relaxed);
        if now == seen {
            return Err(Fault::Silent(limit.as_secs()));
        }
        seen = now;
    }
}

/// Requires that the server has what was sent, where its tag of the object says so: one of an object that is encrypted
/// by a key of somebody's does not.
fn check_etag(md5: Option<&[u8]>, headers: &http::HeaderMap) -> Result<(), Fault> {
    let Some(md5) = md5 else { return Ok(()) };
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let own_keys = text("x-amz-server-side-encryption").is_some_and(|how| how != "AES256")
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm");
    match text("etag").map(|tag| tag.trim_matches('"')) {
        Some(tag) if tag.len() == 32 && !own_keys && !tag.eq_ignore_ascii_case(&hex(md5)) => {
            Err(Fault::Corrupt)
        }
        _ => Ok(()),
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The tag that a server gives an object of these parts, each with its own.
pub(super) fn etag_of_parts(tags: &[String]) -> Option<String> {
    let mut all = Vec::with_capacity(tags.len().saturating_mul(16));
    for tag in tags {
        let digits = tag.trim_matches('"');
        if digits.len() != 32 || !digits.is_ascii() {
            return None;
        }
        for at in (0..32_usize).step_by(2) {
            all.push(u8::from_str_radix(digits.get(at..at.saturating_add(2))?, 16).ok()?);
        }
    }
    let digest = hash(MessageDigest::md5(), &all).ok()?;
    Some(format!("{}-{}", hex(&digest), tags.len()))
}

/// The pieces of a body, which are all there.
fn pieces(body: &HttpRequestBody) -> Vec<Bytes> {
    let (mut body, mut found) = (body.clone(), Vec::new());
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) {
        if let Ok(piece) = frame.into_data() {
            found.push(piece);
        }
    }
    found
}

/// A body of a request that counts what has been taken of it.
struct Watched {
    inner: HttpRequestBody,
    moved: Arc<AtomicU64>,
}

impl Body for Watched {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        self.moved.fetch_add(1, Relaxed);
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body that is there.
fn whole(body: Bytes) -> HttpResponseBody {
    let frame = Ok::<_, HttpError>(Frame::data(body));
    HttpResponseBody::new(StreamBody::new(futures::stream::iter([frame])))
}

/// A body as it comes; each piece has to come in time.
fn chunks(answer: Answer, silence: Duration) -> HttpResponseBody {
    let failed = |fault| HttpError::new(HttpErrorKind::Unknown, fault);
    let chunks = futures::stream::try_unfold(answer, move |mut answer| async move {
        match tokio::time::timeout(silence, answer.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk.map(|chunk| (Frame::data(chunk), answer))),
            Ok(Err(error)) => Err(failed(Fault::Broken(error.to_string()))),
            Err(_) => Err(failed(Fault::Silent(silence.as_secs()))),
        }
    });
    HttpResponseBody::new(StreamBody::new(chunks))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a dead server takes no more time than the patience with it, whether it is silent at once or after it has
    /// taken something: less than what a client waits.
    #[test]
    fn the_last_try_ends_with_the_patience() {
        let patience = Settings::default().patience;
        assert!(patience < Duration::from_secs(30));
        for times in [1, 2] {
            let (mut elapsed, mut tries) = (Duration::ZERO, 0);
            while elapsed + FIRST_PAUSE <= patience && tries < 100 {
                elapsed += silence_after(elapsed, SILENCE, patience) * times + FIRST_PAUSE;
                tries += 1;
            }
            assert!(tries > 1 && elapsed <= patience + FIRST_PAUSE, "{tries} tries took {elapsed:?}");
        }
    }
}

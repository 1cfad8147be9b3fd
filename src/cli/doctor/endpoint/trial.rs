//! The trial: an image is created, uploaded in pieces of unknown total length, read whole and in part, and compared.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::judge;
use crate::{
    cli::{
        doctor::{case::Case, finding::Finding, left::Image},
        glance::remote::words,
    },
    db::figures::about,
    outbound::{self, Client, Method, OutboundError, RequestBody, RequestBuilder, header::HeaderValue},
};

/// Bytes that are sent before the upload stands still, and of a piece after that.
const FIRST: u64 = 64 << 10;
const PIECE: u64 = 1 << 20;
/// How often the service is asked whether it hears of it, and the pause between two questions. One that is busy takes longer
/// for its answers, and to hear of it, but is not waited for longer than this.
const QUESTIONS: usize = 50;
const LOOK: Duration = Duration::from_millis(100);
const UNHEARD: Duration = Duration::from_secs(15);
/// Bytes of an answer in words that are read.
const BYTES: usize = 1 << 20;
/// The part that is read alone.
const PART: (u64, u64) = (1000, 1999);
/// Names the request, as the service does in each answer.
const REQUEST_ID: &str = "x-openstack-request-id";

/// Where clients reach the service.
pub struct Way {
    /// Without a slash or a version at its end.
    pub base: String,
    /// `public_endpoint`, without them too: the service names it in its links, wherever its clients come from.
    pub public: Option<String>,
    /// A client that goes there.
    pub client: Client,
}

impl Way {
    /// A link of the service; `place` is where it stands.
    pub fn judge_link(&self, link: &str, place: &str) -> Option<Finding> {
        judge::links(&self.base, self.public.as_deref(), link, place)
    }
}

/// A trial under way.
pub struct Trial<'a> {
    /// Where the service is reached.
    pub way: &'a Way,
    /// The token of the user.
    pub token: HeaderValue,
    /// Id of the image.
    pub id: String,
    /// Its bytes.
    pub size: u64,
    /// For how long the upload stands still anyway.
    pub pause: Duration,
}

impl Trial<'_> {
    /// Runs it; what is found is in the order in which it was.
    pub async fn run(&self, case: &Case) -> Vec<Finding> {
        let Self { way, token, id, .. } = self;
        let (client, base) = (way.client.clone(), way.base.clone());
        case.left.note(Image { client, base, token: token.clone(), id: id.clone() });
        let mut findings = Vec::new();
        if let Err(finding) = self.all(case, &mut findings).await {
            findings.push(finding);
        }
        findings
    }

    /// # Errors
    /// What makes it of no use to go on.
    async fn all(&self, case: &Case, findings: &mut Vec<Finding>) -> Result<(), Finding> {
        let location = self.create(case).await?;
        match location {
            Some(location) => findings.extend(self.way.judge_link(&location, "the header Location")),
            None => findings.push(judge::dropped("Location")),
        }
        self.in_our_database(case).await?;
        self.upload(findings).await?;
        self.download(findings).await?;
        self.part(findings).await
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.way.client.request(method, format!("{}{path}", self.way.base));
        request.header("X-Auth-Token", &self.token)
    }

    fn path(&self) -> String {
        format!("/v2/images/{}", self.id)
    }

    /// Creates the image; returns the header `Location`.
    async fn create(&self, case: &Case) -> Result<Option<String>, Finding> {
        let image = json!({"id": self.id, "name": "vitrine-doctor", "visibility": "private",
                           "disk_format": "raw", "container_format": "bare"});
        let request = self.call(Method::POST, "/v2/images").json(&image);
        let mut answer = self.way.client.send(request).await.map_err(|e| broken("create an image", &e))?;
        let status = answer.status().as_u16();
        // A proxy that did not wait for the service says nothing of what that still does.
        if status == 201 || answer.headers().contains_key(REQUEST_ID) {
            case.left.answered();
        }
        if status != 201 {
            if answer.status().is_client_error() {
                case.left.forget();
            }
            let body = answer.body(BYTES).await.ok().flatten().unwrap_or_default();
            let words = words(&String::from_utf8_lossy(&body));
            return Err(Finding::failure(
                "create-refused",
                format!("no image can be created through {}: {status} {words}", self.way.base),
                "401: the service does not accept the token, see the check `identity`. 403: this user may not create images. \
                 404 or 5xx: see where the proxy leads this path.",
            ));
        }
        if !answer.headers().contains_key(REQUEST_ID) {
            return Err(judge::dropped("X-OpenStack-Request-ID"));
        }
        Ok(answer.headers().get("location").and_then(|value| value.to_str().ok()).map(str::to_owned))
    }

    /// That the image is in the database of this configuration shows that the endpoint leads to its service.
    async fn in_our_database(&self, case: &Case) -> Result<(), Finding> {
        let Some(config) = &case.config else { return Ok(()) };
        let Ok(db) = case.database(config).await else { return Ok(()) };
        let id = self.id.clone();
        match db.read("doctor.image", move |conn| about::has_image(conn, &id)).await {
            Ok(false) => Err(Finding::failure(
                "endpoint-elsewhere",
                format!(
                    "{} leads to a service with another database than that of this configuration",
                    self.way.base
                ),
                "Correct the address, or run this with the configuration of that service.",
            )),
            _ => Ok(()),
        }
    }

    /// The record of the image.
    async fn record(&self) -> Result<Value, OutboundError> {
        let mut answer = self.way.client.send(self.call(Method::GET, &self.path())).await?;
        let body = answer.body(BYTES).await?.unwrap_or_default();
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Whether the service hears of an upload of which only the beginning has been sent.
    async fn is_heard(&self) -> bool {
        let begun = Instant::now();
        for _ in 0..QUESTIONS {
            if begun.elapsed() > UNHEARD {
                break;
            }
            if self.record().await.is_ok_and(|record| record["status"] == "saving") {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    async fn upload(&self, findings: &mut Vec<Finding>) -> Result<(), Finding> {
        let (sent, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let (go, gate) = oneshot::channel();
        let body = body(self.size, gate, Arc::clone(&sent));
        let mut upload = std::pin::pin!(self.put(body, None));
        let hold = async {
            let is_heard = self.is_heard().await;
            tokio::time::sleep(self.pause).await;
            // Who has ended already waits for nothing.
            drop(go);
            is_heard
        };
        let (answered, stood_still) = tokio::select! {
            answered = &mut upload => (answered, true),
            is_heard = hold => {
                if !is_heard {
                    findings.push(judge::buffering());
                }
                (upload.await, false)
            }
        };
        let (took, sent) = (begun.elapsed(), sent.load(Ordering::Relaxed));
        let why = match answered {
            Ok((status, is_ours, words)) => {
                return judge::upload(&judge::Answer { status, is_ours, words, took, sent })
                    .map_or(Ok(()), Err);
            }
            Err(why) if stood_still => return Err(judge::impatient(&why, took)),
            Err(why) => why,
        };
        // Who hangs up without a word may say why to one who announces how much there will be.
        let (go, gate) = oneshot::channel();
        drop(go);
        let again = self.put(self::body(self.size, gate, Arc::default()), Some(self.size)).await;
        if let Ok((status, false, words)) = again {
            let answer = judge::Answer { status, is_ours: false, words, took, sent };
            return Err(judge::upload(&answer).unwrap_or_else(|| judge::cut(&why, sent, took)));
        }
        Err(judge::cut(&why, sent, took))
    }

    /// Sends data; returns the status of the answer, whether it is the service's own, and its words.
    async fn put(&self, body: RequestBody, length: Option<u64>) -> Result<(u16, bool, String), String> {
        let request = self.call(Method::PUT, &format!("{}/file", self.path()));
        let mut request = request.header("Content-Type", "application/octet-stream");
        if let Some(length) = length {
            request = request.header("Content-Length", length);
        }
        let mut answer = self.way.client.send(request.body(body)).await.map_err(|e| e.to_string())?;
        let body = answer.body(BYTES).await.ok().flatten().unwrap_or_default();
        let is_ours = answer.headers().contains_key(REQUEST_ID);
        Ok((answer.status().as_u16(), is_ours, words(&String::from_utf8_lossy(&body))))
    }

    async fn download(&self, findings: &mut Vec<Finding>) -> Result<(), Finding> {
        let lost = |e: OutboundError| broken("download the image", &e);
        let record = self.record().await.map_err(lost)?;
        let mut answer = self.get(None).await.map_err(lost)?;
        let status = answer.status().as_u16();
        if let Some(checksum) = record["checksum"].as_str()
            && answer.headers().get("content-md5").is_none_or(|found| found != checksum)
        {
            findings.push(judge::dropped("Content-MD5"));
        }
        let mut at = 0_u64;
        let mut same = status == 200;
        while let Some(chunk) = answer.chunk().await.map_err(lost)? {
            let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            same = same && at.saturating_add(length) <= self.size && chunk == content(at, length);
            at = at.saturating_add(length);
        }
        if same && at == self.size {
            return Ok(());
        }
        Err(Finding::failure(
            "download-differs",
            format!("the image came back changed: status {status}, {at} of {} bytes", self.size),
            "A proxy answers from its cache, or changes what it passes on: have it do neither below the endpoint.",
        ))
    }

    async fn part(&self, findings: &mut Vec<Finding>) -> Result<(), Finding> {
        let (first, last) = PART;
        let lost = |e: OutboundError| broken("download a part of the image", &e);
        let answer = self.get(Some(format!("bytes={first}-{last}"))).await.map_err(lost)?;
        let header = answer.headers().get("content-range").and_then(|value| value.to_str().ok());
        let wanted = format!("bytes {first}-{last}/{}", self.size);
        findings.extend(judge::range(answer.status().as_u16(), header, &wanted));
        Ok(())
    }

    async fn get(&self, range: Option<String>) -> Result<outbound::Answer, OutboundError> {
        let request = self.call(Method::GET, &format!("{}/file", self.path()));
        let request = range.into_iter().fold(request, |request, range| request.header("Range", range));
        self.way.client.send(request).await
    }
}

/// A call that has had no answer.
fn broken(call: &str, error: &OutboundError) -> Finding {
    Finding::failure(
        "call-broken",
        format!("the attempt to {call} broke off: {error}"),
        "See the logs of proxy and server at this time; a proxy that hangs up after the same time again has a time-out.",
    )
}

/// So many bytes, which stand still after the first until the gate opens; `sent` counts them.
fn body(size: u64, gate: oneshot::Receiver<()>, sent: Arc<AtomicU64>) -> RequestBody {
    let pieces = stream::unfold((0_u64, Some(gate), sent), move |(at, gate, sent)| async move {
        let gate = if at == 0 {
            gate
        } else {
            if let Some(gate) = gate {
                // One who has gone opens it as well.
                drop(gate.await);
            }
            None
        };
        let length = if at == 0 { FIRST } else { PIECE }.min(size.saturating_sub(at));
        if length == 0 {
            return None;
        }
        sent.fetch_add(length, Ordering::Relaxed);
        Some((Ok::<_, std::io::Error>(content(at, length)), (at.saturating_add(length), gate, sent)))
    });
    RequestBody::wrap_stream(pieces)
}

/// The bytes of the image from an offset on: any part can be made without the rest, and nothing can be compressed.
fn content(at: u64, length: u64) -> Bytes {
    let end = at.saturating_add(length);
    let words = (at / 8..end.div_ceil(8)).flat_map(|number| mixed(number).to_le_bytes());
    let skipped = usize::try_from(at % 8).unwrap_or_default();
    words.skip(skipped).take(usize::try_from(length).unwrap_or_default()).collect()
}

/// A number with its bits mixed (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves that a part of the content is the same whichever way it is made.
    #[test]
    fn content_is_the_same_in_parts() {
        let whole = content(0, 100);
        assert_eq!(whole.len(), 100);
        for (at, length) in [(0, 1), (1, 7), (7, 2), (8, 8), (13, 80), (99, 1), (100, 0)] {
            let (from, to) = (at as usize, (at + length) as usize);
            assert_eq!(content(at, length), whole.slice(from..to), "{at} {length}");
        }
    }
}

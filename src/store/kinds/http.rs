//! The http store: reads data that somebody else serves; writes nothing (`glance_store/_drivers/http.py`).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::Map;

use crate::store::{
    About, Addresses, Backend, ByteRange, ByteStream, Capabilities, ListStream, NewBlob, StoreError,
    StoreErrorKind, StoreResult, StoreUrl, Writer,
    backend::{self, Declared, Form, Kind, NamedBy, Options, Site},
    range::cut,
};
use crate::outbound::{
    self, Answer, Authorities, Client, Method, Proxies, StatusCode, Tls, Url,
    header::{CONTENT_LENGTH, LOCATION, RANGE},
};

/// Redirects followed at most.
const REDIRECTS_MAX: usize = 5;
/// Longest wait for each further piece of data.
const READ_PATIENCE: Duration = Duration::from_secs(60);

/// The http store.
pub static KIND: Kind =
    Kind { name: "http", schemes: &["http", "https"], named_by: NamedBy::Everybody, options: OPTIONS, read };

const CERTIFICATES: &str = "https_ca_certificates_file";
const INSECURE: &str = "https_insecure";
const PROXIES: &str = "http_proxy_information";

const OPTIONS: &[Declared] = &[
    Declared::unset(
        CERTIFICATES,
        Form::Text,
        "Certificates that servers are checked against; https_insecure is then not looked at.",
    ),
    Declared::new(INSECURE, Form::Bool, "true", "Do not check the certificates of servers."),
    Declared::new(PROXIES, Form::Dict, "", "Proxies by scheme, as http:host:port."),
];

/// Options of the http store; names and defaults are Glance's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `https_ca_certificates_file`: verify with these certificates; the next option is then ignored.
    pub ca_certificates: Option<Vec<u8>>,
    /// `https_insecure`: do not verify certificates.
    pub insecure: bool,
    /// `http_proxy_information`: proxy URL for each scheme.
    pub proxies: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ca_certificates: None, insecure: true, proxies: Vec::new() }
    }
}

fn read(options: &mut dyn Options) -> Arc<dyn backend::Settings> {
    let mut ca_certificates = None;
    if let Some(path) = options.path(CERTIFICATES) {
        match std::fs::read(&path) {
            Ok(pem) => ca_certificates = Some(pem),
            Err(error) => {
                options.refuse(CERTIFICATES, format!("{} cannot be read: {error}", path.display()));
            }
        }
    }
    Arc::new(Settings {
        ca_certificates,
        insecure: options.bool(INSECURE),
        proxies: options.dict(PROXIES),
    })
}

impl backend::Settings for Settings {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn open(&self, _: &Site<'_>) -> Result<Arc<dyn Backend>, String> {
        Ok(Arc::new(HttpStore::new(self)?))
    }
}

/// Data on other people's web servers.
#[derive(Debug, Clone)]
pub struct HttpStore {
    client: Client,
}

impl HttpStore {
    /// Prepares the client.
    ///
    /// # Errors
    /// A sentence naming the option that is at fault.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let authorities = settings.ca_certificates.as_deref().map(Authorities::from_pem).transpose();
        let authorities = authorities.map_err(|e| format!("https_ca_certificates_file: it {e}"))?;
        let verify = authorities.is_some() || !settings.insecure;
        let client = Client::new(&outbound::Settings {
            read: Some(READ_PATIENCE),
            tls: Tls { verify, authorities, certificate: None },
            proxies: Proxies::Given(settings.proxies.clone()),
            ..outbound::Settings::new("store")
        });
        Ok(Self { client: client.map_err(|e| format!("http_proxy_information: {e}"))? })
    }

    /// Sends a request, following redirects by hand: only 301 and 302, as the reference does.
    async fn request(&self, method: Method, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<Answer> {
        let bad = |why: String| StoreError::new(StoreErrorKind::BadUrl, url.to_string(), why);
        let mut target = Url::parse(url.full()).map_err(|e| bad(e.to_string()))?;
        for _ in 0..=REDIRECTS_MAX {
            if !matches!(target.scheme(), "http" | "https") {
                return Err(bad(format!("the scheme {} is not http or https", target.scheme())));
            }
            let mut request = self.client.request(method.clone(), target.clone());
            if let Some(range) = range {
                request = request.header(RANGE, format!("bytes={}-{}", range.first, range.last));
            }
            let sent = self.client.send(request).await;
            let response =
                sent.map_err(|e| StoreError::new(StoreErrorKind::Unavailable, url.to_string(), e))?;
            match response.status() {
                StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => {
                    let next = response.headers().get(LOCATION).and_then(|l| l.to_str().ok());
                    let next = next.ok_or_else(|| bad("a redirect without a target".to_owned()))?;
                    target = target.join(next).map_err(|e| bad(e.to_string()))?;
                }
                StatusCode::NOT_FOUND | StatusCode::GONE => {
                    return Err(StoreError::new(StoreErrorKind::NotFound, url.to_string(), "not found"));
                }
                status if status.is_success() => return Ok(response),
                status => return Err(bad(format!("the server answered {status}"))),
            }
        }
        Err(bad(format!("more than {REDIRECTS_MAX} redirects")))
    }
}

#[async_trait]
impl Backend for HttpStore {
    fn about(&self) -> About {
        About {
            kind: &KIND,
            capabilities: Capabilities { writes: false, ranges: true, share: None },
            addresses: Addresses::Schemes(KIND.schemes),
            properties: Map::new(),
            metadata: Vec::new(),
        }
    }

    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        let response = self.request(Method::GET, url, range).await?;
        let place = url.to_string();
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let chunks = response
            .into_stream()
            .map_err(move |e| StoreError::new(StoreErrorKind::Unavailable, place.clone(), e));
        match range {
            // A server that does not know ranges sends everything: skip what was not asked for.
            Some(range) if !partial => Ok(Box::pin(cut(chunks, range))),
            _ => Ok(Box::pin(chunks)),
        }
    }

    async fn writer(&self, _: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        Err(reads_only())
    }

    async fn share(&self, _: &StoreUrl, _: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        Ok(None)
    }

    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64> {
        let response = self.request(Method::HEAD, url, None).await?;
        let length = response.headers().get(CONTENT_LENGTH).and_then(|l| l.to_str().ok());
        Ok(length.and_then(|l| l.parse().ok()).unwrap_or(0))
    }

    async fn delete(&self, _: &str, _: &str) -> StoreResult<()> {
        Err(reads_only())
    }

    fn list(&self) -> ListStream {
        Box::pin(futures::stream::empty())
    }
}

fn reads_only() -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, "http store", "it only reads")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::{
        io::{BufRead, BufReader, Write},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::store::conformance;

    /// Serves `data` at `/data`, with or without ranges, and redirects of every kind. Answers its base URL.
    fn serve(data: Vec<u8>, knows_ranges: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &data, knows_ranges);
            }
        });
        base
    }

    fn answer(mut stream: TcpStream, data: &[u8], knows_ranges: bool) {
        let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
            .lines()
            .map(|line| line.unwrap_or_default())
            .take_while(|line| !line.is_empty())
            .collect();
        let (Some(first), close) = (lines.first(), "Connection: close") else { return };
        let path = first.split([' ', '?']).nth(1).unwrap();
        let range = lines
            .iter()
            .find_map(|l| l.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        let (status, part) = match (path, range.filter(|_| knows_ranges)) {
            ("/data", None) => ("200 OK".to_owned(), data),
            ("/data", Some(range)) => {
                let (from, to) = range.split_once('-').unwrap();
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                ("206 Partial Content".to_owned(), &data[from..=to.min(data.len() - 1)])
            }
            ("/loop", _) => (format!("302 Found\r\nLocation: {path}"), &[][..]),
            ("/moved", _) => ("301 Moved Permanently\r\nLocation: /data".to_owned(), &[][..]),
            ("/other", _) => ("307 Temporary Redirect\r\nLocation: /data".to_owned(), &[][..]),
            ("/broken", _) => ("500 Internal Server Error".to_owned(), &[][..]),
            _ => ("404 Not Found".to_owned(), &[][..]),
        };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{close}\r\n\r\n", part.len());
        stream.write_all(head.as_bytes()).unwrap();
        if !first.starts_with("HEAD") {
            // The reader may have seen enough.
            let _ = stream.write_all(part);
        }
    }

    /// Proves that the http store keeps the promises of stores that only read, on servers with ranges and without.
    #[tokio::test]
    async fn the_http_store_conforms() {
        let store = conformance::named(HttpStore::new(&Settings::default()).unwrap());
        for knows_ranges in [true, false] {
            let data = conformance::data(123_457);
            let base = serve(data.clone(), knows_ranges);
            let (url, absent) = (format!("{base}/data"), format!("{base}/absent"));
            let held = conformance::Held { url: &url, bytes: &data, absent: &absent };
            conformance::conforms(&store, Some(held)).await;
        }
    }

    /// Proves which redirects are followed and what other answers mean, and that no URL in an error has a secret.
    #[tokio::test]
    async fn answers_are_understood_as_the_reference_does() {
        let base = serve(b"0123".to_vec(), true);
        let store = conformance::named(HttpStore::new(&Settings::default()).unwrap());
        assert_eq!(conformance::get(&store, &format!("{base}/moved"), None).await.unwrap(), b"0123");
        for path in ["other", "loop", "broken"] {
            let url = format!("{base}/{path}?token=hush").replace("://", "://user:hush@");
            let error = store.read(&url, None).await.err().unwrap();
            assert_eq!(error.kind, StoreErrorKind::BadUrl, "{error}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = store.read(&format!("http://{closed}/"), None).await.err().unwrap();
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    }
}

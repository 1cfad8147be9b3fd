//! The http store: reads data from web servers; writes nothing (`glance_store/_drivers/http.py`).
//!
//! Users name the addresses, so each of them, and each redirect, passes the filter of imports.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::TryStreamExt;
use serde_json::Map;

use crate::outbound::{
    self, Answer, Authorities, FetchError, Fetcher, Filter, Method, Patience, Proxies, StatusCode, Tls, Url,
    header::{CONTENT_LENGTH, LOCATION},
};
use crate::store::{
    About, Addresses, Backend, ByteRange, ByteStream, Capabilities, ListStream, LocalFile, NewBlob,
    Quarantine, Readers, StoreError, StoreErrorKind, StoreResult, StoreUrl, Writer, Yard,
    backend::{self, Declared, Form, Kind, NamedBy, Options, Room, Site},
    range::cut,
};

/// Redirects followed at most.
const REDIRECTS_MAX: usize = 5;
/// Shortest time that a server has to begin its answer.
const READ_PATIENCE: Duration = Duration::from_secs(60);

/// The http store.
pub static KIND: Kind = Kind {
    name: "http",
    schemes: &["http", "https"],
    named_by: NamedBy::Everybody,
    writes: false,
    options: OPTIONS,
    read,
};

const CERTIFICATES: &str = "https_ca_certificates_file";
const INSECURE: &str = "https_insecure";
const PROXIES: &str = "http_proxy_information";

const OPTIONS: &[Declared] = &[
    Declared::unset(
        CERTIFICATES,
        Form::Text,
        "Certificates that servers are checked against; https_insecure is then not looked at.",
    ),
    Declared::new(INSECURE, Form::Bool, "false", "Do not check the certificates of servers."),
    Declared::new(PROXIES, Form::Dict, "", "Proxies by scheme, as http:host:port.").secret(),
];

/// Options of the http store; the names are Glance's, which does not verify certificates by default.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `https_ca_certificates_file`: verify with these certificates; the next option is then ignored.
    pub ca_certificates: Option<Vec<u8>>,
    /// `https_insecure`: do not verify certificates.
    pub insecure: bool,
    /// `http_proxy_information`: proxy URL for each scheme.
    pub proxies: Vec<(String, String)>,
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
    Arc::new(Settings { ca_certificates, insecure: options.bool(INSECURE), proxies: options.dict(PROXIES) })
}

impl backend::Settings for Settings {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn open(&self, site: &Site<'_>) -> Result<Arc<dyn Backend>, String> {
        Ok(Arc::new(HttpStore::new(self, site.filter, site.patience)?))
    }
}

/// Data on web servers of others.
#[derive(Clone)]
pub struct HttpStore {
    fetcher: Fetcher,
}

impl HttpStore {
    /// Prepares reading what the filter allows, within the time limits.
    ///
    /// # Errors
    /// A sentence naming the option that is at fault.
    pub fn new(settings: &Settings, filter: &Filter, patience: Patience) -> Result<Self, String> {
        let authorities = settings.ca_certificates.as_deref().map(Authorities::from_pem).transpose();
        let authorities = authorities.map_err(|e| format!("https_ca_certificates_file: it {e}"))?;
        let verify = authorities.is_some() || !settings.insecure;
        // Those of the environment would resolve names again, without the operator having thought of it here.
        let proxies = match settings.proxies.as_slice() {
            [] => Proxies::Nothing,
            given => Proxies::Given(given.to_vec()),
        };
        let client = outbound::Settings {
            read: Some(READ_PATIENCE.max(patience.idle)),
            connect: patience.connect,
            tls: Tls { verify, authorities, certificate: None },
            proxies,
            ..outbound::Settings::new("store")
        };
        let patience = Patience { first_byte: patience.first_byte.max(READ_PATIENCE), ..patience };
        let fetcher = Fetcher::with_settings(filter.clone(), patience, client);
        if !settings.proxies.is_empty() {
            fetcher.client().map_err(|e| format!("http_proxy_information: {e}"))?;
        }
        Ok(Self { fetcher })
    }

    /// Sends a request, following redirects by hand: only 301 and 302, as the reference does.
    async fn request(&self, method: Method, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<Answer> {
        let bad = |why: String| StoreError::new(StoreErrorKind::BadUrl, url.to_string(), why);
        let range = range.map(|range| ("range", format!("bytes={}-{}", range.first, range.last)));
        let mut target = url.full().to_owned();
        for _ in 0..=REDIRECTS_MAX {
            let sent = self.fetcher.ask(method.clone(), &target, range.as_slice()).await;
            let response = sent.map_err(|e| StoreError::new(kind_of(&e), url.to_string(), e))?;
            match response.status() {
                StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => {
                    let next = response.headers().get(LOCATION).and_then(|l| l.to_str().ok());
                    let next = next.ok_or_else(|| bad("a redirect without a target".to_owned()))?;
                    let joined = Url::parse(&target).and_then(|from| from.join(next));
                    target = joined.map_err(|e| bad(e.to_string()))?.to_string();
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

/// What it means that a server was not asked or did not answer.
fn kind_of(error: &FetchError) -> StoreErrorKind {
    match error {
        FetchError::Broken(_) | FetchError::Slow(_) => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::BadUrl,
    }
}

#[async_trait]
impl Backend for HttpStore {
    fn about(&self) -> About {
        About {
            kind: &KIND,
            capabilities: Capabilities {
                writes: false,
                ranges: true,
                share: None,
                remote: true,
                quarantine: Quarantine::Nothing,
            },
            addresses: Addresses::Schemes(KIND.schemes),
            properties: Map::new(),
            metadata: Vec::new(),
        }
    }

    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        let response = self.request(Method::GET, url, range).await?;
        let place = url.to_string();
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let chunks = futures::stream::try_unfold(self.fetcher.paced(response), |mut body| async move {
            let chunk = body.next().await?;
            Ok::<_, FetchError>(chunk.map(|chunk| (chunk, body)))
        });
        let chunks = chunks.map_err(move |e| StoreError::new(kind_of(&e), place.clone(), e));
        match range {
            // A server that does not know ranges sends everything: skip what was not asked for.
            Some(range) if !partial => Ok(Box::pin(cut(chunks, range))),
            _ => Ok(Box::pin(chunks)),
        }
    }

    async fn file(&self, _: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        Ok(None)
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

    async fn holds(&self, _: &str) -> StoreResult<bool> {
        Err(reads_only())
    }

    async fn room(&self) -> StoreResult<Option<Room>> {
        Ok(None)
    }

    async fn in_use(&self, _: &str) -> StoreResult<bool> {
        Ok(false)
    }

    async fn admit(&self, _: &str, _: &Readers) -> StoreResult<()> {
        Ok(())
    }

    fn list(&self) -> ListStream {
        Box::pin(futures::stream::empty())
    }

    fn yard(&self) -> Option<&dyn Yard> {
        None
    }
}

fn reads_only() -> StoreError {
    StoreError::new(StoreErrorKind::Unsupported, "http store", "it only reads")
}

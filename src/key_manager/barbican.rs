//! The calls to Barbican. Each is bounded in time and in the size of its answers, and so is their number.

use std::{fs, path::Path, time::Duration};

use openssl::x509::X509;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{
    catalog,
    settings::{Settings, SettingsError},
};
use crate::{
    identity::keystone::{self, Keystone},
    model::caller::Token,
    outbound::{self, Authorities, Client, Method, RequestBuilder, StatusCode, Tls, header::HeaderValue},
};

/// Uses of the key manager at once; others wait for their turn, within their time.
const AT_ONCE: usize = 16;
/// Longest record of a secret, and longest certificate, in bytes. Barbican itself keeps no secret over 20 KB.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Longest catalog, in bytes. That of a large cloud has some hundred KiB.
const CATALOG_BYTES_MAX: usize = 2 << 20;
/// The type of the secrets that are certificates.
const CERTIFICATE: &str = "certificate";
/// The version of the API that has consumers of secrets; older services pass the header over.
const MICROVERSION: (&str, &str) = ("OpenStack-API-Version", "key-manager 1.1");

/// Why the key manager was of no use. The texts are for users; what is the operator's alone is logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// None is configured.
    #[error("no key manager is configured here")]
    Unconfigured,
    /// The caller has no token to show.
    #[error("the key manager wants a token")]
    NoToken,
    /// The reference is no UUID, and does not end in one.
    #[error("the key manager knows secrets by UUIDs alone")]
    Malformed,
    /// There is no such secret.
    #[error("the key manager has no such secret")]
    NotFound,
    /// The caller may not do this.
    #[error("the key manager does not allow it")]
    Forbidden,
    /// Others use the secret.
    #[error("others use the secret")]
    InUse,
    /// The secret is something else than what was asked for.
    #[error("the secret is not a certificate")]
    NotACertificate,
    /// It gives no answer, or none that is of use.
    #[error("the key manager does not answer as it should")]
    Unavailable,
}

/// What uses a secret, as Barbican keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer<'a> {
    /// The service.
    pub service: &'a str,
    /// The type of the resource.
    pub resource_type: &'a str,
    /// The id of the resource.
    pub resource_id: &'a str,
}

/// A Barbican.
pub struct Barbican {
    client: Client,
    settings: Settings,
    service: Option<Keystone>,
    permits: Semaphore,
}

/// An answer, read to its end.
struct Reply {
    status: StatusCode,
    body: Vec<u8>,
}

impl Barbican {
    /// Reads certificate files and checks the settings; connects to nothing.
    ///
    /// # Errors
    /// An option is of no use.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        for (option, url) in [
            ("barbican_endpoint", settings.endpoint.as_deref()),
            ("auth_endpoint", Some(settings.auth_endpoint.as_str())),
        ] {
            check_address(option, url)?;
        }
        if settings.timeout.is_zero() {
            return Err(SettingsError::new("timeout", "0 leaves no time to answer"));
        }
        let client = Client::new(&outbound::Settings {
            connect: settings.timeout.min(Duration::from_secs(10)),
            total: Some(settings.timeout),
            idle_connections: Some(AT_ONCE),
            tls: Tls {
                verify: settings.verify_ssl,
                authorities: settings.verify_ssl_path.as_deref().map(authorities).transpose()?,
                certificate: None,
            },
            traced: true,
            ..outbound::Settings::new("key-manager")
        });
        let client = client.map_err(|reason| SettingsError::new("verify_ssl_path", reason))?;
        let service = settings.service_user.clone().map(Keystone::new).transpose();
        let service = service.map_err(|keystone::SettingsError { option, reason }| SettingsError {
            section: "barbican_service_user",
            option,
            reason,
        })?;
        if !settings.verify_ssl {
            tracing::warn!("[barbican] verify_ssl is off: Barbican's certificate is not verified");
        }
        Ok(Self { client, service, permits: Semaphore::new(AT_ONCE), settings })
    }

    pub(super) async fn certificate(&self, token: Option<&Token>, id: &str) -> Result<Vec<u8>, KeyError> {
        self.within(async {
            let session = self.session(token, id).await?;
            let record = session.record().await?;
            if record.get("secret_type").and_then(Value::as_str) != Some(CERTIFICATE) {
                return Err(KeyError::NotACertificate);
            }
            let media = record.pointer("/content_types/default").and_then(Value::as_str);
            // A secret that was announced, but never got its data, has no type of content.
            let media = media.ok_or(KeyError::NotACertificate)?;
            let accept = HeaderValue::from_str(media).map_err(|_| KeyError::NotACertificate)?;
            let asked = session.request(Method::GET, "/payload").header("Accept", accept);
            let payload = self.send(asked, ANSWER_BYTES_MAX).await?.good()?;
            let read = X509::from_pem(&payload).or_else(|_| X509::from_der(&payload));
            read.and_then(|certificate| certificate.to_der()).map_err(|_| KeyError::NotACertificate)
        })
        .await
    }

    pub(super) async fn delete(&self, token: Option<&Token>, id: &str) -> Result<(), KeyError> {
        self.within(async {
            let session = self.session(token, id).await?;
            let record = session.record().await?;
            if record.get("consumers").and_then(Value::as_array).is_some_and(|others| !others.is_empty()) {
                return Err(KeyError::InUse);
            }
            self.send(session.request(Method::DELETE, ""), ANSWER_BYTES_MAX).await?.good().map(drop)
        })
        .await
    }

    pub(super) async fn add_consumer(
        &self,
        token: Option<&Token>,
        id: &str,
        consumer: Consumer<'_>,
    ) -> Result<(), KeyError> {
        self.consumers(Method::POST, token, id, consumer).await
    }

    pub(super) async fn remove_consumer(
        &self,
        token: Option<&Token>,
        id: &str,
        consumer: Consumer<'_>,
    ) -> Result<(), KeyError> {
        self.consumers(Method::DELETE, token, id, consumer).await
    }

    async fn consumers(
        &self,
        method: Method,
        token: Option<&Token>,
        id: &str,
        consumer: Consumer<'_>,
    ) -> Result<(), KeyError> {
        self.within(async {
            let session = self.session(token, id).await?;
            let Consumer { service, resource_type, resource_id } = consumer;
            let body = json!({
                "service": service, "resource_type": resource_type, "resource_id": resource_id,
            });
            let asked = session.request(method, "/consumers").header("Content-Type", "application/json");
            self.send(asked.body(body.to_string()), ANSWER_BYTES_MAX).await?.good().map(drop)
        })
        .await
    }

    /// Does something in its turn and its time.
    async fn within<T>(&self, work: impl Future<Output = Result<T, KeyError>>) -> Result<T, KeyError> {
        let done = tokio::time::timeout(self.settings.timeout, async {
            let _permit = self.permits.acquire().await.map_err(|_| KeyError::Unavailable)?;
            work.await
        });
        done.await.unwrap_or_else(|_| {
            tracing::error!(seconds = self.settings.timeout.as_secs(), "Barbican does not answer in time");
            Err(KeyError::Unavailable)
        })
    }

    /// Finds the service, and what it takes to speak to it about a secret.
    async fn session<'a>(&'a self, token: Option<&Token>, id: &str) -> Result<Session<'a>, KeyError> {
        let id = secret_id(id).ok_or(KeyError::Malformed)?;
        let token = token.ok_or(KeyError::NoToken)?;
        let mut token = HeaderValue::from_str(token.reveal()).map_err(|_| KeyError::Forbidden)?;
        token.set_sensitive(true);
        let service_token = match &self.service {
            // Keystone has logged why.
            Some(service) => Some(service.service_token().await.map_err(|_| KeyError::Unavailable)?),
            None => None,
        };
        let root = match &self.settings.endpoint {
            Some(endpoint) => catalog::root(endpoint, &self.settings.api_version),
            None => self.in_catalog(&token).await?,
        };
        Ok(Session { barbican: self, url: format!("{root}/secrets/{id}"), token, service_token })
    }

    /// The root of the service in the catalog of a token.
    async fn in_catalog(&self, token: &HeaderValue) -> Result<String, KeyError> {
        let Settings { endpoint_type, region_name, api_version, auth_endpoint, .. } = &self.settings;
        let url = format!("{}/auth/catalog", keystone::v3_root(auth_endpoint));
        let asked = self.client.request(Method::GET, &url).header("Accept", "application/json");
        let reply = self.send(asked.header("X-Auth-Token", token), CATALOG_BYTES_MAX).await?;
        let body: Value = serde_json::from_slice(&reply.good()?).unwrap_or_default();
        let services = body.get("catalog").unwrap_or(&Value::Null);
        let found = catalog::endpoint(services, *endpoint_type, region_name.as_deref());
        let found = found.filter(|url| check_address("", Some(url)).is_ok()).ok_or_else(|| {
            tracing::error!(
                interface = endpoint_type.word(),
                region = region_name.as_deref().unwrap_or("any"),
                "the catalog has no endpoint of a key-manager"
            );
            KeyError::Unavailable
        })?;
        Ok(catalog::root(found, api_version))
    }

    async fn send(&self, request: RequestBuilder, bytes_max: usize) -> Result<Reply, KeyError> {
        let away = |cause: &dyn std::fmt::Display| {
            tracing::error!(%cause, "Barbican, or the Keystone that knows where it is, does not answer");
            KeyError::Unavailable
        };
        let mut answer = self.client.send(request).await.map_err(|error| away(&error))?;
        let status = answer.status();
        let body = answer.body(bytes_max).await.map_err(|error| away(&error))?;
        let body = body.ok_or_else(|| away(&format_args!("its answer is longer than {bytes_max} bytes")))?;
        Ok(Reply { status, body })
    }
}

impl Reply {
    /// The body of an answer that is no failure.
    fn good(self) -> Result<Vec<u8>, KeyError> {
        let Self { status, body } = self;
        if status.is_success() {
            return Ok(body);
        }
        tracing::warn!(%status, "the key manager refuses a request");
        Err(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => KeyError::NotFound,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => KeyError::Forbidden,
            StatusCode::CONFLICT => KeyError::InUse,
            _ => KeyError::Unavailable,
        })
    }
}

/// What it takes to speak about one secret.
struct Session<'a> {
    barbican: &'a Barbican,
    url: String,
    token: HeaderValue,
    service_token: Option<HeaderValue>,
}

impl Session<'_> {
    fn request(&self, method: Method, below: &str) -> RequestBuilder {
        let request = self.barbican.client.request(method, format!("{}{below}", self.url));
        let request = request.header("X-Auth-Token", &self.token).header(MICROVERSION.0, MICROVERSION.1);
        match &self.service_token {
            Some(token) => request.header("X-Service-Token", token),
            None => request,
        }
    }

    /// What Barbican says about the secret.
    async fn record(&self) -> Result<Value, KeyError> {
        let asked = self.request(Method::GET, "").header("Accept", "application/json");
        let body = self.barbican.send(asked, ANSWER_BYTES_MAX).await?.good()?;
        serde_json::from_slice(&body).map_err(|error| {
            tracing::error!(%error, "Barbican's record of a secret cannot be read");
            KeyError::Unavailable
        })
    }
}

/// The id in a reference, which is a UUID or a URL that ends in one (`barbicanclient/base.py`).
fn secret_id(reference: &str) -> Option<Uuid> {
    let last = reference.trim_end_matches('/').rsplit('/').next()?;
    Uuid::parse_str(last).ok()
}

fn check_address(option: &'static str, url: Option<&str>) -> Result<(), SettingsError> {
    let Some(url) = url else { return Ok(()) };
    match outbound::Url::parse(url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => Ok(()),
        _ => Err(SettingsError::new(option, format!("{url:?} is neither http://HOST nor https://HOST"))),
    }
}

fn authorities(path: &Path) -> Result<Authorities, SettingsError> {
    let bad = |reason| SettingsError::new("verify_ssl_path", format!("{}: {reason}", path.display()));
    let pem = fs::read(path).map_err(|error| bad(error.to_string()))?;
    Authorities::from_pem(&pem).map_err(bad)
}

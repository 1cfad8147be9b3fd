//! Remote checks: asking a policy server over HTTP whether the caller may (`oslo_policy/_external.py`).

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::target::{Target, credentials};
use super::{PolicyError, RemoteContentType, Settings};
use crate::model::caller::Caller;
use crate::outbound::{self, Authorities, Certificate, Method, Tls, Unusable, header::CONTENT_TYPE};

/// How many bytes of an answer are read; the one that counts has four.
const ANSWER_BYTES_MAX: usize = 4096;
/// Redirects followed at most.
const REDIRECTS_MAX: usize = 10;

/// Asks policy servers; connects only when a rule needs one.
#[derive(Debug)]
pub(crate) struct Client {
    content_type: RemoteContentType,
    timeout: Duration,
    tls: Tls,
    http: OnceLock<outbound::Client>,
}

impl Client {
    /// Reads the certificate files that the settings name.
    pub(crate) fn new(settings: &Settings) -> Result<Self, PolicyError> {
        let timeout = Duration::try_from_secs_f64(settings.remote_timeout).map_err(|error| {
            let (option, reason) = ("remote_timeout", error.to_string());
            PolicyError::Setting { option, reason }
        })?;
        let authorities = match &settings.remote_ssl_ca_crt_file {
            Some(path) if settings.remote_ssl_verify_server_crt => Some(authorities(path)?),
            _ => None,
        };
        let key = settings.remote_ssl_client_key_file.as_deref();
        let certificate = match &settings.remote_ssl_client_crt_file {
            Some(path) => Some(certificate(path, key)?),
            None => None,
        };
        let tls = Tls { verify: settings.remote_ssl_verify_server_crt, authorities, certificate };
        let content_type = settings.remote_content_type;
        Ok(Self { content_type, timeout, tls, http: OnceLock::new() })
    }

    /// Posts the question to `url`. Allowed only if the answer, without quotes around it, is `True`;
    /// its status does not matter.
    pub(crate) async fn ask(
        &self,
        url: &str,
        rule: Option<&str>,
        caller: &Caller,
        target: &dyn Target,
    ) -> Result<bool, PolicyError> {
        let failed = |reason: String| PolicyError::Remote { url: url.to_owned(), reason };
        let target: Map<String, Value> = target.entries().into_iter().collect();
        let caller: Map<String, Value> = credentials(caller).into_iter().collect();
        let (mime, body) = self.question(rule, target, caller);
        let client = self.client().map_err(failed)?;
        let request = client.request(Method::POST, url).header(CONTENT_TYPE, mime).body(body);
        let answer = async { client.send(request).await?.body(ANSWER_BYTES_MAX).await };
        let text = answer.await.map_err(|error| failed(error.to_string()))?;
        // What is longer is not the one word that counts.
        Ok(text.is_some_and(|text| String::from_utf8_lossy(&text).trim_matches('"') == "True"))
    }

    fn question(
        &self,
        rule: Option<&str>,
        target: Map<String, Value>,
        caller: Map<String, Value>,
    ) -> (&'static str, String) {
        let (target, caller) = (Value::Object(target), Value::Object(caller));
        match self.content_type {
            RemoteContentType::Json => {
                let body = json!({"rule": rule, "target": target, "credentials": caller});
                ("application/json", body.to_string())
            }
            RemoteContentType::Form => {
                let rule = json!(rule);
                let fields = [("rule", rule), ("target", target), ("credentials", caller)];
                let fields = fields.map(|(name, value)| format!("{name}={}", form_text(&value)));
                ("application/x-www-form-urlencoded", fields.join("&"))
            }
        }
    }

    fn client(&self) -> Result<&outbound::Client, String> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let client = outbound::Client::new(&outbound::Settings {
            connect: self.timeout,
            total: Some(self.timeout),
            redirects: REDIRECTS_MAX,
            tls: self.tls.clone(),
            traced: true,
            ..outbound::Settings::new("policy")
        })?;
        Ok(self.http.get_or_init(|| client))
    }
}

/// The JSON text of `value`, percent-encoded for a form field.
fn form_text(value: &Value) -> String {
    let mut encoded = String::new();
    for byte in value.to_string().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._*".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn read(path: &Path) -> Result<Vec<u8>, PolicyError> {
    std::fs::read(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, reason: impl ToString) -> PolicyError {
    PolicyError::Unreadable { path: path.to_owned(), reason: reason.to_string() }
}

fn authorities(path: &Path) -> Result<Authorities, PolicyError> {
    Authorities::from_pem(&read(path)?).map_err(|reason| unusable(path, reason))
}

/// The client's certificate and key; both may be in one file.
fn certificate(chain: &Path, key: Option<&Path>) -> Result<Certificate, PolicyError> {
    let key = key.unwrap_or(chain);
    Certificate::from_pem(&read(chain)?, &read(key)?).map_err(|fault| match fault {
        Unusable::Chain(reason) => unusable(chain, reason),
        Unusable::Key(reason) => unusable(key, reason),
    })
}

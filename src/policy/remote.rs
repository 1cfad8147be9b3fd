//! Remote checks: asking a policy server over HTTP whether the caller may (`oslo_policy/_external.py`).

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use futures::StreamExt;
use openssl::pkey::PKey;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::target::{Target, credentials};
use super::{PolicyError, RemoteContentType, Settings};
use crate::model::caller::Caller;

/// How many bytes of an answer are read; the one that counts has four.
const ANSWER_BYTES_MAX: usize = 4096;

/// Asks policy servers; connects only when a rule needs one.
#[derive(Debug)]
pub(crate) struct Client {
    content_type: RemoteContentType,
    timeout: Duration,
    tls: Tls,
    http: OnceLock<reqwest::Client>,
}

#[derive(Debug)]
struct Tls {
    verify: bool,
    authorities: Option<Vec<reqwest::Certificate>>,
    identity: Option<reqwest::Identity>,
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
        let identity = match &settings.remote_ssl_client_crt_file {
            Some(path) => Some(identity(path, key)?),
            None => None,
        };
        let tls = Tls { verify: settings.remote_ssl_verify_server_crt, authorities, identity };
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
        let failed = |error: reqwest::Error| PolicyError::Remote {
            url: url.to_owned(),
            // reqwest's own text would repeat the URL and leave the cause out.
            reason: root_cause(&error.without_url()),
        };
        let target: Map<String, Value> = target.entries().into_iter().collect();
        let caller: Map<String, Value> = credentials(caller).into_iter().collect();
        let (mime, body) = self.question(rule, target, caller);
        let request = self.client().map_err(failed)?.post(url).header(CONTENT_TYPE, mime);
        let request = request.timeout(self.timeout).body(body);
        let mut answer = request.send().await.map_err(failed)?.bytes_stream();
        let mut text = Vec::new();
        while let Some(chunk) = answer.next().await {
            text.extend_from_slice(&chunk.map_err(failed)?);
            if text.len() > ANSWER_BYTES_MAX {
                return Ok(false);
            }
        }
        Ok(String::from_utf8_lossy(&text).trim_matches('"') == "True")
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

    fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let mut builder = reqwest::Client::builder().connect_timeout(self.timeout);
        if !self.tls.verify {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if let Some(authorities) = &self.tls.authorities {
            builder = builder.tls_certs_only(authorities.iter().cloned());
        }
        if let Some(identity) = &self.tls.identity {
            builder = builder.identity(identity.clone());
        }
        let client = builder.build()?;
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

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let (outer, inner) = (error.to_string(), cause.to_string());
    if outer == inner { outer } else { format!("{outer}: {inner}") }
}

fn read(path: &Path) -> Result<Vec<u8>, PolicyError> {
    std::fs::read(path).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, reason: impl ToString) -> PolicyError {
    PolicyError::Unreadable { path: path.to_owned(), reason: reason.to_string() }
}

fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, PolicyError> {
    reqwest::Certificate::from_pem_bundle(&read(path)?).map_err(|error| unusable(path, error))
}

/// The client's certificate and key; both may be in one file. A key with a passphrase is refused,
/// because nobody is there to type it.
fn identity(certificate: &Path, key: Option<&Path>) -> Result<reqwest::Identity, PolicyError> {
    let key_path = key.unwrap_or(certificate);
    let refuse = |_: &mut [u8]| Ok(0);
    let key = PKey::private_key_from_pem_callback(&read(key_path)?, refuse)
        .and_then(|key| key.private_key_to_pem_pkcs8())
        .map_err(|error| unusable(key_path, error))?;
    reqwest::Identity::from_pkcs8_pem(&read(certificate)?, &key).map_err(|error| unusable(certificate, error))
}

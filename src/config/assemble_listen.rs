//! Where and how to listen.

use super::Loaded;
use super::assemble_imports::bad;
use super::check::Finding;
use crate::api::{Endpoint, TlsSettings};

const SECTION: &str = "vitrine";

/// Where and how to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// `ADDRESS:PORT`, if either was written anywhere.
    pub bind: Option<String>,
    /// `[vitrine] listen`, in place of that; empty if it is not set.
    pub endpoints: Vec<Endpoint>,
    /// `[vitrine] metrics_listen`
    pub metrics: Vec<Endpoint>,
    /// `[vitrine] listen_socket_mode`
    pub socket_mode: u32,
    /// `[vitrine] reuse_port`
    pub reuse_port: bool,
    /// `[vitrine] tls_*`; `None` speaks in clear.
    pub tls: Option<TlsSettings>,
    /// Threads that serve requests; `None` is one for each processor.
    pub workers: Option<usize>,
    /// Whether a connection may carry several requests.
    pub keep_alive: bool,
}

pub(super) fn listen(loaded: &Loaded, findings: &mut Vec<Finding>) -> Listen {
    let d = "DEFAULT";
    let host = loaded.string(d, "bind_host").unwrap_or_default();
    let port = loaded.u64(d, "bind_port").unwrap_or_default();
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let is_set = loaded.is_set(d, "bind_host") || loaded.is_set(d, "bind_port");
    let tls = tls(loaded, findings);
    Listen {
        bind: is_set.then(|| format!("{host}:{port}")),
        endpoints: endpoints(loaded, "listen", tls.is_some(), findings),
        metrics: endpoints(loaded, "metrics_listen", tls.is_some(), findings),
        socket_mode: socket_mode(loaded, findings),
        reuse_port: loaded.bool(SECTION, "reuse_port"),
        tls,
        workers: loaded
            .u64(d, "workers")
            .filter(|number| *number > 0)
            .and_then(|number| usize::try_from(number).ok()),
        keep_alive: loaded.bool(d, "http_keepalive"),
    }
}

fn endpoints(loaded: &Loaded, option: &str, has_tls: bool, findings: &mut Vec<Finding>) -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for text in loaded.list(SECTION, option).iter().filter(|text| !text.is_empty()) {
        let endpoint = match Endpoint::parse(text) {
            Ok(Endpoint::Https(_)) if !has_tls => {
                Err(format!("`{text}` takes tls_cert_file and tls_key_file"))
            }
            parsed => parsed,
        };
        match endpoint {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(reason) => findings.push(bad(loaded, SECTION, option, reason)),
        }
    }
    endpoints
}

fn socket_mode(loaded: &Loaded, findings: &mut Vec<Finding>) -> u32 {
    let text = loaded.string(SECTION, "listen_socket_mode").unwrap_or_default();
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.unwrap_or_else(|| {
        let reason = format!("`{text}` is no mode such as 0660");
        findings.push(bad(loaded, SECTION, "listen_socket_mode", reason));
        0o600
    })
}

fn tls(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<TlsSettings> {
    let section = SECTION;
    let client_authorities = loaded.path(section, "tls_client_ca_file");
    let clients_may_have_none =
        loaded.string(section, "tls_client_certificates").is_some_and(|word| word == "optional");
    let mut refuse = |option: &str, reason: &str| {
        findings.push(bad(loaded, section, option, reason.to_owned()));
        None
    };
    match (loaded.path(section, "tls_cert_file"), loaded.path(section, "tls_key_file")) {
        (Some(certificate), Some(key)) => {
            Some(TlsSettings { certificate, key, client_authorities, clients_may_have_none })
        }
        (Some(_), None) => refuse("tls_cert_file", "it takes tls_key_file, the key of the certificate"),
        (None, Some(_)) => refuse("tls_key_file", "it takes tls_cert_file, the certificate of the key"),
        (None, None) if client_authorities.is_some() => {
            refuse("tls_client_ca_file", "it takes tls_cert_file and tls_key_file")
        }
        (None, None) => None,
    }
}

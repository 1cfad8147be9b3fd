//! Where and how to listen.

use super::Loaded;
use super::assemble_imports::bad;
use super::check::Finding;
use crate::api::TlsSettings;

/// Where and how to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// `ADDRESS:PORT`, if either was written anywhere.
    pub bind: Option<String>,
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
    Listen {
        bind: is_set.then(|| format!("{host}:{port}")),
        tls: tls(loaded, findings),
        workers: loaded
            .u64(d, "workers")
            .filter(|number| *number > 0)
            .and_then(|number| usize::try_from(number).ok()),
        keep_alive: loaded.bool(d, "http_keepalive"),
    }
}

fn tls(loaded: &Loaded, findings: &mut Vec<Finding>) -> Option<TlsSettings> {
    let section = "vitrine";
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

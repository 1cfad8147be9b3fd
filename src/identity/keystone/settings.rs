//! `[keystone_authtoken]`: how to reach Keystone, and with which credentials; validated before the first request.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::outbound::Url;

/// A text that never appears in logs: its `Debug` form is three stars.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How the service user logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthType {
    /// `password`: user name and password; domains not named are `default_domain_*`.
    #[default]
    Password,
    /// `v3password`: the same without default domains.
    V3Password,
    /// `v3applicationcredential`: id or name of an application credential, and its secret.
    V3ApplicationCredential,
}

/// An option with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[keystone_authtoken] {option}: {reason}")]
pub struct SettingsError {
    /// Name of the option.
    pub option: &'static str,
    /// The error, for an operator.
    pub reason: String,
}

impl SettingsError {
    pub(super) fn new(option: &'static str, reason: impl Into<String>) -> SettingsError {
        SettingsError { option, reason: reason.into() }
    }
}

/// The options of `[keystone_authtoken]`, under their own names, with the defaults of keystonemiddleware 13
/// (`keystonemiddleware/auth_token/_opts.py`); an absent option is `None` or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How the service user logs in.
    pub auth_type: AuthType,
    /// Where it logs in: `http(s)://host[:port][/path]`, with or without `/v3`.
    pub auth_url: String,
    /// Id of the service user; needs no domain.
    pub user_id: Option<String>,
    /// Name of the service user; needs a domain.
    pub username: Option<String>,
    /// Domain of the service user.
    pub user_domain_id: Option<String>,
    /// Domain of the service user, by name.
    pub user_domain_name: Option<String>,
    /// Password of the service user.
    pub password: Option<Secret>,
    /// Project of the service user's token.
    pub project_id: Option<String>,
    /// Project of the service user's token, by name; needs a domain.
    pub project_name: Option<String>,
    /// Domain of that project.
    pub project_domain_id: Option<String>,
    /// Domain of that project, by name.
    pub project_domain_name: Option<String>,
    /// Domain that the service user's token is scoped to, instead of a project.
    pub domain_id: Option<String>,
    /// The same by name.
    pub domain_name: Option<String>,
    /// Domain of user and project where they name none (`password` only).
    pub default_domain_id: Option<String>,
    /// The same by name.
    pub default_domain_name: Option<String>,
    /// `all` for a system-scoped service token; nothing else exists.
    pub system_scope: Option<String>,
    /// Trust that the service user's token is scoped to.
    pub trust_id: Option<String>,
    /// Id of the application credential.
    pub application_credential_id: Option<String>,
    /// Name of the application credential; needs its user.
    pub application_credential_name: Option<String>,
    /// Secret of the application credential.
    pub application_credential_secret: Option<Secret>,
    /// What 401 answers tell clients to log in at; the `auth_url` when absent.
    pub www_authenticate_uri: Option<String>,
    /// Which Keystone endpoint of the catalog validates tokens: `public`, `internal` or `admin`.
    pub interface: String,
    /// Region of that endpoint; any when absent.
    pub region_name: Option<String>,
    /// PEM file with the only authorities that are trusted; those of the system when absent.
    pub cafile: Option<PathBuf>,
    /// PEM file with our own certificate, for a Keystone that asks for one.
    pub certfile: Option<PathBuf>,
    /// PEM file with its key; `certfile` when absent.
    pub keyfile: Option<PathBuf>,
    /// Do not verify Keystone's certificate.
    pub insecure: bool,
    /// Longest wait for a connection, and for the next bytes on it; 10 s and 30 s when absent.
    pub http_connect_timeout: Option<Duration>,
    /// How often a request is repeated after the connection failed.
    pub http_request_max_retries: u32,
    /// True (Glance's paste file): a bad service token is passed over. False: it refuses the request.
    pub delay_auth_decision: bool,
    /// How long a validated token is cached; `None` is `-1`, no caching.
    pub token_cache_time: Option<Duration>,
    /// Whether Keystone sends the catalog with a token; access rules cannot be checked without it.
    pub include_service_catalog: bool,
    /// Roles; any of them makes a token a service token.
    pub service_token_roles: Vec<String>,
    /// Whether a service token without such a role is refused.
    pub service_token_roles_required: bool,
    /// Our type in the catalog (`image`), for access rules of application credentials.
    pub service_type: Option<String>,
    /// Where validated tokens are shared with other nodes.
    pub memcached: Memcached,
}

/// The options of `[keystone_authtoken]` about memcached, without their prefix `memcache_`. Times are seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memcached {
    /// `memcached_servers`: `host:port` of each; none when empty.
    pub servers: Vec<String>,
    /// How entries are protected.
    pub security_strategy: SecurityStrategy,
    /// From which the keys of that protection are derived.
    pub secret_key: Option<Secret>,
    /// TLS, with `tls_enabled`.
    pub tls: Option<MemcachedTls>,
    /// `username` and `password`, with `sasl_enabled`.
    pub sasl: Option<(String, Secret)>,
    /// How long a server that failed is left alone.
    pub pool_dead_retry: u64,
    /// Connections to each server at most.
    pub pool_maxsize: u64,
    /// How long a server may take for one call, with the connection.
    pub pool_socket_timeout: u64,
    /// After how long an idle connection is used no more.
    pub pool_unused_timeout: u64,
    /// How long a call waits for a free connection.
    pub pool_conn_get_timeout: u64,
}

/// The options `memcache_tls_…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemcachedTls {
    /// PEM file with the only trusted authorities; those of the operating system when absent.
    pub cafile: Option<PathBuf>,
    /// PEM file with a certificate of our own and its chain.
    pub certfile: Option<PathBuf>,
    /// PEM file with its key; `certfile` when absent.
    pub keyfile: Option<PathBuf>,
    /// OpenSSL's list of ciphers to offer.
    pub allowed_ciphers: Option<String>,
}

/// `memcache_security_strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityStrategy {
    /// Entries are as anybody can write them.
    #[default]
    None,
    /// They are authenticated.
    Mac,
    /// They are encrypted and authenticated.
    Encrypt,
}

impl Default for Memcached {
    fn default() -> Memcached {
        Memcached {
            servers: Vec::new(),
            security_strategy: SecurityStrategy::None,
            secret_key: None,
            tls: None,
            sasl: None,
            pool_dead_retry: 300,
            pool_maxsize: 10,
            pool_socket_timeout: 3,
            pool_unused_timeout: 60,
            pool_conn_get_timeout: 10,
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            auth_type: AuthType::default(),
            auth_url: String::new(),
            user_id: None,
            username: None,
            user_domain_id: None,
            user_domain_name: None,
            password: None,
            project_id: None,
            project_name: None,
            project_domain_id: None,
            project_domain_name: None,
            domain_id: None,
            domain_name: None,
            default_domain_id: None,
            default_domain_name: None,
            system_scope: None,
            trust_id: None,
            application_credential_id: None,
            application_credential_name: None,
            application_credential_secret: None,
            www_authenticate_uri: None,
            interface: "internal".to_owned(),
            region_name: None,
            cafile: None,
            certfile: None,
            keyfile: None,
            insecure: false,
            http_connect_timeout: None,
            http_request_max_retries: 3,
            delay_auth_decision: true,
            token_cache_time: Some(Duration::from_secs(300)),
            include_service_catalog: true,
            service_token_roles: vec!["service".to_owned()],
            service_token_roles_required: true,
            service_type: None,
            memcached: Memcached::default(),
        }
    }
}

impl Settings {
    /// Who logs in, and where, from what `text` knows by the names of keystoneauth's options; the rest is as usual.
    pub fn of_login(text: impl Fn(&'static str) -> Option<String>) -> Self {
        Self {
            auth_url: text("auth_url").unwrap_or_default(),
            user_id: text("user_id"),
            username: text("username"),
            user_domain_id: text("user_domain_id"),
            user_domain_name: text("user_domain_name"),
            password: text("password").map(Secret),
            project_id: text("project_id"),
            project_name: text("project_name"),
            project_domain_id: text("project_domain_id"),
            project_domain_name: text("project_domain_name"),
            default_domain_id: text("default_domain_id"),
            default_domain_name: text("default_domain_name"),
            application_credential_id: text("application_credential_id"),
            application_credential_name: text("application_credential_name"),
            application_credential_secret: text("application_credential_secret").map(Secret),
            ..Self::default()
        }
    }

    /// The v3 root that logins go to, without a slash at its end.
    ///
    /// # Errors
    /// `auth_url` is missing or no http address.
    pub(super) fn login_root(&self) -> Result<String, SettingsError> {
        let bad = |reason: String| SettingsError::new("auth_url", reason);
        if self.auth_url.is_empty() {
            return Err(bad("is missing: it says where Keystone is, as http://HOST:5000/v3".into()));
        }
        let url = Url::parse(&self.auth_url).map_err(|e| bad(format!("{:?}: {e}", self.auth_url)))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(bad(format!("{:?} is neither http://HOST nor https://HOST", self.auth_url)));
        }
        Ok(v3_root(&self.auth_url))
    }

    /// The catalog's word for the wanted endpoints; `internalURL` and `internal` are the same.
    ///
    /// # Errors
    /// `interface` is none of the three that exist.
    pub(super) fn catalog_interface(&self) -> Result<String, SettingsError> {
        let word = self.interface.strip_suffix("URL").unwrap_or(&self.interface);
        match word {
            "public" | "internal" | "admin" => Ok(word.to_owned()),
            _ => Err(SettingsError::new("interface", format!("{word:?} is not public, internal or admin"))),
        }
    }

    /// The `WWW-Authenticate` header of a 401.
    ///
    /// # Errors
    /// The address cannot stand in a header between quotes.
    pub(super) fn challenge(&self) -> Result<String, SettingsError> {
        let uri = self.www_authenticate_uri.as_deref().unwrap_or(&self.auth_url);
        if uri.bytes().any(|b| !b.is_ascii_graphic() || b == b'"' || b == b'\\') {
            return Err(SettingsError::new("www_authenticate_uri", format!("{uri:?} is not an address")));
        }
        Ok(format!("Keystone uri=\"{uri}\""))
    }
}

/// The v3 root below an identity address that may name another version or none.
pub fn v3_root(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with("/v3") {
        return url.to_owned();
    }
    format!("{}/v3", url.strip_suffix("/v2.0").unwrap_or(url).trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn glance() -> Settings {
        Settings {
            auth_url: "http://keystone:5000".to_owned(),
            password: Some(Secret("s3cret".to_owned())),
            ..Settings::default()
        }
    }

    #[test]
    fn login_roots_end_in_v3_whatever_was_configured() {
        for url in
            ["http://k:5000", "http://k:5000/", "http://k:5000/v3", "http://k:5000/v3/", "http://k:5000/v2.0"]
        {
            let settings = Settings { auth_url: url.to_owned(), ..glance() };
            assert_eq!(settings.login_root().unwrap(), "http://k:5000/v3", "{url}");
        }
        assert_eq!(v3_root("https://k/identity"), "https://k/identity/v3");
        for url in ["", "k:5000", "ftp://k/v3", "/v3", "http://"] {
            let settings = Settings { auth_url: url.to_owned(), ..glance() };
            assert_eq!(settings.login_root().unwrap_err().option, "auth_url", "{url}");
        }
    }

    #[test]
    fn words_and_addresses_that_mean_nothing_are_refused() {
        assert!(Settings { interface: "inside".to_owned(), ..glance() }.catalog_interface().is_err());
        assert!(
            Settings { www_authenticate_uri: Some("http://k\"\r\nX: y".to_owned()), ..glance() }
                .challenge()
                .is_err()
        );
        assert!(!format!("{:?}", glance()).contains("s3cret"), "passwords stay out of logs");
    }
}

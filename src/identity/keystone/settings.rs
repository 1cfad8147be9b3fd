//! `[keystone_authtoken]`: how Keystone is reached, and as whom; checked before anything is asked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde_json::{Map, Value, json};

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

/// An option that cannot be honoured as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("[keystone_authtoken] {option}: {reason}")]
pub struct SettingsError {
    /// Name of the option.
    pub option: &'static str,
    /// What is wrong with it, in words for an operator.
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
    /// How long a validated token is believed without asking again; `None` is `-1`, always ask.
    pub token_cache_time: Option<Duration>,
    /// Whether Keystone sends the catalog with a token; access rules cannot be checked without it.
    pub include_service_catalog: bool,
    /// Roles, any of which makes a token a service token.
    pub service_token_roles: Vec<String>,
    /// Whether a service token without such a role is refused.
    pub service_token_roles_required: bool,
    /// Our type in the catalog (`image`), for access rules of application credentials.
    pub service_type: Option<String>,
    /// `host:port` of memcached servers. Never contacted: see `docs/decisions/keystone-token-cache.md`.
    pub memcached_servers: Vec<String>,
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
            memcached_servers: Vec::new(),
        }
    }
}

impl Settings {
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

    /// What a 401 says in `WWW-Authenticate`.
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

    /// The body of the login request (`keystoneauth1/identity/v3/base.py: Auth.get_auth_ref`).
    ///
    /// # Errors
    /// An option that this kind of login needs is missing, or two exclude each other.
    pub(super) fn login_body(&self) -> Result<Value, SettingsError> {
        let mut auth = Map::new();
        if self.auth_type == AuthType::V3ApplicationCredential {
            let credential = self.application_credential()?;
            auth.insert(
                "identity".to_owned(),
                json!({"methods": ["application_credential"], "application_credential": credential}),
            );
            if self.scope()?.is_some() {
                return Err(SettingsError::new(
                    "auth_type",
                    "an application credential has a scope of its own: remove project, domain, system and trust",
                ));
            }
        } else {
            let mut user = self.user()?;
            let password = self.password.as_ref().ok_or_else(|| missing("password"))?;
            user.insert("password".to_owned(), Value::from(password.0.as_str()));
            auth.insert("identity".to_owned(), json!({"methods": ["password"], "password": {"user": user}}));
            if let Some(scope) = self.scope()? {
                auth.insert("scope".to_owned(), scope);
            }
        }
        Ok(json!({"auth": auth}))
    }

    fn application_credential(&self) -> Result<Map<String, Value>, SettingsError> {
        let secret = self.application_credential_secret.as_ref();
        let secret = secret.ok_or_else(|| missing("application_credential_secret"))?;
        let mut credential = Map::new();
        if let Some(id) = &self.application_credential_id {
            credential.insert("id".to_owned(), Value::from(id.as_str()));
        } else {
            let name = self.application_credential_name.as_ref();
            let name = name.ok_or_else(|| missing("application_credential_id"))?;
            credential.insert("name".to_owned(), Value::from(name.as_str()));
            credential.insert("user".to_owned(), Value::Object(self.user()?));
        }
        credential.insert("secret".to_owned(), Value::from(secret.0.as_str()));
        Ok(credential)
    }

    fn user(&self) -> Result<Map<String, Value>, SettingsError> {
        named(
            (self.user_id.as_deref(), self.username.as_deref()),
            self.domain(&self.user_domain_id, &self.user_domain_name),
            "user_domain_name",
        )?
        .ok_or_else(|| missing("username"))
    }

    /// `None` when the token's scope is left to the user's default project.
    fn scope(&self) -> Result<Option<Value>, SettingsError> {
        let mut scopes = Vec::new();
        let project = named(
            (self.project_id.as_deref(), self.project_name.as_deref()),
            self.domain(&self.project_domain_id, &self.project_domain_name),
            "project_domain_name",
        )?;
        scopes.extend(project.map(|project| json!({"project": project})));
        scopes.extend(reference(&self.domain_id, &self.domain_name).map(|domain| json!({"domain": domain})));
        scopes.extend(self.trust_id.as_ref().map(|id| json!({"OS-TRUST:trust": {"id": id}})));
        match self.system_scope.as_deref() {
            None => {}
            Some("all") => scopes.push(json!({"system": {"all": true}})),
            Some(other) => {
                return Err(SettingsError::new("system_scope", format!("{other:?}: only \"all\" exists")));
            }
        }
        if scopes.len() > 1 {
            return Err(SettingsError::new(
                "project_name",
                "project, domain, system_scope and trust_id exclude each other: keep one",
            ));
        }
        Ok(scopes.pop())
    }

    fn domain(&self, id: &Option<String>, name: &Option<String>) -> Option<Value> {
        let default = || match self.auth_type {
            AuthType::Password => reference(&self.default_domain_id, &self.default_domain_name),
            AuthType::V3Password | AuthType::V3ApplicationCredential => None,
        };
        reference(id, name).or_else(default)
    }
}

/// The v3 root below an identity address that may name another version or none.
pub(super) fn v3_root(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with("/v3") {
        return url.to_owned();
    }
    format!("{}/v3", url.strip_suffix("/v2.0").unwrap_or(url).trim_end_matches('/'))
}

fn reference(id: &Option<String>, name: &Option<String>) -> Option<Value> {
    match (id, name) {
        (Some(id), _) => Some(json!({"id": id})),
        (None, Some(name)) => Some(json!({"name": name})),
        (None, None) => None,
    }
}

/// Names a user or project by `(id, name)`; a name is only unique within its domain.
fn named(
    (id, name): (Option<&str>, Option<&str>),
    domain: Option<Value>,
    domain_option: &'static str,
) -> Result<Option<Map<String, Value>>, SettingsError> {
    let mut fields = Map::new();
    if let Some(id) = id {
        fields.insert("id".to_owned(), Value::from(id));
    } else if let Some(name) = name {
        fields.insert("name".to_owned(), Value::from(name));
        fields.insert("domain".to_owned(), domain.ok_or_else(|| missing(domain_option))?);
    } else {
        return Ok(None);
    }
    Ok(Some(fields))
}

fn missing(option: &'static str) -> SettingsError {
    SettingsError::new(option, "is missing: the service user cannot log in to Keystone without it")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn text(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    fn glance() -> Settings {
        Settings {
            auth_url: "http://keystone:5000".to_owned(),
            username: text("glance"),
            user_domain_name: text("Default"),
            password: Some(Secret("s3cret".to_owned())),
            project_name: text("service"),
            project_domain_id: text("default"),
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
    fn login_bodies_say_who_and_where() {
        let password = json!({"methods": ["password"], "password": {"user":
            {"name": "glance", "domain": {"name": "Default"}, "password": "s3cret"}}});
        let cases = [
            (
                glance(),
                json!({"auth": {"identity": password,
                    "scope": {"project": {"name": "service", "domain": {"id": "default"}}}}}),
            ),
            (
                Settings { project_name: None, system_scope: text("all"), ..glance() },
                json!({"auth": {"identity": password, "scope": {"system": {"all": true}}}}),
            ),
            (
                Settings { project_name: None, trust_id: text("t"), ..glance() },
                json!({"auth": {"identity": password, "scope": {"OS-TRUST:trust": {"id": "t"}}}}),
            ),
            (Settings { project_name: None, ..glance() }, json!({"auth": {"identity": password}})),
            (
                Settings {
                    user_domain_name: None,
                    project_domain_id: None,
                    default_domain_name: text("Default"),
                    ..glance()
                },
                json!({"auth": {"identity": password,
                    "scope": {"project": {"name": "service", "domain": {"name": "Default"}}}}}),
            ),
            (
                Settings {
                    auth_type: AuthType::V3ApplicationCredential,
                    application_credential_id: text("ac"),
                    application_credential_secret: Some(Secret("s".to_owned())),
                    project_name: None,
                    ..glance()
                },
                json!({"auth": {"identity": {"methods": ["application_credential"],
                    "application_credential": {"id": "ac", "secret": "s"}}}}),
            ),
        ];
        for (settings, expected) in cases {
            assert_eq!(settings.login_body().unwrap(), expected);
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_its_name() {
        let v3 = AuthType::V3Password;
        let cases = [
            (Settings { password: None, ..glance() }, "password"),
            (Settings { username: None, ..glance() }, "username"),
            (Settings { user_domain_name: None, ..glance() }, "user_domain_name"),
            (
                Settings {
                    auth_type: v3,
                    user_domain_name: None,
                    default_domain_id: text("default"),
                    ..glance()
                },
                "user_domain_name",
            ),
            (Settings { project_domain_id: None, ..glance() }, "project_domain_name"),
            (Settings { system_scope: text("some"), ..glance() }, "system_scope"),
            (Settings { system_scope: text("all"), ..glance() }, "project_name"),
            (
                Settings { auth_type: AuthType::V3ApplicationCredential, ..glance() },
                "application_credential_secret",
            ),
        ];
        for (settings, option) in cases {
            assert_eq!(settings.login_body().unwrap_err().option, option);
        }
        assert!(Settings { interface: "inside".to_owned(), ..glance() }.catalog_interface().is_err());
        assert!(
            Settings { www_authenticate_uri: text("http://k\"\r\nX: y"), ..glance() }.challenge().is_err()
        );
        assert!(!format!("{:?}", glance()).contains("s3cret"), "passwords stay out of logs");
    }
}

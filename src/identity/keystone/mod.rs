//! Tokens validated by a real Keystone v3, as in keystonemiddleware's `auth_token`.

mod http;
pub mod limits;
mod login;
mod names;
mod session;
mod settings;
mod shared;
mod token;
pub mod visit;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_away;
#[cfg(test)]
mod tests_limits;
#[cfg(test)]
mod tests_names;
#[cfg(test)]
mod tests_tls;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::Utc;
use moka::{Expiry, future::Cache};

pub use settings::{
    AuthType, Memcached, MemcachedTls, Secret, SecurityStrategy, Settings, SettingsError, v3_root,
};

use self::http::{Answer, Http};
use self::names::{Asked, Names};
use self::session::{Login, Session, away, broken, refused};
use self::shared::Shared;
use self::token::Token;
use super::{Credentials, Identity, IdentityError};
use crate::model::caller::Caller;
use crate::outbound::{Method, StatusCode, header::HeaderValue};

/// Longest token that is looked at. Keystone's own are under 1 KiB, other identity services' under 8.
const TOKEN_BYTES_MAX: usize = 16 << 10;
/// What all tokens in the cache may occupy together, about.
const CACHE_BYTES_MAX: u64 = 16 << 20;
/// What a token in the cache counts for at least, so that there are never more than 16,384 of them.
const CACHE_ENTRY_BYTES_MIN: usize = 1 << 10;
/// How long a request waits for its token to be validated, repetitions, logins and all.
const VALIDATION_TIMEOUT: Duration = Duration::from_secs(60);

/// SHA-256 of a token, and whether Keystone was asked to accept it although it has expired. Those questions are
/// apart, lest a service's be answered by the refusal that a user gets at the same moment.
type CacheKey = ([u8; 32], bool);

/// Validates tokens with a Keystone, and caches the results.
///
/// Identity headers from clients are ignored: everything in a [`Caller`] comes from Keystone.
pub struct Keystone {
    settings: Settings,
    challenge: String,
    http: Http,
    session: Session,
    /// Valid tokens only; absent when `token_cache_time` is off.
    cache: Option<Cache<CacheKey, Kept>>,
    /// What nodes share, looked into before Keystone is asked.
    shared: Option<Shared>,
    names: Names,
}

/// A token in the cache.
#[derive(Clone)]
struct Kept {
    token: Arc<Token>,
    /// For how long it may be kept: less than `token_cache_time` when another node has had it validated.
    life: Duration,
}

/// Keeps each token for its own time.
struct Lives;

impl Expiry<CacheKey, Kept> for Lives {
    fn expire_after_create(&self, _: &CacheKey, kept: &Kept, _: std::time::Instant) -> Option<Duration> {
        Some(kept.life)
    }
}

impl Keystone {
    /// Reads certificate files and checks the settings; Keystone need not run yet.
    ///
    /// # Errors
    /// An option is missing, contradicts another or names a file that is of no use.
    pub fn new(settings: Settings) -> Result<Keystone, SettingsError> {
        warn_about(&settings);
        let session = Session::new(&settings)?;
        let life = settings.token_cache_time.filter(|time| !time.is_zero());
        let cache = life.map(|_| {
            let weigh = |_: &CacheKey, kept: &Kept| {
                u32::try_from(kept.token.size_bytes().max(CACHE_ENTRY_BYTES_MIN)).unwrap_or(u32::MAX)
            };
            Cache::builder().max_capacity(CACHE_BYTES_MAX).weigher(weigh).expire_after(Lives).build()
        });
        // Its options are checked even where nothing is cached.
        let shared = Shared::new(&settings.memcached, life.unwrap_or_default())?.filter(|_| life.is_some());
        Ok(Keystone {
            challenge: settings.challenge()?,
            http: Http::new(&settings)?,
            session,
            cache,
            shared,
            names: Names::default(),
            settings,
        })
    }

    /// The token of the service user itself, for the header `X-Service-Token` of requests in a caller's name.
    ///
    /// # Errors
    /// [`IdentityError::Unavailable`] when it cannot log in; the reason is logged.
    pub async fn service_token(&self) -> Result<HeaderValue, IdentityError> {
        Ok(self.session.login(&self.http, None).await?.token.clone())
    }

    /// The service token's content when it is one; `None` when there is none or, with `delay_auth_decision`,
    /// when it is passed over.
    async fn service(&self, credentials: &Credentials) -> Result<Option<Arc<Token>>, IdentityError> {
        let Some(token) = present(&credentials.service_token) else { return Ok(None) };
        let reason = match self.token(token, false).await {
            Ok(token) if !self.settings.service_token_roles_required || self.is_service(&token) => {
                return Ok(Some(token));
            }
            Ok(_) => "it has none of service_token_roles".to_owned(),
            Err(IdentityError::Unauthenticated(reason)) => reason,
            Err(unavailable) => return Err(unavailable),
        };
        if self.settings.delay_auth_decision {
            tracing::info!(reason, "a service token is ignored");
            return Ok(None);
        }
        Err(IdentityError::Unauthenticated(format!("The service token is not accepted: {reason}")))
    }

    fn is_service(&self, token: &Token) -> bool {
        token.has_any_role(&self.settings.service_token_roles)
    }

    /// What Keystone says about a token, now or a while ago. Its expiry is checked at every use.
    async fn token(&self, token: &str, allow_expired: bool) -> Result<Arc<Token>, IdentityError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(unknown_token());
        }
        // What cannot stand in a header was not made by Keystone.
        let mut header = HeaderValue::from_str(token).map_err(|_| unknown_token())?;
        header.set_sensitive(true);
        let found = match &self.cache {
            Some(cache) => self.cached(cache, token, header, allow_expired).await?,
            None => Arc::new(self.parsed(&self.validate(header, allow_expired).await?)?),
        };
        if found.is_expired(Utc::now()) && !allow_expired {
            return Err(unknown_token());
        }
        Ok(found)
    }

    async fn cached(
        &self,
        cache: &Cache<CacheKey, Kept>,
        token: &str,
        header: HeaderValue,
        allow_expired: bool,
    ) -> Result<Arc<Token>, IdentityError> {
        let digest = openssl::sha::sha256(token.as_bytes());
        // An answer to the other question serves as well, for expiry is looked at again.
        let other = cache.get(&(digest, !allow_expired)).await;
        let is_known = other.is_some() || cache.contains_key(&(digest, allow_expired));
        crate::telemetry::metrics().token_looked_up(is_known);
        if let Some(found) = other {
            return Ok(found.token);
        }
        // All who bring this token at once wait for one question; a failure is told to them and forgotten.
        let ask = Box::pin(self.shared_or_validated(token, header, allow_expired));
        let kept = cache.try_get_with((digest, allow_expired), ask).await;
        kept.map(|kept| kept.token).map_err(|error| IdentityError::clone(&error))
    }

    /// From what nodes share, else from Keystone.
    async fn shared_or_validated(
        &self,
        token: &str,
        header: HeaderValue,
        allow_expired: bool,
    ) -> Result<Kept, IdentityError> {
        if let Some(shared) = &self.shared
            && let Some(found) = shared.get(token).await
            && let Ok(content) = self.parsed(&found.body)
        {
            return Ok(Kept { token: Arc::new(content), life: found.life });
        }
        let body = self.validate(header, allow_expired).await?;
        let content = self.parsed(&body)?;
        if let Some(shared) = &self.shared {
            shared.set(token, &body).await;
        }
        Ok(Kept { token: Arc::new(content), life: self.settings.token_cache_time.unwrap_or_default() })
    }

    /// What Keystone's answer to a validation says.
    fn parsed(&self, body: &[u8]) -> Result<Token, IdentityError> {
        Token::parse(body, self.settings.service_type.as_deref())
            .map_err(|e| broken(&self.settings.auth_url, &format!("a token's content: {e}")))
    }

    /// Keystone's answer about a token that it vouches for.
    async fn validate(&self, token: HeaderValue, allow_expired: bool) -> Result<Vec<u8>, IdentityError> {
        let ask = self.validate_with_login(token, allow_expired);
        match tokio::time::timeout(VALIDATION_TIMEOUT, ask).await {
            Ok(answer) => answer,
            Err(_) => Err(away(&self.settings.auth_url, "no answer in time")),
        }
    }

    async fn validate_with_login(
        &self,
        token: HeaderValue,
        allow_expired: bool,
    ) -> Result<Vec<u8>, IdentityError> {
        let mut login = self.session.login(&self.http, None).await?;
        let mut answer = self.ask(&login, &token, allow_expired).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            tracing::info!("Keystone does not accept our own token any more; logging in again");
            login = self.session.login(&self.http, Some(&login)).await?;
            answer = self.ask(&login, &token, allow_expired).await?;
        }
        let url = &login.identity_root;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            StatusCode::NOT_FOUND => {
                if !is_from_keystone(&answer.body) {
                    tracing::warn!(url, "a 404 that is not in Keystone's form: is this address a Keystone?");
                }
                Err(unknown_token())
            }
            _ => Err(refused(url, &answer)),
        }
    }

    async fn ask(
        &self,
        login: &Login,
        token: &HeaderValue,
        allow_expired: bool,
    ) -> Result<Answer, IdentityError> {
        let mut url = format!("{}/auth/tokens", login.identity_root);
        let nocatalog = (!self.settings.include_service_catalog).then_some("nocatalog");
        let expired = allow_expired.then_some("allow_expired=1");
        for (query, mark) in nocatalog.into_iter().chain(expired).zip(["?", "&"]) {
            url.push_str(mark);
            url.push_str(query);
        }
        let request = self
            .http
            .client()
            .request(Method::GET, &url)
            .header("Accept", "application/json")
            .header("X-Auth-Token", &login.token)
            .header("X-Subject-Token", token)
            .header("OpenStack-Identity-Access-Rules", "1.0")
            .build()
            .map_err(|e| broken(&url, &e.to_string()))?;
        self.http.send(request).await.map_err(|e| away(&url, &e.to_string()))
    }
}

#[async_trait]
impl Identity for Keystone {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Caller, IdentityError> {
        let Some(token) = present(&credentials.token) else {
            let reason = "This request needs a token: send one in X-Auth-Token.";
            return Err(IdentityError::Unauthenticated(reason.to_owned()));
        };
        let service = self.service(credentials).await?;
        // Only a service's role counts here, even where any token is accepted as a service token.
        let from_service = service.as_ref().is_some_and(|token| self.is_service(token));
        let user = self.token(token, from_service).await?;
        let Credentials { method, path, .. } = credentials;
        match user.refusal(self.settings.service_type.as_deref(), method, path, from_service) {
            Some(reason) => Err(IdentityError::Unauthenticated(reason.to_owned())),
            None => Ok(user.caller(service.as_deref())),
        }
    }

    async fn catalog(&self, token: &str, _: &str) -> Result<serde_json::Value, IdentityError> {
        let mut header = HeaderValue::from_str(token).map_err(|_| unknown_token())?;
        header.set_sensitive(true);
        let url = format!("{}/auth/catalog", self.session.login(&self.http, None).await?.identity_root);
        let request = self.http.client().request(Method::GET, &url).header("Accept", "application/json");
        let request =
            request.header("X-Auth-Token", header).build().map_err(|e| broken(&url, &e.to_string()))?;
        let answer = self.http.send(request).await.map_err(|e| away(&url, &e.to_string()))?;
        if answer.status != StatusCode::OK {
            return Err(refused(&url, &answer));
        }
        let mut body: serde_json::Value =
            serde_json::from_slice(&answer.body).map_err(|e| broken(&url, &e.to_string()))?;
        Ok(body.get_mut("catalog").map(serde_json::Value::take).unwrap_or_default())
    }

    async fn project_names(&self, ids: Vec<String>) -> HashMap<String, String> {
        self.names.of(Asked { http: &self.http, session: &self.session }, ids).await
    }

    fn challenge(&self, _: &str) -> Option<String> {
        Some(self.challenge.clone())
    }
}

fn present(token: &Option<String>) -> Option<&str> {
    token.as_deref().map(str::trim).filter(|token| !token.is_empty())
}

/// One answer for all, so that nobody learns whether a token existed.
fn unknown_token() -> IdentityError {
    IdentityError::Unauthenticated("The token is unknown, expired or revoked.".to_owned())
}

/// Whether a body has the form of Keystone's errors, `{"error": {"code": …}}`.
fn is_from_keystone(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|body| body["error"]["code"].is_number())
}

fn warn_about(settings: &Settings) {
    if settings.www_authenticate_uri.is_none() {
        tracing::warn!("[keystone_authtoken] www_authenticate_uri is not set: 401 answers name the auth_url");
    }
    if settings.insecure {
        tracing::warn!("[keystone_authtoken] insecure: Keystone's certificate is not verified");
    }
    if !settings.service_token_roles_required {
        tracing::warn!(
            "[keystone_authtoken] service_token_roles_required is off: any token passes as a service token"
        );
    }
    let Memcached { servers, security_strategy, .. } = &settings.memcached;
    if !servers.is_empty() && *security_strategy == SecurityStrategy::None {
        tracing::warn!(
            "[keystone_authtoken] memcache_security_strategy is not set: whoever can write to the memcached servers \
             can be anybody, and whoever can read them sees who uses this cloud"
        );
    }
}

//! The service user's token, and the Keystone endpoint in its catalog.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::http::{Answer, Http};
use super::settings::{Settings, SettingsError, v3_root};
use super::token::time;
use crate::identity::IdentityError;
use crate::outbound::{
    Method, StatusCode,
    header::{HeaderValue, LOCATION},
};

/// A token with less life than this is not used any more (`keystoneauth1`: `MIN_TOKEN_LIFE_SECONDS`).
const LIFE_MIN: Duration = Duration::from_secs(120);

/// Logs the service user in, once for all who wait, and again before its token ends.
pub(super) struct Session {
    login_root: String,
    login_body: Value,
    interface: String,
    region_name: Option<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    login: Option<Arc<Login>>,
    /// When the last login failed, and how: those who waited for it need not try again.
    failure: Option<(Instant, IdentityError)>,
}

/// A login that succeeded.
pub(super) struct Login {
    /// The service user's token, for `X-Auth-Token`.
    pub token: HeaderValue,
    /// Where tokens are validated: a v3 root without a slash at its end.
    pub identity_root: String,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Envelope {
    token: Body,
}

#[derive(Deserialize)]
struct Body {
    #[serde(deserialize_with = "time")]
    issued_at: DateTime<Utc>,
    #[serde(deserialize_with = "time")]
    expires_at: DateTime<Utc>,
    catalog: Option<Vec<Service>>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    interface: String,
    region: Option<String>,
    region_id: Option<String>,
    url: String,
}

impl Session {
    /// Prepares the login without a request.
    ///
    /// # Errors
    /// An option that says who and where we are is missing or wrong.
    pub(super) fn new(settings: &Settings) -> Result<Session, SettingsError> {
        Ok(Session {
            login_root: settings.login_root()?,
            login_body: settings.login_body()?,
            interface: settings.catalog_interface()?,
            region_name: settings.region_name.clone(),
            state: Mutex::default(),
        })
    }

    /// The current login, created if there is none. `rejected` is one that Keystone no longer accepts.
    ///
    /// # Errors
    /// [`IdentityError::Unavailable`] when the service user cannot log in.
    pub(super) async fn login(
        &self,
        http: &Http,
        rejected: Option<&Arc<Login>>,
    ) -> Result<Arc<Login>, IdentityError> {
        let asked_at = Instant::now();
        let mut state = self.state.lock().await;
        let usable = state.login.as_ref().filter(|login| {
            Instant::now() < login.renew_at && !rejected.is_some_and(|old| Arc::ptr_eq(old, login))
        });
        if let Some(login) = usable {
            return Ok(Arc::clone(login));
        }
        if let Some((failed_at, error)) = &state.failure
            && *failed_at >= asked_at
        {
            return Err(error.clone());
        }
        match self.log_in(http).await {
            Ok(login) => {
                let login = Arc::new(login);
                *state = State { login: Some(Arc::clone(&login)), failure: None };
                Ok(login)
            }
            Err(error) => {
                *state = State { login: None, failure: Some((Instant::now(), error.clone())) };
                Err(error)
            }
        }
    }

    async fn log_in(&self, http: &Http) -> Result<Login, IdentityError> {
        let url = format!("{}/auth/tokens", self.login_root);
        let asked_at = Instant::now();
        let request = http.client().request(Method::POST, &url).header("Accept", "application/json");
        let request = request.json(&self.login_body).build().map_err(|e| broken(&url, &e.to_string()))?;
        let answer = http.send(request).await.map_err(|e| away(&url, &e.to_string()))?;
        if !answer.status.is_success() {
            return Err(refused(&url, &answer));
        }
        let token = answer.headers.get("X-Subject-Token").cloned();
        let mut token = token.ok_or_else(|| broken(&url, "the login's answer has no X-Subject-Token"))?;
        token.set_sensitive(true);
        let body = serde_json::from_slice::<Envelope>(&answer.body);
        let body = body.map_err(|e| broken(&url, &format!("the login's answer: {e}")))?.token;
        let life = (body.expires_at - body.issued_at).to_std().unwrap_or_default();
        // Counted from our own question, so that it does not matter whether our clocks agree.
        let renew_at = asked_at + life.saturating_sub(LIFE_MIN.min(life / 4));
        let identity_root = self.identity_root(body.catalog.unwrap_or_default()).ok_or_else(|| {
            let region = self.region_name.as_deref().unwrap_or("any");
            let wanted = format!("interface {}, region {region}", self.interface);
            broken(&url, &format!("the catalog has no identity endpoint ({wanted})"))
        })?;
        Ok(Login { token, identity_root, renew_at })
    }

    fn identity_root(&self, catalog: Vec<Service>) -> Option<String> {
        let identity = catalog.into_iter().filter(|service| service.kind == "identity");
        let is_wanted = |endpoint: &Endpoint| {
            let region = endpoint.region_id.as_ref().or(endpoint.region.as_ref());
            endpoint.interface == self.interface
                && (self.region_name.is_none() || self.region_name.as_ref() == region)
        };
        let found = identity.flat_map(|service| service.endpoints).find(is_wanted)?;
        Some(v3_root(&found.url))
    }
}

/// Keystone gives no answer. The client learns that much; the address and the cause are the operator's.
pub(super) fn away(url: &str, cause: &str) -> IdentityError {
    tracing::error!(url, cause, "Keystone cannot be reached");
    IdentityError::Unavailable(
        "The identity service cannot be reached at the moment, so the token cannot be checked. Try again later."
            .to_owned(),
    )
}

/// Keystone answers what it never should, or what only its operator can mend.
pub(super) fn broken(url: &str, cause: &str) -> IdentityError {
    tracing::error!(url, cause, "Keystone's answer is of no use");
    IdentityError::Unavailable(
        "The identity service does not answer as it should, so the token cannot be checked. Try again later."
            .to_owned(),
    )
}

/// Keystone answered with an unexpected status.
pub(super) fn refused(url: &str, answer: &Answer) -> IdentityError {
    let status = answer.status;
    if status.is_redirection() {
        let target =
            answer.headers.get(LOCATION).and_then(|target| target.to_str().ok()).unwrap_or("elsewhere");
        return broken(url, &format!("{status} to {target}, which is not followed: configure that address"));
    }
    if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return broken(url, &format!("status {status}"));
    }
    tracing::error!(url, %status, "Keystone refuses our service user: see [keystone_authtoken] or [oslo_limit], and its roles");
    IdentityError::Unavailable(
        "The identity service refuses this service's own account, so the token cannot be checked. \
         An operator must correct it."
            .to_owned(),
    )
}

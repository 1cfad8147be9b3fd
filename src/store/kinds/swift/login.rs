//! Logs in with an account: returns a token and the storage URL.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::DateTime;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::timeout};

use super::{
    accounts::{Account, Domain, Version, Who},
    catalogue::{Endpoint, Service},
    fault::Fault,
};
use crate::outbound::{
    Answer, Client, Method, RequestBuilder, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};

/// Bytes of the longest answer that is read. The catalogue of a large cloud has some hundred KiB.
const ANSWER_BYTES_MAX: usize = 2 << 20;
const USER: HeaderName = HeaderName::from_static("x-auth-user");
const KEY: HeaderName = HeaderName::from_static("x-auth-key");
const STORAGE: HeaderName = HeaderName::from_static("x-storage-url");
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");
const EXPIRES: HeaderName = HeaderName::from_static("x-auth-token-expires");
/// What stands for the id of the project in a configured address, as in Keystone's catalogue.
pub(super) const PROJECT: &str = "%(project_id)s";
const SUBJECT: HeaderName = HeaderName::from_static("x-subject-token");

/// A token, and where it is of use.
pub(super) struct Session {
    /// The token.
    pub(super) token: HeaderValue,
    /// Address of the account's data, without a slash at its end.
    pub(super) storage: String,
    /// The user and the project that Keystone gave it to.
    pub(super) user: Option<String>,
    pub(super) project: Option<String>,
    renew_at: Option<Instant>,
}

impl Session {
    /// One with a token that somebody else has got, which is used until it is not accepted any more.
    pub(super) fn of_token(token: &str, storage: String, project: &str) -> Result<Self, Fault> {
        let project = Some(project.to_owned());
        Ok(Self { token: secret(token)?, storage, user: None, project, renew_at: None })
    }

    /// Address of the data of another project's account: as that of its own, but for the id.
    pub(super) fn storage_of(&self, project: &str) -> Result<String, Fault> {
        match self.project.as_deref() {
            Some(own) if own == project => Ok(self.storage.clone()),
            Some(own) if self.storage.ends_with(own) => {
                let address = self.storage.strip_suffix(own).unwrap_or_default();
                Ok(format!("{address}{project}"))
            }
            _ => {
                let why = "the address of Swift in the catalogue does not end in the id of the project";
                Err(Fault::Login(why.to_owned()))
            }
        }
    }
}

#[derive(Default)]
struct State {
    session: Option<Arc<Session>>,
    /// When the last login failed, and how: those who waited for it need not try again.
    failure: Option<(Instant, Fault)>,
}

/// Logs an account in, once for all who wait, and again before its token ends.
pub(super) struct Login {
    client: Client,
    account: Account,
    /// A trust by which the account acts for somebody else.
    trust: Option<String>,
    endpoint: Endpoint,
    /// How long before its end a token is not used any more.
    soon: Duration,
    /// How long an answer may take.
    answer: Duration,
    state: Mutex<State>,
}

impl Login {
    /// Prepares to log in; asks nothing.
    pub(super) fn new(
        client: Client,
        account: Account,
        endpoint: Endpoint,
        soon: Duration,
        answer: Duration,
    ) -> Self {
        Self { client, account, trust: None, endpoint, soon, answer, state: Mutex::default() }
    }

    /// The same account, acting for somebody else by a trust.
    pub(super) fn trusted(&self, trust: &str) -> Self {
        let (account, endpoint) = (self.account.clone(), self.endpoint.clone());
        let client = self.client.clone();
        let login = Self::new(client, account, endpoint, self.soon, self.answer);
        Self { trust: Some(trust.to_owned()), ..login }
    }

    /// Whether the account can act by trusts: one with a password can.
    pub(super) fn can_be_trusted(&self) -> bool {
        matches!(self.account.who, Who::User { .. })
    }

    /// A question to Keystone, at a path below its root, by a token.
    pub(super) async fn keystone(
        &self,
        method: Method,
        path: &str,
        token: &HeaderValue,
        body: Option<&Value>,
    ) -> Result<Vec<u8>, Fault> {
        let url = format!("{}{path}", v3_root(&self.account.address));
        let mut request = self.client.request(method, url).header(TOKEN, token).header(SUBJECT, token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let work = async {
            let mut answer = self.ask(request).await?;
            let body = answer.body(ANSWER_BYTES_MAX).await?;
            body.ok_or_else(|| Fault::Nonsense("Keystone's answer is too long".to_owned()))
        };
        timeout(self.answer, work).await.unwrap_or(Err(Fault::Silent(self.answer)))
    }

    /// The session in force, made when there is none. `rejected` is one that is not accepted any more.
    pub(super) async fn session(&self, rejected: Option<&Arc<Session>>) -> Result<Arc<Session>, Fault> {
        let asked_at = Instant::now();
        let mut state = self.state.lock().await;
        let usable = state.session.as_ref().filter(|session| {
            session.renew_at.is_none_or(|end| Instant::now() < end)
                && !rejected.is_some_and(|old| Arc::ptr_eq(old, session))
        });
        if let Some(session) = usable {
            return Ok(Arc::clone(session));
        }
        if let Some((failed_at, fault)) = &state.failure
            && *failed_at >= asked_at
        {
            return Err(fault.clone());
        }
        let made = timeout(self.answer, self.log_in()).await.unwrap_or(Err(Fault::Silent(self.answer)));
        match made {
            Ok(session) => {
                let session = Arc::new(session);
                *state = State { session: Some(Arc::clone(&session)), failure: None };
                Ok(session)
            }
            Err(fault) => {
                tracing::warn!(%fault, reference = self.account.reference, "no login to Swift");
                *state = State { session: None, failure: Some((Instant::now(), fault.clone())) };
                Err(fault)
            }
        }
    }

    async fn log_in(&self) -> Result<Session, Fault> {
        match self.account.version {
            Version::One => self.log_in_by_swift().await,
            Version::Three => self.log_in_by_keystone().await,
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Answer, Fault> {
        let answer = self.client.send(request).await?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                let reference = &self.account.reference;
                Err(Fault::Login(format!("the account `{reference}` is refused ({})", status.as_u16())))
            }
            status if status.is_server_error() => Err(Fault::Refused(status)),
            status => Err(Fault::Login(format!(
                "the login of `{}` was answered {}",
                self.account.reference,
                status.as_u16()
            ))),
        }
    }

    async fn log_in_by_swift(&self) -> Result<Session, Fault> {
        let Who::User { user, key, .. } = &self.account.who else {
            return Err(Fault::Login("version 1 has no application credentials".to_owned()));
        };
        let asked_at = Instant::now();
        let request = self.client.request(Method::GET, &self.account.address);
        let request = request.header(USER, user).header(KEY, secret(key)?);
        let answer = self.ask(request).await?;
        let life = text_of(answer.headers(), &EXPIRES).and_then(|seconds| seconds.parse().ok());
        let storage = text_of(answer.headers(), &STORAGE).map(str::to_owned);
        let life = life.map(Duration::from_secs);
        self.session_of(&answer, (&TOKEN, asked_at, life), storage, (None, None))
    }

    async fn log_in_by_keystone(&self) -> Result<Session, Fault> {
        let asked_at = Instant::now();
        let url = format!("{}/auth/tokens", v3_root(&self.account.address));
        let request = self.client.request(Method::POST, url).header("Accept", "application/json");
        let mut answer = self.ask(request.json(&login_of(&self.account.who, self.trust.as_deref()))).await?;
        let body = answer.body(ANSWER_BYTES_MAX).await?;
        let body = body.ok_or_else(|| Fault::Nonsense("the login's answer is too long".to_owned()))?;
        let read = serde_json::from_slice::<Envelope>(&body);
        let token = read.map_err(|_| Fault::Nonsense("the login's answer is no token".to_owned()))?.token;
        let time = |text: &str| DateTime::parse_from_rfc3339(text);
        let life = time(&token.expires_at).and_then(|end| Ok(end - time(&token.issued_at)?));
        let life = life.map_err(|_| Fault::Nonsense("the login's answer has no times".to_owned()))?;
        let (life, storage) = (life.to_std().unwrap_or_default(), self.endpoint.in_catalogue(&token.catalog));
        let whose = (token.user.map(|user| user.id), token.project.map(|project| project.id));
        self.session_of(&answer, (&SUBJECT, asked_at, Some(life)), storage, whose)
    }

    fn session_of(
        &self,
        answer: &Answer,
        (token, asked_at, life): (&HeaderName, Instant, Option<Duration>),
        storage: Option<String>,
        (user, project): (Option<String>, Option<String>),
    ) -> Result<Session, Fault> {
        let token = answer.headers().get(token).cloned();
        let mut token = token.ok_or_else(|| Fault::Nonsense("the login's answer has no token".to_owned()))?;
        token.set_sensitive(true);
        let fixed = self.endpoint.fixed.as_ref().map(|text| match &project {
            Some(project) => text.replace(PROJECT, project),
            None => text.clone(),
        });
        let storage = fixed.or(storage);
        let storage = storage.ok_or_else(|| {
            let Endpoint { service, interface, .. } = &self.endpoint;
            let region = self.endpoint.region.as_deref().unwrap_or("any");
            Fault::Login(format!("the catalogue has no {interface} address of {service} in region {region}"))
        })?;
        // Counted from our own question, so that it does not matter whether clocks agree. What lives for a moment only
        // would be renewed without end.
        let renew_at = life.map(|life| asked_at + life.saturating_sub(self.soon.min(life / 2)));
        let storage = storage.trim_end_matches('/').to_owned();
        Ok(Session { token, storage, user, project, renew_at })
    }
}

#[derive(Deserialize)]
struct Envelope {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    issued_at: String,
    expires_at: String,
    #[serde(default)]
    catalog: Vec<Service>,
    user: Option<Named>,
    project: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

/// What Keystone is told (`keystoneauth1/identity/v3`).
fn login_of(who: &Who, trust: Option<&str>) -> Value {
    let domain = |domain: &Domain| match domain {
        Domain::Id(id) => json!({"id": id}),
        Domain::Name(name) => json!({"name": name}),
    };
    match who {
        Who::User { user, key, user_domain, project_domain } => {
            let (project, name) = Account::project_and_user(user);
            let user = json!({"name": name, "domain": domain(user_domain), "password": key});
            let scope = match trust {
                Some(trust) => json!({"OS-TRUST:trust": {"id": trust}}),
                None => json!({"project": {"name": project, "domain": domain(project_domain)}}),
            };
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": scope,
            }})
        }
        Who::Credential { id, secret } => json!({"auth": {"identity": {
            "methods": ["application_credential"],
            "application_credential": {"id": id, "secret": secret},
        }}}),
    }
}

/// The v3 root below an address that may name another version or none.
fn v3_root(address: &str) -> String {
    let address = address.trim_end_matches('/');
    if address.ends_with("/v3") {
        return address.to_owned();
    }
    format!("{}/v3", address.strip_suffix("/v2.0").unwrap_or(address))
}

fn secret(text: &str) -> Result<HeaderValue, Fault> {
    let value = HeaderValue::from_str(text);
    let mut value = value.map_err(|_| Fault::Login("the key cannot stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// Proves what Keystone is told of a user and of an application credential, and where.
    #[test]
    fn logins_say_who_and_where() {
        let user = Who::User {
            user: "service:glance".to_owned(),
            key: "k".to_owned(),
            user_domain: Domain::Name("Staff".to_owned()),
            project_domain: Domain::Id("default".to_owned()),
        };
        assert_eq!(
            login_of(&user, None),
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user":
                    {"name": "glance", "domain": {"name": "Staff"}, "password": "k"}}},
                "scope": {"project": {"name": "service", "domain": {"id": "default"}}},
            }})
        );
        let credential = Who::Credential { id: "i".to_owned(), secret: "s".to_owned() };
        let told = login_of(&credential, None);
        assert_eq!(told["auth"]["identity"]["application_credential"], json!({"id": "i", "secret": "s"}));
        assert_eq!(told["auth"].get("scope"), None);
        for address in ["http://k:5000", "http://k:5000/v3/", "http://k:5000/v2.0"] {
            assert_eq!(v3_root(address), "http://k:5000/v3");
        }
    }
}

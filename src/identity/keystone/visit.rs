//! One login of a user, and what can be learned from it about a Keystone: `vitrine doctor` looks at it as an operator
//! would.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::{
    http::{Http, HttpError},
    settings::{Settings, SettingsError},
    shared,
};
use crate::outbound::{
    Method, StatusCode,
    header::{DATE, HeaderMap, HeaderValue},
};

/// What a login has shown.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The token of the user.
    pub token: HeaderValue,
    /// Microseconds by which the clock of Keystone is ahead of ours; `None` if it does not tell the time. It tells whole
    /// seconds, so this may be half a second off.
    pub ahead: Option<i64>,
    /// The endpoints of image services.
    pub images: Vec<ImageEndpoint>,
}

/// An endpoint of an image service in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ImageEndpoint {
    /// `public`, `internal` or `admin`.
    pub interface: String,
    /// Its region.
    pub region: Option<String>,
    /// Its address.
    pub url: String,
}

/// Why a login failed, each with the words for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The settings do not say enough.
    Settings(String),
    /// There is no answer.
    Away(String),
    /// Its certificate is not accepted.
    Certificate(String),
    /// It does not accept the user.
    Refused(StatusCode),
    /// It answers something else.
    Broken(String),
}

/// The memcached servers of these settings that do not answer, each with the reason.
///
/// # Errors
/// Settings of memcached with which no server starts.
pub async fn silent_memcached(settings: &Settings) -> Result<Vec<(String, String)>, SettingsError> {
    shared::silent(&settings.memcached).await
}

#[derive(Deserialize)]
struct Envelope {
    token: Body,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    catalog: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<ImageEndpoint>,
}

/// Logs in once, without repetition.
///
/// # Errors
/// [`Trouble`]
pub async fn visit(settings: &Settings) -> Result<Visit, Trouble> {
    let once = Settings { http_request_max_retries: 0, ..settings.clone() };
    let told = |error: super::SettingsError| Trouble::Settings(error.to_string());
    let http = Http::new(&once).map_err(told)?;
    let (root, body) = (once.login_root().map_err(told)?, once.login_body().map_err(told)?);
    let url = format!("{root}/auth/tokens");
    let request = http.client().request(Method::POST, &url).header("Accept", "application/json").json(&body);
    let request = request.build().map_err(|e| Trouble::Broken(e.to_string()))?;
    let begun = Utc::now();
    let answer = http.send(request).await.map_err(trouble)?;
    let ended = Utc::now();
    let broken = |what: &str| Trouble::Broken(format!("{url} {what}"));
    match answer.status {
        status if status.is_success() => {}
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => return Err(Trouble::Refused(status)),
        status => return Err(broken(&format!("answers {status}"))),
    }
    let token = answer.headers.get("X-Subject-Token").cloned();
    let mut token = token.ok_or_else(|| broken("answers without a token"))?;
    token.set_sensitive(true);
    let body: Envelope =
        serde_json::from_slice(&answer.body).map_err(|e| broken(&format!("answers no token: {e}")))?;
    let images = body.token.catalog.into_iter().filter(|service| service.kind == "image");
    let images = images.flat_map(|service| service.endpoints).collect();
    Ok(Visit { token, ahead: ahead(&answer.headers, begun, ended), images })
}

fn trouble(error: HttpError) -> Trouble {
    let words = error.to_string();
    // The library of TLS has no kind for it.
    if words.to_lowercase().contains("certificate") {
        Trouble::Certificate(words)
    } else {
        Trouble::Away(words)
    }
}

/// By how much the clock of an answer is ahead of ours, between whose question and answer it was read. A time without
/// fractions of a second is on average half a second ago.
pub fn ahead(headers: &HeaderMap, begun: DateTime<Utc>, ended: DateTime<Utc>) -> Option<i64> {
    let date = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?;
    let theirs = date.timestamp_micros().saturating_add(500_000);
    let (begun, ended) = (begun.timestamp_micros(), ended.timestamp_micros());
    let ours = begun.saturating_add(ended.saturating_sub(begun) / 2);
    Some(theirs.saturating_sub(ours))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::identity::keystone::{Secret, fake::Fake};

    /// Proves that a login tells the endpoints, the clock and a token, that a wrong password is a refusal, and a Keystone
    /// that is gone is away.
    #[tokio::test]
    async fn a_visit_tells_what_is_there() {
        let fake = Fake::start();
        let seen = visit(&fake.settings()).await.unwrap();
        assert!(seen.token.to_str().unwrap().starts_with("own-"));
        assert!(seen.ahead.unwrap().abs() < 5_000_000, "{seen:?}");
        let [endpoint] = seen.images.as_slice() else { panic!("{seen:?}") };
        assert_eq!(
            (endpoint.interface.as_str(), endpoint.region.as_deref()),
            ("internal", Some("RegionOne"))
        );
        *fake.state.login_status.lock().unwrap() = Some(401);
        assert_eq!(visit(&fake.settings()).await.unwrap_err(), Trouble::Refused(StatusCode::UNAUTHORIZED));
        *fake.state.login_status.lock().unwrap() = Some(500);
        assert!(matches!(visit(&fake.settings()).await.unwrap_err(), Trouble::Broken(_)));
        let nowhere = Settings { auth_url: "http://127.0.0.1:1".to_owned(), ..fake.settings() };
        assert!(matches!(visit(&nowhere).await.unwrap_err(), Trouble::Away(_)));
        let nobody = Settings { password: None::<Secret>, ..fake.settings() };
        assert!(matches!(visit(&nobody).await.unwrap_err(), Trouble::Settings(_)));
    }

    /// Proves that the difference of clocks is told with its sign, counted from the middle of the question.
    #[test]
    fn clocks_are_compared() {
        let headers = |text: &'static str| HeaderMap::from_iter([(DATE, HeaderValue::from_static(text))]);
        let at = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
        let date = headers("Thu, 01 Jan 1970 00:01:40 GMT");
        assert_eq!(ahead(&date, at(90), at(90)), Some(10_500_000));
        assert_eq!(ahead(&date, at(100), at(110)), Some(-4_500_000));
        assert_eq!(ahead(&headers("yesterday"), at(0), at(0)), None);
        assert_eq!(ahead(&HeaderMap::new(), at(0), at(0)), None);
    }
}

//! What handlers take from a request: the caller's token, a JSON body, filters, and the URL by which the client
//! reached us.

use std::{collections::HashMap, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header::HeaderName, web};
use futures::future::LocalBoxFuture;
use serde_json::{Map, Value};

use super::error::ApiError;
use crate::{
    api::{
        extract::{Whole, media_type},
        origin::{is_trusted, own_host, own_scheme},
    },
    identity::builtin::{Builtin, Settings, context::Token, manage::Filters},
    model::error::{Error, Result},
};

/// The header in which a token is issued, or named as the subject of a request.
pub(super) const SUBJECT_TOKEN: HeaderName = HeaderName::from_static("x-subject-token");
/// The header that carries the caller's token.
pub(super) const AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// Bytes of a request's body at most.
const BODY_BYTES_MAX: usize = 128 * 1024;

/// The base of our URLs without a trailing slash: the configured one, else the address that the client used.
pub fn base_url(request: &HttpRequest, settings: &Settings) -> String {
    if let Some(configured) = &settings.public_endpoint {
        return configured.trim_end_matches('/').to_owned();
    }
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:[]".contains(&b))
    };
    let connection = request.connection_info();
    let (scheme, host) = if settings.trust_proxy_headers && is_trusted(&settings.trusted_proxies, request) {
        let is_told =
            ["forwarded", "x-forwarded-proto"].iter().any(|name| request.headers().contains_key(*name));
        let scheme = if is_told { connection.scheme() } else { own_scheme(request) };
        (scheme.to_owned(), connection.host().to_owned())
    } else {
        let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        (own_scheme(request).to_owned(), host.to_owned())
    };
    let scheme = if scheme == "https" { "https" } else { "http" };
    if plain(&host) { format!("{scheme}://{host}") } else { format!("{scheme}://{}", own_host(request)) }
}

/// The identity and the place where the client sees it.
pub(super) struct Site {
    /// The identity.
    pub builtin: Builtin,
    /// As [`base_url`].
    pub base: String,
    /// Base of the v3 API, without a trailing slash.
    pub v3: String,
}

impl Site {
    fn of(request: &HttpRequest) -> Result<Self> {
        let builtin = request
            .app_data::<web::Data<Builtin>>()
            .ok_or_else(|| Error::internal("identity request", "the application holds no identity"))?;
        let base = base_url(request, &builtin.settings);
        let v3 = format!("{base}{}/v3", builtin.settings.prefix);
        Ok(Self { builtin: builtin.as_ref().clone(), base, v3 })
    }
}

impl FromRequest for Site {
    type Error = ApiError;
    type Future = std::future::Ready<std::result::Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Self::of(request).map_err(Into::into))
    }
}

/// A request by someone whose token is valid.
pub(super) struct Auth {
    /// The identity and its place.
    pub site: Site,
    /// The caller's token, and its text.
    pub token: Arc<Token>,
    /// As it was sent.
    pub text: String,
    /// The URL of this request, for `links.self`.
    pub url: String,
    /// Filters and flags.
    pub query: Filters,
}

impl FromRequest for Auth {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, std::result::Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await.map_err(Into::into) })
    }
}

impl Auth {
    async fn of(request: &HttpRequest) -> Result<Self> {
        let site = Site::of(request)?;
        let refused = || Error::Unauthenticated("A valid token is needed.".to_owned());
        let text = header(request, &AUTH_TOKEN).ok_or_else(refused)?;
        let token = site.builtin.validate(&text, false).await?.ok_or_else(refused)?;
        let path = request.path().strip_prefix(site.builtin.settings.prefix.as_str());
        let path = path.unwrap_or_else(|| request.path());
        if !token.allows("identity", request.method().as_str(), path) {
            return Err(Error::Unauthenticated(
                "The application credential does not allow this request.".to_owned(),
            ));
        }
        let url = format!("{}{}", site.base, request.uri());
        let query = filters(request)?;
        Ok(Self { site, token, text, url, query })
    }
}

/// A header's value, trimmed; `None` when it is absent or empty.
pub(super) fn header(request: &HttpRequest, name: &actix_web::http::header::HeaderName) -> Option<String> {
    let text = request.headers().get(name)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The query of a request: of a repeated key the last value, of a key without value the empty text.
fn filters(request: &HttpRequest) -> Result<Filters> {
    let query = web::Query::<HashMap<String, String>>::from_query(request.query_string());
    let unreadable = || Error::invalid("The query cannot be read.");
    let map = query.map_err(|_| unreadable())?.into_inner();
    if map.values().any(|value| value.contains('\0')) {
        return Err(unreadable());
    }
    Ok(Filters(map))
}

impl FromRequest for Filters {
    type Error = ApiError;
    type Future = std::future::Ready<std::result::Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(filters(request).map_err(Into::into))
    }
}

/// A body of JSON, bounded.
pub(super) struct Body(pub Value);

impl Body {
    /// The object or array under `key`, as every resource wraps itself.
    pub fn inner(&self, key: &str) -> Result<&Map<String, Value>> {
        self.0.get(key).and_then(Value::as_object).ok_or_else(|| {
            Error::invalid(format!("The body must be an object with an object {key:?} in it."))
        })
    }
}

impl FromRequest for Body {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, std::result::Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = media_type(request) == "application/json";
        let body = Whole::of(request, payload);
        Box::pin(async move {
            let (value, _) = body.json(BODY_BYTES_MAX).await?;
            if !is_json {
                return Err(Error::invalid("The body must be application/json.").into());
            }
            Ok(Self(value))
        })
    }
}

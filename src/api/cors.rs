//! Cross-origin requests (`oslo_middleware/cors.py` with the defaults of `glance/common/config.py`).

use actix_web::{
    Error as ActixError, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{
            ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
            ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
            ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderName,
            HeaderValue, ORIGIN, VARY,
        },
    },
    middleware::Next,
    web::Data,
};

use super::{State, settings::Cors};

/// Headers that every browser may send.
const SIMPLE_HEADERS: [&str; 8] = [
    "accept",
    "accept-language",
    "content-type",
    "cache-control",
    "content-language",
    "expires",
    "last-modified",
    "pragma",
];

impl Cors {
    /// What `Access-Control-Allow-Origin` says to `origin`; `None` if it is not let in.
    fn answer_to(&self, origin: &str) -> Option<String> {
        if self.allowed_origin.iter().any(|allowed| allowed == origin) {
            return Some(origin.to_owned());
        }
        self.allowed_origin.iter().any(|allowed| allowed == "*").then(|| "*".to_owned())
    }

    fn allows_headers(&self, asked: &str) -> bool {
        asked.split(',').map(str::trim).filter(|h| !h.is_empty()).all(|header| {
            SIMPLE_HEADERS.iter().any(|h| h.eq_ignore_ascii_case(header))
                || self.allow_headers.iter().any(|h| h.eq_ignore_ascii_case(header))
        })
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn put_common(headers: &mut HeaderMap, cors: &Cors, origin: &str) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    put(headers, ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if cors.allow_credentials {
        put(headers, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
}

/// Answers every `OPTIONS` and adds the headers that let a browser read the rest, errors included.
pub async fn cross_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, ActixError> {
    let Some(state) = request.app_data::<Data<State>>().cloned() else {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    };
    let cors = &state.settings.cors;
    let origin = text(request.headers(), ORIGIN).and_then(|origin| cors.answer_to(&origin));
    if request.method() == Method::OPTIONS && !state.mounts.of(request.path()).takes_options {
        let mut response = HttpResponse::Ok().finish();
        let method = text(request.headers(), ACCESS_CONTROL_REQUEST_METHOD);
        let asked = text(request.headers(), ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        if let (Some(origin), Some(method)) = (origin, method)
            && cors.allow_methods.contains(&method)
            && cors.allows_headers(&asked)
        {
            let headers = response.headers_mut();
            put_common(headers, cors, &origin);
            put(headers, ACCESS_CONTROL_MAX_AGE, &cors.max_age.to_string());
            put(headers, ACCESS_CONTROL_ALLOW_METHODS, &method);
            let asked: Vec<&str> = asked.split(',').map(str::trim).filter(|h| !h.is_empty()).collect();
            if !asked.is_empty() {
                put(headers, ACCESS_CONTROL_ALLOW_HEADERS, &asked.join(","));
            }
        }
        return Ok(request.into_response(response));
    }
    let mut response = next.call(request).await?.map_into_boxed_body();
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        put_common(headers, cors, &origin);
        if !cors.expose_headers.is_empty() {
            put(headers, ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers.join(","));
        }
    }
    Ok(response)
}

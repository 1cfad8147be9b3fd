//! Spans of requests to other servers, and the headers by which these know their place in a trace.

use reqwest::{
    Request, StatusCode,
    header::{HeaderName, HeaderValue},
};

use crate::telemetry::{
    self,
    trace::{Kind, Span},
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The span of a request, whose place the request names, and to a service of the cloud also what others have added to that.
/// Paths and queries are not told: they may have secrets.
pub(super) fn begin(request: &mut Request, purpose: &'static str, is_of_cloud: bool) -> Span {
    let mut span = telemetry::span(Kind::Client, "HTTP");
    if span.is_open() {
        let (method, url) = (request.method().as_str().to_owned(), request.url());
        span.rename(method.clone());
        span.set("http.request.method", method);
        span.set("server.address", url.host_str().unwrap_or_default().to_owned());
        if let Some(port) = url.port_or_known_default() {
            span.set("server.port", port);
        }
        span.set("vitrine.purpose", purpose);
    }
    if let Some(place) = span.place().cloned().or_else(telemetry::place) {
        let headers = request.headers_mut();
        for (name, text) in [
            (TRACEPARENT, Some(place.traceparent().as_str())),
            (TRACESTATE, place.tracestate().filter(|_| is_of_cloud)),
        ] {
            if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
                headers.insert(name, value);
            }
        }
    }
    span
}

/// Says what came of it.
pub(super) fn answered(span: &mut Span, status: StatusCode) {
    span.set("http.response.status_code", status.as_u16());
    if status.is_client_error() || status.is_server_error() {
        span.fail(status.as_str().to_owned(), String::new);
    }
}

//! The span of a request: its place in the trace that the client names, and what there is to say of it.

use actix_web::{
    dev::ServiceRequest,
    http::{
        StatusCode,
        header::{HeaderMap, HeaderName},
    },
    web::Data,
};

use super::{State, origin::own_scheme};
use crate::telemetry::{
    self,
    trace::{Kind, Parent, Span, osprofiler},
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const TRACE_INFO: HeaderName = HeaderName::from_static(osprofiler::INFO);
const TRACE_HMAC: HeaderName = HeaderName::from_static(osprofiler::HMAC);
/// Where figures are scraped, also at a place of their own, which has no mounts.
const FIGURES: &str = "/metrics";

/// Begins the span of a request; none where traces are off. Checks of health and scrapes of figures come every few
/// seconds, and have one only if they are part of a trace.
pub fn begin(request: &ServiceRequest) -> Span {
    let state = request.app_data::<Data<State>>();
    let Some((state, tracer)) = state.and_then(|state| Some((state, state.app.tracer.as_ref()?))) else {
        return Span::default();
    };
    let headers = request.headers();
    let parent = profiled(headers, tracer.profiler_keys()).or_else(|| parent(headers));
    let path = request.path();
    if parent.is_none() && (path == FIGURES || state.mounts.of(path).reserved) {
        return Span::default();
    }
    let mut span = Span::root(tracer, parent, Kind::Server, "HTTP");
    if span.is_open() {
        span.set("http.request.method", request.method().as_str().to_owned());
        span.set("url.scheme", own_scheme(request.request()));
        span.set("url.path", request.path().to_owned());
    }
    span
}

/// The place that `traceparent` names; several of them name none.
fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut parents = headers.get_all(&TRACEPARENT);
    let parent = parents.next().filter(|_| parents.next().is_none())?.to_str().ok()?;
    let states: Result<Vec<&str>, _> = headers.get_all(&TRACESTATE).map(|value| value.to_str()).collect();
    let state = states.ok().map(|states| states.join(","));
    Parent::parse(parent.trim(), state.as_deref())
}

/// The one that osprofiler's headers name, which a caller had to ask for.
fn profiled(headers: &HeaderMap, keys: &[String]) -> Option<Parent> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if keys.is_empty() { None } else { osprofiler::parent(text(&TRACE_INFO)?, text(&TRACE_HMAC)?, keys) }
}

/// How a request ended.
pub struct End<'a> {
    /// The id that its answer has.
    pub request_id: &'a str,
    /// The project of its caller.
    pub project_id: Option<&'a str>,
    /// The route that served it.
    pub route: Option<&'a str>,
    /// Its method.
    pub method: &'a str,
    /// The status of its answer; `None` if the client left before.
    pub status: Option<StatusCode>,
    /// Bytes of its body.
    pub received: u64,
    /// Bytes of the body of its answer.
    pub sent: u64,
    /// As in the access log.
    pub end: &'static str,
}

/// Says of a span what is known at the end.
pub fn end(span: &mut Span, end: &End<'_>) {
    if !span.is_open() {
        return;
    }
    // Without a route anything may stand there, as a method may be any word, and names of spans are few.
    span.rename(match end.route {
        Some(route) => format!("{} {route}", telemetry::known_method(end.method).unwrap_or("HTTP")),
        None => "HTTP".to_owned(),
    });
    span.set("vitrine.request.id", end.request_id.to_owned());
    for (key, value) in [("vitrine.project.id", end.project_id), ("http.route", end.route)] {
        if let Some(value) = value {
            span.set(key, value.to_owned());
        }
    }
    span.set("http.request.body.size", end.received);
    span.set("http.response.body.size", end.sent);
    span.set("vitrine.end", end.end);
    match end.status {
        Some(status) => {
            span.set("http.response.status_code", status.as_u16());
            if status.is_server_error() {
                span.fail(status.as_str().to_owned(), String::new);
            } else if end.end == "broken off" {
                span.fail(end.end, String::new);
            }
        }
        None => span.fail(end.end, String::new),
    }
}

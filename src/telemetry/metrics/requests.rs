//! The requests that this server answers.

use std::{borrow::Cow, time::Duration};

use super::catalogue::{Book, Counters, Histograms, Labels};

/// The methods that are told apart; whatever else a client calls one is `other`.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A method by its name, if it is one of those that are told apart.
pub fn known_method(method: &str) -> Option<&'static str> {
    METHODS.iter().find(|known| **known == method).copied()
}

/// A request that ended.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its route, with names in place of ids; `None` for what no route takes.
    pub route: Option<&'a str>,
    /// Its method.
    pub method: &'a str,
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
    /// Bytes of its body.
    pub received: u64,
    /// Bytes of the answer's body.
    pub sent: u64,
}

/// Figures of requests.
pub(super) struct Requests {
    total: Counters,
    seconds: Histograms,
    bytes: Counters,
}

impl Requests {
    pub(super) fn new(book: &mut Book) -> Self {
        Self {
            total: book.counters(
                "http_requests",
                &["route", "method", "status"],
                "Requests that ended; `status` is none where the client left before, and `method` is other where the \
                 request could not be read",
            ),
            seconds: book.histograms(
                "http_request_seconds",
                &["route", "method"],
                "Requests: seconds until the last byte of the answer",
            ),
            bytes: book.counters(
                "http_bytes",
                &["route", "direction"],
                "Bytes of bodies of requests (in) and answers (out)",
            ),
        }
    }

    /// A request was answered with an error because it could not be read, or not in time.
    pub(super) fn note_unread(&self, status: u16) {
        let status = Cow::Owned(status.to_string());
        let labels = vec![("route", "none".into()), ("method", "other".into()), ("status", status)];
        self.total.get_or_create(&labels).inc();
    }

    pub(super) fn note(&self, request: &Request<'_>) {
        let route: Cow<'static, str> = request.route.unwrap_or("none").to_owned().into();
        let method = known_method(request.method).unwrap_or("other");
        let status = request.status.map_or("none".into(), |status| Cow::Owned(status.to_string()));
        let mut labels: Labels = vec![("route", route.clone()), ("method", method.into())];
        self.seconds.get_or_create(&labels).observe(request.took.as_secs_f64());
        labels.push(("status", status));
        self.total.get_or_create(&labels).inc();
        for (direction, bytes) in [("in", request.received), ("out", request.sent)] {
            if bytes > 0 {
                let labels = vec![("route", route.clone()), ("direction", direction.into())];
                self.bytes.get_or_create(&labels).inc_by(bytes);
            }
        }
    }
}

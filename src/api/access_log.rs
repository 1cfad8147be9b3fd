//! The access log: one line for each request, written when its response is complete or its client is gone.
//!
//! Also puts the request into a span of the log, which covers the handler and the body that it streams, and into a trace.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context as TaskContext, Poll},
    time::Instant,
};

use actix_web::{
    Error as ActixError, HttpMessage,
    body::{BodySize, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{Method, StatusCode},
    middleware::Next,
    web::Bytes,
};
use futures::StreamExt;

use super::{connection::Exchange, request_info::RequestInfo, traced};
use crate::telemetry::{
    Context, metrics,
    metrics::Request,
    trace::{Place, Span},
};

/// What is known of a request so far. When it is dropped, that goes into the log: a client that goes away takes the
/// handler or the body with it, and this along.
struct Line {
    info: RequestInfo,
    method: Method,
    path: String,
    route: Option<String>,
    status: Option<StatusCode>,
    bytes_in: Rc<Cell<u64>>,
    bytes_out: u64,
    /// What its connection sends beside the body.
    exchange: Option<Exchange>,
    began: Instant,
    end: &'static str,
    span: Span,
}

impl Line {
    fn of(request: &ServiceRequest) -> Self {
        let span = traced::begin(request);
        Self {
            info: request.extensions().get::<RequestInfo>().cloned().unwrap_or_default(),
            method: request.method().clone(),
            path: request.path().to_owned(),
            route: None,
            status: None,
            bytes_in: Rc::default(),
            bytes_out: 0,
            exchange: request.request().conn_data::<Exchange>().cloned(),
            began: Instant::now(),
            end: "client gone",
            span,
        }
    }

    fn answered<B>(&mut self, response: &ServiceResponse<B>) {
        if let Some(info) = response.request().extensions().get::<RequestInfo>() {
            self.info.clone_from(info);
        }
        self.route = response.request().match_pattern();
        self.status = Some(response.status());
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let by_file = self.exchange.as_ref().map_or(0, |exchange| exchange.file().borrow_mut().take_sent());
        let sent = self.bytes_out.saturating_add(by_file);
        metrics().request(&Request {
            route: self.route.as_deref(),
            method: self.method.as_str(),
            status: self.status.map(|status| status.as_u16()),
            took: self.began.elapsed(),
            received: self.bytes_in.get(),
            sent,
        });
        let end = traced::End {
            request_id: &self.info.request_id,
            project_id: self.info.project_id.as_deref(),
            route: self.route.as_deref(),
            method: self.method.as_str(),
            status: self.status,
            received: self.bytes_in.get(),
            sent,
            end: self.end,
        };
        traced::end(&mut self.span, &end);
        tracing::info!(
            target: "access",
            parent: None,
            request_id = self.info.request_id,
            trace_id = self.span.place().map(Place::trace_id),
            project = self.info.project_id,
            user = self.info.user_id,
            method = self.method.as_str(),
            route = self.route,
            path = self.path,
            status = self.status.map(|status| status.as_u16()),
            bytes_in = self.bytes_in.get(),
            bytes_out = sent,
            seconds = self.began.elapsed().as_secs_f64(),
            end = self.end,
        );
    }
}

/// Serves a request in its span and writes it down.
///
/// # Errors
/// Those of the layers inside.
pub async fn log_access<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Logged<B>>, ActixError> {
    let mut line = Line::of(&request);
    let span = tracing::info_span!(
        "request",
        request_id = line.info.request_id,
        method = line.method.as_str(),
        path = line.path,
        trace_id = line.span.place().map(Place::trace_id),
    );
    let context = Context::of(span, Some(&line.info.request_id)).at(line.span.place());
    count_payload(&mut request, Rc::clone(&line.bytes_in));
    match context.clone().wrap(next.call(request)).await {
        Ok(response) => {
            line.answered(&response);
            // The server does not ask for a body where none is to be sent.
            let is_empty = matches!(response.response().body().size(), BodySize::None | BodySize::Sized(0));
            if is_empty || line.method == Method::HEAD {
                line.end = "complete";
            }
            Ok(response.map_body(|_, body| Logged { body: Box::pin(body), context, line }))
        }
        Err(error) => {
            line.status = Some(error.as_response_error().status_code());
            line.end = "complete";
            Err(error)
        }
    }
}

fn count_payload(request: &mut ServiceRequest, bytes: Rc<Cell<u64>>) {
    let counted: Payload = match request.take_payload() {
        Payload::None => Payload::None,
        payload => Payload::Stream {
            payload: Box::pin(payload.inspect(move |chunk| {
                let more = chunk.as_ref().map_or(0, Bytes::len) as u64;
                bytes.set(bytes.get().saturating_add(more));
            })),
        },
    };
    request.set_payload(counted);
}

/// A response body, in the span of its request.
pub struct Logged<B> {
    body: Pin<Box<B>>,
    context: Context,
    line: Line,
}

impl<B: MessageBody> MessageBody for Logged<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let logged = self.get_mut();
        let polled = logged.context.enter(|| logged.body.as_mut().poll_next(cx));
        match &polled {
            Poll::Ready(Some(Ok(bytes))) => {
                logged.line.bytes_out = logged.line.bytes_out.saturating_add(bytes.len() as u64);
            }
            Poll::Ready(Some(Err(_))) => logged.line.end = "broken off",
            Poll::Ready(None) => logged.line.end = "complete",
            Poll::Pending => {}
        }
        polled
    }
}

//! Errors as HTTP, in the three shapes of Glance's bodies.

use std::fmt;

use actix_web::{
    Error as ActixError, HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};
use serde_json::Value;

use super::{
    State,
    ext::error as extensions,
    identity::error as keystone,
    mount::Errors,
    status::{retry_after, status_of},
};
use crate::model::error::Error;

/// An error response.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    text: String,
    header: Option<(HeaderName, HeaderValue)>,
    why: Option<(&'static str, Value)>,
}

/// Result of a handler.
pub type ApiResult<T = HttpResponse> = Result<T, ApiError>;

impl ApiError {
    /// An error that has only an HTTP status, such as 405.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), header: None, why: None }
    }

    /// 405, naming what the resource allows in Glance's exact text.
    pub fn method_not_allowed(method: &Method, allow: &'static str) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            text: format!("The method {method} is not allowed for this resource."),
            header: (!allow.is_empty()).then(|| (ALLOW, HeaderValue::from_static(allow))),
            why: None,
        }
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: String) -> Self {
        self.header = HeaderValue::from_str(&value).ok().map(|value| (name, value));
        self
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let text = match &error {
            Error::Internal { message } => {
                tracing::error!(fault = %message, "request failed");
                "The server has either erred or is incapable of performing the requested operation."
                    .to_owned()
            }
            other => other.to_string(),
        };
        let (status, header) = (status_of(&error), retry_after(&error));
        let why = match error {
            Error::Because(because) => Some((because.reason, because.details)),
            _ => None,
        };
        Self { status, text, header, why }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.text)
    }
}

/// What [`render_errors`] finds on a response whose body it has to write.
struct ErrorText(String, Option<(&'static str, Value)>);

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status);
        if let Some(header) = &self.header {
            response.insert_header(header.clone());
        }
        let mut response = response.finish();
        response.extensions_mut().insert(ErrorText(self.text.clone(), self.why.clone()));
        response
    }
}

/// Adds a body to every error without one, in the shape of its mount.
pub async fn render_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, ActixError> {
    let accept = request.headers().get(ACCEPT).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let head = request.method() == Method::HEAD;
    let shape = request
        .app_data::<Data<State>>()
        .map_or(Errors::Glance, |state| state.mounts.of(request.path()).errors);
    let (request, response) = next.call(request).await?.map_into_boxed_body().into_parts();
    let response = match shape {
        Errors::Glance => {
            with_body(response, head, |status, text, _| error_body(status, text, accept.as_deref()))
        }
        Errors::Keystone => keystone::with_body(response),
        Errors::Extensions => with_body(response, head, |status, text, why| {
            ("application/json", extensions::body(status, title(status), text, why))
        }),
    };
    Ok(ServiceResponse::new(request, response))
}

fn with_body(
    mut response: HttpResponse,
    head: bool,
    body_of: impl FnOnce(StatusCode, &str, Option<(&'static str, Value)>) -> (&'static str, String),
) -> HttpResponse {
    let Some(ErrorText(text, why)) = response.extensions_mut().remove::<ErrorText>() else { return response };
    let (content_type, body) = body_of(response.status(), &text, why);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.head_mut().reason = Some(title(response.status()));
    response.set_body(BoxBody::new(if head { String::new() } else { body }))
}

/// What a status is called: by the names of RFC 2616, as in Glance, where later ones differ.
fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => "Request Entity Too Large",
        StatusCode::RANGE_NOT_SATISFIABLE => "Request Range Not Satisfiable",
        other => other.canonical_reason().unwrap_or("Error"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Plain,
    Html,
    Json,
}

/// Content type and body of an error, Glance's way.
pub fn error_body(status: StatusCode, text: &str, accept: Option<&str>) -> (&'static str, String) {
    let title = title(status);
    let line = format!("{} {title}", status.as_u16());
    match shape(accept) {
        Shape::Plain => ("text/plain; charset=UTF-8", format!("{line}\n\n{text}\n\n\n")),
        Shape::Html => {
            let escaped = escape_html(text);
            let body = format!(
                "<html>\n <head>\n  <title>{line}</title>\n </head>\n <body>\n  <h1>{line}</h1>\n  {escaped}<br /><br />\n\n\n\n </body>\n</html>"
            );
            ("text/html; charset=UTF-8", body)
        }
        Shape::Json => {
            let body = serde_json::json!({
                "message": format!("{text}<br /><br />\n\n\n"),
                "code": line,
                "title": title,
            });
            ("application/json", body.to_string())
        }
    }
}

/// Html and JSON compete by quality, html wins ties; anything else is plain text.
fn shape(accept: Option<&str>) -> Shape {
    let Some(accept) = accept.filter(|a| !a.trim().is_empty()) else { return Shape::Plain };
    let (mut html, mut json) = (0.0_f32, 0.0_f32);
    for item in accept.split(',') {
        let mut parameters = item.split(';').map(str::trim);
        let media = parameters.next().unwrap_or_default().to_ascii_lowercase();
        let mut quality = 1.0_f32;
        let mut other_parameter = false;
        for parameter in parameters {
            match parameter.split_once('=') {
                Some((name, value)) if name.trim().eq_ignore_ascii_case("q") => {
                    quality = value.trim().parse().unwrap_or(1.0);
                }
                _ => other_parameter = true,
            }
        }
        if !media.contains('/') {
            return Shape::Html;
        }
        if other_parameter {
            continue;
        }
        if matches!(media.as_str(), "*/*" | "text/*" | "text/html") {
            html = html.max(quality);
        }
        if matches!(media.as_str(), "*/*" | "application/*" | "application/json") {
            json = json.max(quality);
        }
    }
    match (html > 0.0, json > html) {
        (_, true) => Shape::Json,
        (true, false) => Shape::Html,
        (false, false) => Shape::Plain,
    }
}

fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The response for an unknown path: 404 for common HTTP methods, 501 for others.
pub async fn not_found(request: HttpRequest) -> ApiError {
    match request.method().as_str() {
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "PATCH" => {
            ApiError::new(StatusCode::NOT_FOUND, "The resource could not be found.")
        }
        method => ApiError::new(StatusCode::NOT_IMPLEMENTED, format!("The method {method} is not known.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clients print what a status is called; Glance says the names of RFC 2616.
    #[test]
    fn statuses_have_the_names_that_glance_gives_them() {
        for (status, line) in [
            (StatusCode::PAYLOAD_TOO_LARGE, "413 Request Entity Too Large"),
            (StatusCode::RANGE_NOT_SATISFIABLE, "416 Request Range Not Satisfiable"),
            (StatusCode::NOT_FOUND, "404 Not Found"),
        ] {
            assert!(error_body(status, "x", None).1.starts_with(&format!("{line}\n\n")), "{line}");
        }
    }

    /// What went wrong inside stays inside.
    #[test]
    fn sec_68_a_fault_tells_nothing() {
        let error = ApiError::from(Error::internal("connect to postgresql://u:secret@h/d", "refused"));
        assert_eq!(error.status, StatusCode::INTERNAL_SERVER_ERROR);
        let (_, body) = error_body(error.status, &error.text, None);
        assert!(!body.contains("secret") && !body.contains("postgresql"), "{body}");
    }

    #[test]
    fn the_shape_follows_accept_as_in_glance() {
        for (accept, expected) in [
            (None, Shape::Plain),
            (Some(""), Shape::Plain),
            (Some("*/*"), Shape::Html),
            (Some("text/html"), Shape::Html),
            (Some("application/json, */*"), Shape::Html),
            (Some("nonsense"), Shape::Html),
            (Some("application/json"), Shape::Json),
            (Some("application/*"), Shape::Json),
            (Some("application/json, text/html;q=0.5"), Shape::Json),
            (Some("application/xml"), Shape::Plain),
            (Some("text/plain"), Shape::Plain),
            (Some("application/json; charset=utf-8"), Shape::Plain),
        ] {
            assert_eq!(shape(accept), expected, "{accept:?}");
        }
    }
}

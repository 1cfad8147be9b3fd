//! Errors in Keystone's shape.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    body::{BodySize, BoxBody, MessageBody},
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderValue},
    },
};
use serde_json::{Value, json};

use crate::{
    api::status::{retry_after, status_of},
    identity::builtin::LoginRefusal,
    model::error::Error,
};

/// An error response.
#[derive(Debug)]
pub struct ApiError(LoginRefusal);

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl From<LoginRefusal> for ApiError {
    fn from(refusal: LoginRefusal) -> Self {
        Self(refusal)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.error.fmt(f)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        status_of(&self.0.error)
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let message = match &self.0.error {
            Error::Internal { message } => {
                tracing::error!(%message, "identity request failed");
                "An unexpected fault; the log of the service says more.".to_owned()
            }
            Error::Unauthenticated(text) => text.clone(),
            other => other.to_string(),
        };
        let mut response = HttpResponse::build(status);
        if let Some(header) = retry_after(&self.0.error) {
            response.insert_header(header);
        }
        response.json(body(status, &message, self.0.methods.as_deref()))
    }
}

/// A failure as Keystone shows it. `methods`: where clients read which methods they may try.
fn body(status: StatusCode, message: &str, methods: Option<&[&str]>) -> Value {
    let title = status.canonical_reason().unwrap_or_default();
    let mut error = json!({"code": status.as_u16(), "message": message, "title": title});
    if let (Some(methods), Some(error)) = (methods, error.as_object_mut()) {
        let identity = if methods.is_empty() { json!({}) } else { json!({"methods": methods}) };
        error.insert("identity".to_owned(), identity);
    }
    Value::from_iter([("error", error)])
}

/// Gives a body to an error that the framework answers without one, such as 405.
pub fn with_body(response: HttpResponse<BoxBody>) -> HttpResponse<BoxBody> {
    let status = response.status();
    let is_bare = matches!(response.body().size(), BodySize::None | BodySize::Sized(0));
    if !is_bare || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let message = match status {
        StatusCode::METHOD_NOT_ALLOWED => "This method is not allowed here.",
        _ => status.canonical_reason().unwrap_or_default(),
    };
    let text = body(status, message, None).to_string();
    let mut response = response.set_body(BoxBody::new(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The result of a handler.
pub type Answer = std::result::Result<HttpResponse, ApiError>;

pub(super) fn nothing_here() -> Error {
    Error::NotFound("There is nothing at this path.".to_owned())
}

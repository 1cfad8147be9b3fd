//! Failures in the shape in which Keystone answers them.

use std::fmt;

use actix_web::{HttpResponse, ResponseError, http::StatusCode};
use serde_json::{Value, json};

use crate::{identity::builtin::LoginRefusal, model::error::Error};

/// A failure on its way to the client.
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
        match &self.0.error {
            Error::Invalid(_) => StatusCode::BAD_REQUEST,
            Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Error::Forbidden(_) => StatusCode::FORBIDDEN,
            Error::ImageNotFound(_) | Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::Gone(_) => StatusCode::GONE,
            Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Error::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Error::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Error::HeaderTooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
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
        let title = status.canonical_reason().unwrap_or_default();
        let mut error = json!({"code": status.as_u16(), "message": message, "title": title});
        if let (Some(methods), Some(error)) = (&self.0.methods, error.as_object_mut()) {
            // Clients read here which methods they may try.
            let identity = if methods.is_empty() { json!({}) } else { json!({"methods": methods}) };
            error.insert("identity".to_owned(), identity);
        }
        HttpResponse::build(status).json(Value::from_iter([("error", error)]))
    }
}

/// What a handler answers.
pub type Answer = std::result::Result<HttpResponse, ApiError>;

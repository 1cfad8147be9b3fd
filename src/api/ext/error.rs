//! Errors of the extensions: Keystone's shape, with a reason for programs and details.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

/// The body of an error. `title` is the name of the status; `why` has the reason for programs and the details.
pub fn body(status: StatusCode, title: &str, text: &str, why: Option<(&'static str, Value)>) -> String {
    let code = status.as_u16();
    let (reason, details) = why.unwrap_or_else(|| (reason(status), json!({})));
    json!({"error": {"code": code, "title": title, "message": text, "reason": reason, "details": details}})
        .to_string()
}

/// What went wrong in a word.
fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "bad-request",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not-found",
        StatusCode::METHOD_NOT_ALLOWED => "method-not-allowed",
        StatusCode::CONFLICT => "conflict",
        StatusCode::GONE => "gone",
        StatusCode::PAYLOAD_TOO_LARGE => "too-large",
        StatusCode::TOO_MANY_REQUESTS => "too-many-requests",
        StatusCode::NOT_IMPLEMENTED => "not-supported",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        status if status.is_server_error() => "internal",
        _ => "refused",
    }
}

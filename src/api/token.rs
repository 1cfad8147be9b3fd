//! The tokens that a request carries, before validation.

use actix_web::http::header::HeaderMap;

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

/// The caller's token: `X-Auth-Token`, or `X-Storage-Token` where the other header is absent
/// (`keystonemiddleware/auth_token/_request.py: user_token`).
pub fn user_token(headers: &HeaderMap) -> Option<String> {
    let name = if headers.contains_key("x-auth-token") { "x-auth-token" } else { "x-storage-token" };
    header(headers, name)
}

/// The token of a service that acts for the caller.
pub fn service_token(headers: &HeaderMap) -> Option<String> {
    header(headers, "x-service-token")
}

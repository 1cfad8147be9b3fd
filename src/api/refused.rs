//! Gives a body to the framework's bare refusals of requests that it cannot parse.

use actix_web::http::StatusCode;

use super::{error::error_body, request_info};
use crate::telemetry::metrics;

/// The framework's own limit on headers of one request.
const HEADERS_MAX: usize = 96;

/// The refusal with a body, if that is what the bytes are: the whole head of an error without one.
pub(super) fn in_words(bytes: &[u8], heard: Option<&[u8]>) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let (line, headers) = head.split_once("\r\n")?;
    let code = line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?;
    let status = StatusCode::from_bytes(code.as_bytes()).ok()?;
    let is_bare = headers.lines().any(|line| line.eq_ignore_ascii_case("content-length: 0"));
    if !is_bare || headers.contains("\r\n\r\n") {
        return None;
    }
    let fault = match status {
        StatusCode::BAD_REQUEST => fault(heard),
        StatusCode::REQUEST_TIMEOUT => "The head of the request did not arrive in time.",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => TOO_LARGE,
        _ => return None,
    };
    let (content_type, body) = error_body(status, fault, None);
    let date = headers.lines().find(|line| line.starts_with("date:")).unwrap_or("connection: close");
    let (length, id) = (body.len(), request_info::new_id());
    metrics().unread(status.as_u16());
    tracing::info!(request_id = id, status = status.as_u16(), fault, "a request was refused unread");
    let text = format!(
        "{line}\r\n{date}\r\nconnection: close\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         x-content-type-options: nosniff\r\n{}: {id}\r\n\r\n{body}",
        request_info::REQUEST_ID
    );
    Some(text.into_bytes())
}

const TOO_LARGE: &str = "The request has more than 96 headers, or its line and headers exceed 128 KiB.";

/// The error in a request, as far as its beginning shows it.
pub(crate) fn fault(heard: Option<&[u8]>) -> &'static str {
    use httparse::Error;
    let general = "The request is not HTTP/1.1 that can be read.";
    let Some(heard) = heard else { return general };
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(heard) {
        Err(Error::HeaderName) => "The name of a header is not allowed in HTTP.",
        Err(Error::HeaderValue) => "The value of a header contains a character that is not allowed in HTTP.",
        Err(Error::Token) => "The request line is not METHOD TARGET HTTP/1.1.",
        Err(Error::Version) => "The version of HTTP is neither 1.0 nor 1.1.",
        Err(Error::NewLine) => "A line of the head does not end as HTTP has it.",
        Err(Error::TooManyHeaders) => TOO_LARGE,
        Ok(httparse::Status::Complete(_)) => {
            let has = |name: &str| request.headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
            match (has("host"), has("content-length"), has("transfer-encoding")) {
                (_, true, true) => "Content-Length and Transfer-Encoding exclude each other.",
                (_, true, false) => "The headers do not agree on a Content-Length that is a number.",
                (_, false, true) => "The only Transfer-Encoding that is taken is chunked.",
                (false, ..) => "The Host header is missing.",
                _ => "The target of the request is not a URL.",
            }
        }
        _ => general,
    }
}

//! Which responses are compressed when the operator enables compression (`glance/api/middleware/gzip.py`).

use actix_web::{
    Error as ActixError,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{ACCEPT_ENCODING, CONTENT_RANGE, HeaderValue, RANGE},
    middleware::Next,
};

/// Leaves gzip as the only encoding to negotiate, and only for clients that name it; as in the reference,
/// weights do not count. Parts of data are sent as they are: their places are those of the data itself.
pub async fn only_gzip<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, ActixError> {
    let headers = request.headers_mut();
    let is_part = headers.contains_key(RANGE) || headers.contains_key(CONTENT_RANGE);
    let names_it = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("gzip"));
    let is_asked = headers.get_all(ACCEPT_ENCODING).any(names_it);
    headers.remove(ACCEPT_ENCODING);
    if is_asked && !is_part {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    next.call(request).await
}

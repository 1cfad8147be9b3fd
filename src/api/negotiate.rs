//! Version negotiation (`glance/api/middleware/version_negotiation.py`): every accepted version of the API is
//! the same `/v2`; whatever names no accepted version gets the version document.

use actix_web::ResponseError;
use actix_web::{
    Error as ActixError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, Uri, header::ACCEPT},
    middleware::Next,
    web::Data,
};

use super::{State, error::ApiError, versions};
use crate::model::error::Error;

const VENDOR_TYPE: &str = "application/vnd.openstack.images-";

/// Rewrites the path of versioned requests to `/v2/…` and answers the rest with the version document.
pub async fn negotiate(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, ActixError> {
    let Some(state) = request.app_data::<Data<State>>().cloned() else {
        return Err(ApiError::from(Error::internal("negotiate", "no state")).into());
    };
    let path = request.path().to_owned();
    if !state.mounts.of(&path).negotiated {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    let trimmed = path.trim_start_matches('/');
    let (first, rest) = trimmed.split_once('/').map_or((trimmed, None), |(a, b)| (a, Some(b)));
    if first == "versions" {
        let response = versions::document(&state, request.request(), StatusCode::OK);
        return Ok(request.into_response(response));
    }
    let accept = request.headers().get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (token, inner) = match accept.strip_prefix(VENDOR_TYPE) {
        Some(token) => (token.to_owned(), format!("/v2/{trimmed}")),
        None => {
            let inner = match rest {
                None => "/v2".to_owned(),
                Some(rest) => format!("/v2/{}", rest.trim_start_matches('/')),
            };
            (first.to_owned(), inner)
        }
    };
    if !versions::accepted(&state).contains(&token.as_str()) {
        let response = versions::document(&state, request.request(), StatusCode::MULTIPLE_CHOICES);
        return Ok(request.into_response(response));
    }
    let inner = match has_a_route(&inner) {
        Ok(true) => inner,
        // Where nothing is: the answer is still authentication's first.
        Ok(false) => "/v2/".to_owned(),
        Err(error) => return Ok(request.into_response(ApiError::from(error).error_response())),
    };
    if inner != path {
        let text = match request.uri().query() {
            Some(query) => format!("{inner}?{query}"),
            None => inner,
        };
        match text.parse::<Uri>() {
            Ok(uri) => {
                request.match_info_mut().get_mut().update(&uri);
                request.head_mut().uri = uri;
            }
            Err(fault) => {
                let error = Error::invalid(format!("The path cannot be read: {fault}"));
                return Ok(request.into_response(ApiError::from(error).error_response()));
            }
        }
    }
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}

/// Whether a route may have this path: none has NUL or, as an encoded slash is a slash, one inside a segment.
/// Paths that are no UTF-8 are refused.
fn has_a_route(path: &str) -> Result<bool, Error> {
    let decoded = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| Error::invalid("The path is not valid UTF-8."))?;
    Ok(!decoded.contains('\0') && decoded.matches('/').count() == path.matches('/').count())
}

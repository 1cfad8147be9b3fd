//! From the tokens of a request to its caller (`glance/api/middleware/context.py: ContextMiddleware`).

use actix_web::{
    Error as ActixError, HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE},
    middleware::Next,
    web::Data,
};
use actix_web::{ResponseError, http::StatusCode};

use super::{State, error::ApiError, origin::base_url};
use crate::{
    identity::{Credentials, IdentityError},
    model::{caller::Caller, error::Error},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|v| v.to_str().ok()).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

/// Establishes the caller of everything below `/v2`, and names the request in the answer.
pub async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, ActixError> {
    let path = request.path();
    if path != "/v2" && !path.starts_with("/v2/") {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    let Some(state) = request.app_data::<Data<State>>().cloned() else {
        return Err(ApiError::from(Error::internal("authenticate", "no state")).into());
    };
    let credentials = Credentials {
        token: header(request.headers(), "x-auth-token"),
        service_token: header(request.headers(), "x-service-token"),
        method: request.method().as_str().to_owned(),
        path: path.to_owned(),
    };
    let base_url = base_url(&state.settings, request.request());
    let refuse = |error: ApiError| {
        let mut response = error.error_response();
        if response.status() == StatusCode::UNAUTHORIZED {
            let challenge = state.identity.challenge(&base_url);
            if let Some(value) = challenge.and_then(|c| HeaderValue::from_str(&c).ok()) {
                response.headers_mut().insert(WWW_AUTHENTICATE, value);
            }
        }
        response
    };
    let mut caller = match state.identity.authenticate(&credentials).await {
        Ok(caller) => caller,
        Err(IdentityError::Unauthenticated(_)) if state.settings.allow_anonymous_access => {
            Caller { read_only: true, is_admin_project: true, ..Caller::default() }
        }
        Err(IdentityError::Unauthenticated(why)) => {
            let response = refuse(Error::Unauthenticated(why).into());
            return Ok(request.into_response(response));
        }
        Err(IdentityError::Unavailable(why)) => {
            let response = refuse(Error::Unavailable(why).into());
            return Ok(request.into_response(response));
        }
    };
    caller.is_admin = caller.is_admin || state.app.policy.is_admin(&caller);
    match request_id(&state, request.headers(), &caller) {
        Ok(id) => caller.request_id = id,
        Err(error) => {
            let response = refuse(error.into());
            return Ok(request.into_response(response));
        }
    }
    let id = HeaderValue::from_str(&caller.request_id).ok();
    request.extensions_mut().insert(caller);
    let mut response = next.call(request).await?.map_into_boxed_body();
    if let Some(id) = id {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(response)
}

/// The id of the request: the client's, prefixed with `req-`, or a new one.
fn request_id(state: &State, headers: &HeaderMap, caller: &Caller) -> Result<String, Error> {
    let sent = header(headers, REQUEST_ID.as_str()).filter(|_| !caller.read_only);
    let Some(sent) = sent else { return Ok(format!("req-{}", uuid::Uuid::new_v4())) };
    let max = state.settings.max_request_id_length;
    if max > 0 && sent.len() > max {
        return Err(Error::HeaderTooLarge(format!("x-openstack-request-id is limited to {max} characters.")));
    }
    Ok(if sent.starts_with("req-") { sent } else { format!("req-{sent}") })
}

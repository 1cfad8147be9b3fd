//! Determines the caller from the tokens of a request (`glance/api/middleware/context.py: ContextMiddleware`).

use actix_web::{
    Error as ActixError, HttpMessage,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderValue, WWW_AUTHENTICATE},
    middleware::Next,
    web::Data,
};
use actix_web::{ResponseError, http::StatusCode};

use super::{
    State,
    error::ApiError,
    origin::base_url,
    request_info::introduce,
    token::{service_token, user_token},
};
use crate::{
    identity::{Credentials, IdentityError},
    model::{
        caller::{Caller, Token},
        error::Error,
    },
};

/// Authenticates the caller, unless that is left to the routes.
pub async fn authenticate(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, ActixError> {
    let Some(state) = request.app_data::<Data<State>>().cloned() else {
        return Err(ApiError::from(Error::internal("authenticate", "no state")).into());
    };
    if !state.mounts.of(request.path()).asks_for_tokens(request.path()) {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    let credentials = Credentials {
        token: user_token(request.headers()),
        service_token: service_token(request.headers()),
        method: request.method().as_str().to_owned(),
        path: request.path().to_owned(),
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
    caller.token = credentials.token.as_deref().filter(|_| !caller.read_only).map(Token::new);
    caller.is_admin = caller.is_admin || state.app.policy.is_admin(&caller);
    if let Err(error) = introduce(&request, &state, &mut caller) {
        let response = refuse(error.into());
        return Ok(request.into_response(response));
    }
    request.extensions_mut().insert(caller);
    next.call(request).await.map(ServiceResponse::map_into_boxed_body)
}

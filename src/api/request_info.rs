//! The id of a request and its caller: created in one place, read by the response, the log and the domain.

use actix_web::{
    Error as ActixError, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderMap, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    middleware::Next,
    web::Data,
};

use super::{State, mount::Authentication, token::user_token};
use crate::model::{caller::Caller, error::Error};

/// The header of the id, in requests and in answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");

/// Information about a request besides its own text. It is an extension of every request, so layers around the routes
/// can read it when the response is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// `req-…`, as in the response's `x-openstack-request-id`.
    pub request_id: String,
    /// The project of the caller, once it is known.
    pub project_id: Option<String>,
    /// The user who calls, once it is known.
    pub user_id: Option<String>,
}

/// The id of a request that has none.
pub fn new_id() -> String {
    format!("req-{}", uuid::Uuid::new_v4())
}

/// Gives the request and its response an id, whatever layer creates the response; also adds `nosniff`.
///
/// # Errors
/// Those of the layers inside.
pub async fn name_request<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, ActixError> {
    let request_id = adopted(&request).unwrap_or_else(new_id);
    let value = HeaderValue::from_str(&request_id).ok();
    request.extensions_mut().insert(RequestInfo { request_id, ..RequestInfo::default() });
    let mut response = next.call(request).await?;
    if let Some(value) = value {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    // What an image holds, or what a name says, is never to be taken for a page.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

/// The id that the client chose. Glance takes it from those who have a token only
/// (`glance/api/middleware/context.py`), and Keystone from nobody.
fn adopted(request: &ServiceRequest) -> Option<String> {
    let state = request.app_data::<Data<State>>()?;
    let is_asked = state.mounts.of(request.path()).authentication != Authentication::Own;
    let sent = sent(request.headers()).filter(|_| is_asked && user_token(request.headers()).is_some())?;
    let fits = is_short(state, &sent);
    fits.then(|| if sent.starts_with("req-") { sent } else { format!("req-{sent}") })
}

fn sent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn is_short(state: &State, id: &str) -> bool {
    let max = state.settings.max_request_id_length;
    max == 0 || id.len() <= max
}

/// Puts the caller down in the [`RequestInfo`] and the span, and its id of the request in the caller.
///
/// # Errors
/// [`Error::HeaderTooLarge`] when the client's own id is over `max_request_id_length`; anonymous callers have none.
pub fn introduce(request: &ServiceRequest, state: &State, caller: &mut Caller) -> Result<(), Error> {
    let mut extensions = request.extensions_mut();
    let mut fallback = RequestInfo::default();
    let info = extensions.get_mut::<RequestInfo>().unwrap_or(&mut fallback);
    caller.request_id.clone_from(&info.request_id);
    info.project_id.clone_from(&caller.project_id);
    info.user_id.clone_from(&caller.user_id);
    if !caller.read_only && sent(request.headers()).is_some_and(|id| !is_short(state, &id)) {
        let max = state.settings.max_request_id_length;
        return Err(Error::HeaderTooLarge(format!("{REQUEST_ID} is limited to {max} characters.")));
    }
    Ok(())
}

//! Resources that know their allowed methods.

use actix_web::{HttpRequest, HttpResponse, Resource, http::StatusCode, web};

use super::error::ApiError;

/// A resource that answers other methods with 405 and `Allow`, in Glance's exact text. An empty text marks the few
/// resources that Glance routes by method alone, so that other methods are 404.
pub(in crate::api) fn resource(path: &str, allow: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move |request: HttpRequest| async move {
        if allow.is_empty() {
            return Err::<HttpResponse, _>(ApiError::new(
                StatusCode::NOT_FOUND,
                "The resource could not be found.",
            ));
        }
        Err(ApiError::method_not_allowed(request.method(), allow))
    }))
}

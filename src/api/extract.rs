//! What handlers ask of a request; bad input never reaches a handler.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{Method, header},
    web::{self, Data},
};
use futures::{StreamExt, future::LocalBoxFuture};
use serde_json::Value;

use super::{State, error::ApiError};
use crate::model::{caller::Caller, error::Error, patch::Dialect};

/// JSON bodies are read whole; this bounds them, in bytes.
const JSON_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The media types of patches, as `Accept-Patch` lists them.
pub const PATCH_TYPES: &str =
    "application/openstack-images-v2.0-json-patch, application/openstack-images-v2.1-json-patch";

/// The state that handlers share.
pub type Shared = Data<State>;

/// The caller whom [`super::authenticate`] established.
pub struct Identified(pub Caller);

impl FromRequest for Identified {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = request.extensions().get::<Caller>().cloned();
        ready(
            caller
                .map(Self)
                .ok_or_else(|| Error::Unauthenticated("no identity was established".to_owned()).into()),
        )
    }
}

/// Whether the request carries a body, by Glance's reading (`glance/common/wsgi.py: JSONRequestDeserializer.has_body`).
pub fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let text =
        |name| headers.get(name).and_then(|v: &header::HeaderValue| v.to_str().ok()).unwrap_or_default();
    let coded = ["chunked", "compress", "deflate", "gzip", "identity"]
        .contains(&text(header::TRANSFER_ENCODING).to_ascii_lowercase().as_str());
    let writes = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    coded && writes || text(header::CONTENT_LENGTH).parse::<u64>().is_ok_and(|length| length > 0)
}

/// Requires that there is no body.
pub struct NoBody;

impl FromRequest for NoBody {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(if has_body(request) {
            Err(Error::invalid("A body is not expected with this request.").into())
        } else {
            Ok(Self)
        })
    }
}

/// Reads a body of JSON of at most `bytes_max` bytes.
///
/// # Errors
/// [`Error::TooLarge`] beyond that, [`Error::Invalid`] for what breaks off or is no JSON.
pub async fn read_json(payload: &mut Payload, bytes_max: usize) -> Result<Value, Error> {
    let mut bytes = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|e| Error::invalid(format!("The body could not be read: {e}")))?;
        if bytes.len().saturating_add(chunk.len()) > bytes_max {
            return Err(Error::TooLarge(format!("JSON bodies are limited to {bytes_max} bytes.")));
        }
        bytes.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&bytes).map_err(|e| Error::invalid(format!("Malformed JSON in request body: {e}")))
}

/// A JSON body: an object or an array. The content type is not looked at, as in Glance.
pub struct JsonBody(pub Value);

impl FromRequest for JsonBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let present = has_body(request);
        let mut payload = payload.take();
        Box::pin(async move {
            if !present {
                return Err(Error::invalid("A body is expected with this request.").into());
            }
            let value = read_json(&mut payload, JSON_BYTES_MAX).await?;
            if value.is_object() || value.is_array() {
                Ok(Self(value))
            } else {
                Err(Error::invalid("The request body must be a JSON object or array.").into())
            }
        })
    }
}

/// The dialect of a patch, by its content type.
pub struct PatchType(pub Dialect);

impl FromRequest for PatchType {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match media_type(request).as_str() {
            "application/openstack-images-v2.1-json-patch" => Ok(Self(Dialect::V21)),
            "application/openstack-images-v2.0-json-patch" => Ok(Self(Dialect::V20)),
            other => Err(ApiError::from(Error::UnsupportedMediaType(format!(
                "The media type {other:?} is not supported; use one of {PATCH_TYPES}."
            )))
            .with_header(header::HeaderName::from_static("accept-patch"), PATCH_TYPES.to_owned())),
        })
    }
}

/// The media type of the body in lower case, without parameters.
pub fn media_type(request: &HttpRequest) -> String {
    let text = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

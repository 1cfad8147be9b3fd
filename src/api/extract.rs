//! Extractors for handlers; invalid input never reaches a handler.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{Method, header},
    web::{self, Data},
};
use futures::{StreamExt, future::LocalBoxFuture};
use serde_json::Value;

use super::{State, connection::Exchange, error::ApiError};
use crate::{
    model::{caller::Caller, error::Error, patch::Dialect},
    telemetry,
};

/// JSON bodies are read whole; this bounds them, in bytes. The largest record of an image fits however it is escaped.
const JSON_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Values in a JSON body at most: in memory each takes many times its bytes.
const JSON_VALUES_MAX: usize = 1 << 16;
/// How deeply `serde_json` goes.
const DEPTH_MAX: usize = 128;
/// Bytes of a body that has no reason to be large, most of all of one that is kept as it is.
const SMALL_BYTES_MAX: usize = 64 * 1024;
/// Bodies of more bytes are not read by the threads that all requests share.
const LIGHT_BYTES_MAX: usize = 16 * 1024;

/// The time for a body where nobody says another.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);

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

/// Requires an empty body.
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

/// A body that is read whole, within the time of `[vitrine] request_timeout`.
pub struct Whole {
    payload: Payload,
    exchange: Option<Exchange>,
    patience: Duration,
}

impl Whole {
    /// The body of a request.
    pub fn of(request: &HttpRequest, payload: &mut Payload) -> Self {
        let patience = request.app_data::<Shared>().map(|state| state.settings.request_patience);
        Self {
            payload: payload.take(),
            exchange: request.conn_data::<Exchange>().cloned(),
            patience: patience.unwrap_or(DEFAULT_PATIENCE),
        }
    }

    /// Reads JSON of at most `bytes_max` bytes; returns its length too.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond that, [`Error::Invalid`] for what breaks off or is no JSON, [`Error::Slow`] for what does
    /// not come in time.
    pub async fn json(mut self, bytes_max: usize) -> Result<(Value, usize), Error> {
        let reading = self.exchange.as_ref().map(Exchange::reading);
        let read = tokio::time::timeout(self.patience, read_whole(&mut self.payload, bytes_max)).await;
        drop(reading);
        let late = |_| Error::Slow("The body of the request did not arrive in time.".to_owned());
        let bytes = read.map_err(late)??;
        let length = bytes.len();
        Ok((aside(length, move || parse_json(&bytes)).await?, length))
    }
}

async fn read_whole(payload: &mut Payload, bytes_max: usize) -> Result<web::BytesMut, Error> {
    let mut bytes = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|e| Error::invalid(format!("The body could not be read: {e}")))?;
        if bytes.len().saturating_add(chunk.len()) > bytes_max {
            return Err(Error::TooLarge(format!("JSON bodies are limited to {bytes_max} bytes.")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Reads JSON of a bounded number of values.
///
/// # Errors
/// [`Error::TooLarge`] for more, [`Error::Invalid`] for what is no JSON.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, Error> {
    if has_more_values(bytes, JSON_VALUES_MAX) {
        return Err(Error::TooLarge(format!("JSON bodies are limited to {JSON_VALUES_MAX} values.")));
    }
    serde_json::from_slice(bytes).map_err(|e| Error::invalid(format!("Malformed JSON in request body: {e}")))
}

/// Whether JSON has more than so many values, as its commas and brackets tell. What is nested more deeply than the parser
/// goes is left to it: it stops there.
fn has_more_values(bytes: &[u8], values_max: usize) -> bool {
    let (mut count, mut depth, mut in_text, mut escaped) = (1_usize, 0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b',' => count = count.saturating_add(1),
            b'[' | b'{' => (count, depth) = (count.saturating_add(1), depth.saturating_add(1)),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if count > values_max || depth > DEPTH_MAX {
            return depth <= DEPTH_MAX;
        }
    }
    false
}

/// Runs `work` for a body of this size: for a large one on a separate thread.
///
/// # Errors
/// What the work answers.
pub async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if bytes <= LIGHT_BYTES_MAX {
        return work();
    }
    telemetry::blocking(work).await.unwrap_or_else(|fault| Err(Error::internal("body", fault)))
}

/// A JSON body, an object or an array, and its length in bytes. The content type is ignored, as in Glance.
pub struct JsonBody(pub Value, pub usize);

impl JsonBody {
    /// The body of a call that expects a small one.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a long one.
    pub fn small(self) -> Result<Value, Error> {
        if self.1 > SMALL_BYTES_MAX {
            return Err(Error::TooLarge(format!("This body is limited to {SMALL_BYTES_MAX} bytes.")));
        }
        Ok(self.0)
    }

    /// Parses the body; a large one on a separate thread.
    ///
    /// # Errors
    /// What `read` answers.
    pub async fn read<T: Send + 'static>(
        self,
        read: impl FnOnce(&Value) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        aside(self.1, move || read(&self.0)).await
    }
}

impl FromRequest for JsonBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let present = has_body(request);
        let body = Whole::of(request, payload);
        Box::pin(async move {
            if !present {
                return Err(Error::invalid("A body is expected with this request.").into());
            }
            let (value, length) = body.json(JSON_BYTES_MAX).await?;
            if value.is_object() || value.is_array() {
                Ok(Self(value, length))
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

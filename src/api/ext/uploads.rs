//! `/ext/v1/images/{id}/uploads` and `/ext/v1/uploads`: the data of an image in parts, which a client sends in order or
//! several at once, and goes on with after a cut.

use std::{cell::Cell, rc::Rc, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderName, LOCATION},
    web::{Path, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Map, Value, json};

use super::{body, jobs};
use crate::{
    api::{
        error::{ApiError, ApiResult},
        extract::{Identified, JsonBody, NoBody, Shared, media_type},
        images::data,
        origin::own_url,
        pace::Pace,
    },
    import::parts::{
        self, Found, MISSING_MAX,
        complete::{self, Completion},
        open, receive,
    },
    model::{
        error::{Error, Result},
        hash::{Hashes, hex},
        upload::{Piece, Upload},
    },
};

const PATH: &str = "/ext/v1/uploads";
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
/// The media type of bytes that belong at an offset, as in the protocol "tus".
const OFFSET_MEDIA: &str = "application/offset+octet-stream";

/// An upload as its project sees it.
fn view(upload: &Upload, pieces: &[Piece]) -> Value {
    json!({
        "upload_id": upload.id,
        "image_id": upload.image_id,
        "size": upload.size,
        "part_size": upload.part_size,
        "parts": upload.parts(),
        "offset": Upload::offset(pieces),
        "received": pieces.iter().fold(0_u64, |sum, piece| sum.saturating_add(piece.length)),
        "missing": upload.missing(pieces, MISSING_MAX),
        "stage": upload.store.is_none(),
        "state": if upload.job_id.is_some() { "completing" } else { "open" },
        "job_id": upload.job_id,
        "created_at": upload.created_at.isotime(),
        "expires_at": upload.expires_at.isotime(),
    })
}

fn bytes(object: &Map<String, Value>, name: &str) -> Result<Option<u64>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| Error::invalid(format!("{name} must be a whole number of bytes, zero or more."))),
    }
}

/// The hashes of a body, as the property `expected_hash` has them.
fn expected(object: &Map<String, Value>) -> Result<Option<String>> {
    let wrong = || Error::invalid("hash must be an object with names of algorithms and digests in hex.");
    let hashes = match object.get("hash") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_object().ok_or_else(wrong)?,
    };
    let pair = |(name, value): (&String, &Value)| Some(format!("{name}:{}", value.as_str()?));
    let pairs: Option<Vec<String>> = hashes.iter().map(pair).collect();
    Ok(Some(pairs.ok_or_else(wrong)?.join(",")).filter(|text| !text.is_empty()))
}

fn asked(value: &Value, request: &HttpRequest) -> Result<open::Asked> {
    let object = body::object(value)?;
    body::only(object, &["size", "part_size", "hash", "stage"])?;
    let size = bytes(object, "size")?.ok_or_else(|| Error::invalid("size is missing."))?;
    let store = data::text(request, &HeaderName::from_static("x-image-meta-store")).map(str::to_owned);
    Ok(open::Asked {
        size,
        part_size: bytes(object, "part_size")?,
        expected: expected(object)?,
        stage: body::flag(object, "stage")?.unwrap_or(false),
        store,
    })
}

/// Begins an upload.
pub async fn create(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    body: JsonBody,
) -> ApiResult {
    let asked = asked(&body.small()?, &request)?;
    let upload = open::open(&state.app.imports, &caller.0, &id, asked).await?;
    let place = format!("{}{PATH}/{}", own_url(&state.settings, &request), upload.id);
    let mut answer = HttpResponse::Created();
    Ok(answer.insert_header((LOCATION, place)).insert_header((UPLOAD_OFFSET, 0)).json(view(&upload, &[])))
}

/// Lists the open upload of an image.
pub async fn of_image(state: Shared, caller: Identified, id: Path<String>) -> ApiResult {
    let found = parts::of_image(&state.app.imports, &caller.0, &id).await?;
    let uploads: Vec<Value> = found.iter().map(|found| view(&found.upload, &found.pieces)).collect();
    Ok(HttpResponse::Ok().json(json!({ "uploads": uploads })))
}

/// Shows an upload.
pub async fn show(state: Shared, caller: Identified, id: Path<String>) -> ApiResult {
    let Found { upload, pieces, .. } = parts::find(&state.app.imports, &caller.0, &id).await?;
    let offset = (UPLOAD_OFFSET, Upload::offset(&pieces));
    Ok(HttpResponse::Ok().insert_header(offset).json(view(&upload, &pieces)))
}

/// Tells where an upload goes on.
pub async fn offset(state: Shared, caller: Identified, id: Path<String>) -> ApiResult {
    let Found { upload, pieces, .. } = parts::find(&state.app.imports, &caller.0, &id).await?;
    let mut answer = HttpResponse::NoContent();
    answer.insert_header((UPLOAD_OFFSET, Upload::offset(&pieces)));
    Ok(answer.insert_header((UPLOAD_LENGTH, upload.size)).insert_header((CACHE_CONTROL, "no-store")).finish())
}

/// Gives an upload up.
pub async fn abort(state: Shared, caller: Identified, id: Path<String>, _: NoBody) -> ApiResult {
    parts::abort(&state.app.imports, &caller.0, &id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// An error of an upload; one that knows the right offset says it in a header too.
fn refused(error: Error) -> ApiError {
    let offset = match &error {
        Error::Because(because) => because.details.get("offset").and_then(Value::as_u64),
        _ => None,
    };
    match offset {
        Some(offset) => ApiError::from(error).with_header(UPLOAD_OFFSET, offset.to_string()),
        None => error.into(),
    }
}

/// The declared length of a body.
fn length(request: &HttpRequest) -> Option<u64> {
    data::text(request, &CONTENT_LENGTH).and_then(|text| text.parse().ok())
}

fn arrived(offset: u64) -> HttpResponse {
    HttpResponse::NoContent().insert_header((UPLOAD_OFFSET, offset)).finish()
}

/// Adds bytes to what has arrived.
pub async fn append(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> ApiResult {
    let media = media_type(&request);
    if media != OFFSET_MEDIA {
        let text = format!("The bytes must be sent as {OFFSET_MEDIA}, not {media:?}.");
        return Err(Error::UnsupportedMediaType(text).into());
    }
    let said = data::text(&request, &UPLOAD_OFFSET).and_then(|text| text.trim().parse::<u64>().ok());
    let from = said.ok_or_else(|| Error::invalid("Upload-Offset must be a whole number of bytes."))?;
    let (app, length) = (Arc::clone(&state.app), length(&request));
    taken(&state, payload, |pieces| async move {
        receive::append(&app.imports, &caller.0, &id, (from, length), pieces).await
    })
    .await
}

/// Hands the body of a request to `take`, which answers the new offset.
async fn taken<F>(
    state: &Shared,
    payload: Payload,
    take: impl FnOnce(tokio::sync::mpsc::Receiver<crate::blob::upload::Piece>) -> F,
) -> ApiResult
where
    F: Future<Output = Result<u64>> + 'static,
{
    let pace = Pace::new(state.settings.client_patience);
    let reached = Rc::new(Cell::new(0));
    let told = Rc::clone(&reached);
    let result = data::receive((payload, pace), |pieces| {
        let taking = take(pieces);
        async move { taking.await.map(|offset| told.set(offset)) }
    });
    result.await.map_err(refused)?;
    Ok(arrived(reached.get()))
}

/// The hashes that a request says of its body.
fn hashes(request: &HttpRequest) -> Result<Hashes> {
    let mut hashes = Hashes::new();
    if let Some(text) = data::text(request, &HeaderName::from_static("content-md5")) {
        let digest = BASE64.decode(text.trim()).ok().filter(|digest| digest.len() == 16);
        let wrong = || Error::invalid("Content-MD5 must be an MD5 digest in Base64.");
        hashes.insert("md5".to_owned(), hex(&digest.ok_or_else(wrong)?));
    }
    if let Some(text) = data::text(request, &HeaderName::from_static("x-content-sha256")) {
        let digest = text.trim().to_ascii_lowercase();
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::invalid("X-Content-SHA256 must be a SHA-256 digest in hex."));
        }
        hashes.insert("sha256".to_owned(), digest);
    }
    Ok(hashes)
}

/// Sends a whole part.
pub async fn put_part(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> ApiResult {
    let media = media_type(&request);
    if media != OFFSET_MEDIA && media != "application/octet-stream" {
        let text = format!("A part must be sent as application/octet-stream, not {media:?}.");
        return Err(Error::UnsupportedMediaType(text).into());
    }
    let (id, number) = path.into_inner();
    let number = number.parse::<u64>();
    let number = number.map_err(|_| Error::NotFound("Parts are numbers, counted from 0.".to_owned()))?;
    let (app, length, expected) = (Arc::clone(&state.app), length(&request), hashes(&request)?);
    taken(&state, payload, |pieces| async move {
        receive::put(&app.imports, &caller.0, &id, (number, length, &expected), pieces).await
    })
    .await
}

/// Makes what has arrived the data of the image.
pub async fn complete(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    _: NoBody,
) -> ApiResult {
    match complete::complete(&state.app.imports, &caller.0, &id).await.map_err(refused)? {
        Completion::Done => Ok(HttpResponse::NoContent().finish()),
        Completion::Accepted(job) => Ok(jobs::accepted(&state, &request, &caller.0, &job)),
    }
}

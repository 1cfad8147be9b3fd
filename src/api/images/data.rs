//! `PUT` and `GET /v2/images/{id}/file`

use std::time::{Duration, Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    error::PayloadError,
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, RANGE},
    },
    web::{Bytes, Path, Payload},
};
use futures::StreamExt;
use tokio::{sync::mpsc, time::timeout};

use super::file_body::{FileBody, by_proxy};
use crate::{
    api::{
        connection::Exchange,
        error::ApiResult,
        extract::{Identified, NoBody, Shared, media_type},
        pace::Pace,
        query::pairs,
        settings::ByProxy,
    },
    blob::{
        download::{Data, Source},
        upload::{Piece, Request},
    },
    cache::download as domain,
    import,
    model::{
        error::{Error, Result},
        range::{Span, parse_content_range, parse_range},
    },
};

/// Pieces that may wait between the socket and the upload.
const QUEUE_PIECES: usize = 2;
/// After a refusal, this many bytes of the client's data are read and dropped, so that a client that sends
/// everything before it reads still gets to see the answer.
const DRAIN_BYTES: usize = 64 * 1024 * 1024;
/// How long that may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(30);
/// After so long without data the client is taken to wait for its answer.
const DRAIN_SILENCE: Duration = Duration::from_secs(3);

/// A header's text.
pub(in crate::api) fn text<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name).and_then(|v| v.to_str().ok())
}

/// The declared size: `x-openstack-image-size`, else `Content-Length`; 0 counts as unknown.
pub(in crate::api) fn declared_size(request: &HttpRequest) -> Result<Option<u64>> {
    let name = HeaderName::from_static("x-openstack-image-size");
    let size = match text(request, &name) {
        Some(size) => size
            .trim()
            .parse::<u64>()
            .map_err(|_| Error::invalid(format!("{name} must be a non-negative integer, not {size:?}.")))?,
        None => text(request, &CONTENT_LENGTH).and_then(|s| s.parse().ok()).unwrap_or(0),
    };
    Ok((size > 0).then_some(size))
}

/// Receives the data of an image.
pub async fn upload(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> ApiResult {
    check_media(&request)?;
    let asked = Request {
        declared_size: declared_size(&request)?,
        store: text(&request, &HeaderName::from_static("x-image-meta-store")).map(str::to_owned),
    };
    let app = std::sync::Arc::clone(&state.app);
    let pace = Pace::new(state.settings.client_patience);
    receive((payload, pace), |pieces| async move {
        import::upload::upload(&app.imports, &caller.0, &id, &asked, pieces).await
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Image data has one media type.
pub(in crate::api) fn check_media(request: &HttpRequest) -> Result<()> {
    let media = media_type(request);
    if media == "application/octet-stream" {
        return Ok(());
    }
    Err(Error::UnsupportedMediaType(format!(
        "Image data must be sent as application/octet-stream, not {media:?}."
    )))
}

/// Hands the data of a request to a use case. That is a task of its own: when the client goes away the handler is
/// dropped, and the task still cleans up.
pub(in crate::api) async fn receive<F>(
    (mut payload, mut pace): (Payload, Pace),
    take: impl FnOnce(mpsc::Receiver<Piece>) -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>> + 'static,
{
    let (sender, pieces) = mpsc::channel(QUEUE_PIECES);
    let task = crate::telemetry::spawn_local(take(pieces));
    let mut refused = false;
    loop {
        let next = tokio::select! {
            next = next(&mut payload, &mut pace) => next,
            // The use case has refused, though the client sends nothing at present.
            () = sender.closed() => {
                refused = true;
                break;
            }
        };
        let chunk = match next {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(None) => break,
            broken => {
                // The client went away or keeps its data back; the closed queue tells the use case.
                drop(sender);
                let ended = finished(task).await.err();
                broken?;
                return Err(ended.unwrap_or_else(|| Error::invalid("The data is incomplete.")));
            }
        };
        if sender.send(Piece::Data(chunk)).await.is_err() {
            refused = true;
            break;
        }
    }
    if refused {
        // What does not come in time, or is too much, the client sends in vain.
        drop(timeout(DRAIN_PATIENCE, drain(&mut payload)).await);
    } else if sender.send(Piece::End).await.is_err() {
        tracing::debug!("the upload ended before its data did");
    }
    finished(task).await
}

/// Waits for the next bytes, as long as the client keeps its pace.
async fn next(
    payload: &mut Payload,
    pace: &mut Pace,
) -> Result<Option<std::result::Result<Bytes, PayloadError>>> {
    let began = Instant::now();
    let Some(left) = pace.left() else { return Ok(payload.next().await) };
    let chunk = timeout(left, payload.next()).await.map_err(|_| {
        Error::Slow("The client has sent nothing, or next to nothing, for too long.".to_owned())
    })?;
    pace.moved(began.elapsed(), chunk.as_ref().and_then(|chunk| chunk.as_ref().ok()).map_or(0, Bytes::len));
    Ok(chunk)
}

async fn finished(task: crate::telemetry::Spawned<Result<()>>) -> Result<()> {
    task.await.unwrap_or_else(|fault| Err(Error::internal("upload", fault)))
}

async fn drain(payload: &mut Payload) {
    let mut dropped = 0_usize;
    while let Ok(Some(Ok(chunk))) = timeout(DRAIN_SILENCE, payload.next()).await {
        dropped = dropped.saturating_add(chunk.len());
        if dropped > DRAIN_BYTES {
            break;
        }
    }
}

/// The part that the request asks for, given the size of the data.
fn span(request: &HttpRequest, size: u64) -> Result<Option<Span>> {
    let unreadable = |_| Error::RangeNotSatisfiable { size };
    if let Some(value) = request.headers().get(RANGE).filter(|v| !v.is_empty()) {
        return parse_range(value.to_str().map_err(unreadable)?, size).map(Some);
    }
    match request.headers().get(CONTENT_RANGE).filter(|v| !v.is_empty()) {
        Some(value) => parse_content_range(value.to_str().map_err(unreadable)?, size).map(Some),
        None => Ok(None),
    }
}

/// The stores that the parameter `prefer` names.
fn preferences(request: &HttpRequest) -> Result<Vec<String>> {
    let pairs = pairs(request.query_string())?;
    let list = pairs.iter().rev().find(|(name, _)| name == "prefer").map_or("", |(_, list)| list);
    Ok(list.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect())
}

/// The proxies that send files, if one of them asks.
fn asked_proxy<'a>(state: &'a Shared, request: &HttpRequest) -> Option<&'a ByProxy> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let by_proxy = state.settings.by_proxy.as_ref()?;
    by_proxy.proxies.iter().any(|network| network.contains(&peer)).then_some(by_proxy)
}

/// Whether a proxy will send the whole of a file, so that this server need not encrypt it.
fn is_sent_by_proxy(state: &Shared, request: &HttpRequest) -> bool {
    let is_whole = [RANGE, CONTENT_RANGE].iter().all(|name| !request.headers().contains_key(name));
    is_whole && asked_proxy(state, request).is_some()
}

/// Sends the data of an image, whole or in part.
pub async fn download(
    state: Shared,
    caller: Identified,
    request: HttpRequest,
    id: Path<String>,
    _: NoBody,
) -> ApiResult {
    let prefer = preferences(&request)?;
    let transfer = state.app.blobs.transfers.begin(&caller.0)?;
    let exchange = request.conn_data::<Exchange>();
    // Compressing it, the server would have to look at it.
    let as_file = exchange
        .is_some_and(|exchange| !exchange.is_encrypted() || is_sent_by_proxy(&state, &request))
        && !state.settings.gzip;
    let site = &state.app.site;
    let data = domain::download(site, &caller.0, &id, &prefer, |size| span(&request, size), as_file).await?;
    let Data::Some { source, span, size, checksum, owner } = data else {
        return Ok(HttpResponse::NoContent().finish());
    };
    if let Some(exchange) = exchange {
        exchange.send_data();
    }
    let mut response = HttpResponse::Ok();
    let (mut first, mut end) = (0, size);
    if let Some(span) = span {
        (first, end) = (span.first, span.last.saturating_add(1));
        response.status(StatusCode::PARTIAL_CONTENT);
        response.insert_header((CONTENT_RANGE, format!("bytes {}-{}/{size}", span.first, span.last)));
    }
    response.insert_header((CONTENT_TYPE, "application/octet-stream"));
    if let Some(checksum) = checksum {
        response.insert_header((HeaderName::from_static("content-md5"), checksum));
    }
    let length = end.saturating_sub(first);
    let images = &state.app.images;
    images.downloads.note(&id, images.db.clock.now());
    let mut sent = images.sends.begin(&images.db, &caller.0, (&id, owner), length);
    if let (Source::File(file), None, Some(proxies)) = (&source, span, asked_proxy(&state, &request))
        && let Some(header) = by_proxy(proxies, &file.file.path)
    {
        // The proxy alone could say how far it comes.
        sent.add(length);
        return Ok(response.insert_header(header).finish());
    }
    let stream = match (source, exchange) {
        (Source::File(file), Some(exchange)) => {
            let body = FileBody::new(exchange.clone(), file, (first, end), (transfer, sent));
            return Ok(response.no_chunking(length).body(body));
        }
        (Source::File(_), None) => {
            return Err(Error::internal("download", "a file without a connection").into());
        }
        (Source::Stream(stream), _) => stream,
    };
    let stream = stream.map(move |chunk| {
        // It is under way for as long as there is something to send.
        let _transfer = &transfer;
        sent.add(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
        chunk.map_err(|error| {
            tracing::error!(%error, "a download broke off");
            std::io::Error::other(error.to_string())
        })
    });
    let stream: std::pin::Pin<Box<dyn futures::Stream<Item = std::io::Result<Bytes>>>> = Box::pin(stream);
    Ok(response.body(SizedStream::new(length, stream)))
}

//! `GET /ext/v1/images/{id}/events`: the history of an image; `GET /ext/v1/events`: of all images of a project; and
//! `GET /ext/v1/events/stream`: events as they happen, as server-sent events.

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::CACHE_CONTROL,
    web::{Bytes, Path},
};
use futures::{StreamExt, stream};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::page::{Asked, next_page};
use crate::{
    api::{
        error::ApiResult,
        extract::{Identified, Shared},
        query::pairs,
    },
    db::events::Recorded,
    model::error::{Error, Result},
    notify::history::{self, told},
};

/// What a client that comes back has seen.
const LAST_EVENT_ID: &str = "Last-Event-ID";
/// After how long a client that was cut off comes back.
const RETRY_MILLISECONDS: u32 = 2000;
/// A stream that has nothing to say shows after so long that it is alive.
const QUIET_LONGEST: Duration = Duration::from_secs(15);
/// After so many the client has to ask again, with a token that is good then.
const STREAM_SECONDS_MAX: u64 = 600;

/// The number of an event.
fn number(name: &str, text: &str) -> Result<i64> {
    let number = text.parse().ok().filter(|number| *number >= 0);
    number.ok_or_else(|| Error::invalid(format!("Invalid {name}: {text:?} is not the id of an event.")))
}

/// Lists those of the caller's project, oldest first; of all projects to administrators.
pub async fn of_project(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &["image_id"])?;
    let after = asked.marker.as_deref().map_or(Ok(0), |marker| number("marker", marker))?;
    let image = asked.image_id()?.map(str::to_owned);
    let events = history::of_project(&state.app.images, &caller.0, image, after, asked.limit).await?;
    let next = next_page("/ext/v1/events", &asked, &events, |last| last.sequence.to_string());
    let events = events.iter().map(told).collect::<Result<Vec<_>>>()?;
    Ok(HttpResponse::Ok().json(json!({"events": events, "next": next})))
}

fn seconds(text: &str) -> Result<u64> {
    let seconds = text.parse().ok().filter(|seconds| (1..=STREAM_SECONDS_MAX).contains(seconds));
    seconds.ok_or_else(|| {
        Error::invalid(format!("seconds must be a number from 1 to {STREAM_SECONDS_MAX}, not {text:?}."))
    })
}

/// Streams events as they happen, from the last one seen on, for as long as a stream may last.
pub async fn stream(state: Shared, caller: Identified, request: HttpRequest) -> ApiResult {
    let pairs = pairs(request.query_string())?;
    if let Some((name, _)) = pairs.iter().find(|(name, _)| name == "limit" || name == "marker") {
        return Err(Error::invalid(format!("{name}: a stream has no pages.")).into());
    }
    let asked = Asked::parse(pairs, &["image_id", "seconds"])?;
    let seen = request.headers().get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or_default());
    let after = seen.map(|text| number(LAST_EVENT_ID, text)).transpose()?;
    let length = asked.get("seconds").map_or(Ok(STREAM_SECONDS_MAX), seconds)?;
    let image = asked.image_id()?.map(str::to_owned);
    let listening = history::listen(&state.app.images, &state.app.hub, &caller.0, image, after).await?;
    let first = Bytes::from(format!("retry: {RETRY_MILLISECONDS}\n\n"));
    let begin = stream::once(async { Ok::<_, Error>(first) });
    let until = Instant::now() + Duration::from_secs(length);
    let rest = stream::try_unfold(listening, move |mut listening| async move {
        let text = match timeout_at(until.min(Instant::now() + QUIET_LONGEST), listening.next()).await {
            Ok(Some(events)) => sent(&events?)?,
            Ok(None) => return Ok(None),
            Err(_) if Instant::now() >= until => return Ok(None),
            // Whoever stands between knows by it that the stream is alive.
            Err(_) => ":\n\n".to_owned(),
        };
        Ok(Some((Bytes::from(text), listening)))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        // Or nginx would gather them.
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(begin.chain(rest)))
}

/// Events as lines of a stream.
fn sent(events: &[Recorded]) -> Result<String> {
    let mut text = String::new();
    for event in events {
        text.push_str(&format!("id: {}\nevent: {}\ndata: {}\n\n", event.sequence, event.kind, told(event)?));
    }
    Ok(text)
}

/// Lists them, oldest first.
pub async fn list(state: Shared, caller: Identified, request: HttpRequest, id: Path<String>) -> ApiResult {
    let asked = Asked::parse(pairs(request.query_string())?, &[])?;
    let after = asked.marker.as_deref().map_or(Ok(0), |marker| number("marker", marker))?;
    let events = history::of_image(&state.app.images, &caller.0, &id, after, asked.limit).await?;
    let next =
        next_page(&format!("/ext/v1/images/{id}/events"), &asked, &events, |last| last.sequence.to_string());
    let events = events.iter().map(told).collect::<Result<Vec<_>>>()?;
    Ok(HttpResponse::Ok().json(json!({"events": events, "next": next})))
}

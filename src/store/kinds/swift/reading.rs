//! Reads an object as a stream that resumes after failures, as often as the operator allows.

use bytes::Bytes;
use futures::stream;
use tokio::time::timeout;

use super::{
    address::Place,
    fault::Fault,
    line::{Ask, Line, Reply},
    shop::{Shop, no_length, number},
};
use crate::{
    outbound::{
        Answer, Method, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap},
    },
    store::{ByteRange, ByteStream, StoreError, StoreErrorKind, StoreResult},
};

/// What says of an object that it is still the same.
type Version = (Option<String>, Option<String>);

/// A stream of one object, or of a part of it.
struct Reading {
    line: Line,
    ask: Ask,
    place: String,
    version: Version,
    body: Answer,
    /// The next byte, and the one after the last.
    at: u64,
    end: u64,
    /// How often it may go on still.
    retries: u64,
}

/// Opens an object.
pub(super) async fn open(
    shop: &Shop,
    place: &Place,
    shown: String,
    range: Option<ByteRange>,
) -> StoreResult<ByteStream> {
    let line = shop.line_of(&place.account).clone();
    let ask = Ask::of(Method::GET, &place.container, Some(&place.object));
    let asked = match range {
        Some(range) => ask.clone().header("Range", format!("bytes={}-{}", range.first, range.last)),
        None => ask.clone(),
    };
    let failed = |fault: Fault| fault.at(shown.clone());
    let reply = line.call(&asked).await.map_err(failed)?;
    let (at, end) = match range {
        Some(range) => {
            starts_at(&reply, range.first).map_err(failed)?;
            (range.first, range.last.saturating_add(1))
        }
        None => (0, number(reply.headers(), &CONTENT_LENGTH).ok_or_else(|| failed(no_length()))?),
    };
    let version = version_of(reply.headers());
    let body = reply.answer;
    let reading = Reading { line, ask, place: shown, version, body, at, end, retries: shop.retries };
    Ok(Box::pin(stream::try_unfold(reading, |mut reading| async move {
        let piece = reading.next().await?;
        Ok::<_, StoreError>(piece.map(|piece| (piece, reading)))
    })))
}

/// Requires that an answer begins with this byte.
fn starts_at(reply: &Reply, first: u64) -> Result<(), Fault> {
    let said = reply.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let said = said.and_then(|text| text.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    if reply.answer.status() == StatusCode::PARTIAL_CONTENT && said == Some(first) {
        return Ok(());
    }
    Err(Fault::Nonsense("Swift did not send the part that was asked for".to_owned()))
}

fn version_of(headers: &HeaderMap) -> Version {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    (text(ETAG.as_str()), text("x-timestamp"))
}

impl Reading {
    async fn next(&mut self) -> StoreResult<Option<Bytes>> {
        loop {
            let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
            if left == 0 {
                return Ok(None);
            }
            let limit = self.line.patience.answer;
            let fault = match timeout(limit, self.body.chunk()).await {
                Ok(Ok(Some(piece))) if piece.is_empty() => continue,
                Ok(Ok(Some(mut piece))) => {
                    piece.truncate(left);
                    self.at = self.at.saturating_add(piece.len() as u64);
                    return Ok(Some(piece));
                }
                Ok(Ok(None)) => Fault::Broken("the data ends too soon".to_owned()),
                Ok(Err(error)) => Fault::from(error),
                Err(_) => Fault::Silent(limit),
            };
            let Some(retries) = self.retries.checked_sub(1) else { return Err(fault.at(&self.place)) };
            self.retries = retries;
            tracing::info!(%fault, at = self.at, "reading is resumed where it broke off");
            self.reopen().await?;
        }
    }

    /// Asks for what is left, of the same data.
    async fn reopen(&mut self) -> StoreResult<()> {
        let range = format!("bytes={}-{}", self.at, self.end.saturating_sub(1));
        let reply = self.line.call(&self.ask.clone().header("Range", range)).await;
        let reply = reply.and_then(|reply| starts_at(&reply, self.at).map(|()| reply));
        let reply = reply.map_err(|fault| fault.at(&self.place))?;
        if version_of(reply.headers()) != self.version {
            let why = "the object was replaced while it was read";
            return Err(StoreError::new(StoreErrorKind::Io, &self.place, why));
        }
        self.body = reply.answer;
        Ok(())
    }
}

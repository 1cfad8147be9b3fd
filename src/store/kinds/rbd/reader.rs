//! Reads an image as a stream, with read-ahead.

use std::{collections::VecDeque, io, sync::Arc};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    ceph::{Pool, image::Image},
    failed::unanswered,
    open::Open,
    shared::Shared,
    url::Spot,
};
use crate::{
    store::{ByteRange, ByteStream, StoreError, StoreErrorKind, StoreResult},
    telemetry::crew::Answer,
};

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;
/// Pieces of one stream that are read at once, where there is room for that.
const AHEAD: usize = 4;
/// A stream that is being read.
struct Reading {
    store: Arc<Shared>,
    whose: Arc<str>,
    place: String,
    spot: Spot,
    id: String,
    image: Arc<Open>,
    next: u64,
    until: u64,
    running: VecDeque<(Answer<io::Result<Bytes>>, Option<OwnedSemaphorePermit>)>,
}

/// What is at a spot, its id and its size in bytes. Blocking.
pub(super) fn look(pool: &Arc<Pool>, spot: &Spot) -> io::Result<(Image, String, u64)> {
    let image = Image::read_only(pool, &spot.name, spot.snapshot.as_deref())?;
    let (id, size) = (image.id()?, image.size()?);
    Ok((image, id, size))
}

/// Opens an image, whole or in part.
pub(super) async fn read(
    store: &Arc<Shared>,
    place: String,
    spot: Spot,
    range: Option<ByteRange>,
) -> StoreResult<ByteStream> {
    let (whose, wanted) = (store.stranger(), spot.clone());
    let found = store.bytes(&whose, &place, move |pool| look(pool, &wanted));
    let (image, id, size) = found.await?;
    let (next, until) = match range {
        Some(range) => (range.first, range.last.saturating_add(1).min(size)),
        None => (0, size),
    };
    let image = Arc::new(Open::new(image, store.crews.bytes.clone()));
    let running = VecDeque::new();
    let reading = Reading { store: Arc::clone(store), whose, place, spot, id, image, next, until, running };
    Ok(Box::pin(futures::stream::try_unfold(reading, |mut reading| async move {
        let piece = reading.piece().await?;
        Ok(piece.map(|piece| (piece, reading)))
    })))
}

impl Reading {
    async fn piece(&mut self) -> StoreResult<Option<Bytes>> {
        if self.running.is_empty() && self.next < self.until {
            let place = self.store.crews.bytes.place(&self.whose).await;
            let place = place.map_err(|why| unanswered(self.place.clone(), why))?;
            let work = self.work();
            let answer = self.store.crews.bytes.start(place, work);
            self.running.push_back((answer, None));
        }
        self.read_ahead();
        let Some((mut answer, _)) = self.running.pop_front() else { return Ok(None) };
        let piece = answer.wait().await.map_err(|why| unanswered(self.place.clone(), why))?;
        let piece = piece.map_err(|error| self.store.failed(&self.place, error))?;
        self.read_ahead();
        if self.running.is_empty() && self.next >= self.until {
            self.check_still_there().await?;
        }
        Ok(Some(piece))
    }

    /// Asks for what comes next, as far as that holds nobody up.
    fn read_ahead(&mut self) {
        while self.next < self.until && self.running.len() < AHEAD {
            let Ok(room) = Arc::clone(&self.store.ahead).try_acquire_owned() else { return };
            let Some(place) = self.store.crews.bytes.spare() else { return };
            let work = self.work();
            let answer = self.store.crews.bytes.start(place, work);
            self.running.push_back((answer, Some(room)));
        }
    }

    /// The reading of the next piece, which ends where such pieces end.
    fn work(&mut self) -> impl FnOnce() -> io::Result<Bytes> + Send + use<> {
        let (image, at) = (Arc::clone(&self.image), self.next);
        let end = (at / PIECE).saturating_add(1).saturating_mul(PIECE).min(self.until);
        self.next = end;
        let length = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        move || {
            let mut buffer = vec![0; length];
            image.with(|image| image.read(at, &mut buffer))?;
            Ok(Bytes::from(buffer))
        }
    }

    /// Requires that the image has not been deleted while it was read: what is gone reads as zeros. The last piece is
    /// held back until that is known.
    async fn check_still_there(&self) -> StoreResult<()> {
        let spot = self.spot.clone();
        let look =
            self.store.bytes(&self.whose, &self.place, move |pool| look(pool, &spot).map(|found| found.1));
        match look.await {
            Ok(id) if id == self.id => Ok(()),
            Err(error) if error.kind != StoreErrorKind::NotFound => Err(error),
            _ => Err(StoreError::new(
                StoreErrorKind::Io,
                self.place.clone(),
                "it was deleted while it was read",
            )),
        }
    }
}

//! Writes one blob: small data is sent to its name in one request when it is committed. Larger data is sent segment
//! by segment and published by a manifest.
//!
//! Segments are named after the blob, so they can be found from it, and two uploads of an image never mix theirs.
//! Until there is a manifest, a mark beside the segments says so, with the name that the object will have.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    fault::Fault,
    line::Ask,
    segment::{Segment, Whole, is_of},
    shop::{BLOB, Found, NAME, Shop, check_name, mark_of, segment_of},
};
use crate::{
    outbound::Method,
    store::{NewBlob, StoreError, StoreErrorKind, StoreResult, StoreUrl, Writer},
};

/// Bytes that are kept of each segment to send them again; an object that has no more is small.
pub(super) const HELD: usize = 4 << 20;
/// The same while many are written.
pub(super) const HELD_CROWDED: usize = 64 << 10;
/// Segments that an object can have, by the digits of their names.
const SEGMENTS_MAX: u32 = 99_999;

pub(super) struct SwiftWriter {
    shop: Arc<Shop>,
    blob: String,
    name: String,
    /// The container of the segments.
    container: String,
    project: String,
    size: Option<u64>,
    /// The name in the mark, if there is one.
    marked: Option<String>,
    /// Whether there may be a mark, and more.
    begun: bool,
    /// Bytes in segments that are there, and how many.
    before: u64,
    segments: u32,
    present: Option<Segment>,
    /// All of a small one.
    small: Option<Whole>,
    /// Room for more than a little.
    room: Option<OwnedSemaphorePermit>,
    /// Whether something may be shown by now.
    shown: bool,
}

impl SwiftWriter {
    pub(super) fn new(shop: &Arc<Shop>, blob: &NewBlob<'_>) -> Self {
        shop.writing().insert(blob.id.to_owned());
        Self {
            shop: Arc::clone(shop),
            blob: blob.id.to_owned(),
            name: blob.name.to_owned(),
            container: shop.containers.of(blob.name),
            project: blob.owner.unwrap_or_default().to_owned(),
            size: blob.size,
            marked: None,
            begun: false,
            before: 0,
            segments: 0,
            present: None,
            small: None,
            room: Arc::clone(&shop.rooms).try_acquire_owned().ok(),
            shown: false,
        }
    }

    fn place(&self) -> String {
        self.shop.place(&self.container, &self.name)
    }

    /// Bytes that the present segment may have: all of an image that is known not to be large.
    fn limit(&self) -> u64 {
        match self.size {
            Some(size) if size < self.shop.large => size.saturating_sub(self.before).max(1),
            _ => self.shop.segment,
        }
    }

    /// A segment to take what comes next.
    fn next(&self) -> StoreResult<Segment> {
        if self.segments >= SEGMENTS_MAX {
            let why = "an object cannot have more segments";
            return Err(StoreError::new(StoreErrorKind::Full, self.place(), why));
        }
        let object = segment_of(&self.blob, self.segments.saturating_add(1));
        let ask = Ask::of(Method::PUT, &self.container, Some(&object));
        // What exceeds the size that was told is of unknown size.
        let left = self.size.and_then(|size| size.checked_sub(self.before)).filter(|left| *left > 0);
        let declared = left.map(|left| left.min(self.limit()));
        let window = if self.room.is_some() { HELD } else { HELD_CROWDED };
        Segment::new(&self.shop, (ask, &self.container), self.place(), declared, window, &self.project)
    }

    /// Says in the store that this blob is unfinished, and what name it is to have.
    async fn mark(&mut self, name: &str) -> StoreResult<()> {
        if self.marked.as_deref() == Some(name) {
            return Ok(());
        }
        self.begun = true;
        let ask = Ask::of(Method::PUT, &self.container, Some(&mark_of(&self.blob))).header(NAME, name);
        self.shop.line.call(&ask).await.map_err(|fault| fault.at(self.place()))?;
        self.marked = Some(name.to_owned());
        Ok(())
    }

    /// Ends the present segment.
    async fn put(&mut self, segment: Segment) -> StoreResult<()> {
        let name = self.marked.clone().unwrap_or_else(|| self.name.clone());
        self.mark(&name).await?;
        let length = segment.finish().await?;
        self.before = self.before.saturating_add(length);
        self.segments = self.segments.saturating_add(1);
        Ok(())
    }

    /// The request that shows the blob.
    fn showing(&self, container: &str, name: &str) -> Ask {
        // Not all servers look at the condition; the name is looked at before for those.
        let ask = Ask::of(Method::PUT, container, Some(name)).header("If-None-Match", "*");
        let ask = ask.header(BLOB, &self.blob);
        match &self.small {
            Some(small) => small.with(ask),
            None => ask.header("X-Object-Manifest", format!("{}/{}-", self.container, self.blob)),
        }
    }

    /// Shows it; answers a fault that does not say that it is not there.
    async fn show(&mut self, container: &str, name: &str) -> Result<(), Fault> {
        let ask = self.showing(container, name);
        self.shown = true;
        let reply = self.shop.line.call(&ask).await?;
        match &self.small {
            Some(small) if !is_of(&reply, &small.md5) => Err(Fault::Corrupt),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Writer for SwiftWriter {
    async fn write(&mut self, mut chunk: Bytes) -> StoreResult<()> {
        while !chunk.is_empty() {
            let mut segment = match self.present.take() {
                Some(segment) => segment,
                None => self.next()?,
            };
            let left = usize::try_from(self.limit().saturating_sub(segment.length)).unwrap_or(usize::MAX);
            if left == 0 {
                self.put(segment).await?;
                continue;
            }
            let now = chunk.split_to(chunk.len().min(left));
            if !segment.can_wait(now.len()) && self.marked.is_none() {
                self.mark(&self.name.clone()).await?;
            }
            segment.take(now).await?;
            self.present = Some(segment);
        }
        Ok(())
    }

    async fn sync(&mut self) -> StoreResult<()> {
        let present = self.present.as_ref().map_or(0, |segment| segment.length);
        if self.size.is_some_and(|size| size != self.before.saturating_add(present)) {
            let why = "the data does not have the size that was told";
            return Err(StoreError::new(StoreErrorKind::SizeMismatch, self.place(), why));
        }
        match self.present.take() {
            Some(segment) if self.segments == 0 && segment.is_small() => {
                self.before = segment.length;
                self.small = Some(segment.whole().await?);
                Ok(())
            }
            Some(segment) => self.put(segment).await,
            None if self.segments == 0 && self.small.is_none() => {
                self.small = Some(Whole::empty().map_err(|error| StoreError::io(self.place(), error))?);
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn commit(&mut self, name: &str) -> StoreResult<StoreUrl> {
        check_name(name)?;
        let container = self.shop.containers.of(name);
        let (place, url) = (self.shop.place(&container, name), self.shop.url(&container, name));
        let own = self.blob.clone();
        let is_own = |found: &Found| found.blob.as_deref() == Some(own.as_str());
        match self.shop.look(&container, name).await? {
            Some(found) if self.shown && is_own(&found) => return Ok(url),
            Some(_) => return Err(taken(place)),
            None => {}
        }
        if container != self.container {
            self.shop.have_container(&container).await?;
        }
        if self.small.is_none() {
            self.mark(name).await?;
        }
        if let Err(fault) = self.show(&container, name).await {
            // An answer may have been lost.
            match self.shop.look(&container, name).await {
                Ok(Some(found)) if fault != Fault::Corrupt && is_own(&found) => {}
                Ok(Some(found)) if !is_own(&found) => return Err(taken(place)),
                _ => return Err(fault.at(place)),
            }
        }
        if self.marked.take().is_some() {
            let mark = Ask::of(Method::DELETE, &self.container, Some(&mark_of(&self.blob)));
            if let Err(fault) = self.shop.line.call(&mark).await {
                tracing::debug!(%fault, "a mark stays until its image goes");
            }
        }
        Ok(url)
    }

    async fn cancel(mut self: Box<Self>) -> StoreResult<()> {
        if let Some(segment) = self.present.take() {
            segment.stop().await;
        }
        if self.begun { self.shop.remove_parts(&self.container, &self.blob).await } else { Ok(()) }
    }
}

pub(super) fn taken(place: String) -> StoreError {
    StoreError::new(StoreErrorKind::Exists, place, "there is an object of that name")
}

impl Drop for SwiftWriter {
    fn drop(&mut self) {
        self.shop.writing().remove(&self.blob);
    }
}

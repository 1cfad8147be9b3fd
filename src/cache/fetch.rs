//! Caching an image from the queue (`glance/image_cache/prefetcher.py: Prefetcher.fetch_image_into_cache`).

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use tokio::time::timeout;

use super::{
    Cache,
    fill::{Outcome, Wanted},
};
use crate::{
    image::{Images, query},
    model::{
        error::{Error, Result},
        image::{Image, Location},
        status::Status,
    },
};

/// How long a store may take for the next bytes, and the disk of the cache to take them.
const PATIENCE: Duration = Duration::from_secs(60);

/// The result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The image is out of the queue: it is cached, or never can be.
    Done,
    /// It waits for another try.
    Later,
}

async fn fetch(images: &Images, cache: &Arc<Cache>, id: &str) -> Result<Fetched> {
    let Some(mut image) = query::find_unseen(images, id).await? else {
        tracing::warn!(image = id, "not cached: there is no such image any more");
        return done(cache, id).await;
    };
    if image.status != Status::Active {
        tracing::warn!(image = id, status = %image.status, "not cached yet: the image is not active");
        return Ok(Fetched::Later);
    }
    images.stores.settle(&mut image.locations);
    for location in &image.locations {
        match from_location(images, cache, &image, location).await {
            // That has taken it out of the queue, where a newer request may be by now.
            Ok(Outcome::Made) => return Ok(Fetched::Done),
            Ok(Outcome::Gone) => return done(cache, id).await,
            Ok(Outcome::Busy) => return busy(cache, id).await,
            Ok(Outcome::NoRoom) => return no_room(cache, &image).await,
            Ok(outcome) => tracing::warn!(image = id, ?outcome, "a location does not give the image's data"),
            Err(error) => tracing::warn!(image = id, %error, "a location cannot be read"),
        }
    }
    Ok(Fetched::Later)
}

async fn done(cache: &Cache, id: &str) -> Result<Fetched> {
    cache.unqueue(id).await?;
    Ok(Fetched::Done)
}

/// It is cached, or a download makes a copy at the moment and may fail.
async fn busy(cache: &Cache, id: &str) -> Result<Fetched> {
    if cache.has(id).await? { done(cache, id).await } else { Ok(Fetched::Later) }
}

/// What is larger than the cache need not wait.
async fn no_room(cache: &Cache, image: &Image) -> Result<Fetched> {
    if image
        .size
        .and_then(|size| u64::try_from(size).ok())
        .is_some_and(|size| size <= cache.settings.max_size)
    {
        return Ok(Fetched::Later);
    }
    tracing::warn!(image = %image.id, size = image.size, "not cached: larger than image_cache_max_size");
    done(cache, &image.id).await
}

async fn from_location(
    images: &Images,
    cache: &Arc<Cache>,
    image: &Image,
    location: &Location,
) -> Result<Outcome> {
    let away = |e: &dyn std::fmt::Display| Error::Unavailable(e.to_string());
    let named = images.stores.for_location(location).ok_or_else(|| away(&location.unserved()))?;
    let size = match image.size.and_then(|size| u64::try_from(size).ok()) {
        Some(size) => size,
        None => named.stat(&location.url).await.map_err(|e| away(&e))?,
    };
    let opened = timeout(PATIENCE, named.read(&location.url, None)).await;
    let mut chunks = opened.map_err(|e| away(&e))?.map_err(|e| away(&e))?;
    let fill = cache.begin(Wanted::of(image, size), None);
    while let Some(chunk) = timeout(PATIENCE, chunks.next()).await.map_err(|e| away(&e))? {
        if !fill.feed(chunk.map_err(|e| away(&e))?, PATIENCE).await {
            break;
        }
    }
    fill.finish().await
}

impl Cache {
    /// Whether there is a file with a record.
    async fn has(&self, id: &str) -> Result<bool> {
        Ok(self.record(id).await?.is_some())
    }

    /// Fetches an image into the cache, from the first location that gives the right data.
    ///
    /// # Errors
    /// Those of the database and the cache's disk.
    pub async fn fetch(self: &Arc<Self>, images: &Images, id: &str) -> Result<Fetched> {
        fetch(images, self, id).await
    }
}

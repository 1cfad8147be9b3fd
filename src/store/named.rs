//! A configured store, as the rest of Vitrine sees it: the one caller of its [`Backend`].
//!
//! It lets a bounded number of readers and writers in, bounds how long an answer may take, counts what is done, and
//! leaves a trace of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use super::{
    About, Addresses, Backend, BlobWriter, ByteRange, ByteStream, Capabilities, ListStream, NewBlob,
    StoreError, StoreErrorKind, StoreResult, StoreUrl,
    backend::{Keys, Kind},
    count::{Call, Counters},
    limit::{Limits, Seats, in_time},
    range,
};
use crate::model::store_url::without_keys;

/// One configured store. Cheap to clone.
#[derive(Clone)]
pub struct NamedStore {
    /// Its id in the API.
    pub id: String,
    /// Its description in `/v2/info/stores`.
    pub description: Option<String>,
    /// Preference for reading; larger first.
    pub weight: i64,
    /// What it has done since the start.
    pub counters: Arc<Counters>,
    about: Arc<About>,
    backend: Arc<dyn Backend>,
    readers: Seats,
    writers: Seats,
    answer: Duration,
}

impl NamedStore {
    /// Gives a store its name and its bounds.
    pub fn new(
        id: String,
        description: Option<String>,
        weight: i64,
        backend: Arc<dyn Backend>,
        limits: &Limits,
    ) -> Self {
        let counters = Arc::new(Counters::of(&id));
        Self {
            id,
            description,
            weight,
            counters,
            about: Arc::new(backend.about()),
            backend,
            readers: Seats::new(limits.reads, limits.patience, "readers"),
            writers: Seats::new(limits.writes, limits.patience, "writers"),
            answer: limits.answer,
        }
    }

    /// What sort of store it is.
    pub fn kind(&self) -> &'static Kind {
        self.about.kind
    }

    /// What the store can do.
    pub fn capabilities(&self) -> Capabilities {
        self.about.capabilities
    }

    /// What `GET /v2/info/stores/detail` tells about the store.
    pub fn properties(&self) -> &Map<String, Value> {
        &self.about.properties
    }

    /// Whether the URL is one that this store serves; looks at the text alone.
    pub fn owns(&self, url: &str) -> bool {
        self.about.addresses.have(url)
    }

    /// The name by which this store knows what is at a URL of its own; `None` where it only reads.
    pub fn name_of<'a>(&self, url: &'a str) -> Option<&'a str> {
        match &self.about.addresses {
            _ if !self.about.capabilities.writes => None,
            Addresses::Below(prefixes) => {
                prefixes.iter().find_map(|prefix| url.strip_prefix(prefix.as_str()))
            }
            Addresses::Keyed(prefixes, _) => keyed_name(url, prefixes),
            Addresses::Snapshots { prefix, short, .. } => part_of(url, prefix, short).map(|(name, _)| name),
            Addresses::Containers { own, .. } => {
                name_in_container(url.strip_prefix(own.as_str())?, !own.ends_with('/'))
            }
            Addresses::Schemes(_) => None,
        }
    }

    /// The name of what is at a URL of this store, if that is in the form in which the store itself writes it.
    pub fn written_as<'a>(&self, url: &'a str) -> Option<&'a str> {
        let name = self.name_of(url).filter(|_| self.owns(url))?;
        match &self.about.addresses {
            Addresses::Snapshots { prefix, snapshot, short } => {
                let (_, of) = part_of(url, prefix, short)?;
                (of == Some(snapshot)).then_some(name)
            }
            _ => Some(name),
        }
    }

    /// The URLs that a name may have here, one for each place that this store writes to; none where it only reads.
    pub fn urls_of(&self, name: &str) -> Vec<String> {
        match &self.about.addresses {
            _ if !self.about.capabilities.writes => Vec::new(),
            Addresses::Below(prefixes) | Addresses::Keyed(prefixes, _) => {
                prefixes.iter().map(|prefix| format!("{prefix}{name}")).collect()
            }
            Addresses::Snapshots { prefix, snapshot, .. } => vec![format!("{prefix}{name}/{snapshot}")],
            Addresses::Containers { own, .. } if own.ends_with('/') => vec![format!("{own}{name}")],
            // Where the name decides the container, only the store can tell.
            Addresses::Containers { .. } | Addresses::Schemes(_) => Vec::new(),
        }
    }

    /// A URL of this store as the store itself writes it, which is never with keys.
    pub fn written(&self, url: &str) -> StoreUrl {
        match &self.about.addresses {
            Addresses::Containers { readable, .. } if self.owns(url) => {
                let written = readable.iter().find_map(|beginning| beginning.written(url));
                written.unwrap_or_else(|| StoreUrl::new(url))
            }
            _ => StoreUrl::new(url),
        }
    }

    /// The URL of a blob of this store as Glance wants it in its database, which may be with keys: for nobody else.
    pub fn url_for_glance(&self, url: &str) -> StoreUrl {
        match (&self.about.addresses, without_keys(url).split_once("://")) {
            (Addresses::Keyed(_, Keys(keys)), Some((scheme, place))) if self.owns(url) => {
                StoreUrl::new(format!("{scheme}://{keys}@{place}"))
            }
            _ => StoreUrl::new(url),
        }
    }

    /// What the operator wants to be said in the metadata of a location with this URL.
    pub fn metadata(&self, url: &str) -> Map<String, Value> {
        let mut entries = self.about.metadata.iter().filter(|_| self.owns(url));
        entries.find(|(beginning, _)| url.starts_with(beginning)).map(|(_, e)| e.clone()).unwrap_or_default()
    }

    /// Opens a blob for reading, whole or in part. The seat is given back when the stream is dropped.
    ///
    /// # Errors
    /// The store's, here and in the stream.
    pub async fn read(&self, url: &str, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        self.counters.begun(Call::Read);
        let url = StoreUrl::new(url);
        let asked = range.filter(|_| self.about.capabilities.ranges);
        let opened = self.traced(Call::Read, async {
            let seat = self.readers.take(&self.id).await?;
            Ok((in_time(&self.id, self.answer, self.backend.read(&url, asked)).await?, seat))
        });
        let (stream, seat) = opened.await?;
        let (counters, id, answer) = (Arc::clone(&self.counters), self.id.clone(), self.answer);
        let stream = in_time_each(id, answer, stream).inspect(move |chunk| {
            let _seat = &seat;
            counters.ended(chunk);
            if let Ok(chunk) = chunk {
                counters.read(chunk.len());
            }
        });
        match range.filter(|_| asked.is_none()) {
            Some(range) => Ok(Box::pin(range::cut(stream, range))),
            None => Ok(Box::pin(stream)),
        }
    }

    /// Begins a blob. It is not bounded in time beyond the wait for a seat: what came true after it was given up
    /// would be left behind.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unsupported`] from a store that only reads; else the store's.
    pub async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<BlobWriter> {
        self.counters.begun(Call::Write);
        let opened = self.traced(Call::Write, async {
            self.check_writes()?;
            let seat = self.writers.take(&self.id).await?;
            Ok((self.backend.writer(blob).await?, seat))
        });
        let (inner, seat) = opened.await?;
        Ok(BlobWriter::new(inner, Arc::clone(&self.counters), self.id.clone(), self.answer, seat))
    }

    /// Makes what the store `source` has at `from` the blob, finished and durable, without reading it, and answers its
    /// URL. `None` when that cannot be; then nothing has happened. Not bounded in time, as [`NamedStore::writer`].
    ///
    /// # Errors
    /// The store's.
    pub async fn share(
        &self,
        source: &NamedStore,
        from: &str,
        blob: &NewBlob<'_>,
    ) -> StoreResult<Option<StoreUrl>> {
        let ways = (self.about.capabilities.share, source.about.capabilities.share);
        if ways.0.is_none()
            || ways.0 != ways.1
            || self.kind().name != source.kind().name
            || !source.owns(from)
        {
            return Ok(None);
        }
        self.counters.begun(Call::Share);
        let from = StoreUrl::new(from);
        self.traced(Call::Share, self.backend.share(&from, blob)).await
    }

    /// Size of a blob in bytes.
    ///
    /// # Errors
    /// The store's.
    pub async fn stat(&self, url: &str) -> StoreResult<u64> {
        self.counters.begun(Call::Stat);
        let url = StoreUrl::new(url);
        self.traced(Call::Stat, in_time(&self.id, self.answer, self.backend.stat(&url))).await
    }

    /// Deletes whatever there is of a blob, finished or not. That there is nothing is no failure.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unsupported`] from a store that only reads; else the store's.
    pub async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        self.counters.begun(Call::Delete);
        let work = async {
            self.check_writes()?;
            in_time(&self.id, self.answer, self.backend.delete(blob_id, name)).await
        };
        self.traced(Call::Delete, work).await
    }

    /// Whether anything in the store bears this name.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unsupported`] from a store that only reads; else the store's.
    pub async fn holds(&self, name: &str) -> StoreResult<bool> {
        self.counters.begun(Call::Stat);
        let work = async {
            self.check_writes()?;
            in_time(&self.id, self.answer, self.backend.holds(name)).await
        };
        self.traced(Call::Stat, work).await
    }

    /// Whether something that was made of a finished blob, and is not ours, keeps it from being deleted.
    ///
    /// # Errors
    /// The store's.
    pub async fn in_use(&self, name: &str) -> StoreResult<bool> {
        in_time(&self.id, self.answer, self.backend.in_use(name)).await
    }

    /// Everything in the store, unfinished blobs included, in any order.
    ///
    /// # Errors
    /// The store's, in the stream.
    pub fn list(&self) -> ListStream {
        self.counters.begun(Call::List);
        let counters = Arc::clone(&self.counters);
        let list = in_time_each(self.id.clone(), self.answer, self.backend.list());
        Box::pin(list.inspect(move |item| counters.ended(item)))
    }

    fn check_writes(&self) -> StoreResult<()> {
        if self.about.capabilities.writes {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::Unsupported, format!("store {}", self.id), "it only reads"))
    }

    /// Counts the failure of a call, and leaves a trace of how long it took.
    async fn traced<T>(&self, call: Call, work: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        let (begun, measured) = (Instant::now(), self.counters.measure(call));
        let result = work.await;
        measured.end(&result);
        self.counters.ended(&result);
        let (store, took) = (&self.id, begun.elapsed());
        match &result {
            Ok(_) => tracing::debug!(%store, ?call, ?took, "a store answered"),
            Err(error) => tracing::debug!(%store, ?call, ?took, %error, "a store failed"),
        }
        result
    }
}

impl Addresses {
    /// Whether a URL is one of these.
    fn have(&self, url: &str) -> bool {
        match self {
            Self::Schemes(schemes) => {
                url.split_once(':').is_some_and(|(scheme, _)| schemes.contains(&scheme))
            }
            Self::Below(prefixes) => {
                let Some((folder, name)) = url.rsplit_once('/') else { return false };
                is_plain(name) && prefixes.iter().any(|prefix| same_folder(folder, prefix))
            }
            Self::Keyed(prefixes, _) => keyed_name(url, prefixes).is_some(),
            Self::Snapshots { prefix, short, .. } => part_of(url, prefix, short)
                .is_some_and(|(name, of)| is_plain(name) && of.is_none_or(is_plain)),
            Self::Containers { readable, .. } => readable.iter().any(|beginning| {
                let written = beginning.written(url);
                let rest = written.as_ref().and_then(|url| url.full().strip_prefix(&beginning.written));
                rest.is_some_and(|rest| name_in_container(rest, true).is_some())
            }),
        }
    }
}

/// The plain name behind a container, or behind the rest of its name if there has to be one.
fn name_in_container(text: &str, has_container: bool) -> Option<&str> {
    let name =
        if has_container { text.split_once('/').filter(|(rest, _)| !rest.is_empty())?.1 } else { text };
    Some(name).filter(|name| is_plain(name))
}

/// The plain name in a URL that begins as one of these, if its keys are left out.
fn keyed_name<'a>(url: &'a str, prefixes: &[String]) -> Option<&'a str> {
    let (scheme, rest) = url.split_once("://")?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let name = prefixes.iter().find_map(|prefix| {
        let (its_scheme, its_place) = prefix.split_once("://")?;
        place.strip_prefix(its_place).filter(|_| scheme == its_scheme)
    })?;
    Some(name).filter(|name| is_plain(name))
}

/// The name in a URL of snapshots, and the snapshot if it is not the short form. A name has one spelling only, so that
/// none is taken for another.
fn part_of<'a>(url: &'a str, prefix: &str, short: &str) -> Option<(&'a str, Option<&'a str>)> {
    let parts = match url.strip_prefix(prefix) {
        Some(rest) => rest.split_once('/').map(|(name, snapshot)| (name, Some(snapshot)))?,
        None => (url.strip_prefix(short)?.strip_prefix("://")?, None),
    };
    Some(parts).filter(|(name, _)| !name.contains('%'))
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// Compares two URLs of folders as file systems do, to which `/a//b/./c/` is `/a/b/c`.
fn same_folder(one: &str, other: &str) -> bool {
    let parts = |url: &str| {
        let (scheme, path) = url.split_once("://")?;
        let names: Vec<_> =
            path.split('/').filter(|name| !matches!(*name, "" | ".")).map(str::to_owned).collect();
        Some((scheme.to_owned(), path.starts_with('/'), names))
    };
    parts(one).is_some_and(|one| Some(one) == parts(other))
}

/// Waits for each item of a stream, so long and no longer; after one that does not come there are no more.
fn in_time_each<T: Send + 'static>(
    store: String,
    answer: Duration,
    stream: std::pin::Pin<Box<dyn futures::Stream<Item = StoreResult<T>> + Send>>,
) -> impl futures::Stream<Item = StoreResult<T>> + Send {
    futures::stream::try_unfold(stream, move |mut stream| {
        let store = store.clone();
        async move {
            let item = in_time(&store, answer, stream.try_next()).await?;
            Ok(item.map(|item| (item, stream)))
        }
    })
}

#[cfg(test)]
mod tests;

//! A configured store, as the rest of Vitrine sees it: the only caller of its [`Backend`].
//!
//! It limits the numbers of readers and writers and the response time, counts operations, records the store's health,
//! and traces calls.

mod urls;
mod yard;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt};
use serde_json::{Map, Value};

use crate::{
    model::storage::Terms,
    telemetry::{
        self,
        trace::{Kind as SpanKind, Span},
    },
};

use super::{
    About, Addresses, Backend, BlobWriter, ByteRange, ByteStream, Capabilities, ListStream, NewBlob, Readers,
    StoreError, StoreErrorKind, StoreResult, StoreUrl,
    backend::Kind,
    count::{Call, Counters},
    fence::PROBE,
    health::Report,
    limit::{Limits, Seats, in_time},
    notes::Notes,
    range,
};

/// One configured store. Cheap to clone.
#[derive(Clone)]
pub struct NamedStore {
    /// Its id in the API.
    pub id: String,
    /// Its description in `/v2/info/stores`.
    pub description: Option<String>,
    /// Preference for reading; larger first.
    pub weight: i64,
    /// The format in which it keeps disks; `None` is any. The writer is responsible for it.
    pub disk_format: Option<String>,
    /// How it is to be used.
    pub terms: Arc<Terms>,
    /// Why this node cannot open it, if that is so.
    pub fault: Option<Arc<str>>,
    /// Its counters since the start.
    pub counters: Arc<Counters>,
    about: Arc<About>,
    backend: Arc<dyn Backend>,
    notes: Notes,
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
        let about = backend.about();
        // Strangers name the servers that a store of whole schemes reads from: one that is dead says nothing of others.
        let is_one = !matches!(about.addresses, Addresses::Schemes(_));
        let notes = Notes::of(&id, &backend, is_one, limits);
        Self {
            id,
            description,
            weight,
            disk_format: None,
            terms: Arc::default(),
            fault: None,
            counters: Arc::clone(&notes.counters),
            about: Arc::new(about),
            backend,
            notes,
            readers: Seats::new(limits.reads, limits.patience, "readers"),
            writers: Seats::new(limits.writes, limits.patience, "writers"),
            answer: limits.answer,
        }
    }

    /// The same store, which keeps disks in this format.
    pub fn keeping(self, disk_format: Option<String>) -> Self {
        Self { disk_format, ..self }
    }

    /// The same store, used on these terms.
    pub fn on(self, terms: Terms) -> Self {
        Self { terms: Arc::new(terms), ..self }
    }

    /// Whether it takes data of images: it can be written, and nobody has said that it is not to be.
    pub fn takes_data(&self) -> bool {
        self.about.capabilities.writes && !self.terms.read_only
    }

    /// Its type.
    pub fn kind(&self) -> &'static Kind {
        self.about.kind
    }

    /// Its capabilities.
    pub fn capabilities(&self) -> Capabilities {
        self.about.capabilities
    }

    /// The properties in `GET /v2/info/stores/detail`.
    pub fn properties(&self) -> &Map<String, Value> {
        &self.about.properties
    }

    /// Whether calls are admitted: a fenced store admits none.
    ///
    /// # Errors
    /// As of every call then.
    pub fn reachable(&self) -> StoreResult<()> {
        self.notes.pass()
    }

    /// Opens a blob for reading, whole or in part. The seat is given back when the stream is dropped.
    ///
    /// # Errors
    /// The store's, here and in the stream.
    pub async fn read(&self, url: &str, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        self.counters.begun(Call::Read);
        let url = StoreUrl::new(url);
        let asked = range.filter(|_| self.about.capabilities.ranges);
        let opened = self.spanned(Call::Read, async {
            let seat = self.readers.take(&self.id).await?;
            Ok((self.ask(self.backend.read(&url, asked)).await?, seat))
        });
        let ((stream, seat), mut span) = opened.await?;
        let notes = self.notes.clone();
        let stream = in_time_each(self.id.clone(), self.answer, stream).inspect(move |chunk| {
            let _seat = &seat;
            notes.ended(chunk);
            match chunk {
                Ok(chunk) => {
                    notes.counters.read(chunk.len());
                    span.add_bytes(chunk.len());
                }
                Err(error) => error.tell(&mut span),
            }
        });
        match range.filter(|_| asked.is_none()) {
            Some(range) => Ok(Box::pin(range::cut(stream, range))),
            None => Ok(Box::pin(stream)),
        }
    }

    /// Begins a blob. Apart from waiting for a place it has no time limit: a result that arrived later would be left
    /// behind.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unsupported`] from a store that only reads; else the store's.
    pub async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<BlobWriter> {
        self.counters.begun(Call::Write);
        let opened = self.spanned(Call::Write, async {
            self.check_writes()?;
            let seat = self.writers.take(&self.id).await?;
            Ok((self.ask_at_length(self.backend.writer(blob)).await?, seat))
        });
        let ((inner, seat), span) = opened.await?;
        Ok(BlobWriter::new(inner, self.notes.clone(), (self.id.clone(), self.answer), seat, span))
    }

    /// Makes what the store `source` has at `from` the blob, finished and durable, without reading it, and returns its
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
        self.traced(Call::Share, self.ask_at_length(self.backend.share(&from, blob))).await
    }

    /// Size of a blob in bytes.
    ///
    /// # Errors
    /// The store's.
    pub async fn stat(&self, url: &str) -> StoreResult<u64> {
        self.counters.begun(Call::Stat);
        let url = StoreUrl::new(url);
        self.traced(Call::Stat, self.ask(self.backend.stat(&url))).await
    }

    /// Deletes all data of a blob, finished or not. It is not an error if there is nothing.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unsupported`] from a store that only reads; else the store's.
    pub async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        self.counters.begun(Call::Delete);
        let work = async {
            self.check_writes()?;
            self.ask(self.backend.delete(blob_id, name)).await
        };
        self.traced(Call::Delete, work).await
    }

    /// Whether the store has anything of this name.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unsupported`] from a store that only reads; else the store's.
    pub async fn holds(&self, name: &str) -> StoreResult<bool> {
        self.counters.begun(Call::Stat);
        let work = async {
            self.check_writes()?;
            self.ask(self.backend.holds(name)).await
        };
        self.traced(Call::Stat, work).await
    }

    /// Whether something outside this service that depends on a finished blob, such as a clone, prevents its deletion.
    ///
    /// # Errors
    /// The store's.
    pub async fn in_use(&self, name: &str) -> StoreResult<bool> {
        self.ask(self.backend.in_use(name)).await
    }

    /// Whether each project has a place of its own in the store, to which others have to be admitted.
    pub fn admits(&self) -> bool {
        matches!(self.about.addresses, Addresses::Accounts { .. })
    }

    /// Allows these projects, besides the owner, to read the object of this name directly.
    ///
    /// # Errors
    /// The store's.
    pub async fn admit(&self, name: &str, readers: &Readers) -> StoreResult<()> {
        self.ask(self.backend.admit(name, readers)).await
    }

    /// Everything in the store, unfinished blobs included, in any order.
    ///
    /// # Errors
    /// The store's, in the stream.
    pub fn list(&self) -> ListStream {
        self.counters.begun(Call::List);
        let notes = self.notes.clone();
        if let Err(error) = notes.pass() {
            let refused = Err(error);
            notes.counters.ended(&refused);
            return Box::pin(futures::stream::once(async { refused }));
        }
        let list = in_time_each(self.id.clone(), self.answer, self.backend.list());
        Box::pin(list.inspect(move |item| notes.ended(item)))
    }

    /// The health of the store; only its space is requested, and not often.
    pub async fn report(&self) -> Report {
        self.notes.report(&self.backend).await
    }

    /// That as JSON, with the store's name and kind.
    pub fn with_name(&self, report: &Report) -> Value {
        report.as_json(&self.id, self.kind().name)
    }

    /// Sends a probe to the store. Read-only stores are not probed.
    ///
    /// # Errors
    /// The store's.
    pub async fn probe(&self) -> StoreResult<()> {
        match self.about.capabilities.writes {
            true => self.ask(self.backend.holds(PROBE)).await.map(drop),
            false => Ok(()),
        }
    }

    /// Asks for an answer, which may take so long and no longer. A store that is fenced is not asked.
    async fn ask<T>(&self, work: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        self.notes.pass()?;
        self.notes.timed(in_time(&self.id, self.answer, work)).await
    }

    /// Asks for an answer that may take any time.
    async fn ask_at_length<T>(&self, work: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        self.notes.pass()?;
        let result = work.await;
        self.notes.answered(&result);
        result
    }

    fn check_writes(&self) -> StoreResult<()> {
        if self.about.capabilities.writes {
            return Ok(());
        }
        Err(StoreError::new(StoreErrorKind::Unsupported, format!("store {}", self.id), "it only reads"))
    }

    /// Counts the failure of a call, and leaves a trace of how long it took.
    async fn traced<T>(&self, call: Call, work: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        self.spanned(call, work).await.map(|(answer, _)| answer)
    }

    /// The same for a call that goes on after its answer, as long as its span.
    async fn spanned<T>(
        &self,
        call: Call,
        work: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<(T, Span)> {
        let (begun, measured) = (Instant::now(), self.counters.measure(call));
        let mut span = telemetry::span(SpanKind::Internal, call.span());
        if span.is_open() {
            span.set("vitrine.store.id", self.id.clone());
            span.set("vitrine.store.kind", self.kind().name);
            span.set("vitrine.store.operation", call.name());
        }
        let result = telemetry::inside(&span, work).await;
        measured.end(&result);
        self.counters.ended(&result);
        let (store, took) = (&self.id, begun.elapsed());
        match &result {
            Ok(_) => tracing::debug!(%store, ?call, ?took, "a store answered"),
            Err(error) => {
                error.tell(&mut span);
                tracing::debug!(%store, ?call, ?took, %error, "a store failed");
            }
        }
        result.map(|answer| (answer, span))
    }
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

pub mod local;
#[cfg(test)]
mod tests;

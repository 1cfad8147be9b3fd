//! Writes one object: data that fits into a part is sent in one piece when it is committed. Other data is sent part
//! by part to a multipart upload under the object's own name, which is invisible until it is completed.

use std::{pin::pin, task::Poll, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use object_store::{
    Attribute, AttributeValue, Attributes, ObjectStore, PutMode, PutMultipartOptions, PutOptions,
    multipart::{MultipartStore, PartId},
    path::Path,
};
use tokio::{task::JoinSet, time::timeout};

use super::{
    bucket::{Bucket, check_name, path_of},
    calls::{BLOB, Begun},
    fault::{Fault, classified},
    line::etag_of_parts,
    options::MIB,
    parts::{PARTS_MAX, Part, Spare, part_size},
};
use crate::{
    store::{NewBlob, StoreError, StoreErrorKind, StoreResult, StoreUrl, Writer},
    telemetry,
};

/// Bytes of the parts of one object that are under way, if it has several.
const SENDING_MAX: u64 = 24 * MIB;
/// How long it is asked whether an attempt that failed has come true after all: that has had all the patience there is.
const SETTLING: Duration = Duration::from_secs(4);

/// An object that is put together on the server.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) begun: Begun,
    path: Path,
    /// The tags of its parts, where they have come.
    pub(super) tags: Vec<Option<String>>,
}

/// A part that was sent: its place, its length, its blocks, and its tag.
type Sent = (usize, u64, Vec<Bytes>, StoreResult<PartId>);

pub(super) struct S3Writer {
    bucket: Bucket,
    blob: String,
    name: String,
    project: String,
    size: Option<u64>,
    part: Part,
    spare: Spare,
    /// Bytes before the part.
    before: u64,
    upload: Option<Upload>,
    sending: JoinSet<Sent>,
    sending_bytes: u64,
    /// It may be that the server has put the object together.
    completing: bool,
}

impl Bucket {
    /// Begins an object.
    pub(super) fn write(&self, blob: &NewBlob<'_>) -> S3Writer {
        self.writing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(blob.id.to_owned());
        S3Writer {
            bucket: self.clone(),
            blob: blob.id.to_owned(),
            name: blob.name.to_owned(),
            project: blob.owner.unwrap_or_default().to_owned(),
            size: blob.size,
            part: Part::default(),
            spare: Spare::default(),
            before: 0,
            upload: None,
            sending: JoinSet::new(),
            sending_bytes: 0,
            completing: false,
        }
    }

    /// Begins an upload under a name, for a blob.
    pub(super) async fn begin_upload(&self, name: &str, blob: &str) -> StoreResult<Upload> {
        let path = path_of(name)?;
        let options = PutMultipartOptions { attributes: attributes(blob), ..PutMultipartOptions::default() };
        let id = self.objects.create_multipart_opts(&path, options).await;
        let id = id.map_err(|error| classified(self.place_of(name), &error))?;
        Ok(Upload { begun: Begun { name: name.to_owned(), id }, path, tags: Vec::new() })
    }

    /// Completes an upload. A failure does not say that the object is not there; [`Bucket::settle`] does.
    pub(super) async fn complete(&self, upload: &Upload) -> StoreResult<()> {
        let ids = upload.tags.iter().map(|tag| tag.clone().map(|content_id| PartId { content_id }));
        let Some(ids) = ids.collect::<Option<Vec<_>>>() else {
            return Err(Fault::Broken("a part is missing".to_owned()).at(self.place_of(&upload.begun.name)));
        };
        let done = self.objects.complete_multipart(&upload.path, &upload.begun.id, ids).await;
        done.map(|_| ()).map_err(|error| classified(self.place_of(&upload.begun.name), &error))
    }

    /// Requires, after an attempt to show a blob under a name that came to `tried`, that it is there: an answer may be
    /// lost, and servers that repeat themselves may refuse what they have done. `etag` is the tag that it must have.
    pub(super) async fn settle(
        &self,
        name: &str,
        blob: &str,
        size: u64,
        etag: Option<&str>,
        tried: StoreResult<()>,
    ) -> StoreResult<StoreUrl> {
        let patience = if tried.is_ok() { Duration::MAX } else { SETTLING };
        let there = match timeout(patience, self.look(name)).await {
            Ok(Ok(there)) => there,
            Ok(Err(error)) => return Err(tried.err().unwrap_or(error)),
            Err(_) => {
                let silent = || Fault::Silent(patience.as_secs()).at(self.place_of(name));
                return Err(tried.err().unwrap_or_else(silent));
            }
        };
        let place = self.place_of(name);
        match there {
            Some(object)
                if object.blob.as_deref() == Some(blob) || object.blob.is_none() && tried.is_ok() =>
            {
                let same_tag = match (&object.etag, etag) {
                    (Some(found), Some(wanted)) => tags_agree(found, wanted),
                    _ => true,
                };
                if object.size == size && same_tag {
                    Ok(self.address.url_of(name))
                } else {
                    Err(Fault::Corrupt.at(place))
                }
            }
            Some(_) => Err(taken(place)),
            None => Err(tried.err().unwrap_or_else(|| {
                StoreError::new(StoreErrorKind::Io, place, "the server does not have what it said it has")
            })),
        }
    }

    /// Removes the unfinished uploads of a name; returns how many there were.
    pub(super) async fn abort_all(&self, name: &str) -> StoreResult<usize> {
        let begun = self.calls.uploads_of(name).await.map_err(|fault| fault.at(self.place_of(name)))?;
        for upload in &begun {
            self.abort(upload).await?;
        }
        Ok(begun.len())
    }

    /// Removes an unfinished upload. It is not an error if there is none.
    pub(super) async fn abort(&self, upload: &Begun) -> StoreResult<()> {
        let aborted = self.objects.abort_multipart(&path_of(&upload.name)?, &upload.id).await;
        match aborted.map_err(|error| classified(self.place_of(&upload.name), &error)) {
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Whether two tags are of the same data, as far as they can tell: one made otherwise (with keys of somebody's) has
/// another form, and tells nothing.
fn tags_agree(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_matches('"'), other.trim_matches('"'));
    let form = |tag: &str| (tag.len(), tag.find('-'));
    form(one) != form(other) || one.eq_ignore_ascii_case(other)
}

pub(super) fn taken(place: String) -> StoreError {
    StoreError::new(StoreErrorKind::Exists, place, "there is an object of that name")
}

fn attributes(blob: &str) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::Metadata(BLOB.into()), AttributeValue::from(blob.to_owned()));
    attributes
}

impl S3Writer {
    fn place(&self) -> String {
        self.bucket.place_of(&self.name)
    }

    /// Bytes that the part is to have.
    fn part_size(&self) -> u64 {
        part_size(self.bucket.part, self.size, self.before)
    }

    /// Records a part that was sent.
    fn note(&mut self, sent: Result<Sent, tokio::task::JoinError>) -> StoreResult<()> {
        let (index, length, blocks, id) =
            sent.map_err(|fault| Fault::Broken(fault.to_string()).at(self.place()))?;
        self.sending_bytes = self.sending_bytes.saturating_sub(length);
        self.spare.keep(blocks, self.bucket.part);
        let id = id?;
        if let Some(tag) = self.upload.as_mut().and_then(|upload| upload.tags.get_mut(index)) {
            *tag = Some(id.content_id);
        }
        Ok(())
    }

    /// Sends the part that has filled up, as soon as there are not too many under way.
    async fn send(&mut self) -> StoreResult<()> {
        let length = self.part.length;
        loop {
            let busy = self.sending.len() >= self.bucket.parallel
                || self.sending_bytes.saturating_add(length) > SENDING_MAX;
            if self.sending.is_empty() || !busy {
                break;
            }
            if let Some(sent) = self.sending.join_next().await {
                self.note(sent)?;
            }
        }
        while let Some(sent) = self.sending.try_join_next() {
            self.note(sent)?;
        }
        if self.upload.is_none() {
            self.upload = Some(self.bucket.begin_upload(&self.name, &self.blob).await?);
        }
        let place = self.place();
        let Some(upload) = self.upload.as_mut() else { return Ok(()) };
        let index = upload.tags.len();
        if index >= PARTS_MAX {
            return Err(StoreError::new(StoreErrorKind::Full, place, "an object cannot have more parts"));
        }
        upload.tags.push(None);
        let (path, id) = (upload.path.clone(), upload.begun.id.clone());
        let (mut part, objects) = (std::mem::take(&mut self.part), self.bucket.objects.clone());
        self.before = self.before.saturating_add(length);
        self.sending_bytes = self.sending_bytes.saturating_add(length);
        telemetry::spawn_in(&mut self.sending, async move {
            let sent = objects.put_part(&path, &id, index, part.payload()).await;
            // Others may have its share of memory; its blocks are of use to the next part, which has its own.
            drop(part.taken.take());
            (index, length, part.into_blocks(), sent.map_err(|error| classified(place, &error)))
        });
        Ok(())
    }

    /// Shows what was never sent, in one piece.
    async fn put(&mut self, name: &str) -> StoreResult<StoreUrl> {
        let (path, place) = (path_of(name)?, self.bucket.place_of(name));
        let options =
            PutOptions { mode: PutMode::Create, attributes: attributes(&self.blob), ..PutOptions::default() };
        let put = self.bucket.objects.put_opts(&path, self.part.payload(), options).await;
        match put {
            Ok(_) => Ok(self.bucket.address.url_of(name)),
            Err(error) => {
                let failed = Err(classified(place, &error));
                self.bucket.settle(name, &self.blob, self.part.length, None, failed).await
            }
        }
    }
}

#[async_trait]
impl Writer for S3Writer {
    async fn write(&mut self, mut chunk: Bytes) -> StoreResult<()> {
        while !chunk.is_empty() {
            let wanted = self.part_size();
            if self.part.taken.is_none() {
                let left =
                    self.size.map_or(wanted, |size| wanted.min(size.saturating_sub(self.before).max(1)));
                let mut turn = pin!(self.bucket.room.take(&self.project, left));
                self.part.taken = match futures::poll!(turn.as_mut()) {
                    Poll::Ready(taken) => Some(taken),
                    Poll::Pending => {
                        self.spare.clear();
                        Some(turn.await)
                    }
                };
            }
            let room = usize::try_from(wanted.saturating_sub(self.part.length)).unwrap_or(usize::MAX);
            let now = chunk.split_to(chunk.len().min(room));
            self.part.push(&now, &mut self.spare);
            // The last byte of a part waits for the next: an image of one part is sent in one piece.
            if self.part.length >= wanted && (!chunk.is_empty() || self.upload.is_some()) {
                self.send().await?;
            }
        }
        Ok(())
    }

    async fn sync(&mut self) -> StoreResult<()> {
        // What fits into one part can go under any name still.
        if self.part.length > 0 && self.upload.is_some() {
            self.send().await?;
        }
        while let Some(sent) = self.sending.join_next().await {
            self.note(sent)?;
        }
        Ok(())
    }

    async fn commit(&mut self, name: &str) -> StoreResult<StoreUrl> {
        check_name(name)?;
        let place = self.bucket.place_of(name);
        // Servers that do not know conditions would replace what is there.
        match self.bucket.look(name).await? {
            Some(object) if self.completing && object.blob.as_deref() == Some(self.blob.as_str()) => {}
            Some(_) => return Err(taken(place)),
            None => {}
        }
        if self.upload.is_none() && self.part.length > 0 && self.part.length >= self.bucket.large {
            self.name = name.to_owned();
            self.send().await?;
            self.sync().await?;
        }
        let Some(upload) = &self.upload else { return self.put(name).await };
        if upload.begun.name != name {
            let why = "its parts went to a name that something has taken since; send it again";
            return Err(StoreError::new(StoreErrorKind::Unavailable, place, why));
        }
        self.completing = true;
        let tried = self.bucket.complete(upload).await;
        let tags: Option<Vec<String>> = upload.tags.iter().cloned().collect();
        let etag = tags.and_then(|tags| etag_of_parts(&tags));
        let url = self.bucket.settle(name, &self.blob, self.before, etag.as_deref(), tried).await?;
        self.upload = None;
        // A beginning whose answer was lost has left another.
        if let Err(error) = self.bucket.abort_all(name).await {
            tracing::debug!(%error, "unfinished uploads stay until their image goes");
        }
        Ok(url)
    }

    async fn cancel(mut self: Box<Self>) -> StoreResult<()> {
        self.sending.shutdown().await;
        match self.upload.take() {
            Some(upload) => self.bucket.abort(&upload.begun).await,
            None => Ok(()),
        }
    }
}

impl Drop for S3Writer {
    fn drop(&mut self) {
        self.bucket.writing.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&self.blob);
    }
}

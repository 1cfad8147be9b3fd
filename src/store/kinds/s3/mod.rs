//! The S3 store: a bucket with one object for each blob, named as in Glance (`glance_store/_drivers/s3.py`).
//!
//! An object has the id of its blob in its metadata, so that a completion whose response was lost can be checked.
//! Incomplete data is a multipart upload under the object's own name. The table of blobs gives a name to one blob at
//! a time, so the upload can be found by it. The configured keys are used, whatever a URL contains.

mod address;
mod bucket;
mod calls;
mod copy;
mod fault;
mod line;
mod options;
mod parts;
mod reading;
#[cfg(test)]
mod tests;
mod writer;
mod yard;

use std::sync::{
    Arc, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use async_trait::async_trait;
use futures::{TryStreamExt, stream};
use object_store::{BackoffConfig, ClientOptions, ObjectStoreExt, RetryConfig, aws::AmazonS3Builder};
use serde_json::{Map, json};

use crate::store::{
    About, Addresses, Backend, ByteRange, ByteStream, Capabilities, ListStream, Listed, LocalFile, NewBlob,
    Quarantine, Readers, Share, StoreError, StoreErrorKind, StoreResult, StoreUrl, UNFINISHED, Writer, Yard,
    backend::{self, Keys, Kind, Site},
};
use address::{Style, is_name};
use bucket::{Bucket, check_name, path_of};
use calls::Calls;
use fault::classified;
use line::Line;
pub use options::{KIND, Settings};
use parts::Room;

/// A bucket of blobs.
#[derive(Clone, Debug)]
pub struct S3Store {
    bucket: Bucket,
    /// Whether the bucket may have to be created still.
    creates_bucket: Arc<AtomicBool>,
    told: (u64, u64, usize),
    keys: Keys,
}

impl S3Store {
    /// Prepares to use a bucket; connects to nothing.
    ///
    /// # Errors
    /// A sentence naming the option that is at fault.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let missing = |names: &str| format!("an S3 store needs {names}");
        let address = settings.address.clone();
        let address =
            address.ok_or_else(|| missing(&format!("{} and {}", options::HOST, options::BUCKET)))?;
        let keys = settings.keys.clone();
        let keys = keys.ok_or_else(|| missing(&format!("{} and {}", options::ACCESS, options::SECRET)))?;
        let in_urls = Keys(format!("{}:{}", keys.0, keys.1));
        let line = Line::new(settings, keys, address.tls, &address.region)?;
        // Requests are tried again by the line, which also signs them.
        let once =
            RetryConfig { max_retries: 0, backoff: BackoffConfig::default(), ..RetryConfig::default() };
        let url = address.bucket_url();
        let endpoint = match address.style {
            Style::Virtual => url.as_str(),
            Style::Path => url.strip_suffix(&format!("/{}", address.bucket)).unwrap_or(&url),
        };
        let objects = AmazonS3Builder::new()
            .with_bucket_name(&address.bucket)
            .with_region(&address.region)
            .with_endpoint(endpoint)
            .with_virtual_hosted_style_request(address.style == Style::Virtual)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_skip_signature(true)
            .with_access_key_id("")
            .with_secret_access_key("")
            // Not all servers take names to delete by the thousand.
            .with_disable_bulk_delete(true)
            .with_retry(once)
            .with_http_connector(line.clone())
            .build()
            .map_err(|error| error.to_string())?;
        let bucket = Bucket {
            calls: Calls::new(line, address.clone()),
            address,
            objects,
            room: Room::new(settings.buffers),
            part: settings.part,
            large: settings.large,
            parallel: settings.parallel,
            copied_at_once: settings.copied_at_once,
            writing: Arc::default(),
        };
        let told = (settings.large, settings.part, settings.parallel);
        let creates_bucket = Arc::new(AtomicBool::new(settings.creates_bucket));
        Ok(Self { bucket, creates_bucket, told, keys: in_urls })
    }

    fn is_to_be_created(&self) -> bool {
        self.creates_bucket.load(Relaxed)
    }

    /// Creates the bucket if it is to be and is not there.
    async fn have_bucket(&self) -> StoreResult<()> {
        if !self.is_to_be_created() {
            return Ok(());
        }
        let calls = &self.bucket.calls;
        let made = async {
            if !calls.has_bucket().await? {
                calls.create_bucket().await?;
            }
            Ok(())
        };
        made.await.map_err(|fault: fault::Fault| fault.at(self.bucket.place_of("")))?;
        self.creates_bucket.store(false, Relaxed);
        Ok(())
    }
}

impl backend::Settings for Settings {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn open(&self, _: &Site<'_>) -> Result<Arc<dyn Backend>, String> {
        Ok(Arc::new(S3Store::new(self)?))
    }
}

#[async_trait]
impl Backend for S3Store {
    fn about(&self) -> About {
        let mut properties = Map::new();
        let (large, part, parallel) = self.told;
        properties.insert("s3_store_large_object_size".to_owned(), json!(large));
        properties.insert("s3_store_large_object_chunk_size".to_owned(), json!(part));
        properties.insert("s3_store_thread_pools".to_owned(), json!(parallel));
        About {
            kind: &KIND,
            capabilities: Capabilities {
                writes: true,
                ranges: true,
                share: Some(Share::ServerSideCopy),
                remote: true,
                quarantine: Quarantine::Finished,
            },
            addresses: Addresses::Keyed(self.bucket.address.prefixes(), self.keys.clone()),
            properties,
            metadata: Vec::new(),
        }
    }

    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        let name = self.bucket.address.name_at(url)?;
        reading::open(&self.bucket, name, url.to_string(), range).await
    }

    async fn file(&self, _: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        Ok(None)
    }

    async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        check_name(blob.id)?;
        check_name(blob.name)?;
        self.have_bucket().await?;
        Ok(Box::new(self.bucket.write(blob)))
    }

    async fn share(&self, from: &StoreUrl, blob: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        check_name(blob.id)?;
        check_name(blob.name)?;
        // Of another server there is nothing to copy.
        let Ok((bucket, name)) = self.bucket.address.object_at(from) else { return Ok(None) };
        self.have_bucket().await?;
        copy::copy(&self.bucket, bucket, name, blob).await
    }

    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64> {
        let found = self.bucket.look(self.bucket.address.name_at(url)?).await?;
        let absent = || StoreError::new(StoreErrorKind::NotFound, url.to_string(), "there is no such object");
        found.map(|found| found.size).ok_or_else(absent)
    }

    /// The name is the blob's: the ledger gives it to one at a time. Where something is unfinished under it, the object
    /// is the blob's only if it says so itself, or says nothing, as Glance's do.
    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        check_name(blob_id)?;
        check_name(name)?;
        if let Some(unfinished) = name.strip_suffix(UNFINISHED) {
            return self.bucket.abort_all(unfinished).await.map(|_| ());
        }
        let aborted = self.bucket.abort_all(name).await?;
        let Some(object) = self.bucket.look(name).await? else { return Ok(()) };
        let says_so = object.blob.as_deref() == Some(blob_id);
        let is_written = self.bucket.writing.lock().unwrap_or_else(PoisonError::into_inner).contains(blob_id);
        if !says_so && (is_written || aborted > 0 && object.blob.is_some()) {
            return Ok(());
        }
        let place = self.bucket.place_of(name);
        let deleted = self.bucket.objects.delete(&path_of(name)?).await;
        match deleted.map_err(|error| classified(place, &error)) {
            Err(error) if error.kind == StoreErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn holds(&self, name: &str) -> StoreResult<bool> {
        check_name(name)?;
        Ok(self.bucket.look(name).await?.is_some())
    }

    async fn room(&self) -> StoreResult<Option<backend::Room>> {
        Ok(None)
    }

    async fn in_use(&self, _: &str) -> StoreResult<bool> {
        Ok(false)
    }

    async fn admit(&self, _: &str, _: &Readers) -> StoreResult<()> {
        Ok(())
    }

    /// First the objects, then what is unfinished, each a thousand at a time. Objects with a slash in their names are
    /// none of our own.
    fn list(&self) -> ListStream {
        let place = self.bucket.place_of("");
        let start = Some((false, None::<String>));
        let pages = stream::try_unfold((self.bucket.calls.clone(), start), move |(calls, at)| {
            let place = place.clone();
            async move {
                let Some((unfinished, after)) = at else { return Ok(None) };
                let failed = |fault: fault::Fault| fault.at(place);
                let (listed, next) = if unfinished {
                    let (begun, next) = calls.uploads("", after.as_deref()).await.map_err(failed)?;
                    (begun.into_iter().map(|upload| Listed::of(upload.name, true)).collect(), next)
                } else {
                    calls.objects(after.as_deref()).await.map_err(failed)?
                };
                let listed = listed.into_iter().filter(|listed| is_name(&listed.name)).map(Ok);
                let next = match next {
                    Some(next) => Some((unfinished, Some(next))),
                    None => (!unfinished).then_some((true, None)),
                };
                Ok::<_, StoreError>(Some((stream::iter(listed), (calls, next))))
            }
        });
        Box::pin(pages.try_flatten())
    }

    fn yard(&self) -> Option<&dyn Yard> {
        Some(self)
    }
}

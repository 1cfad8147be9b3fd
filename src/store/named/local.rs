//! Blobs that are local files, for callers that send one without reading it.

use std::{fs::File, io, path::PathBuf, sync::Arc, time::Duration};

use tokio::sync::OwnedSemaphorePermit;

use super::NamedStore;
use crate::{
    store::{LocalFile, Share, StoreError, StoreErrorKind, StoreResult, StoreUrl, count::Call, notes::Notes},
    telemetry::trace::Span,
};

/// A blob as a file. It counts among those that are read for as long as this lives.
pub struct StoredFile {
    /// The open file.
    pub file: Arc<File>,
    /// Where it is.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// How long the store may take for the next piece of it.
    pub answer: Duration,
    store: String,
    notes: Notes,
    span: Span,
    _seat: OwnedSemaphorePermit,
}

impl StoredFile {
    /// Counts bytes that were sent.
    pub fn sent(&self, bytes: u64) {
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.notes.counters.read(length);
        self.span.add_bytes(length);
        self.notes.ended(&Ok(()));
    }

    /// Records why the file could not be read on.
    ///
    /// # Errors
    /// Always: this. The store counts as unavailable where the file system did not answer in time.
    pub fn failed<T>(&self, fault: io::Error) -> StoreResult<T> {
        let failed = Err(match fault.kind() {
            io::ErrorKind::TimedOut => {
                StoreError::new(StoreErrorKind::Unavailable, format!("store {}", self.store), fault)
            }
            _ => StoreError::io(self.path.display().to_string(), fault),
        });
        self.notes.ended(&failed);
        failed
    }
}

impl NamedStore {
    /// Opens the file of this machine in which a blob lies whole; `None` in a store that has no such files.
    ///
    /// # Errors
    /// The store's.
    pub async fn file(&self, url: &str) -> StoreResult<Option<StoredFile>> {
        // Whoever links files of this machine has such.
        if self.about.capabilities.share != Some(Share::HardLink) {
            return Ok(None);
        }
        let url = StoreUrl::new(url);
        self.counters.begun(Call::Read);
        let opened = self.spanned(Call::Read, async {
            let seat = self.readers.take(&self.id).await?;
            Ok((self.ask(self.backend.file(&url)).await?, seat))
        });
        let ((file, seat), span) = opened.await?;
        let Some(LocalFile { file, path, size }) = file else { return Ok(None) };
        let (store, notes) = (self.id.clone(), self.notes.clone());
        Ok(Some(StoredFile {
            file: Arc::new(file),
            path,
            size,
            answer: self.answer,
            store,
            notes,
            span,
            _seat: seat,
        }))
    }
}

//! The file store: a folder with one file for each blob, named as Glance names it
//! (`glance_store/_drivers/filesystem.py`).
//!
//! A blob is written to `<folder>/.parts/<blob id>`, synced, linked to its name (which refuses to replace a
//! file), and the folder is synced, so a reader sees the whole blob or none.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{ByteRange, ByteStream, Store, StoreError, StoreErrorKind, StoreResult, Writer};

/// Bytes read at once; measured best in a blocking pool.
const CHUNK_BYTES: usize = 256 * 1024;
/// Chunks that may wait for the disk.
const QUEUE_CHUNKS: usize = 4;
/// Sub-folder for blobs that are being written.
const PARTS: &str = ".parts";

/// A folder of blobs.
#[derive(Debug, Clone)]
pub struct FileStore {
    folder: PathBuf,
    parts: PathBuf,
}

impl FileStore {
    /// Opens a folder, creating it when it is missing. Blocking.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be created or written to.
    pub fn open(folder: &Path) -> StoreResult<Self> {
        let parts = folder.join(PARTS);
        let at = |path: &Path| path.display().to_string();
        fs::create_dir_all(&parts).map_err(|e| StoreError::io(at(&parts), e))?;
        let folder = folder.canonicalize().map_err(|e| StoreError::io(at(folder), e))?;
        let probe = parts.join(format!(".probe-{}", std::process::id()));
        File::create(&probe)
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|e| StoreError::io(at(&folder), e))?;
        Ok(Self { parts: folder.join(PARTS), folder })
    }

    /// The URL of a name: `file://<folder>/<name>`.
    pub fn url_of(&self, name: &str) -> String {
        format!("file://{}", self.folder.join(name).display())
    }

    /// The file behind a URL, which must lie directly in this folder.
    fn path_of(&self, url: &str) -> StoreResult<PathBuf> {
        let bad = |why: &str| StoreError::other(StoreErrorKind::BadUrl, url, why);
        let path = url
            .strip_prefix("file://")
            .or_else(|| url.strip_prefix("filesystem://"))
            .ok_or_else(|| bad("not a file URL"))?;
        let path = Path::new(path);
        let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(|| bad("no file name"))?;
        if path.parent() != Some(self.folder.as_path()) {
            return Err(bad("outside the folder of this store"));
        }
        self.named(name)
    }

    fn named(&self, name: &str) -> StoreResult<PathBuf> {
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Err(StoreError::other(StoreErrorKind::BadUrl, name, "not a name of a blob"));
        }
        Ok(self.folder.join(name))
    }

    fn part(&self, blob_id: &str) -> StoreResult<PathBuf> {
        self.named(blob_id)?;
        Ok(self.parts.join(blob_id))
    }
}

async fn blocking<T: Send + 'static>(
    place: String,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> StoreResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|e| StoreError::io(place, e)),
        Err(fault) => Err(StoreError::other(StoreErrorKind::Io, place, fault.to_string())),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[async_trait]
impl Store for FileStore {
    fn schemes(&self) -> &'static [&'static str] {
        &["file", "filesystem"]
    }

    async fn read(&self, url: &str, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        let path = self.path_of(url)?;
        let place = path.display().to_string();
        let (file, size) = blocking(place.clone(), move || {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            Ok((file, size))
        })
        .await?;
        let (from, until) = match range {
            Some(range) => (range.first, range.last.saturating_add(1).min(size)),
            None => (0, size),
        };
        let file = Arc::new(file);
        let chunks = futures::stream::try_unfold(from, move |at| {
            let (file, place) = (Arc::clone(&file), place.clone());
            async move {
                if at >= until {
                    return Ok(None);
                }
                let want = usize::try_from(until - at).unwrap_or(usize::MAX).min(CHUNK_BYTES);
                let chunk = blocking(place.clone(), move || {
                    let mut buffer = vec![0; want];
                    let got = file.read_at(&mut buffer, at)?;
                    buffer.truncate(got);
                    Ok(Bytes::from(buffer))
                })
                .await?;
                if chunk.is_empty() {
                    return Err(StoreError::other(StoreErrorKind::Io, place, "the file became shorter"));
                }
                let next = at + chunk.len() as u64;
                Ok(Some((chunk, next)))
            }
        });
        Ok(Box::pin(chunks))
    }

    async fn writer(&self, blob_id: &str, name: &str, size: Option<u64>) -> StoreResult<Box<dyn Writer>> {
        let (part, target) = (self.part(blob_id)?, self.named(name)?);
        let place = part.display().to_string();
        let path = part.clone();
        let file = blocking(place.clone(), move || {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path)?;
            if let Some(size) = size.and_then(|s| i64::try_from(s).ok()).filter(|s| *s > 0) {
                reserve(&file, size).inspect_err(|_| {
                    if let Err(error) = remove_if_there(&path) {
                        tracing::warn!(path = %path.display(), %error, "unfinished file left behind");
                    }
                })?;
            }
            Ok(file)
        })
        .await?;
        Ok(Box::new(FileWriter::start(self.clone(), file, part, target, place)))
    }

    /// By a hard link: staged data on the same file system is not written twice.
    async fn adopt(&self, name: &str, file: &Path) -> StoreResult<Option<String>> {
        let (target, folder, file) = (self.named(name)?, self.folder.clone(), file.to_owned());
        let url = format!("file://{}", target.display());
        let adopted = blocking(target.display().to_string(), move || {
            use io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
            match fs::hard_link(&file, &target) {
                Ok(()) => sync_folder(&folder).map(|()| true),
                Err(e)
                    if matches!(e.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported) =>
                {
                    Ok(false)
                }
                Err(e) => Err(e),
            }
        });
        Ok(adopted.await?.then_some(url))
    }

    async fn size(&self, url: &str) -> StoreResult<u64> {
        let path = self.path_of(url)?;
        blocking(path.display().to_string(), move || Ok(fs::metadata(path)?.len())).await
    }

    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        let (part, target, folder) = (self.part(blob_id)?, self.named(name)?, self.folder.clone());
        blocking(target.display().to_string(), move || {
            remove_if_there(&part)?;
            remove_if_there(&target)?;
            sync_folder(&folder)
        })
        .await
    }

    async fn names(&self) -> StoreResult<Vec<(String, bool)>> {
        let (folder, parts) = (self.folder.clone(), self.parts.clone());
        blocking(folder.display().to_string(), move || {
            let mut names = Vec::new();
            for (place, unfinished) in [(&folder, false), (&parts, true)] {
                for entry in fs::read_dir(place)? {
                    let entry = entry?;
                    if entry.file_type()?.is_file() {
                        names.push((entry.file_name().to_string_lossy().into_owned(), unfinished));
                    }
                }
            }
            Ok(names)
        })
        .await
    }
}

/// Reserves room so that a full disk is known before the first byte; file systems that cannot are no failure.
fn reserve(file: &File, size: i64) -> io::Result<()> {
    use nix::{
        errno::Errno,
        fcntl::{FallocateFlags, fallocate},
    };
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, size) {
        Ok(()) | Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) => Ok(()),
        Err(errno) => Err(io::Error::from(errno)),
    }
}

enum Command {
    Chunk(Bytes),
    Sync(oneshot::Sender<io::Result<()>>),
}

struct FileWriter {
    store: FileStore,
    part: PathBuf,
    target: PathBuf,
    place: String,
    queue: Option<mpsc::Sender<Command>>,
    task: Option<JoinHandle<io::Result<()>>>,
}

impl FileWriter {
    fn start(store: FileStore, mut file: File, part: PathBuf, target: PathBuf, place: String) -> Self {
        let (queue, mut commands) = mpsc::channel::<Command>(QUEUE_CHUNKS);
        let task = tokio::task::spawn_blocking(move || {
            while let Some(command) = commands.blocking_recv() {
                match command {
                    Command::Chunk(chunk) => file.write_all(&chunk)?,
                    Command::Sync(answer) => {
                        let result = trim(&mut file).and_then(|()| file.sync_all());
                        // The asker waits for the answer; if it is gone, the upload is cancelled anyway.
                        let _ = answer.send(result);
                    }
                }
            }
            Ok(())
        });
        Self { store, part, target, place, queue: Some(queue), task: Some(task) }
    }

    /// Ends the writing thread and tells how it fared.
    async fn end(&mut self) -> StoreResult<()> {
        self.queue = None;
        match self.task.take() {
            None => Ok(()),
            Some(task) => match task.await {
                Ok(result) => result.map_err(|e| StoreError::io(self.place.clone(), e)),
                Err(fault) => {
                    Err(StoreError::other(StoreErrorKind::Io, self.place.clone(), fault.to_string()))
                }
            },
        }
    }

    async fn send(&mut self, command: Command) -> StoreResult<()> {
        let sent = match &self.queue {
            Some(queue) => queue.send(command).await.is_ok(),
            None => false,
        };
        if sent {
            return Ok(());
        }
        self.end().await?;
        Err(StoreError::other(StoreErrorKind::Io, self.place.clone(), "the writing thread is gone"))
    }
}

/// Gives back room that was reserved beyond the last byte.
fn trim(file: &mut File) -> io::Result<()> {
    let end = file.seek(SeekFrom::End(0))?;
    file.set_len(end)
}

#[async_trait]
impl Writer for FileWriter {
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        self.send(Command::Chunk(chunk)).await
    }

    async fn sync(&mut self) -> StoreResult<()> {
        let (answer, result) = oneshot::channel();
        self.send(Command::Sync(answer)).await?;
        match result.await {
            Ok(result) => result.map_err(|e| StoreError::io(self.place.clone(), e)),
            // The thread ended before it came to this command: its own result says why.
            Err(_) => {
                self.end().await?;
                Err(StoreError::other(StoreErrorKind::Io, self.place.clone(), "the writing thread is gone"))
            }
        }
    }

    async fn commit(mut self: Box<Self>) -> StoreResult<String> {
        self.end().await?;
        let (part, target, folder) = (self.part.clone(), self.target.clone(), self.store.folder.clone());
        blocking(self.target.display().to_string(), move || {
            fs::hard_link(&part, &target)?;
            fs::remove_file(&part)?;
            sync_folder(&folder)
        })
        .await?;
        Ok(format!("file://{}", self.target.display()))
    }

    async fn cancel(mut self: Box<Self>) -> StoreResult<()> {
        if let Err(error) = self.end().await {
            tracing::debug!(%error, "writer ended with an error before it was cancelled");
        }
        let part = self.part.clone();
        blocking(self.place.clone(), move || remove_if_there(&part)).await
    }
}

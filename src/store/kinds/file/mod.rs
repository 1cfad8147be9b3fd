//! The file store: folders with one file for each blob, named as in Glance (`glance_store/_drivers/filesystem.py`).
//!
//! A blob is written to `<folder>/.parts/<blob id>`, synced, linked to its name (which never replaces a file), and
//! the folder is synced, so a reader sees the whole blob or none.

mod ahead;
mod calls;
mod chunks;
mod folders;
mod options;
mod settings;
#[cfg(test)]
mod tests;
mod walk;
mod writer;
mod yard;

use std::{fs, fs::File, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use async_trait::async_trait;
use serde_json::{Map, Value, json};

pub use options::KIND;
use settings::SCHEMES;
pub use settings::{Folder, Mount, Settings};

use crate::store::{
    About, Addresses, Backend, ByteRange, ByteStream, Capabilities, ListStream, LocalFile, NewBlob,
    Quarantine, Readers, Share, StoreResult, StoreUrl, Writer, Yard,
    backend::{self, Kind, Room, Site},
    private::FILE_MODE,
};
use crate::telemetry::places::Places;
use calls::{Calls, blocking};
pub use chunks::chunks;
pub(in crate::store) use folders::PARTS;
pub(crate) use folders::path_in;
use folders::{Folders, check_folder_of, check_name, file_of, sync_folder, url_of};
use writer::{FileWriter, Style, Target, create};

/// Bytes read at once unless the operator says otherwise; measured best in a blocking pool.
pub const CHUNK_BYTES: usize = 256 * 1024;
/// What we tell of the option when it is not set, as Glance does.
const CHUNK_BYTES_TOLD: usize = 65536;
/// Bytes read at once at most, whatever the operator says: many readers share the memory.
const CHUNK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Batches of data that are written at once; more wait. A disk is not faster with more.
const WRITING_AT_ONCE: usize = 32;

/// Folders of blobs.
#[derive(Debug, Clone)]
pub struct FileStore {
    folders: Folders,
    mounts: Vec<Mount>,
    style: Style,
    chunk: usize,
    chunk_told: usize,
    calls: Calls,
    writing: Places,
}

impl FileStore {
    /// Opens one folder with default settings, creating it when it is missing. Blocking.
    ///
    /// # Errors
    /// [`StoreError`] when the folder cannot be created or written to.
    pub fn open(folder: &Path) -> StoreResult<Self> {
        Self::with(&Settings::of_folder(folder.to_owned()))
    }

    /// Opens the folders of a store, creating those that are missing. Blocking.
    ///
    /// # Errors
    /// [`StoreError`] when a folder cannot be created or written to, or there is none.
    pub fn with(settings: &Settings) -> StoreResult<Self> {
        let chunk = settings.chunk_size.unwrap_or(CHUNK_BYTES).clamp(1, CHUNK_BYTES_MAX);
        Ok(Self {
            folders: Folders::open(settings)?,
            mounts: settings.mounts.clone(),
            style: Style { holes: settings.thin_provisioning.then_some(chunk), mode: settings.file_perm },
            chunk,
            chunk_told: settings.chunk_size.unwrap_or(CHUNK_BYTES_TOLD),
            calls: Calls::new(settings),
            writing: Places::new(WRITING_AT_ONCE),
        })
    }

    async fn opened(&self, url: &StoreUrl) -> StoreResult<LocalFile> {
        let path = self.folders.path_of(url)?;
        blocking(path.display().to_string(), move || {
            let file = File::open(&path).or_else(|e| check_folder_of(&path).and(Err(e)))?;
            let size = file.metadata()?.len();
            Ok(LocalFile { file, path, size })
        })
        .await
    }
}

/// Whether a folder was ever opened as one of a store, by whomever.
pub fn was_opened(folder: &Path) -> bool {
    folder.join(PARTS).is_dir()
}

impl backend::Settings for Settings {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn open(&self, site: &Site<'_>) -> Result<Arc<dyn Backend>, String> {
        let mut settings = self.clone();
        if settings.folders.is_empty() {
            settings.folders = Settings::of_folder(site.data_dir.join("images")).folders;
        }
        Ok(Arc::new(FileStore::with(&settings).map_err(|e| e.to_string())?))
    }
}

fn properties(store: &FileStore) -> Map<String, Value> {
    let folders: Vec<_> = store.folders.iter().map(|place| place.folder.display().to_string()).collect();
    let folders = if let [only] = folders.as_slice() { json!(only) } else { json!(folders) };
    let mut properties = Map::new();
    properties.insert("data_dir".to_owned(), folders);
    properties.insert("chunk_size".to_owned(), json!(store.chunk_told));
    properties.insert("thin_provisioning".to_owned(), json!(store.style.holes.is_some()));
    properties
}

#[async_trait]
impl Backend for FileStore {
    fn about(&self) -> About {
        let urls = |path: &str| SCHEMES.map(|scheme| format!("{scheme}://{path}"));
        let prefixes = self.folders.iter().flat_map(|place| [&place.folder, &place.real]);
        let prefixes = prefixes.flat_map(|folder| urls(&format!("{}/", folder.display())));
        let metadata = self
            .mounts
            .iter()
            .flat_map(|mount| urls(&mount.mountpoint).map(|url| (url, mount.entry.clone())));
        About {
            kind: &KIND,
            capabilities: Capabilities {
                writes: true,
                ranges: true,
                share: Some(Share::HardLink),
                remote: false,
                quarantine: Quarantine::Everything,
            },
            addresses: Addresses::Below(prefixes.collect()),
            properties: properties(self),
            metadata: metadata.collect(),
        }
    }

    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        let LocalFile { file, path, size } = self.opened(url).await?;
        Ok(chunks(file, path.display().to_string(), size, range, self.chunk))
    }

    async fn file(&self, url: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        self.opened(url).await.map(Some)
    }

    async fn writer(&self, blob: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        let NewBlob { id: blob_id, name, size, owner, .. } = *blob;
        check_name(blob_id)?;
        check_name(name)?;
        let folders = self.folders.clone();
        let place = self.calls.run(name.to_owned(), move || folders.choose(size.unwrap_or(0))).await?;
        let part = place.parts.join(blob_id);
        let (within, path, style) = (place.clone(), part.clone(), self.style);
        let file = blocking(part.display().to_string(), move || create(&within, &path, size, style)).await?;
        let target = Target { folders: self.folders.clone(), place, part };
        Ok(Box::new(FileWriter::start(file, target, style, (self.writing.clone(), owner))))
    }

    /// By a hard link: what is on the same file system already is not written twice. A store that makes holes or sets
    /// rights of its own writes the data again, and so does one that would give a file away to more readers than its
    /// own files have.
    async fn share(&self, from: &StoreUrl, blob: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        check_name(blob.name)?;
        let file = file_of(from)?;
        if self.style.holes.is_some() || self.style.mode.is_some() {
            return Ok(None);
        }
        let (folders, name) = (self.folders.clone(), blob.name.to_owned());
        self.calls
            .run(name.clone(), move || {
                use std::io::ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
                // A link takes no room.
                let place = folders.choose(0)?;
                folders.check_unused(&name)?;
                if fs::metadata(&file)?.permissions().mode() & 0o777 & !FILE_MODE != 0 {
                    return Ok(None);
                }
                let target = place.folder.join(&name);
                match fs::hard_link(&file, &target) {
                    Ok(()) => sync_folder(&place.folder).map(|()| Some(url_of(&target))),
                    Err(e) => match e.kind() {
                        CrossesDevices | PermissionDenied | TooManyLinks | Unsupported => Ok(None),
                        _ => Err(e),
                    },
                }
            })
            .await
    }

    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64> {
        let path = self.folders.path_of(url)?;
        self.calls
            .run(path.display().to_string(), move || {
                let found = fs::metadata(&path).or_else(|e| check_folder_of(&path).and(Err(e)))?;
                Ok(found.len())
            })
            .await
    }

    async fn delete(&self, blob_id: &str, name: &str) -> StoreResult<()> {
        check_name(blob_id)?;
        check_name(name)?;
        let (folders, blob_id, name) = (self.folders.clone(), blob_id.to_owned(), name.to_owned());
        self.calls.run(name.clone(), move || folders.remove(&blob_id, &name)).await
    }

    async fn holds(&self, name: &str) -> StoreResult<bool> {
        check_name(name)?;
        let (folders, name) = (self.folders.clone(), name.to_owned());
        self.calls.run(name.clone(), move || folders.hold(&name)).await
    }

    async fn room(&self) -> StoreResult<Option<Room>> {
        let folders = self.folders.clone();
        self.calls.run("file store".to_owned(), move || folders.room()).await.map(Some)
    }

    async fn in_use(&self, _: &str) -> StoreResult<bool> {
        Ok(false)
    }

    async fn admit(&self, _: &str, _: &Readers) -> StoreResult<()> {
        Ok(())
    }

    fn list(&self) -> ListStream {
        walk::list(self.folders.clone())
    }

    fn yard(&self) -> Option<&dyn Yard> {
        Some(self)
    }
}

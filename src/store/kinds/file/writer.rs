//! Writes one blob: threads write chunks in order, in batches, then a link publishes the file under its name.

use std::{
    fs::{self, File, Permissions},
    io::{self, Seek, SeekFrom, Write},
    num::NonZeroU64,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{
    ahead::Ahead,
    calls::blocking,
    folders::{Folders, Place, check_name, remove_if_there, sync_folder, url_of},
};
use crate::{
    store::{StoreError, StoreErrorKind, StoreResult, StoreUrl, Writer, private::new_file},
    telemetry::{
        places::Places,
        relay::{Broken, Relay, Taker},
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{Advice, fadvise};

/// How files are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// Unit of holes in bytes; `None` writes every byte.
    pub(super) holes: Option<usize>,
    /// Mode of the finished file.
    pub(super) mode: Option<u32>,
}

/// Creates the file for a blob and allocates its first space. Blocking.
pub(super) fn create(
    place: &Place,
    part: &Path,
    size: Option<u64>,
    style: Style,
) -> io::Result<(File, Ahead)> {
    let file = new_file(part)?;
    let size = size.filter(|_| style.holes.is_none());
    let ahead = Ahead::begin(&file, &place.folder, size).inspect_err(|_| {
        if let Err(error) = remove_if_there(part) {
            tracing::warn!(path = %part.display(), %error, "unfinished file left behind");
        }
    })?;
    Ok((file, ahead))
}

/// Bytes after which the kernel is asked to begin writing them to the disk.
const WRITE_BACK_BYTES: u64 = 16 << 20;

/// The file.
struct Output {
    file: File,
    ahead: Ahead,
    at: u64,
    /// Up to where the kernel was asked to write.
    begun: u64,
    style: Style,
}

impl Taker for Output {
    type Error = io::Error;

    fn take(&mut self, mut chunk: &[u8]) -> io::Result<()> {
        let Some(unit) = self.style.holes else {
            self.at = self.at.saturating_add(chunk.len() as u64);
            self.ahead.cover(&self.file, self.at)?;
            self.file.write_all(chunk)?;
            self.write_back();
            return Ok(());
        };
        while !chunk.is_empty() {
            let unit = unit.max(1);
            let into = usize::try_from(self.at % unit as u64).unwrap_or(0);
            let (piece, rest) = chunk.split_at(chunk.len().min(unit - into));
            self.at = self.at.saturating_add(piece.len() as u64);
            if piece.iter().all(|byte| *byte == 0) {
                self.file.seek(SeekFrom::Start(self.at))?;
            } else {
                self.file.write_all(piece)?;
            }
            chunk = rest;
        }
        self.write_back();
        Ok(())
    }
}

impl Output {
    /// Has the kernel begin to write what has come, so that little is left to be written when the file is synced. The
    /// advice to drop it from memory sets that going, and comes too early to have anything dropped.
    fn write_back(&mut self) {
        let bytes = self.at.saturating_sub(self.begun);
        if bytes < WRITE_BACK_BYTES {
            return;
        }
        // A file system that knows no such advice writes when it likes.
        let advised = fadvise(&self.file, self.begun, NonZeroU64::new(bytes), Advice::DontNeed);
        self.begun = if advised.is_ok() { self.at } else { u64::MAX };
    }

    /// Makes everything durable: the last hole, the mode, and no room beyond the last byte.
    fn finish(&mut self) -> io::Result<()> {
        self.file.set_len(self.at)?;
        if let Some(mode) = self.style.mode {
            self.file.set_permissions(Permissions::from_mode(mode))?;
        }
        self.file.sync_all()
    }
}

/// Where a blob goes.
pub(super) struct Target {
    /// None of them may hold the name.
    pub(super) folders: Folders,
    pub(super) place: Place,
    pub(super) part: PathBuf,
}

pub(super) struct FileWriter {
    target: Target,
    shown: String,
    relay: Relay<Output>,
    synced: bool,
}

impl FileWriter {
    /// Starts; `places` limits concurrent batches, shared fairly by owner.
    pub(super) fn start(
        (file, ahead): (File, Ahead),
        target: Target,
        style: Style,
        (places, owner): (Places, Option<&str>),
    ) -> Self {
        let shown = target.part.display().to_string();
        let relay = Relay::new(vec![Output { file, ahead, at: 0, begun: 0, style }], places, owner);
        Self { target, shown, relay, synced: false }
    }

    fn failed(&self, broken: Broken<io::Error>) -> StoreError {
        match broken {
            Broken::Taker(error) => StoreError::io(self.shown.clone(), error),
            Broken::Thread(fault) => StoreError::new(StoreErrorKind::Io, self.shown.clone(), fault),
        }
    }
}

#[async_trait]
impl Writer for FileWriter {
    async fn write(&mut self, chunk: Bytes) -> StoreResult<()> {
        self.synced = false;
        self.relay.feed(chunk).await.map_err(|broken| self.failed(broken))
    }

    async fn sync(&mut self) -> StoreResult<()> {
        self.relay.each(Output::finish).await.map_err(|broken| self.failed(broken))?;
        self.synced = true;
        Ok(())
    }

    async fn commit(&mut self, name: &str) -> StoreResult<StoreUrl> {
        check_name(name)?;
        // Whoever forgot to sync still gets a file that is whole.
        if !self.synced {
            self.sync().await?;
        }
        let (part, folder) = (self.target.part.clone(), self.target.place.folder.clone());
        let (folders, name) = (self.target.folders.clone(), name.to_owned());
        let goal = folder.join(&name);
        let (url, shown) = (url_of(&goal), goal.display().to_string());
        blocking(shown, move || {
            folders.check_unused(&name)?;
            fs::hard_link(&part, &goal)?;
            fs::remove_file(&part)?;
            sync_folder(&folder)
        })
        .await?;
        Ok(url)
    }

    async fn cancel(mut self: Box<Self>) -> StoreResult<()> {
        self.relay.stop().await;
        let part = self.target.part.clone();
        blocking(self.shown.clone(), move || remove_if_there(&part).map(drop)).await
    }
}

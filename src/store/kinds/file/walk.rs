//! Listing the folders of a file store, a bounded number of names at a time.

use std::{
    fs::{self, DirEntry, ReadDir},
    io,
    path::PathBuf,
};

use futures::{TryStreamExt, stream};

use super::{calls::blocking, folders::Folders};
use crate::{
    model::time::Timestamp,
    store::{ListStream, Listed},
};

/// Names that are read at once.
const BATCH: usize = 1000;

/// Where a listing has come to.
struct Walk {
    /// Folders still to read, the next one last, each with whether its files are unfinished.
    left: Vec<(PathBuf, bool)>,
    open: Option<(ReadDir, bool)>,
}

impl Walk {
    /// The next names; `None` after the last one.
    fn next(mut self) -> io::Result<Option<(Vec<Listed>, Self)>> {
        let mut names = Vec::new();
        while names.len() < BATCH {
            let Some((entries, unfinished)) = &mut self.open else {
                let Some((folder, unfinished)) = self.left.pop() else { break };
                self.open = Some((fs::read_dir(folder)?, unfinished));
                continue;
            };
            match entries.next().transpose()? {
                Some(entry) if entry.file_type()?.is_file() => names.extend(listed(&entry, *unfinished)?),
                Some(_) => {}
                None => self.open = None,
            }
        }
        Ok(if names.is_empty() { None } else { Some((names, self)) })
    }
}

/// A file; `None` when it is gone by now.
fn listed(entry: &DirEntry, unfinished: bool) -> io::Result<Option<Listed>> {
    // Not that of what a symbolic link leads to.
    let found = match entry.metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    let name = entry.file_name().to_string_lossy().into_owned();
    let modified = found.modified().ok().map(Timestamp::of);
    Ok(Some(Listed { size: Some(found.len()), modified, ..Listed::of(name, unfinished) }))
}

/// Every file in the folders, those that are being written included.
pub(super) fn list(folders: Folders) -> ListStream {
    let place = "file store";
    let check = blocking(place.to_owned(), move || {
        let mut left = Vec::new();
        for folder in folders.iter() {
            folder.check()?;
            left.push((folder.folder.clone(), false));
            left.push((folder.parts.clone(), true));
        }
        Ok(Walk { left, open: None })
    });
    let batches = stream::once(check).map_ok(move |walk| {
        stream::try_unfold(walk, move |walk| blocking(place.to_owned(), move || walk.next()))
    });
    Box::pin(batches.try_flatten().map_ok(|names| stream::iter(names.into_iter().map(Ok))).try_flatten())
}

//! The quarantine of a folder, `<folder>/.quarantine/`, and the mark that identifies its owner.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;

use super::{
    FileStore,
    folders::{Folders, Place, check_name, identity, remove_if_there, sync_folder},
};
use crate::model::time::Timestamp;
use crate::store::{
    StoreResult, Yard,
    private::{keep, make_folder, new_file},
    yard::key_parts,
};

/// Says whose a folder is.
const MARK: &str = ".store-id";
/// Sub-folder of what is in quarantine.
const YARD: &str = ".quarantine";
/// Bytes of a mark at most.
const MARK_BYTES_MAX: u64 = 256;

#[async_trait]
impl Yard for FileStore {
    async fn mark(&self, own: Option<&str>) -> StoreResult<Option<String>> {
        let (folders, own) = (self.folders.clone(), own.map(str::to_owned));
        self.calls.run(MARK.to_owned(), move || marked(&folders, own.as_deref())).await
    }

    /// As a new file has it: what is on a server is stamped by the server.
    async fn time(&self) -> StoreResult<Timestamp> {
        let folders = self.folders.clone();
        let look = move || {
            let Some(place) = folders.iter().next() else { return Err(io::Error::other("no folder")) };
            place.check()?;
            let probe = place.parts.join(format!(".clock-{}", uuid::Uuid::new_v4()));
            let found = new_file(&probe).and_then(|file| file.metadata()?.modified());
            remove_if_there(&probe)?;
            found.map(Timestamp::of)
        };
        self.calls.run(YARD.to_owned(), look).await
    }

    async fn modified(&self, _: &str, _: bool) -> StoreResult<Option<Timestamp>> {
        Ok(None)
    }

    async fn is_plain(&self, name: &str) -> StoreResult<bool> {
        check_name(name)?;
        let (folders, name) = (self.folders.clone(), name.to_owned());
        let look = move || {
            for place in folders.iter() {
                match fs::symlink_metadata(place.folder.join(&name)) {
                    Ok(found) => return Ok(found.is_file()),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => place.check()?,
                    Err(e) => return Err(e),
                }
            }
            Ok(false)
        };
        self.calls.run(YARD.to_owned(), look).await
    }

    async fn set_aside(&self, name: &str, unfinished: bool, key: &str) -> StoreResult<bool> {
        check_name(name)?;
        key_parts(key)?;
        let (folders, name, key) = (self.folders.clone(), name.to_owned(), key.to_owned());
        self.calls.run(name.clone(), move || set_aside(&folders, (&name, unfinished), &key)).await
    }

    async fn bring_back(&self, key: &str, name: &str, unfinished: bool) -> StoreResult<bool> {
        check_name(name)?;
        key_parts(key)?;
        let (folders, name, key) = (self.folders.clone(), name.to_owned(), key.to_owned());
        self.calls.run(name.clone(), move || bring_back(&folders, &key, (&name, unfinished))).await
    }

    async fn discard(&self, key: &str) -> StoreResult<()> {
        key_parts(key)?;
        let (folders, key) = (self.folders.clone(), key.to_owned());
        let discard = move || {
            folders.iter().try_for_each(|place| {
                place.check()?;
                let file = aside(place, &key);
                if remove_if_there(&file)? { sync_parent(&file) } else { Ok(()) }
            })
        };
        self.calls.run(YARD.to_owned(), discard).await
    }
}

/// The mark that all folders bear; `None` when one has none. Of several that differ the first is told.
fn marked(folders: &Folders, own: Option<&str>) -> io::Result<Option<String>> {
    let mut found = None::<String>;
    for place in folders.iter() {
        place.check()?;
        let path = place.folder.join(MARK);
        if let Some(own) = own
            && !path.exists()
        {
            keep(&place.folder, MARK, own)?;
        }
        let text = match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(about) if about.len() > MARK_BYTES_MAX => {
                return Err(io::Error::other(format!("{} is no mark of a store", path.display())));
            }
            _ => fs::read_to_string(&path)?.trim().to_owned(),
        };
        match &found {
            Some(first) if *first != text => return Ok(Some(text)),
            _ => found = Some(text),
        }
    }
    Ok(found)
}

fn aside(place: &Place, key: &str) -> PathBuf {
    place.folder.join(YARD).join(key)
}

fn at(place: &Place, (name, unfinished): (&str, bool)) -> PathBuf {
    if unfinished { place.parts.join(name) } else { place.folder.join(name) }
}

fn sync_parent(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), sync_folder)
}

/// Gives a file another name, which nothing may bear; both names are durable in the end, whenever this stops. A link of
/// its own to the same file is what an earlier call has left.
fn rename(from: &Path, to: &Path) -> io::Result<bool> {
    let (source, target) = (identity(from)?, identity(to)?);
    match (source, target) {
        (None, None) => return Ok(false),
        (None, Some(_)) => return Ok(true),
        (Some(source), Some(target)) if source != target => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is there", to.display())));
        }
        (Some(_), Some(_)) => {}
        (Some(_), None) => {
            fs::hard_link(from, to)?;
        }
    }
    sync_parent(to)?;
    remove_if_there(from)?;
    sync_parent(from)?;
    Ok(true)
}

fn set_aside(folders: &Folders, what: (&str, bool), key: &str) -> io::Result<bool> {
    for place in folders.iter() {
        place.check()?;
        let (from, to) = (at(place, what), aside(place, key));
        if identity(&from)?.is_none() && identity(&to)?.is_none() {
            continue;
        }
        if let Some(day) = to.parent() {
            make_folder(day)?;
            sync_folder(&place.folder.join(YARD))?;
            sync_folder(&place.folder)?;
        }
        return rename(&from, &to);
    }
    Ok(false)
}

fn bring_back(folders: &Folders, key: &str, what: (&str, bool)) -> io::Result<bool> {
    for place in folders.iter() {
        place.check()?;
        let (from, to) = (aside(place, key), at(place, what));
        if identity(&from)?.is_some() {
            return rename(&from, &to);
        }
    }
    Ok(false)
}

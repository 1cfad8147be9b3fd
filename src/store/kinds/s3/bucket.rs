//! A bucket: the state that its operations share, and its contents.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use object_store::{Attribute, GetOptions, ObjectStore, aws::AmazonS3, path::Path};

use super::{
    address::{Address, is_hidden, is_name},
    calls::{BLOB, Calls},
    fault::classified,
    parts::Room,
};
use crate::store::{StoreError, StoreErrorKind, StoreResult};

/// A bucket and what is needed to access it. Clones are the same bucket.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) address: Address,
    pub(super) objects: AmazonS3,
    pub(super) calls: Calls,
    pub(super) room: Room,
    /// Bytes of a part, and bytes from which an image has several.
    pub(super) part: u64,
    pub(super) large: u64,
    pub(super) parallel: usize,
    pub(super) copied_at_once: u64,
    /// Blobs that this process is writing.
    pub(super) writing: Arc<Mutex<HashSet<String>>>,
}

/// The properties of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) size: u64,
    pub(super) etag: Option<String>,
    /// The blob that it says it is.
    pub(super) blob: Option<String>,
}

impl Bucket {
    /// Where an object is, for errors.
    pub(super) fn place_of(&self, name: &str) -> String {
        self.address.url_of(name).to_string()
    }

    /// Looks up a name.
    pub(super) async fn look(&self, name: &str) -> StoreResult<Option<Found>> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = match self.objects.get_opts(&path_of(name)?, options).await {
            Ok(found) => found,
            Err(error) => {
                let error = classified(self.place_of(name), &error);
                return if error.kind == StoreErrorKind::NotFound { Ok(None) } else { Err(error) };
            }
        };
        let blob = found.attributes.get(&Attribute::Metadata(BLOB.into()));
        let blob = blob.map(|value| value.as_ref().to_owned());
        Ok(Some(Found { size: found.meta.size, etag: found.meta.e_tag, blob }))
    }
}

/// A name as the library has it; what lies out of the way has one that no blob has.
pub(super) fn path_of(name: &str) -> StoreResult<Path> {
    if !is_hidden(name) {
        check_name(name)?;
    }
    Path::parse(name).map_err(|error| StoreError::new(StoreErrorKind::BadUrl, name, error))
}

/// Requires that a blob may have this name here.
pub(super) fn check_name(name: &str) -> StoreResult<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(StoreError::new(StoreErrorKind::BadUrl, name, "not a name of a blob"))
}

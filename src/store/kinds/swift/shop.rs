//! Shared by the parts of a Swift store: its accounts and containers, and lookups in them.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::sync::Semaphore;

use super::{
    address::{self, Containers, is_name},
    fault::Fault,
    line::{Ask, Line},
};
use crate::{
    outbound::{
        Method,
        header::{CONTENT_LENGTH, HeaderMap, HeaderName},
    },
    store::{StoreError, StoreErrorKind, StoreResult, StoreUrl, UNFINISHED, backend::Beginning},
    telemetry::places::Places,
};

/// The header of an object that holds the id of its blob.
pub(super) const BLOB: &str = "X-Object-Meta-Vitrine-Blob";
/// The header of a mark that holds the name that a blob is to have.
pub(super) const NAME: &str = "X-Object-Meta-Vitrine-Name";

/// The account for new images, as URLs name it.
#[derive(Clone, Debug)]
pub(super) enum Home {
    /// By its reference.
    Reference(String),
    /// By the address of its data.
    Storage(String),
}

/// What is needed to access the operator's containers.
pub(super) struct Shop {
    pub(super) readable: Vec<Beginning>,
    pub(super) lines: BTreeMap<String, Line>,
    /// The account that takes new images, and the way to it.
    pub(super) home: Home,
    pub(super) line: Line,
    pub(super) containers: Containers,
    /// Whether containers may have to be created.
    pub(super) creates: bool,
    /// The one container, once it is known to be there.
    pub(super) is_there: AtomicBool,
    /// Bytes from which an image has several segments, and bytes of each.
    pub(super) large: u64,
    pub(super) segment: u64,
    pub(super) retries: u64,
    pub(super) folder: Option<PathBuf>,
    pub(super) places: Places,
    pub(super) rooms: Arc<Semaphore>,
    /// Blobs that this process is writing.
    pub(super) writing: Arc<Mutex<HashSet<String>>>,
}

/// The properties of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) size: Option<u64>,
    /// The blob that it says it is.
    pub(super) blob: Option<String>,
    /// The container and the beginning of the names of its segments.
    pub(super) manifest: Option<String>,
    /// Whether its segments are listed in itself.
    pub(super) is_static: bool,
    /// What the server calls its bytes.
    pub(super) etag: Option<String>,
    /// Of what lies out of the way, the name that it had.
    pub(super) name: Option<String>,
}

impl Shop {
    /// The same in another account, which has one container.
    pub(super) fn moved_to(&self, line: Line, storage: String, container: &str) -> Self {
        Self {
            readable: Vec::new(),
            lines: BTreeMap::new(),
            home: Home::Storage(storage),
            line,
            containers: Containers { name: container.to_owned(), digits: 0 },
            creates: self.creates,
            is_there: AtomicBool::new(false),
            large: self.large,
            segment: self.segment,
            retries: self.retries,
            folder: self.folder.clone(),
            places: self.places.clone(),
            rooms: Arc::clone(&self.rooms),
            writing: Arc::clone(&self.writing),
        }
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, HashSet<String>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn url(&self, container: &str, object: &str) -> StoreUrl {
        match &self.home {
            Home::Reference(reference) => address::url_of(reference, container, object),
            Home::Storage(storage) => StoreUrl::new(format!("swift+{storage}/{container}/{object}")),
        }
    }

    /// Where something is, for errors.
    pub(super) fn place(&self, container: &str, object: &str) -> String {
        self.url(container, object).to_string()
    }

    pub(super) fn line_of(&self, account: &str) -> &Line {
        self.lines.get(account).unwrap_or(&self.line)
    }

    /// Looks up a name.
    pub(super) async fn look(&self, container: &str, name: &str) -> StoreResult<Option<Found>> {
        let found = look(&self.line, container, name).await;
        found.map_err(|fault| fault.at(self.place(container, name)))
    }

    /// Requires that there is a container, and creates it if it may.
    pub(super) async fn have_container(&self, name: &str) -> StoreResult<()> {
        let is_one = self.containers.prefix().is_none();
        if is_one && self.is_there.load(Relaxed) {
            return Ok(());
        }
        let failed = |fault: Fault| fault.at(self.place(name, ""));
        match self.line.call(&Ask::of(Method::HEAD, name, None)).await {
            Ok(_) => {}
            Err(fault) if fault.is_absence() && self.creates => {
                self.line.call(&Ask::of(Method::PUT, name, None)).await.map_err(failed)?;
                tracing::info!(container = name, "a container was created");
            }
            Err(fault) if fault.is_absence() => {
                let why = "there is no such container, and swift_store_create_container_on_put is off";
                return Err(StoreError::new(StoreErrorKind::Gone, self.place(name, ""), why));
            }
            Err(fault) => return Err(failed(fault)),
        }
        self.is_there.store(is_one, Relaxed);
        Ok(())
    }
}

/// Looks up a name in an account.
pub(super) async fn look(line: &Line, container: &str, name: &str) -> Result<Option<Found>, Fault> {
    let reply = match line.call(&Ask::of(Method::HEAD, container, Some(name))).await {
        Err(fault) if fault.is_absence() => return Ok(None),
        other => other?,
    };
    let headers = reply.headers();
    let is_static =
        text_of(headers, "x-static-large-object").is_some_and(|said| said.eq_ignore_ascii_case("true"));
    Ok(Some(Found {
        size: number(headers, &CONTENT_LENGTH),
        blob: text_of(headers, BLOB),
        manifest: text_of(headers, "x-object-manifest"),
        is_static,
        etag: text_of(headers, "etag").map(|tag| unquoted(&tag).to_owned()),
        name: text_of(headers, NAME),
    }))
}

pub(super) fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// A tag without its quotes.
pub(super) fn unquoted(tag: &str) -> &str {
    tag.trim().trim_matches('"')
}

/// The name of the mark of an unfinished blob.
pub(super) fn mark_of(blob: &str) -> String {
    format!("{blob}{UNFINISHED}")
}

/// The name of a segment of a blob; the first is 1 (`glance_store/_drivers/swift/store.py: add`).
pub(super) fn segment_of(blob: &str, number: u32) -> String {
    format!("{blob}-{number:05}")
}

pub(super) fn check_name(name: &str) -> StoreResult<()> {
    if is_name(name) {
        return Ok(());
    }
    Err(StoreError::new(StoreErrorKind::BadUrl, name, "not a name of a blob"))
}

/// The number in a header.
pub(super) fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

pub(super) fn no_length() -> Fault {
    Fault::Nonsense("Swift does not say how long the object is".to_owned())
}

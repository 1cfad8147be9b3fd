//! Shared by the readers, writers and deletions of a store: the connection, threads, and operations in progress.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    ceph::Pool,
    failed::{classified, unanswered},
    link::Link,
    names,
    open::Open,
    options::Settings,
    url::{self, part_of},
};
use crate::{
    store::{StoreError, StoreErrorKind, StoreResult},
    telemetry::crew::Crew,
};

/// Threads that read and write.
const BYTES_THREADS: usize = 16;
/// Threads that delete, list and look at names.
const NAMES_THREADS: usize = 4;
/// How long a call waits for a thread.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pieces that all streams of a store may have ahead of their readers: a reader that stalls keeps what was read for it.
const AHEAD_OF_ALL: usize = 48;

/// Threads: slow operations must not delay readers.
pub(super) struct Crews {
    pub(super) bytes: Crew,
    pub(super) names: Crew,
}

/// What a store's readers, writers and deletions have in common.
pub(super) struct Shared {
    pub(super) link: Arc<Link>,
    pub(super) crews: Crews,
    pub(super) settings: Settings,
    pub(super) fsid: String,
    /// The prefix of its images' URLs.
    pub(super) prefix: String,
    /// Pieces that may be read ahead of those who read.
    pub(super) ahead: Arc<Semaphore>,
    strangers: AtomicU64,
    /// Images that this process writes, by the ids of their blobs.
    writing: Mutex<HashMap<String, Weak<Open>>>,
    /// Images that this process removes: a large one takes longer than anybody waits.
    removing: Mutex<HashSet<String>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.link.let_go(&self.crews.names);
    }
}

impl Shared {
    /// Opens a pool for the store of this id. Blocking.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn open(id: &str, settings: &Settings) -> Result<Self, String> {
        let link = Arc::new(Link::new(settings)?);
        let crew = |what: &str, threads| Crew::new(&format!("rbd-{what}-{id}"), threads, PATIENCE);
        let crews = Crews { bytes: crew("b", BYTES_THREADS), names: crew("n", NAMES_THREADS) };
        let fsid = link.first(&crews.names)?;
        Ok(Self {
            link,
            crews,
            settings: settings.clone(),
            prefix: url::prefix(&fsid, &settings.pool),
            fsid,
            ahead: Arc::new(Semaphore::new(AHEAD_OF_ALL)),
            strangers: AtomicU64::new(0),
            writing: Mutex::default(),
            removing: Mutex::default(),
        })
    }

    /// Makes a call that has to do with bytes.
    pub(super) async fn bytes<T: Send + 'static>(
        &self,
        whose: &Arc<str>,
        place: &str,
        call: impl FnOnce(&Arc<Pool>) -> io::Result<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.call(&self.crews.bytes, whose, place, call).await
    }

    /// Makes a call that has to do with names.
    pub(super) async fn names<T: Send + 'static>(
        &self,
        place: &str,
        call: impl FnOnce(&Arc<Pool>) -> io::Result<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.call(&self.crews.names, &Arc::from(""), place, call).await
    }

    async fn call<T: Send + 'static>(
        &self,
        crew: &Crew,
        whose: &Arc<str>,
        place: &str,
        call: impl FnOnce(&Arc<Pool>) -> io::Result<T> + Send + 'static,
    ) -> StoreResult<T> {
        let link = Arc::clone(&self.link);
        let answer = crew.run(whose, move || link.pool().map(|pool| call(&pool))).await;
        let answer = answer.map_err(|why| unanswered(place, why))??;
        answer.map_err(|error| self.failed(place, error))
    }

    pub(super) fn failed(&self, place: &str, error: io::Error) -> StoreError {
        if error.raw_os_error().is_none() {
            return classified(place, error);
        }
        self.link.failed(place, error, &self.crews.names)
    }

    /// An anonymous reader: each has its turn at the threads like any project.
    pub(super) fn stranger(&self) -> Arc<str> {
        format!("reader {}", self.strangers.fetch_add(1, Ordering::Relaxed)).into()
    }

    /// The size of an object, as a power of two; one between two is the smaller one, as in Glance.
    pub(super) fn order(&self) -> i32 {
        i32::try_from(self.settings.chunk.max(1).ilog2()).unwrap_or(0)
    }

    pub(super) fn writing(&self) -> MutexGuard<'_, HashMap<String, Weak<Open>>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn removing(&self) -> MutexGuard<'_, HashSet<String>> {
        self.removing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the first existing one of these images, once nobody here writes the blob any more.
    pub(super) async fn remove(self: &Arc<Self>, blob_id: &str, names: Vec<String>) -> StoreResult<()> {
        let place = names.join(" or ");
        let Some(removal) = Removal::begin(self, blob_id) else {
            let text = "its removal is still under way";
            return Err(StoreError::new(StoreErrorKind::InUse, place, text));
        };
        let open = self.writing().get(blob_id).and_then(Weak::upgrade);
        let work = move |pool: &Arc<Pool>| {
            let _removal = removal;
            if let Some(open) = open {
                open.close();
            }
            for name in &names {
                if names::remove(pool, name)? {
                    break;
                }
            }
            Ok(())
        };
        self.names(&place, work).await
    }

    /// Removes the data of an unfinished blob.
    pub(super) async fn delete_part(self: &Arc<Self>, blob_id: &str) -> StoreResult<()> {
        self.remove(blob_id, vec![part_of(blob_id)]).await
    }
}

/// A removal that is under way, whether or not anybody still waits for it.
struct Removal(Arc<Shared>, String);

impl Removal {
    fn begin(store: &Arc<Shared>, blob_id: &str) -> Option<Self> {
        let first = store.removing().insert(blob_id.to_owned());
        first.then(|| Self(Arc::clone(store), blob_id.to_owned()))
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        self.0.removing().remove(&self.1);
    }
}

//! Durable jobs as the domain sees them: enqueued ([`queue`]), and while they run, with progress reports and
//! cancellation.

pub mod durable;
pub mod endings;
pub mod fault;
mod fence;
pub mod queue;
mod rate;
pub mod seal;

use std::{
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    task::Poll,
};

use fault::Fault;
use rate::Meter;
use serde::Serialize;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::{
    blob::{Holder, Leases, pour},
    db::{self, Db, DbError},
    model::{
        error::Error,
        event::Author,
        job::{Job, Progress, written},
        time::Timestamp,
    },
    store::StoreError,
};

/// The operator's settings about jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `[wsgi] task_pool_threads`: jobs of one process that work at once.
    pub at_once: usize,
    /// `[vitrine] jobs_waiting`: further jobs of one process that wait for other servers.
    pub waiting: usize,
    /// `[vitrine] jobs_per_project`: jobs of one project at once, on all nodes.
    pub per_project: i64,
    /// `[vitrine] lease_seconds`: how long a node's lease on its work is valid.
    pub lease_seconds: i64,
    /// `[vitrine] lost_node_after`: seconds after which a staging folder that no node has reached is given up.
    pub lost_seconds: i64,
    /// `[vitrine] jobs_wait_for_store`: seconds after its request for which a job waits for a fenced store.
    pub store_seconds: i64,
    /// `[task] task_time_to_live`, in seconds: how long a finished job is kept.
    pub kept_seconds: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            at_once: 16,
            waiting: 112,
            per_project: 8,
            lease_seconds: 15,
            lost_seconds: 3600,
            store_seconds: 4 * 3600,
            kept_seconds: 48 * 3600,
        }
    }
}

/// Why a job ends without success.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It cannot succeed; the text tells the user why and what to do.
    #[error("{0}")]
    Final(String),
    /// It cannot succeed with what was given; what is wrong with that, and the text for the user.
    #[error("{1}")]
    Refused(Fault, String),
    /// It may succeed later.
    #[error("{0}")]
    Again(String),
    /// It may succeed once a store answers that is left alone until then.
    #[error("{0}")]
    Away(String),
    /// It may succeed within seconds, or else not before somebody has mended something.
    #[error("{0}")]
    Soon(String),
    /// The image is gone or somebody wants it to stop.
    #[error("Stopped: {0}.")]
    Cancelled(String),
    /// Another node has taken the job over; this one says no more.
    #[error("the lease on this job was lost")]
    Lost,
}

impl Failure {
    /// The error that makes a job wait for a fenced store; `None` for every other failure of a store.
    pub fn of_absence(error: &StoreError) -> Option<Self> {
        error.is_left_alone().then(|| Self::Away(format!("The {} does not answer.", error.place)))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Internal { message } => {
                tracing::error!(fault = %message, "a job failed");
                Self::Again("An internal error occurred; the log has the details.".to_owned())
            }
            Error::Unavailable(why) => Self::Again(why),
            other => Self::Refused(Fault::of(&other), other.to_string()),
        }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Stale(_) => Self::Lost,
            other => Error::from(other).into(),
        }
    }
}

/// Result of a job or of one of its steps.
pub type Done<T> = Result<T, Failure>;

#[derive(Debug, Default)]
struct Signals {
    bytes_done: AtomicI64,
    bytes_total: AtomicI64,
    /// When the pass began, in microseconds since 1970 UTC.
    pass_began: AtomicI64,
    cancelled: AtomicBool,
    lost: AtomicBool,
    /// Wakes those who wait for one of the two.
    stop: Notify,
}

/// A job under way. Clones share progress and signals.
#[derive(Clone)]
pub struct Work {
    /// The claimed job.
    pub job: Arc<Job>,
    /// The node that works on it.
    pub node: Arc<str>,
    /// The holder of the blobs that this attempt writes.
    pub holder: Arc<Holder>,
    db: Db,
    signals: Arc<Signals>,
    meter: Arc<Mutex<Meter>>,
    place: Arc<Place>,
}

/// The place of a job among those that work at once; it has none while it waits for others.
#[derive(Debug)]
struct Place {
    places: Arc<Semaphore>,
    held: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Place {
    fn set(&self, place: Option<OwnedSemaphorePermit>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }

    /// Waits for its turn to work.
    async fn take(&self) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        self.set(place.ok());
    }
}

impl pour::Progress for Work {
    fn advance(&self, bytes: usize) {
        Work::advance(self, bytes);
    }
}

impl Work {
    /// Begins a claimed job, which will work in one of these places.
    pub fn new(db: Db, leases: &Leases, places: Arc<Semaphore>, job: Job) -> Self {
        let signals = Signals::default();
        signals.cancelled.store(job.cancel_requested, Ordering::Relaxed);
        let began = db.clock.now();
        signals.pass_began.store(began.0, Ordering::Relaxed);
        // Of two attempts one may bear the number of the other, which did not count.
        let holder = Arc::new(leases.hold(format!("{}/{}/{}", job.id, job.attempts, job.lease_until.0)));
        let node = leases.node.as_str().into();
        let place = Arc::new(Place { places, held: Mutex::new(None) });
        let meter = Arc::new(Mutex::new(Meter::new(began)));
        Self { job: Arc::new(job), node, holder, db, signals: Arc::new(signals), meter, place }
    }

    /// On whose behalf the work changes images.
    pub fn author(&self) -> Author {
        Author::from(self.job.as_ref())
    }

    /// Starts a new pass over the data, of a known size or not.
    pub fn begin_pass(&self, bytes: Option<u64>) {
        self.signals.pass_began.store(self.db.clock.now().0, Ordering::Relaxed);
        self.signals.bytes_done.store(0, Ordering::Relaxed);
        self.set_total(bytes);
    }

    /// Tells how many bytes there are in all.
    pub fn set_total(&self, bytes: Option<u64>) {
        let bytes = bytes.and_then(|b| i64::try_from(b).ok()).unwrap_or(0);
        self.signals.bytes_total.store(bytes, Ordering::Relaxed);
    }

    /// Reports that this many more bytes are done.
    pub fn advance(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.signals.bytes_done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Tells that a pass has come to its end, also where fewer bytes were counted.
    pub fn end_pass(&self) {
        self.signals
            .bytes_done
            .fetch_max(self.signals.bytes_total.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// How far it is; the rate is that since the last time this was asked.
    pub fn progress(&self) -> Progress {
        let read = |number: &AtomicI64| number.load(Ordering::Relaxed);
        let (bytes, total) = (read(&self.signals.bytes_done), read(&self.signals.bytes_total));
        let pass_began = Timestamp(read(&self.signals.pass_began));
        let mut meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = meter.rate(pass_began, bytes, self.db.clock.now());
        Progress { bytes, total: (total > 0).then_some(total), rate }
    }

    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.signals.cancelled.store(true, Ordering::Relaxed);
        self.signals.stop.notify_waiters();
    }

    /// Tells the work that it is another node's now.
    pub fn lose(&self) {
        self.signals.lost.store(true, Ordering::Relaxed);
        self.signals.stop.notify_waiters();
    }

    /// Checks for cancellation; call between steps and chunks.
    ///
    /// # Errors
    /// [`Failure::Cancelled`] and [`Failure::Lost`].
    pub fn check(&self) -> Done<()> {
        if self.signals.lost.load(Ordering::Relaxed) {
            return Err(Failure::Lost);
        }
        if self.signals.cancelled.load(Ordering::Relaxed) {
            return Err(Failure::Cancelled("somebody asked for that, or the image was deleted".to_owned()));
        }
        Ok(())
    }

    /// Waits for a place to work in.
    ///
    /// # Errors
    /// As [`Work::check`].
    pub async fn take_place(&self) -> Done<()> {
        self.unless_stopped(self.place.take()).await
    }

    /// Like [`Work::unless_stopped`], for waiting on others: the job's slot is released meanwhile, so that slow servers
    /// occupy none.
    ///
    /// # Errors
    /// As [`Work::check`].
    pub async fn waiting<T>(&self, step: impl Future<Output = T>) -> Done<T> {
        let mut step = pin!(self.unless_stopped(step));
        if let Poll::Ready(done) = futures::poll!(step.as_mut()) {
            return done;
        }
        self.place.set(None);
        let done = step.await?;
        self.take_place().await?;
        Ok(done)
    }

    /// Waits for something slow, until the job is cancelled.
    ///
    /// # Errors
    /// As [`Work::check`].
    pub async fn unless_stopped<T>(&self, step: impl Future<Output = T>) -> Done<T> {
        let mut stop = pin!(self.signals.stop.notified());
        stop.as_mut().enable();
        self.check()?;
        tokio::select! {
            () = stop => match self.check() {
                Err(failure) => Err(failure),
                Ok(()) => Err(Failure::Again("The work was interrupted.".to_owned())),
            },
            value = step => Ok(value),
        }
    }

    /// Records a finished step, so that it is not repeated.
    ///
    /// # Errors
    /// [`Failure::Lost`] when the job is another node's now.
    pub async fn save_state<S: Serialize>(&self, state: &S, message: &str) -> Done<()> {
        let (state, clock) = (written(state)?, self.db.clock.clone());
        let (id, node, message) = (self.job.id.clone(), self.node.clone(), message.to_owned());
        self.db
            .write("job.save_state", move |conn| {
                db::jobs::save_state(conn, &id, &node, &state, &message, clock.now())
            })
            .await?;
        Ok(())
    }
}

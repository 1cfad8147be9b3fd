//! Whether the database answers.
//!
//! No client library can abort a statement that hangs, so nobody waits for one. After waiting for a while, a request
//! has the database probed on a separate connection; if the probe is not answered, all requests are refused until it
//! is. Hanging threads keep their places, whose number is bounded; the others get a new lane.

use std::sync::{
    Arc, Mutex, PoisonError, RwLock, Weak,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use std::time::Duration;

use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::{sleep, timeout},
};

use super::{
    DbError, DbResult,
    lane::{Lane, Opener},
};
use crate::telemetry;

/// Questions that may hang at once.
const QUESTIONS: usize = 16;
/// For how long one that hangs is waited for before another is asked.
const LONG: Duration = Duration::from_secs(5);
/// Between two questions, or tries, to a database that is away.
pub const PAUSE: Duration = Duration::from_millis(250);
/// Threads that work or hang on all lanes, as a multiple of the connections of one. Beyond that a new lane has a single
/// seat, so that there is a way at all; the system gives a lost connection up after a quarter of an hour.
const THREADS: u32 = 4;

/// Whether the database answers, and the lane that leads there.
pub struct Watch {
    opener: Opener,
    lane: RwLock<Arc<Lane>>,
    /// Lanes that were given up while somebody was on them.
    former: Mutex<Vec<Weak<Lane>>>,
    /// Why nobody is let in.
    away: watch::Sender<Option<Arc<str>>>,
    asking: AtomicBool,
    questions: Arc<Semaphore>,
    /// Counts what the database answered.
    answers: AtomicU64,
    /// That count when somebody last looked.
    seen: AtomicU64,
}

impl Watch {
    /// Of a database that is taken to answer.
    pub fn new(opener: Opener) -> Self {
        let lane = RwLock::new(Arc::new(opener.lane(opener.size)));
        Self {
            opener,
            lane,
            former: Mutex::default(),
            away: watch::Sender::new(None),
            asking: AtomicBool::new(false),
            questions: Arc::new(Semaphore::new(QUESTIONS)),
            answers: AtomicU64::new(0),
            seen: AtomicU64::new(0),
        }
    }

    /// The lane of now.
    pub fn lane(&self) -> Arc<Lane> {
        Arc::clone(&self.lane.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Records that the database has answered.
    pub fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Starts a probe if the database has answered nobody since the last call.
    pub fn look(self: &Arc<Self>) {
        let answers = self.answers();
        if self.seen.swap(answers, Ordering::Relaxed) == answers {
            self.suspect();
        }
    }

    /// Like [`Opener::ask`].
    pub fn ask(&self) -> Result<(), String> {
        self.opener.ask()
    }

    fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// # Errors
    /// [`DbError::Unavailable`] while the database is known to be away.
    pub fn admit(self: &Arc<Self>) -> DbResult<()> {
        let Some(why) = self.away.borrow().clone() else { return Ok(()) };
        // Whoever asked may have gone with the runtime that it was on.
        self.suspect();
        Err(DbError::Unavailable(why.to_string()))
    }

    /// Waits while the database is known to be away.
    pub async fn return_of_the_database(self: &Arc<Self>) {
        if self.admit().is_err() {
            let mut away = self.away.subscribe();
            // The sender lives as long as this.
            drop(away.wait_for(Option::is_none).await);
        }
    }

    /// Waits for `work`, but no longer than the database answers, nor than `limit`.
    ///
    /// # Errors
    /// [`DbError::Unavailable`]; `work` may have begun.
    pub async fn guard<T>(self: &Arc<Self>, limit: Duration, work: impl Future<Output = T>) -> DbResult<T> {
        let mut away = self.away.subscribe();
        self.admit()?;
        let end = sleep(limit);
        tokio::pin!(work, end);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                gone = away.wait_for(Option::is_some) => {
                    let why = gone.ok().and_then(|why| why.as_deref().map(str::to_owned));
                    return Err(DbError::Unavailable(why.unwrap_or_default()));
                }
                () = &mut end => {
                    return Err(DbError::Unavailable(format!("no answer in {} seconds", limit.as_secs())));
                }
                () = sleep(self.opener.limits.suspicion()) => self.suspect(),
            }
        }
    }

    /// Starts a probe of the database, unless one is running.
    pub fn suspect(self: &Arc<Self>) {
        if self.opener.lasting || self.asking.swap(true, Ordering::SeqCst) {
            return;
        }
        let asker = Asker(Arc::clone(self));
        drop(telemetry::spawn(async move { asker.ask().await }));
    }

    /// Whether requests are refused.
    pub fn is_away(&self) -> bool {
        self.away.borrow().is_some()
    }

    fn leave(&self, why: &str) {
        let leaves = self.away.send_if_modified(|away| {
            let leaves = away.is_none();
            away.get_or_insert_with(|| why.into());
            leaves
        });
        if leaves {
            tracing::error!(reason = why, "the database is away; requests are refused until it is back");
            self.change_lanes();
        }
    }

    fn come_back(&self) {
        if self.away.send_replace(None).is_some() {
            tracing::warn!("the database is back");
        }
    }

    /// Gives the lane up.
    fn change_lanes(&self) {
        let mut lane = self.lane.write().unwrap_or_else(PoisonError::into_inner);
        let mut former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        former.retain(|lane| lane.strong_count() > 0);
        let hang = former.iter().filter_map(Weak::upgrade).map(|lane| lane.busy()).sum::<u32>();
        let size = self.opener.size;
        let left = size.saturating_mul(THREADS).saturating_sub(hang).saturating_sub(lane.busy());
        let old = std::mem::replace(&mut *lane, Arc::new(self.opener.lane(left.clamp(1, size))));
        old.close();
        former.push(Arc::downgrade(&old));
        // Its idle connections are closed, on a thread where that may take its time.
        drop(telemetry::blocking(move || drop(old)));
    }
}

/// The one who asks.
struct Asker(Arc<Watch>);

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.asking.store(false, Ordering::SeqCst);
    }
}

impl Asker {
    /// Asks until there is an answer.
    async fn ask(&self) {
        let watch = &self.0;
        let (tell, mut told) = mpsc::channel(QUESTIONS);
        loop {
            let answers = watch.answers();
            if let Ok(permit) = Arc::clone(&watch.questions).try_acquire_owned() {
                let (opener, tell) = (watch.opener.clone(), tell.clone());
                drop(telemetry::blocking(move || {
                    let _permit = permit;
                    // Nobody listens any more to one that hung for long.
                    drop(tell.try_send(opener.ask()));
                }));
            }
            let patience = if watch.is_away() { LONG } else { watch.opener.limits.question() };
            let why = match timeout(patience, told.recv()).await {
                Ok(Some(Ok(()))) => {
                    watch.answered();
                    return watch.come_back();
                }
                Ok(Some(Err(why))) => why,
                Ok(None) | Err(_) => "it does not answer".to_owned(),
            };
            if !watch.is_away() {
                // One that answers others is there, even if it takes no further connection.
                if watch.answers() != answers {
                    return;
                }
                watch.leave(&why);
            }
            sleep(PAUSE).await;
        }
    }
}

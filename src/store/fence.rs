//! A store that does not answer is fenced: calls to it fail at once instead of after a time-out, until it answers a
//! periodic probe.
//!
//! Calls alone do not fence a store: after a number of unanswered calls in a row, the store is sent an independent
//! probe, and it is fenced only if that fails too. So a caller's own data cannot fence a store.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use super::{
    Backend, StoreError, StoreErrorKind, StoreResult,
    error::LeftAlone,
    health::{Health, Word},
    limit::{Fencing, in_time},
};
use crate::telemetry;

/// A name that no blob has, for probes.
pub(super) const PROBE: &str = "vitrine-probe";

/// The fence of a store.
pub(super) struct Fence {
    store: String,
    fencing: Fencing,
    /// How long a question may take at all; what hangs in a system call is not asked again before.
    answer: Duration,
    backend: Weak<dyn Backend>,
    health: Arc<Health>,
    /// Whether somebody finds out.
    doubted: AtomicBool,
    is_closed: AtomicBool,
    closed: Mutex<Option<Closed>>,
}

struct Closed {
    since: Instant,
    reason: String,
}

impl Fence {
    /// An open one.
    pub(super) fn new(
        store: &str,
        fencing: Fencing,
        answer: Duration,
        backend: &Arc<dyn Backend>,
        health: Arc<Health>,
    ) -> Self {
        Self {
            store: store.to_owned(),
            fencing,
            answer,
            backend: Arc::downgrade(backend),
            health,
            doubted: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            closed: Mutex::default(),
        }
    }

    fn closed(&self) -> MutexGuard<'_, Option<Closed>> {
        // What holds the lock does nothing that could stop half-way.
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the store has been fenced, if it is.
    pub(super) fn closed_for(&self) -> Option<Duration> {
        self.closed().as_ref().map(|closed| closed.since.elapsed())
    }

    /// Admits a call unless the store is fenced.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`], as from the store.
    pub(super) fn pass(&self) -> StoreResult<()> {
        if !self.is_closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let reason = self.closed().as_ref().map(|closed| closed.reason.clone()).unwrap_or_default();
        Err(StoreError::new(StoreErrorKind::Unavailable, format!("store {}", self.store), LeftAlone(reason)))
    }

    /// Starts a probe if too many calls in a row had no answer.
    pub(super) fn doubt(self: &Arc<Self>, silent: u32) {
        let is_doubtful = self.fencing.after != 0 && silent >= self.fencing.after;
        if is_doubtful && !self.doubted.swap(true, Ordering::AcqRel) {
            telemetry::spawn(watch(Arc::downgrade(self)));
        }
    }

    fn close(&self, reason: &dyn std::fmt::Display) {
        let mut closed = self.closed();
        let before = closed.take();
        if before.is_none() {
            tracing::error!(store = %self.store, %reason, "a store does not answer and is fenced until it does");
        }
        let since = before.map_or_else(Instant::now, |closed| closed.since);
        *closed = Some(Closed { since, reason: reason.to_string() });
        self.is_closed.store(true, Ordering::Release);
    }

    fn open(&self) {
        self.health.forgive();
        let before = self.closed().take();
        self.is_closed.store(false, Ordering::Release);
        self.doubted.store(false, Ordering::Release);
        if let Some(closed) = before {
            tracing::warn!(store = %self.store, after = ?closed.since.elapsed(), "a store answers again");
        }
    }

    /// Asks the store itself, whom nothing but its answer matters to; returns whether it answered.
    async fn ask(&self, backend: &dyn Backend) -> bool {
        let begun = Instant::now();
        let mut asked = std::pin::pin!(in_time(&self.store, self.answer, backend.holds(PROBE)));
        let answered = match timeout(self.fencing.patience, &mut asked).await {
            Ok(answered) => answered,
            Err(_) => {
                self.close(&format!("it did not answer within {} s", self.fencing.patience.as_secs()));
                asked.await
            }
        };
        self.health.note(&answered);
        match answered {
            Err(ref error) if Word::of(&answered) == Word::Silent => {
                self.close(error);
                false
            }
            _ => {
                self.health.took(begun.elapsed());
                true
            }
        }
    }
}

/// Asks a store until it answers; ends with the store, too.
async fn watch(fence: Weak<Fence>) {
    let mut pause: Option<Duration> = None;
    loop {
        let Some(fence) = fence.upgrade() else { return };
        let Some(backend) = fence.backend.upgrade() else { return };
        if fence.ask(&*backend).await {
            return fence.open();
        }
        let longest = fence.fencing.longest_pause;
        let next = pause.map_or(fence.fencing.pause, |pause| pause.saturating_mul(2)).min(longest);
        pause = Some(next);
        drop((fence, backend));
        sleep(next).await;
    }
}

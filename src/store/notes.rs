//! Records how the calls of a store end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Backend, StoreError, StoreErrorKind, StoreResult,
    count::Counters,
    fence::Fence,
    health::{Health, Report, State, Word},
    limit::Limits,
};

/// The notes of one store. Cheap to clone.
#[derive(Clone)]
pub(super) struct Notes {
    pub(super) counters: Arc<Counters>,
    health: Arc<Health>,
    fence: Arc<Fence>,
    /// Whether all of it is one server's; of one that is not, no call says how it is.
    is_one: bool,
    /// How long a call has to have waited for its end to say something when nobody waits any more.
    patience: Duration,
}

impl Notes {
    /// The records of a store. It can be fenced only if it consists of a single server.
    pub(super) fn of(id: &str, backend: &Arc<dyn Backend>, is_one: bool, limits: &Limits) -> Self {
        let (mut fencing, health) = (limits.fencing.clone(), Arc::new(Health::new()));
        if !is_one {
            fencing.after = 0;
        }
        let patience = fencing.patience;
        let fence = Arc::new(Fence::new(id, fencing, limits.answer, backend, Arc::clone(&health)));
        Self { counters: Arc::new(Counters::of(id)), health, fence, is_one, patience }
    }

    /// Admits a call unless the store is fenced.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`]
    pub(super) fn pass(&self) -> StoreResult<()> {
        self.fence.pass()
    }

    /// The end of a call, or a piece of its answer.
    pub(super) fn answered<T>(&self, result: &StoreResult<T>) {
        match self.health.note(result) {
            0 => {}
            silent => self.fence.doubt(silent),
        }
    }

    /// The same, of what is counted nowhere else.
    pub(super) fn ended<T>(&self, result: &StoreResult<T>) {
        self.counters.ended(result);
        self.answered(result);
    }

    /// Waits for an answer and records how long it took, also when the caller gives up.
    pub(super) async fn timed<T>(&self, work: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        let mut asked = Asked { notes: self, begun: Instant::now(), is_over: false };
        let result = work.await;
        asked.is_over = true;
        if Word::of(&result) == Word::Answered {
            self.health.took(asked.begun.elapsed());
        }
        self.answered(&result);
        result
    }

    /// The health of the store.
    pub(super) async fn report(&self, backend: &Arc<dyn Backend>) -> Report {
        let fenced = self.fence.closed_for();
        let room = if fenced.is_none() { self.health.room(backend).await } else { self.health.last_room() };
        let report = self.health.report(room, fenced);
        if self.is_one { report } else { Report { state: State::Well, ..report } }
    }
}

/// A call under way.
struct Asked<'a> {
    notes: &'a Notes,
    begun: Instant,
    is_over: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let waited = self.begun.elapsed();
        if !self.is_over && waited >= self.notes.patience {
            let why = format!("there was no answer for {} s, until nobody waited any more", waited.as_secs());
            self.notes.answered::<()>(&Err(StoreError::new(StoreErrorKind::Unavailable, "store", why)));
        }
    }
}

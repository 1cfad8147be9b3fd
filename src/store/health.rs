//! The health of a store: whether it answers, how fast, its free space, and recent errors. Memory is constant.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{Backend, StoreError, StoreErrorKind, StoreResult, backend::Room};
use crate::telemetry;

/// Answers of which it is kept how long they took.
const ANSWERS: usize = 64;
/// Characters kept of what went wrong.
const REASON_MAX: usize = 300;
/// How long the room that a store told of counts as what it has.
const ROOM_AGE: Duration = Duration::from_secs(10);
/// How long requests wait for it; after that what was told before counts.
const ROOM_PATIENCE: Duration = Duration::from_millis(500);

/// The state of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It answers, as far as anybody has asked.
    Well,
    /// What it was asked last had no answer.
    Sick,
    /// It does not answer, and is fenced until it does.
    Fenced,
}

impl State {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Sick => "sick",
            Self::Fenced => "fenced",
        }
    }
}

/// How long recent calls took to their first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of them took no longer.
    pub median: Duration,
    /// The slowest.
    pub longest: Duration,
}

/// The last error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The reason, without secrets.
    pub reason: String,
    /// How long ago.
    pub age: Duration,
}

/// The health of a store at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether it answers.
    pub state: State,
    /// How long it has been fenced.
    pub fenced: Option<Duration>,
    /// Its space; `None` if unknown.
    pub room: Option<Room>,
    /// `None` before the first answer.
    pub latency: Option<Latency>,
    /// Errors since the start that the caller did not cause.
    pub errors: u64,
    /// The last of these.
    pub last_error: Option<Fault>,
}

impl Report {
    /// The health of a store that could not be opened.
    pub fn unopened(reason: String) -> Self {
        let last_error = Some(Fault { reason, age: Duration::ZERO });
        Self { state: State::Sick, fenced: None, room: None, latency: None, errors: 1, last_error }
    }

    /// As JSON, with the name and the kind of the store; sizes are bytes, latencies milliseconds.
    pub fn as_json(&self, id: &str, kind: &str) -> Value {
        let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let latency = |latency: &Latency| json!({"median_ms": millis(latency.median), "longest_ms": millis(latency.longest)});
        let fault = |fault: &Fault| json!({"reason": fault.reason, "seconds_ago": fault.age.as_secs()});
        json!({
            "id": id,
            "type": kind,
            "state": self.state.name(),
            "fenced_seconds": self.fenced.map(|time| time.as_secs()),
            "free": self.room.map(|room| room.free),
            "total": self.room.map(|room| room.total),
            "latency": self.latency.as_ref().map(latency),
            "errors": self.errors,
            "last_error": self.last_error.as_ref().map(fault),
        })
    }

    /// In words: state, room, latency, errors, and the last of these.
    pub fn words(&self) -> [String; 5] {
        let room =
            self.room.map(|room| format!("{} free of {}", gibibytes(room.free), gibibytes(room.total)));
        let latency = self.latency.map(|l| format!("{:.1?}, at most {:.1?}", l.median, l.longest));
        let last = self.last_error.as_ref();
        let last = last.map(|fault| format!("{} s ago: {}", fault.age.as_secs(), fault.reason));
        let state = match self.fenced {
            Some(time) => format!("{} for {} s", self.state.name(), time.as_secs()),
            None => self.state.name().to_owned(),
        };
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [state, known(room), known(latency), self.errors.to_string(), known(last)]
    }
}

/// Bytes as people read them.
pub fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

/// What the end of a call shows about the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// It answered, if only to refuse.
    Answered,
    /// It did not.
    Silent,
    /// Nothing: what was asked may never have reached it.
    Nothing,
}

impl Word {
    pub(super) fn of<T>(result: &StoreResult<T>) -> Self {
        use StoreErrorKind::{
            BadUrl, Corrupt, Denied, Exists, Full, Gone, InUse, Io, NotFound, SizeMismatch, Unavailable,
            Unsupported,
        };
        match result.as_ref().map_err(|error| error.kind) {
            Ok(_) | Err(NotFound | Exists | Full | Denied | InUse | Gone) => Self::Answered,
            Err(Unavailable) => Self::Silent,
            Err(Unsupported | BadUrl | SizeMismatch | Corrupt | Io) => Self::Nothing,
        }
    }
}

/// Whether an error is the store's; else the caller asked for what there is not.
fn is_fault(error: &StoreError) -> bool {
    use StoreErrorKind::{Denied, Full, Gone, Io, Unavailable};
    matches!(error.kind, Denied | Full | Gone | Io | Unavailable)
}

/// The health record of one store.
pub(super) struct Health {
    /// Calls without an answer since the last one with.
    silent: AtomicU32,
    kept: Mutex<Kept>,
    /// Whoever asks for the room; a store that hangs is asked once.
    asking: Arc<Semaphore>,
}

#[derive(Default)]
struct Kept {
    latencies: VecDeque<Duration>,
    errors: u64,
    last: Option<(Instant, String)>,
    room: Option<(Instant, Option<Room>)>,
}

impl Health {
    /// An empty record.
    pub(super) fn new() -> Self {
        Self { silent: AtomicU32::new(0), kept: Mutex::default(), asking: Arc::new(Semaphore::new(1)) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What holds the lock does nothing that could stop half-way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the end of a call; returns how many had no answer since the last one with, this one included.
    pub(super) fn note<T>(&self, result: &StoreResult<T>) -> u32 {
        if let Err(error) = result
            && is_fault(error)
        {
            let reason = error.to_string().chars().take(REASON_MAX).collect();
            let mut kept = self.kept();
            kept.errors = kept.errors.saturating_add(1);
            kept.last = Some((Instant::now(), reason));
        }
        match Word::of(result) {
            Word::Silent => self.silent.fetch_add(1, Ordering::Relaxed).saturating_add(1),
            Word::Nothing => 0,
            Word::Answered => {
                // Said of each chunk: mostly there is nothing to write.
                if self.silent.load(Ordering::Relaxed) != 0 {
                    self.silent.store(0, Ordering::Relaxed);
                }
                0
            }
        }
    }

    /// Forgets the calls without an answer.
    pub(super) fn forgive(&self) {
        self.silent.store(0, Ordering::Relaxed);
    }

    /// Records how long an answer took.
    pub(super) fn took(&self, time: Duration) {
        let mut kept = self.kept();
        kept.latencies.truncate(ANSWERS.saturating_sub(1));
        kept.latencies.push_front(time);
    }

    /// The space of the store, requested again if it is old; a store that does not answer now has its last value.
    pub(super) async fn room(self: &Arc<Self>, backend: &Arc<dyn Backend>) -> Option<Room> {
        let is_known = self.kept().room.is_some_and(|(then, _)| then.elapsed() < ROOM_AGE);
        if !is_known && let Ok(seat) = Arc::clone(&self.asking).try_acquire_owned() {
            let (health, backend) = (Arc::clone(self), Arc::clone(backend));
            let asked = telemetry::spawn(async move {
                let _seat = seat;
                match backend.room().await {
                    Ok(room) => health.kept().room = Some((Instant::now(), room)),
                    Err(error) => tracing::debug!(%error, "a store does not tell its room"),
                }
            });
            // It goes on alone if it has to.
            let _ = tokio::time::timeout(ROOM_PATIENCE, asked).await;
        }
        self.last_room()
    }

    /// The last known space of the store.
    pub(super) fn last_room(&self) -> Option<Room> {
        self.kept().room.and_then(|(_, room)| room)
    }

    /// The report; `room` is the current space, `fenced` how long the store has been fenced.
    pub(super) fn report(&self, room: Option<Room>, fenced: Option<Duration>) -> Report {
        let state = match fenced {
            Some(_) => State::Fenced,
            None if self.silent.load(Ordering::Relaxed) == 0 => State::Well,
            None => State::Sick,
        };
        let kept = self.kept();
        let mut sorted: Vec<_> = kept.latencies.iter().copied().collect();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len().saturating_sub(1) / 2).copied();
        let latency = median.zip(sorted.last().copied()).map(|(median, longest)| Latency { median, longest });
        let fault =
            |(then, reason): &(Instant, String)| Fault { reason: reason.clone(), age: then.elapsed() };
        Report {
            state,
            fenced,
            room,
            latency,
            errors: kept.errors,
            last_error: kept.last.as_ref().map(fault),
        }
    }
}

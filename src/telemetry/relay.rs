//! Processes the pieces of a stream in order, on threads that exist only while there is work: a stalled stream keeps
//! its incomplete batch, but no thread.

use std::{
    collections::VecDeque,
    fmt::{Debug, Display},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::{
    places::{Place, Places},
    tasks::{Spawned, blocking},
};

/// Bytes that make a batch. At this size a hand-over costs nothing that can be measured.
const BATCH_BYTES: usize = 256 * 1024;
/// Pieces that make a batch, so that tiny ones do not pile up.
const BATCH_PIECES: usize = 64;

/// Takes the pieces of a stream. Blocking.
pub trait Taker: Send + 'static {
    /// Why a piece could not be taken.
    type Error: Send + 'static;

    /// Takes the next piece.
    ///
    /// # Errors
    /// Its own; no further piece comes then.
    fn take(&mut self, piece: &[u8]) -> Result<(), Self::Error>;
}

/// Why a relay broke.
#[derive(Debug)]
pub enum Broken<E> {
    /// A taker failed.
    Taker(E),
    /// The thread did, or an earlier failure was passed over.
    Thread(String),
}

impl<E: Display> Display for Broken<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taker(error) => Display::fmt(error, f),
            Self::Thread(fault) => f.write_str(fault),
        }
    }
}

/// A taker, and what it has not taken yet.
struct Lane<T> {
    /// Away while a thread works with it.
    taker: Option<T>,
    queue: VecDeque<Bytes>,
    /// Bytes in the queue and in the hands of the thread.
    bytes: usize,
    /// Pieces, likewise.
    pieces: usize,
}

impl<T> Lane<T> {
    /// How many batches wait, those in the hands of the thread included.
    fn behind(&self) -> usize {
        (self.bytes / BATCH_BYTES).max(self.pieces / BATCH_PIECES)
    }
}

struct State<T: Taker> {
    lanes: Vec<Lane<T>>,
    /// Threads at work.
    threads: usize,
    fault: Option<T::Error>,
    /// Whether something failed, or nobody wants the rest any more.
    over: bool,
}

struct Shared<T: Taker> {
    state: Mutex<State<T>>,
    /// Told when a lane has got shorter, and when a thread has gone.
    moved: Notify,
}

impl<T: Taker> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until there is nothing left that no other thread works on, or until others wait for the place. Blocking.
    fn work(&self, places: &Places) {
        loop {
            let mut idle = true;
            let count = self.state().lanes.len();
            for lane in 0..count {
                idle &= !self.batch(lane);
            }
            if idle || places.are_awaited() {
                return;
            }
        }
    }

    /// Takes one batch of a lane; `false` if there is none, or another thread has the taker.
    fn batch(&self, index: usize) -> bool {
        let mut state = self.state();
        if state.over {
            return false;
        }
        let Some(lane) = state.lanes.get_mut(index).filter(|lane| !lane.queue.is_empty()) else {
            return false;
        };
        let Some(mut taker) = lane.taker.take() else { return false };
        let (mut batch, mut bytes) = (Vec::new(), 0_usize);
        while bytes < BATCH_BYTES && batch.len() < BATCH_PIECES {
            let Some(piece) = lane.queue.pop_front() else { break };
            bytes = bytes.saturating_add(piece.len());
            batch.push(piece);
        }
        drop(state);
        let result = batch.iter().try_for_each(|piece| taker.take(piece));
        let mut state = self.state();
        if let Some(lane) = state.lanes.get_mut(index) {
            lane.taker = Some(taker);
            lane.bytes = lane.bytes.saturating_sub(bytes);
            lane.pieces = lane.pieces.saturating_sub(batch.len());
        }
        if let Err(error) = result {
            state.over = true;
            state.fault.get_or_insert(error);
        }
        drop(state);
        self.moved.notify_one();
        true
    }
}

/// A thread at work, counted until it ends, however it ends.
struct Worker<T: Taker> {
    shared: Arc<Shared<T>>,
    _place: Option<Place>,
}

impl<T: Taker> Drop for Worker<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.threads = state.threads.saturating_sub(1);
        drop(state);
        self.shared.moved.notify_one();
    }
}

/// How a relay gets on.
struct Progress {
    threads: usize,
    /// How many batches the last taker is behind.
    behind: usize,
    /// For how many threads there is work.
    wanted: usize,
}

/// Hands the pieces of one stream to its takers. They may be two batches behind, so that slow takers slow the stream.
pub struct Relay<T: Taker> {
    shared: Arc<Shared<T>>,
    running: Vec<Spawned<()>>,
    places: Places,
    whose: Arc<str>,
}

impl<T: Taker> Relay<T> {
    /// Starts. Each taker gets every piece; the project `whose` takes its turn at the places like any other.
    pub fn new(takers: Vec<T>, places: Places, whose: Option<&str>) -> Self {
        let lane = |taker| Lane { taker: Some(taker), queue: VecDeque::new(), bytes: 0, pieces: 0 };
        let lanes = takers.into_iter().map(lane).collect();
        let state = Mutex::new(State { lanes, threads: 0, fault: None, over: false });
        let shared = Arc::new(Shared { state, moved: Notify::new() });
        Self { shared, running: Vec::new(), places, whose: whose.unwrap_or_default().into() }
    }

    /// Takes the next piece, shared; waits while the takers are two batches behind. It may be dropped at any time: what
    /// was begun is not lost.
    ///
    /// # Errors
    /// [`Broken`], perhaps by an earlier piece.
    pub async fn feed(&mut self, piece: Bytes) -> Result<(), Broken<T::Error>> {
        for lane in &mut self.shared.state().lanes {
            lane.bytes = lane.bytes.saturating_add(piece.len());
            lane.pieces = lane.pieces.saturating_add(1);
            lane.queue.push_back(piece.clone());
        }
        loop {
            let Progress { threads, behind, wanted } = self.progress()?;
            if behind == 0 {
                return Ok(());
            }
            if threads == 0 {
                self.start().await;
            } else {
                self.help(threads, wanted);
                if behind == 1 {
                    return Ok(());
                }
                self.shared.moved.notified().await;
            }
        }
    }

    fn progress(&self) -> Result<Progress, Broken<T::Error>> {
        let mut state = self.shared.state();
        if let Some(fault) = state.fault.take() {
            return Err(Broken::Taker(fault));
        }
        let lost = state.threads == 0 && state.lanes.iter().any(|lane| lane.taker.is_none());
        if state.over || lost {
            return Err(Broken::Thread("an earlier piece could not be taken".to_owned()));
        }
        let behind = state.lanes.iter().map(Lane::behind).max().unwrap_or(0);
        let wanted = state.lanes.iter().filter(|lane| lane.taker.is_none() || lane.behind() > 0).count();
        Ok(Progress { threads: state.threads, behind, wanted })
    }

    /// Sends a thread to work once it is this project's turn, and others if there are places to spare: otherwise one
    /// does it all, which costs less in sum.
    async fn start(&mut self) {
        let place = self.places.take(&self.whose).await;
        self.hire(place);
        let lanes = self.shared.state().lanes.len();
        self.help(1, lanes);
    }

    /// Sends more threads to work, up to as many as are wanted, while nobody has to wait for that.
    fn help(&mut self, threads: usize, wanted: usize) {
        for _ in threads..wanted {
            let Some(place) = self.places.spare(1) else { break };
            self.hire(Some(place));
        }
    }

    fn hire(&mut self, place: Option<Place>) {
        self.running.retain(|thread| !thread.is_finished());
        let places = self.places.clone();
        let worker = Worker { shared: Arc::clone(&self.shared), _place: place };
        let mut state = worker.shared.state();
        state.threads = state.threads.saturating_add(1);
        drop(state);
        self.running.push(blocking(move || worker.shared.work(&places)));
    }

    /// Waits until everything received is processed and no thread is working.
    ///
    /// # Errors
    /// [`Broken`]
    pub async fn settle(&mut self) -> Result<(), Broken<T::Error>> {
        loop {
            while let Some(thread) = self.running.last_mut() {
                let done = thread.await;
                self.running.pop();
                done.map_err(|fault| Broken::Thread(fault.to_string()))?;
            }
            self.progress()?;
            if self.shared.state().lanes.iter().all(|lane| lane.queue.is_empty()) {
                return Ok(());
            }
            self.start().await;
        }
    }

    /// The takers, of which there are none from now on.
    fn takers(&mut self) -> Vec<T> {
        let mut state = self.shared.state();
        state.lanes.iter_mut().filter_map(|lane| lane.taker.take()).collect()
    }

    /// Waits until all that came is taken, and does something with each taker, where that may block.
    ///
    /// # Errors
    /// [`Broken`]
    pub async fn each(
        &mut self,
        work: impl Fn(&mut T) -> Result<(), T::Error> + Send + 'static,
    ) -> Result<(), Broken<T::Error>> {
        self.settle().await?;
        let (shared, mut takers) = (Arc::clone(&self.shared), self.takers());
        self.running.push(blocking(move || {
            let result = takers.iter_mut().try_for_each(work);
            let mut state = shared.state();
            state.lanes.iter_mut().zip(takers).for_each(|(lane, taker)| lane.taker = Some(taker));
            if let Err(error) = result {
                state.over = true;
                state.fault.get_or_insert(error);
            }
        }));
        self.settle().await
    }

    /// Discards queued pieces and waits for those in progress; afterwards no thread is working.
    pub async fn stop(&mut self) {
        self.shared.state().over = true;
        while let Some(thread) = self.running.pop() {
            // What it came to does not matter any more.
            drop(thread.await);
        }
        self.shared.state().lanes.clear();
    }

    /// Waits until all that came is taken, and gives the takers back, in any order.
    ///
    /// # Errors
    /// [`Broken`]
    pub async fn finish(mut self) -> Result<Vec<T>, Broken<T::Error>> {
        self.settle().await?;
        Ok(self.takers())
    }
}

#[cfg(test)]
mod tests;

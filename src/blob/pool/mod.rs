//! Hashes streams together. A stream submits a batch, and a thread takes the submitted batches of up to eight streams
//! at once ([`super::lanes`]). A single stream is processed at once. Among several, a batch waits until all streams
//! have one, but never so long that its source would have to wait.
//!
//! Threads stay while there is work, and a stalled stream holds none. One thread processes several streams at less
//! cost than two would; more threads start only if a source has to wait, and never more than one for every second
//! processor.

mod board;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

use self::board::{Board, Standing};
use super::lanes::{
    cpu::Cpu,
    sums::{Found, Share, Sums, take},
};
use crate::telemetry::blocking;

/// The pool that hashes streams together. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    board: Mutex<Board>,
    cpu: Cpu,
    threads_max: usize,
}

/// The hashes of a stream are lost, because a thread has died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a thread that hashed has died")]
pub struct Lost;

/// A stream that is hashed. Dropped before its end, it leaves nothing behind.
pub struct Stream {
    pool: Pool,
    number: u64,
    moved: Arc<Notify>,
}

impl Pool {
    /// One for a processor.
    pub fn new(cpu: Cpu, threads_max: usize) -> Self {
        Self(Arc::new(Shared { board: Mutex::default(), cpu, threads_max }))
    }

    /// The pool of this machine; `None` if its processor has no lanes. Unoptimised builds leave hashing to OpenSSL,
    /// which is fifty times faster then.
    pub fn of_machine() -> Option<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let best = Cpu::all().first().copied().filter(|_| !cfg!(debug_assertions));
        best.map(|cpu| Self::new(cpu, (processors / 2).max(1)))
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts hashing a stream of the project `whose`: SHA-512, and MD5 if `md5`.
    pub fn stream(&self, md5: bool, whose: Option<&str>) -> Stream {
        let (number, moved) = self.board().begin(Sums::new(md5), whose.unwrap_or_default());
        Stream { pool: self.clone(), number, moved }
    }

    /// Works until it is not time for a thread any more. Blocking.
    fn work(&self) {
        loop {
            let mut board = self.board();
            let taken = board.take();
            if taken.is_empty() {
                board.threads -= 1;
                return;
            }
            drop(board);
            let numbers = taken.iter().map(|(number, ..)| *number).collect();
            let mut hands = Hands { pool: self, numbers };
            let mut shares: Vec<_> =
                taken.into_iter().map(|(_, sums, pieces)| Share::new(sums, pieces)).collect();
            take(self.0.cpu, &mut shares);
            hands.give_back(shares.into_iter().map(Share::into_sums));
        }
    }
}

/// The streams that a thread has in its hands. Whatever becomes of it, they do not wait for ever.
struct Hands<'a> {
    pool: &'a Pool,
    numbers: VecDeque<u64>,
}

impl Hands<'_> {
    fn give_back(&mut self, sums: impl Iterator<Item = Sums>) {
        let mut board = self.pool.board();
        sums.zip(self.numbers.drain(..)).for_each(|(sums, number)| board.give_back(number, Some(sums)));
    }
}

impl Drop for Hands<'_> {
    fn drop(&mut self) {
        let mut board = self.pool.board();
        self.numbers.iter().for_each(|number| board.give_back(*number, None));
    }
}

/// A thread that was called, until it has found nothing left to do.
struct Called(Option<Pool>);

impl Drop for Called {
    fn drop(&mut self) {
        // It has died, or its runtime ended before it began.
        if let Some(pool) = self.0.take() {
            let mut board = pool.board();
            board.threads -= 1;
            board.wake_all();
        }
    }
}

impl Stream {
    /// Takes the next piece, shared; waits while two batches are not hashed yet. It may be dropped at any time: what was
    /// begun is not lost.
    ///
    /// # Errors
    /// [`Lost`]
    pub async fn feed(&self, piece: Bytes) -> Result<(), Lost> {
        self.pool.board().push(self.number, piece);
        while self.see_to()? == Standing::Full {
            self.moved.notified().await;
        }
        Ok(())
    }

    /// Waits for the last byte to be hashed.
    ///
    /// # Errors
    /// [`Lost`]
    pub async fn finish(self) -> Result<Found, Lost> {
        self.pool.board().conclude(self.number);
        while self.see_to()? != Standing::Done {
            self.moved.notified().await;
        }
        let sums = self.pool.board().end(self.number).ok_or(Lost)?;
        Ok(sums.finish(self.pool.0.cpu))
    }

    /// Sees to it that there is a thread when it is time for one, and one more where this stream has to wait.
    fn see_to(&self) -> Result<Standing, Lost> {
        let mut board = self.pool.board();
        let standing = board.review(self.number);
        let more = standing == Standing::Full && board.threads < self.pool.0.threads_max;
        if board.is_due() && (board.threads == 0 || more && board.is_anyone_waiting()) {
            board.threads += 1;
            drop(board);
            let called = Called(Some(self.pool.clone()));
            drop(blocking(move || called.run()));
        }
        if standing == Standing::Lost { Err(Lost) } else { Ok(standing) }
    }
}

impl Called {
    fn run(mut self) {
        if let Some(pool) = &self.0 {
            pool.work();
        }
        self.0 = None;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.pool.board().end(self.number);
    }
}

#[cfg(test)]
mod tests;

//! The streams that have data to hash, in scheduling order: one project after the other, one stream after the other.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::Notify;

use super::super::lanes::{cpu::STREAMS_MAX, sums::Sums};

/// Bytes that a stream gives at once, so that those of several streams end together.
pub(super) const BATCH_BYTES: usize = 256 * 1024;
/// Pieces that make a batch as well, so that tiny ones do not pile up.
pub(super) const BATCH_PIECES: usize = 64;

/// A stream.
pub(super) struct Line {
    whose: Arc<str>,
    /// Away while a thread works with it.
    sums: Option<Sums>,
    queue: VecDeque<Bytes>,
    /// Bytes in the queue.
    bytes: usize,
    /// Bytes and pieces in the hands of a thread.
    held: (usize, usize),
    /// Whether it has its place among those who wait.
    listed: bool,
    /// Whether it is not to wait for others.
    urgent: bool,
    /// Whether it has had to wait for the hashes, and they have not caught up since.
    pressed: bool,
    /// Whether no more is coming.
    ending: bool,
    /// Whether a thread has died with it.
    lost: bool,
    /// Told when a thread has given it back.
    moved: Arc<Notify>,
}

impl Line {
    /// Whether there is a batch, or the end.
    fn is_due(&self) -> bool {
        let batch = self.bytes >= BATCH_BYTES || self.queue.len() >= BATCH_PIECES;
        self.sums.is_some() && (batch || self.ending && !self.queue.is_empty())
    }

    /// Whether two batches have not been hashed yet, so that its source has to wait.
    fn is_full(&self) -> bool {
        let (bytes, pieces) = self.held;
        self.bytes + bytes >= 2 * BATCH_BYTES || self.queue.len() + pieces >= 2 * BATCH_PIECES
    }

    /// Whether the second batch is half there.
    fn is_filling(&self) -> bool {
        self.bytes >= BATCH_BYTES * 3 / 2 || self.queue.len() >= BATCH_PIECES * 3 / 2
    }
}

/// The state of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// More may come.
    Open,
    /// It has to wait.
    Full,
    /// All that came is hashed.
    Done,
    /// What it came to is lost.
    Lost,
}

/// All streams.
#[derive(Default)]
pub(super) struct Board {
    lines: HashMap<u64, Line>,
    next: u64,
    waiting: HashMap<Arc<str>, VecDeque<u64>>,
    /// Every project that has a stream waiting, once each.
    turns: VecDeque<Arc<str>>,
    /// Streams that wait, and those of them that are urgent.
    ready: usize,
    urgent: usize,
    /// Threads at work.
    pub(super) threads: usize,
}

impl Board {
    /// Registers a stream. Returns its number, and what is notified when it has progressed.
    pub(super) fn begin(&mut self, sums: Sums, whose: &str) -> (u64, Arc<Notify>) {
        let (number, moved) = (self.next, Arc::new(Notify::new()));
        self.next += 1;
        let line = Line {
            whose: whose.into(),
            sums: Some(sums),
            queue: VecDeque::new(),
            bytes: 0,
            held: (0, 0),
            listed: false,
            urgent: false,
            pressed: false,
            ending: false,
            lost: false,
            moved: Arc::clone(&moved),
        };
        self.lines.insert(number, line);
        (number, moved)
    }

    /// A stream goes, with all that waits of it.
    pub(super) fn end(&mut self, number: u64) -> Option<Sums> {
        self.strike(number);
        self.lines.remove(&number)?.sums
    }

    /// The next piece of a stream.
    pub(super) fn push(&mut self, number: u64, piece: Bytes) {
        if let Some(line) = self.lines.get_mut(&number) {
            line.bytes += piece.len();
            line.queue.push_back(piece);
        }
    }

    /// No more is coming of a stream.
    pub(super) fn conclude(&mut self, number: u64) {
        if let Some(line) = self.lines.get_mut(&number) {
            line.ending = true;
        }
    }

    /// Queues a stream if it is due. A source that has to wait for its hashes is not kept waiting for other streams.
    pub(super) fn review(&mut self, number: u64) -> Standing {
        let Some(line) = self.lines.get_mut(&number) else { return Standing::Lost };
        if line.lost {
            return Standing::Lost;
        }
        let (due, full) = (line.is_due(), line.is_full());
        line.pressed = full || line.pressed && (due || line.sums.is_none());
        if due && !line.listed {
            line.listed = true;
            self.ready += 1;
            let queue = self.waiting.entry(Arc::clone(&line.whose)).or_default();
            queue.push_back(number);
            if queue.len() == 1 {
                self.turns.push_back(Arc::clone(&line.whose));
            }
        }
        if line.listed && !line.urgent && (line.ending || line.pressed || line.is_filling()) {
            line.urgent = true;
            self.urgent += 1;
        }
        match (full, line.queue.is_empty() && line.sums.is_some()) {
            (_, true) => Standing::Done,
            (true, false) => Standing::Full,
            (false, false) => Standing::Open,
        }
    }

    /// Whether a thread should start: a stream must not wait, or all streams have a batch.
    pub(super) fn is_due(&self) -> bool {
        self.urgent > 0 || self.ready >= self.lines.len().clamp(1, STREAMS_MAX)
    }

    /// Whether a stream waits for a thread.
    pub(super) fn is_anyone_waiting(&self) -> bool {
        self.ready > 0
    }

    /// Whether there are no streams.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
            && self.waiting.is_empty()
            && self.turns.is_empty()
            && self.ready + self.urgent == 0
    }

    /// The next batches, of as many streams as can be taken at once, when it is time.
    pub(super) fn take(&mut self) -> Vec<(u64, Sums, VecDeque<Bytes>)> {
        let mut taken = Vec::new();
        while self.is_due() || !taken.is_empty() && self.ready > 0 {
            let Some(number) = self.turn() else { break };
            let Some(line) = self.lines.get_mut(&number) else { continue };
            let Some(sums) = line.sums.take() else { continue };
            let (batch, bytes) = batch(&mut line.queue);
            line.bytes -= bytes;
            line.held = (bytes, batch.len());
            taken.push((number, sums, batch));
            if taken.len() == STREAMS_MAX {
                break;
            }
        }
        taken
    }

    /// Whose turn it is.
    fn turn(&mut self) -> Option<u64> {
        let number = *self.waiting.get(self.turns.front()?)?.front()?;
        self.strike(number);
        Some(number)
    }

    /// Takes a stream off the list. Its project has its next turn after all others.
    fn strike(&mut self, number: u64) {
        let Some(line) = self.lines.get_mut(&number).filter(|line| line.listed) else { return };
        self.ready -= 1;
        self.urgent -= usize::from(line.urgent);
        (line.listed, line.urgent) = (false, false);
        let Some(queue) = self.waiting.get_mut(&line.whose) else { return };
        queue.retain(|waiting| *waiting != number);
        let is_over = queue.is_empty();
        self.turns.retain(|whose| *whose != line.whose);
        if is_over {
            self.waiting.remove(&line.whose);
        } else {
            self.turns.push_back(Arc::clone(&line.whose));
        }
    }

    /// A thread gives a stream back, or `None` when it has died.
    pub(super) fn give_back(&mut self, number: u64, sums: Option<Sums>) {
        let Some(line) = self.lines.get_mut(&number) else { return };
        line.held = (0, 0);
        line.lost = sums.is_none();
        line.sums = sums;
        line.moved.notify_one();
        self.review(number);
    }

    /// Wakes all, so that one of them sees to a thread.
    pub(super) fn wake_all(&self) {
        self.lines.values().for_each(|line| line.moved.notify_one());
    }
}

/// The next batch of a queue, and its bytes. All but the last are of the same size.
fn batch(queue: &mut VecDeque<Bytes>) -> (VecDeque<Bytes>, usize) {
    let (mut batch, mut bytes) = (VecDeque::new(), 0);
    while bytes < BATCH_BYTES && batch.len() < BATCH_PIECES {
        let Some(mut piece) = queue.pop_front() else { break };
        if piece.len() > BATCH_BYTES - bytes {
            queue.push_front(piece.split_off(BATCH_BYTES - bytes));
        }
        bytes += piece.len();
        batch.push_back(piece);
    }
    (batch, bytes)
}

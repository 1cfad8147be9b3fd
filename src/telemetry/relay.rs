//! Work on the pieces of a stream in their order, on threads that are let go between them: a stream that stalls holds
//! what has come of its next batch, and no thread.

use std::{
    fmt::{Debug, Display},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    places::Places,
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

type Batch<T> = Spawned<(Vec<T>, Result<(), <T as Taker>::Error>)>;

/// Hands the pieces of one stream to its takers, batch by batch: one batch waits while another is worked on, so that
/// slow takers slow the stream.
pub struct Relay<T: Taker> {
    takers: Vec<T>,
    count: usize,
    running: Vec<Batch<T>>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    places: Places,
    whose: Arc<str>,
}

impl<T: Taker> Relay<T> {
    /// Begins. Each taker gets every piece; the project `whose` work it is has its turn at the places like any other.
    pub fn new(takers: Vec<T>, places: Places, whose: Option<&str>) -> Self {
        let (count, whose) = (takers.len(), whose.unwrap_or_default().into());
        Self { takers, count, running: Vec::new(), waiting: Vec::new(), waiting_bytes: 0, places, whose }
    }

    /// Takes the next piece, shared; waits while the takers are two batches behind. It may be dropped at any time: what
    /// was begun is not lost.
    ///
    /// # Errors
    /// [`Broken`], perhaps by an earlier piece.
    pub async fn feed(&mut self, piece: Bytes) -> Result<(), Broken<T::Error>> {
        self.waiting_bytes = self.waiting_bytes.saturating_add(piece.len());
        self.waiting.push(piece);
        if self.waiting_bytes < BATCH_BYTES && self.waiting.len() < BATCH_PIECES {
            return Ok(());
        }
        self.flush().await
    }

    /// Begins to work on what waits.
    async fn flush(&mut self) -> Result<(), Broken<T::Error>> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.rest().await?;
        let first = self.places.take(&self.whose).await;
        // With places to spare each taker works by itself; otherwise one thread does it all, which costs less in sum.
        let others = self.places.spare(self.count.saturating_sub(1));
        let (batch, takers) = (Arc::new(std::mem::take(&mut self.waiting)), std::mem::take(&mut self.takers));
        self.waiting_bytes = 0;
        let held = Arc::new((first, others));
        let groups: Vec<Vec<T>> = match held.1 {
            Some(_) => takers.into_iter().map(|taker| vec![taker]).collect(),
            None => vec![takers],
        };
        for mut group in groups {
            let (batch, held) = (Arc::clone(&batch), Arc::clone(&held));
            self.running.push(blocking(move || {
                let _held = held;
                let mut pieces = batch.iter();
                let result = pieces.try_for_each(|p| group.iter_mut().try_for_each(|taker| taker.take(p)));
                (group, result)
            }));
        }
        Ok(())
    }

    /// Waits until nothing is worked on.
    async fn rest(&mut self) -> Result<(), Broken<T::Error>> {
        while let Some(batch) = self.running.last_mut() {
            let done = batch.await;
            self.running.pop();
            let (mut takers, result) = done.map_err(|fault| Broken::Thread(fault.to_string()))?;
            result.map_err(Broken::Taker)?;
            self.takers.append(&mut takers);
        }
        if self.takers.len() != self.count {
            return Err(Broken::Thread("an earlier piece could not be taken".to_owned()));
        }
        Ok(())
    }

    /// Waits until all that came is taken.
    ///
    /// # Errors
    /// [`Broken`]
    pub async fn settle(&mut self) -> Result<(), Broken<T::Error>> {
        self.flush().await?;
        self.rest().await
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
        let mut takers = std::mem::take(&mut self.takers);
        self.running.push(blocking(move || {
            let result = takers.iter_mut().try_for_each(work);
            (takers, result)
        }));
        self.rest().await
    }

    /// Drops what waits, and waits for what is worked on: then nobody works any more.
    pub async fn stop(&mut self) {
        self.waiting.clear();
        while let Some(batch) = self.running.pop() {
            // What it came to does not matter any more.
            drop(batch.await);
        }
        self.takers.clear();
    }

    /// Waits until all that came is taken, and gives the takers back, in any order.
    ///
    /// # Errors
    /// [`Broken`]
    pub async fn finish(mut self) -> Result<Vec<T>, Broken<T::Error>> {
        self.settle().await?;
        Ok(self.takers)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::mpsc;

    use super::*;

    /// Keeps what it takes; waits for a word before each piece if it was given a way to hear one.
    struct Keeper {
        kept: Vec<u8>,
        most: usize,
        word: Option<mpsc::Receiver<()>>,
    }

    fn keeper() -> Keeper {
        Keeper { kept: Vec::new(), most: usize::MAX, word: None }
    }

    impl Taker for Keeper {
        type Error = &'static str;

        fn take(&mut self, piece: &[u8]) -> Result<(), &'static str> {
            if let Some(word) = &self.word {
                word.recv().map_err(|_| "nobody speaks")?;
            }
            self.kept.extend_from_slice(piece);
            if self.kept.len() > self.most { Err("full") } else { Ok(()) }
        }
    }

    fn piece(number: usize) -> Bytes {
        Bytes::from(vec![u8::try_from(number % 251).unwrap(); 1000 + number])
    }

    /// Proves that every taker gets every piece in order, with places to spare and without, and that small pieces and
    /// large ones all arrive.
    #[tokio::test]
    async fn every_taker_gets_every_piece_in_order() {
        let whole: Vec<u8> = (0..900).flat_map(|number| piece(number).to_vec()).collect();
        for places in [1, 9] {
            let mut relay = Relay::new(vec![keeper(), keeper(), keeper()], Places::new(places), None);
            for number in 0..900 {
                relay.feed(piece(number)).await.unwrap();
            }
            let keepers = relay.finish().await.unwrap();
            assert_eq!(keepers.len(), 3);
            assert!(keepers.iter().all(|keeper| keeper.kept == whole), "{places}");
        }
    }

    /// Proves that a failure is told, once as it is and then as a relay that is broken.
    #[tokio::test]
    async fn a_failure_is_told() {
        let mut relay = Relay::new(vec![Keeper { most: 10, ..keeper() }, keeper()], Places::new(1), None);
        relay.feed(Bytes::from_static(&[0; 11])).await.unwrap();
        assert!(matches!(relay.settle().await, Err(Broken::Taker("full"))));
        relay.feed(Bytes::from_static(b"more")).await.unwrap();
        assert!(matches!(relay.settle().await, Err(Broken::Thread(_))));
        relay.stop().await;
        let none: Relay<Keeper> = Relay::new(Vec::new(), Places::new(1), None);
        assert!(none.finish().await.unwrap().is_empty());
    }

    /// Proves that streams that stall hold no place: with one place and a hundred streams of which less than a batch
    /// has come, another is taken to its end.
    #[tokio::test]
    async fn sec_79_streams_that_stall_hold_no_place() {
        let places = Places::new(1);
        let mut stalled = Vec::new();
        for _ in 0..100 {
            let mut relay = Relay::new(vec![keeper()], places.clone(), None);
            relay.feed(piece(7)).await.unwrap();
            stalled.push(relay);
        }
        let mut relay = Relay::new(vec![keeper()], places.clone(), None);
        for number in 0..900 {
            relay.feed(piece(number)).await.unwrap();
        }
        relay.finish().await.unwrap();
        for relay in stalled {
            assert_eq!(relay.finish().await.unwrap()[0].kept, piece(7));
        }
    }

    /// Proves that takers which are behind slow the stream, after one batch that waits, and that a wait which is given up
    /// loses nothing.
    #[tokio::test]
    async fn slow_takers_slow_the_stream() {
        let (speak, word) = mpsc::channel();
        let mut relay = Relay::new(vec![Keeper { word: Some(word), ..keeper() }], Places::new(1), None);
        let large = Bytes::from(vec![1; BATCH_BYTES]);
        relay.feed(large.clone()).await.unwrap();
        let second = futures::FutureExt::now_or_never(relay.feed(large.clone()));
        assert!(second.is_none());
        for _ in 0..2 {
            speak.send(()).unwrap();
        }
        assert_eq!(relay.finish().await.unwrap()[0].kept.len(), 2 * BATCH_BYTES);
    }
}

//! Every piece reaches every consumer in order, failures are reported, and stalled streams hold nothing.

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
    assert!(matches!(relay.feed(Bytes::from_static(b"more")).await, Err(Broken::Thread(_))));
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

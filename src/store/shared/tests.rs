//! One read for many: who joins, who reads alone, and what is kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use futures::{TryStreamExt, future::join_all};

use super::*;
use crate::store::{
    conformance::{data, named, put},
    kinds::memory::{MemoryStore, Settings},
};

/// Chunks of 10,007 bytes.
const SIZE: usize = 500_000;

/// A store with one blob, and where it is.
async fn store() -> (NamedStore, String) {
    let store = named(MemoryStore::new("m", &Settings::default()));
    let url = put(&store, "b", "n", &data(SIZE)).await.unwrap();
    (store, url)
}

async fn all(stream: ByteStream) -> Vec<u8> {
    stream.map_ok(|chunk| chunk.to_vec()).try_concat().await.unwrap()
}

fn reads(store: &NamedStore) -> u64 {
    store.counters.counts().reads
}

/// Proves that eight readers of one blob cost one read, that each gets all of it, and that the next one reads again.
#[tokio::test]
async fn readers_at_the_same_time_cost_one_read() {
    let (store, url) = store().await;
    let shared = SharedReads::default();
    let readers =
        (0..8).map(|_| async { all(shared.read(&store, (&url, SIZE as u64), "alice").await.unwrap()).await });
    for got in join_all(readers).await {
        assert!(got == data(SIZE));
    }
    let counts = store.counters.counts();
    assert_eq!((counts.reads, counts.bytes_read), (1, SIZE as u64));
    assert!(all(shared.read(&store, (&url, SIZE as u64), "alice").await.unwrap()).await == data(SIZE));
    assert_eq!(reads(&store), 2);
    assert_eq!(shared.0.free.available_permits(), WINDOWS);
}

/// Proves that nobody waits for a reader who stands still, that he reads the rest by himself, and that who comes later
/// than the window begins a read of his own.
#[tokio::test]
async fn who_falls_behind_reads_by_himself() {
    let (store, url) = store().await;
    let shared = SharedReads::with(30_000, 8);
    let mut slow = shared.read(&store, (&url, SIZE as u64), "alice").await.unwrap();
    let first = slow.try_next().await.unwrap().unwrap();
    assert!(all(shared.read(&store, (&url, SIZE as u64), "alice").await.unwrap()).await == data(SIZE));
    assert_eq!(reads(&store), 1);
    let late = shared.read(&store, (&url, SIZE as u64), "alice").await.unwrap();
    let rest = all(slow).await;
    assert!([&first[..], &rest].concat() == data(SIZE));
    assert!(all(late).await == data(SIZE));
    assert_eq!(reads(&store), 3);
    assert_eq!(shared.0.free.available_permits(), 8);
}

/// Proves that a read continues when whoever began it leaves, and ends when everybody has left.
#[tokio::test]
async fn a_read_is_everybodys() {
    let (store, url) = store().await;
    let shared = SharedReads::with(30_000, 1);
    let mut one = shared.read(&store, (&url, SIZE as u64), "alice").await.unwrap();
    let other = shared.read(&store, (&url, SIZE as u64), "alice").await.unwrap();
    one.try_next().await.unwrap();
    drop(one);
    assert!(all(other).await == data(SIZE));
    assert_eq!(reads(&store), 1);
    assert_eq!(shared.0.free.available_permits(), 1);
}

/// Proves that no more is kept than the window and what is read ahead, however slow a reader is, and that where there is
/// no window left the blob is read without one.
#[tokio::test]
async fn sec_37_windows_are_bounded_in_size_and_number() {
    let (store, url) = store().await;
    let shared = SharedReads::with(30_000, 1);
    let mut still = shared.read(&store, (&url, SIZE as u64), "alice").await.unwrap();
    still.try_next().await.unwrap();
    let mut swift = shared.read(&store, (&url, SIZE as u64), "alice").await.unwrap();
    let reading = shared.0.open.lock().unwrap().values().next().unwrap().upgrade().unwrap();
    while swift.try_next().await.unwrap().is_some() {
        let page = reading.book.page();
        assert!(page.held <= 30_000 && page.chunks.len() <= 3);
    }
    assert!(all(shared.read(&store, (&url, SIZE as u64), "alice").await.unwrap()).await == data(SIZE));
    assert_eq!(reads(&store), 2);
}

/// Proves that one project opens no more than half of the windows, that it shares those of others all the same, and that
/// what it gives back it can have again.
#[tokio::test]
async fn sec_79_one_project_leaves_windows_to_the_others() {
    let store = named(MemoryStore::new("m", &Settings::default()));
    let mut urls = Vec::new();
    for name in ["a", "b", "c", "d"] {
        urls.push(put(&store, name, name, &data(SIZE)).await.unwrap());
    }
    let shared = SharedReads::with(30_000, 4);
    let read =
        async |url: &usize, whose| shared.read(&store, (&urls[*url], SIZE as u64), whose).await.unwrap();
    let free = || shared.0.free.available_permits();
    let of_alice = (read(&0, "alice").await, read(&1, "alice").await);
    assert_eq!(free(), 2);
    let alone = read(&2, "alice").await;
    assert_eq!(free(), 2);
    let of_bob = read(&2, "bob").await;
    assert_eq!(free(), 1);
    let joined = read(&2, "alice").await;
    assert_eq!(free(), 1);
    for stream in [of_alice.0, alone, joined] {
        assert!(all(stream).await == data(SIZE));
    }
    let again = read(&3, "alice").await;
    assert_eq!(free(), 1);
    drop((again, of_alice.1, of_bob));
    assert_eq!((free(), shared.0.opened.lock().unwrap().len()), (4, 0));
}

/// Proves that a store's failure is every reader's, and that none joins a read that has failed.
#[tokio::test]
async fn a_failure_is_everybodys() {
    let (store, _) = store().await;
    let shared = SharedReads::default();
    let readers = (0..3).map(|_| async {
        let mut stream = shared.read(&store, ("memory://m/nothing", 5), "alice").await.unwrap();
        stream.try_next().await.unwrap_err().kind
    });
    assert_eq!(join_all(readers).await, [StoreErrorKind::NotFound; 3]);
    assert_eq!(reads(&store), 1);
}

//! Streams get correct hashes however they are combined, take turns, and leave nothing behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use std::time::Duration;

use futures::{FutureExt, future::join_all};
use openssl::hash::{MessageDigest, hash};

use super::{
    board::{BATCH_BYTES, BATCH_PIECES},
    *,
};

fn pools() -> Vec<Pool> {
    Cpu::all().into_iter().map(|cpu| Pool::new(cpu, 2)).collect()
}

fn data(stream: usize, length: usize) -> Bytes {
    (0..length).map(|at| (at / 253 + at * 31 + stream * 17).to_le_bytes()[0]).collect()
}

fn check(found: &Found, whole: &[u8]) {
    if let Some(md5) = found.md5 {
        assert_eq!(md5[..], hash(MessageDigest::md5(), whole).unwrap()[..]);
    }
    assert_eq!(found.sha512[..], hash(MessageDigest::sha512(), whole).unwrap()[..]);
}

/// Waits for what would never come if it were wrong.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.unwrap()
}

/// Takes everything that a stream of `length` bytes has, in pieces of `piece` bytes.
async fn hashed(pool: &Pool, number: usize, length: usize, piece: usize) {
    let (stream, mut rest) = (pool.stream(number != 3, Some("somebody")), data(number, length));
    let whole = rest.clone();
    while !rest.is_empty() {
        stream.feed(rest.split_to(piece.min(rest.len()))).await.unwrap();
        tokio::task::yield_now().await;
    }
    let found = stream.finish().await.unwrap();
    assert_eq!(found.md5.is_some(), number != 3);
    check(&found, &whole);
}

/// Proves that streams of every kind, empty ones and tiny pieces among them, get their hashes, alone and together.
#[tokio::test]
async fn streams_get_their_hashes_alone_and_together() {
    for pool in pools() {
        hashed(&pool, 0, BATCH_BYTES + 1000, 70_000).await;
        let kinds = [
            (0, 1),
            (1, 1),
            (300, 1),
            (BATCH_BYTES * 2 + 77, BATCH_BYTES * 3),
            (BATCH_BYTES + 5, 1000),
            (BATCH_BYTES, BATCH_BYTES),
            (5000, 7),
            (BATCH_BYTES / 2, 64),
            (100, 100),
            (BATCH_BYTES, 40_000),
        ];
        let all = kinds.iter().enumerate();
        join_all(all.map(|(number, (length, piece))| hashed(&pool, number, *length, *piece))).await;
        let board = pool.board();
        assert!(board.is_empty() && !board.is_anyone_waiting());
    }
}

/// Proves that a stream that is given up leaves nothing, and that others continue.
#[tokio::test]
async fn who_leaves_leaves_nothing() {
    for pool in pools() {
        let (gone, stays) = (pool.stream(true, None), pool.stream(true, None));
        let piece = data(1, BATCH_BYTES);
        gone.feed(piece.clone()).await.unwrap();
        assert!(pool.board().is_anyone_waiting());
        drop(gone);
        assert!(!pool.board().is_anyone_waiting());
        stays.feed(piece.clone()).await.unwrap();
        check(&stays.finish().await.unwrap(), &piece);
        assert!(pool.board().is_empty());
    }
}

/// Proves that a stream alone does not wait, that one among others waits until all have a batch, and that it does so no
/// longer than until its second batch is half there.
#[tokio::test]
async fn nobody_waits_long_for_company() {
    let batch = data(1, BATCH_BYTES);
    let mut board = Board::default();
    let (alone, _) = board.begin(Sums::new(true), "a");
    board.push(alone, batch.slice(1..));
    assert_eq!((board.review(alone), board.is_due()), (Standing::Open, false));
    board.push(alone, batch.slice(..1));
    assert_eq!((board.review(alone), board.is_due()), (Standing::Open, true));
    let (other, _) = board.begin(Sums::new(true), "b");
    assert!(!board.is_due() && board.take().is_empty());
    board.push(alone, batch.slice(..BATCH_BYTES / 2));
    assert_eq!((board.review(alone), board.is_due()), (Standing::Open, true));
    board.push(alone, batch.slice(..BATCH_BYTES / 2));
    assert_eq!(board.review(alone), Standing::Full);
    let taken = board.take();
    assert_eq!(taken.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [alone]);
    // Who had to wait for the hashes does not wait for company next time.
    board.give_back(alone, Some(Sums::new(true)));
    assert!(board.is_due());
    assert_eq!(board.take().len(), 1);
    board.give_back(alone, Some(Sums::new(true)));
    assert_eq!(board.review(alone), Standing::Done);
    for number in [alone, other] {
        board.push(number, batch.clone());
        board.review(number);
    }
    assert_eq!(board.take().len(), 2);
}

/// Proves that tiny pieces make a batch by their number, and slow their source by it.
#[test]
fn tiny_pieces_do_not_pile_up() {
    let mut board = Board::default();
    let (tiny, _) = board.begin(Sums::new(true), "a");
    for _ in 0..BATCH_PIECES * 2 {
        assert_ne!(board.review(tiny), Standing::Full);
        board.push(tiny, Bytes::from_static(b"x"));
    }
    assert_eq!(board.review(tiny), Standing::Full);
    let taken = board.take();
    assert_eq!(taken[0].2.len(), BATCH_PIECES);
}

/// Proves that projects take turns, however many streams one of them has, and that batches are of one size.
#[test]
fn sec_79_projects_take_turns_at_being_hashed() {
    let mut board = Board::default();
    let mut numbers = Vec::new();
    for whose in ["many"; 20].into_iter().chain(["few", "one"]) {
        let (number, _) = board.begin(Sums::new(true), whose);
        board.push(number, data(1, BATCH_BYTES + 100));
        board.review(number);
        numbers.push(number);
    }
    let taken = board.take();
    let first: Vec<_> = taken.iter().map(|(number, ..)| *number).collect();
    assert_eq!(
        first,
        [numbers[0], numbers[20], numbers[21], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]]
    );
    for (_, _, batch) in taken {
        assert_eq!(batch.iter().map(Bytes::len).sum::<usize>(), BATCH_BYTES);
    }
}

/// Proves that a stream is told when the thread that had it has died, and that a thread which never began is replaced.
#[tokio::test]
async fn threads_that_die_leave_nobody_waiting() {
    for pool in pools() {
        let (stream, other) = (pool.stream(true, None), pool.stream(true, None));
        let piece = data(1, BATCH_BYTES * 2);
        pool.board().push(stream.number, piece.clone());
        pool.board().review(stream.number);
        let numbers = pool.board().take().into_iter().map(|(number, ..)| number).collect();
        let waiting = stream.finish();
        drop(Hands { pool: &pool, numbers });
        assert_eq!(soon(waiting).await, Err(Lost));
        pool.board().threads = 2;
        let mut waiting = Box::pin(other.feed(piece.clone()));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        drop(Called(Some(pool.clone())));
        soon(waiting).await.unwrap();
        check(&other.finish().await.unwrap(), &piece);
    }
}

//! The tests that every store type passes: what the domain expects of any [`Backend`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

use super::{
    Backend, ByteRange, ByteStream, Listed, NamedStore, NewBlob, Quarantine, StoreErrorKind, StoreResult,
    StoreUrl, limit::Limits,
};

/// Bytes that differ from place to place, so that a shifted answer shows.
pub fn data(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(31) ^ (i >> 8)) as u8).collect()
}

fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A store under test, with the usual bounds.
pub fn named(backend: impl Backend + 'static) -> NamedStore {
    NamedStore::new("tested".to_owned(), None, 0, Arc::new(backend), &Limits::default())
}

/// A blob to write.
pub fn new<'a>(id: &'a str, name: &'a str, size: Option<u64>) -> NewBlob<'a> {
    NewBlob { id, name, image: name, owner: None, size, caller: None }
}

/// Writes and commits a blob in pieces; returns its URL.
pub async fn put(store: &NamedStore, id: &str, name: &str, bytes: &[u8]) -> StoreResult<String> {
    let mut writer = store.writer(&new(id, name, Some(bytes.len() as u64))).await?;
    for chunk in bytes.chunks(10_007) {
        writer.write(Bytes::copy_from_slice(chunk)).await?;
    }
    writer.sync().await?;
    writer.commit(name).await.map(StoreUrl::into_full)
}

/// Writes and commits a blob by pieces of an odd size, of which the size is told or not; returns its URL.
pub async fn upload(
    store: &NamedStore,
    blob: &str,
    name: &str,
    bytes: &[u8],
    size: Option<u64>,
) -> StoreResult<String> {
    let mut writer = store.writer(&new(blob, name, size)).await?;
    for piece in bytes.chunks(700_001) {
        writer.write(Bytes::copy_from_slice(piece)).await?;
    }
    writer.sync().await?;
    writer.commit(name).await.map(StoreUrl::into_full)
}

/// Writes a blob of many MiB and reads it, while the server behind the store dies and returns: in the middle of
/// writing, before its end, and in the middle of reading. Returns the blob's URL.
pub async fn through_deaths(store: &NamedStore, blob: &str, name: &str, mut die: impl FnMut()) -> String {
    let bytes = data(24 << 20);
    let mut writer = store.writer(&new(blob, name, None)).await.unwrap();
    for (index, piece) in bytes.chunks(1 << 20).enumerate() {
        if index == 13 {
            die();
        }
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    die();
    writer.sync().await.unwrap();
    let url = writer.commit(name).await.unwrap().into_full();
    let mut stream = store.read(&url, None).await.unwrap();
    let mut found = Vec::new();
    while let Some(piece) = stream.try_next().await.unwrap() {
        if found.is_empty() {
            die();
        }
        found.extend_from_slice(&piece);
    }
    assert!(found == bytes);
    url
}

/// Reads a blob or a part of it.
pub async fn get(store: &NamedStore, url: &str, range: Option<ByteRange>) -> StoreResult<Vec<u8>> {
    let chunks: ByteStream = store.read(url, range).await?;
    let chunks: Vec<Bytes> = chunks.try_collect().await?;
    Ok(chunks.concat())
}

/// Test data for a read-only store: bytes at one URL, nothing at another.
pub struct Held<'a> {
    /// Where there are bytes.
    pub url: &'a str,
    /// The bytes.
    pub bytes: &'a [u8],
    /// Where there is nothing.
    pub absent: &'a str,
}

/// Tests all that a store guarantees, and leaves it as it was. `held` is the data of one that only reads.
pub async fn conforms(store: &NamedStore, held: Option<Held<'_>>) {
    if let Some(Held { url, bytes, absent }) = held {
        assert!(store.owns(url));
        assert_eq!(store.stat(url).await.unwrap(), bytes.len() as u64);
        assert!(get(store, url, None).await.unwrap() == bytes);
        ranges(store, url, bytes).await;
        assert_eq!(get(store, absent, None).await.unwrap_err().kind, StoreErrorKind::NotFound);
    }
    let before = sorted(store).await;
    if store.capabilities().writes {
        what_is_written_is_read(store).await;
        nothing_is_seen_before_the_commit(store).await;
        a_cancelled_blob_leaves_nothing(store).await;
        a_dropped_writer_shows_nothing(store).await;
        nothing_is_replaced(store).await;
        what_others_have_under_the_name_stays(store).await;
        deleting_can_be_repeated(store).await;
        blobs_do_not_mix(store).await;
        names_that_are_none_are_refused(store).await;
        what_can_be_shared_is(store).await;
        match store.capabilities().quarantine {
            Quarantine::Nothing => {
                let refused = store.set_aside(&id(), false, "2026-01-01/x").await.unwrap_err();
                assert_eq!(refused.kind, StoreErrorKind::Unsupported);
            }
            Quarantine::Finished | Quarantine::Everything => {
                what_lies_out_of_the_way_comes_back(store).await;
                unfinished_data_goes_out_of_the_way_or_stays(store).await;
                marks_stay_and_clocks_go(store).await;
            }
        }
    } else {
        assert_eq!(before, []);
        let refused = store.writer(&new(&id(), &id(), None)).await.err().expect("it only reads");
        assert_eq!(refused.kind, StoreErrorKind::Unsupported);
        let refused = store.delete(&id(), &id()).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Unsupported);
    }
    urls_of_others_are_refused(store).await;
    assert_eq!(sorted(store).await, before, "something was left behind");
}

/// Everything that a store lists, in order.
pub async fn sorted(store: &NamedStore) -> Vec<Listed> {
    let listed: Vec<Listed> = store.list().try_collect().await.unwrap();
    // What is hidden is none of the blobs.
    let seen = listed.into_iter().filter(|of| !of.name.starts_with('.'));
    let mut names: Vec<Listed> = seen.map(|of| Listed::of(of.name, of.unfinished)).collect();
    names.sort();
    names
}

async fn holds(store: &NamedStore, name: &str) -> bool {
    sorted(store).await.iter().any(|listed| listed.name == name && !listed.unfinished)
}

async fn what_is_written_is_read(store: &NamedStore) {
    for length in [0, 1, 4096, 300_001] {
        let (blob, name, bytes) = (id(), id(), data(length));
        let url = put(store, &blob, &name, &bytes).await.unwrap();
        assert!(store.owns(&url), "{url}");
        assert!(holds(store, &name).await);
        assert_eq!(store.stat(&url).await.unwrap(), length as u64);
        assert!(get(store, &url, None).await.unwrap() == bytes, "{length} bytes");
        ranges(store, &url, &bytes).await;
        store.delete(&blob, &name).await.unwrap();
        assert_eq!(get(store, &url, None).await.unwrap_err().kind, StoreErrorKind::NotFound);
        assert_eq!(store.stat(&url).await.unwrap_err().kind, StoreErrorKind::NotFound);
    }
    // An unknown size is as good.
    let (blob, name) = (id(), id());
    let mut writer = store.writer(&new(&blob, &name, None)).await.unwrap();
    writer.write(Bytes::from_static(b"abc")).await.unwrap();
    writer.sync().await.unwrap();
    let url = writer.commit(&name).await.unwrap().into_full();
    assert_eq!(get(store, &url, None).await.unwrap(), b"abc");
    store.delete(&blob, &name).await.unwrap();
}

/// Proves that any part of a blob is what a slice of its bytes is.
pub async fn ranges(store: &NamedStore, url: &str, bytes: &[u8]) {
    let Some(last) = bytes.len().checked_sub(1) else { return };
    let mut runner = TestRunner::deterministic();
    let any = (0..=last, 0..=last).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let mut parts = vec![(0, 0), (0, last), (last, last)];
    parts.extend((0..24).map(|_| any.new_tree(&mut runner).unwrap().current()));
    for (first, last) in parts {
        let range = ByteRange { first: first as u64, last: last as u64 };
        let found = get(store, url, Some(range)).await.unwrap();
        assert!(found == bytes[first..=last], "{first}-{last} of {}", bytes.len());
    }
}

async fn nothing_is_seen_before_the_commit(store: &NamedStore) {
    let (blob, name, bytes) = (id(), id(), data(50_000));
    // Where it will be seen is known from one that was there before.
    let url = put(store, &blob, &name, b"x").await.unwrap();
    store.delete(&blob, &name).await.unwrap();
    let mut writer = store.writer(&new(&blob, &name, Some(50_000))).await.unwrap();
    writer.write(Bytes::from(bytes.clone())).await.unwrap();
    assert!(get(store, &url, None).await.is_err() && !holds(store, &name).await);
    writer.sync().await.unwrap();
    assert!(get(store, &url, None).await.is_err() && !holds(store, &name).await);
    assert_eq!(writer.commit(&name).await.unwrap().full(), url);
    assert!(get(store, &url, None).await.unwrap() == bytes);
    store.delete(&blob, &name).await.unwrap();
}

async fn a_cancelled_blob_leaves_nothing(store: &NamedStore) {
    let before = sorted(store).await;
    for synced in [false, true] {
        let (blob, name) = (id(), id());
        let mut writer = store.writer(&new(&blob, &name, None)).await.unwrap();
        writer.write(Bytes::from(data(70_000))).await.unwrap();
        if synced {
            writer.sync().await.unwrap();
        }
        writer.cancel().await.unwrap();
        assert_eq!(sorted(store).await, before);
        // Both ids can be used again.
        put(store, &blob, &name, b"again").await.unwrap();
        store.delete(&blob, &name).await.unwrap();
    }
}

async fn a_dropped_writer_shows_nothing(store: &NamedStore) {
    let (blob, name) = (id(), id());
    let mut writer = store.writer(&new(&blob, &name, None)).await.unwrap();
    writer.write(Bytes::from_static(b"half")).await.unwrap();
    drop(writer);
    assert!(!holds(store, &name).await);
    store.delete(&blob, &name).await.unwrap();
    assert!(sorted(store).await.iter().all(|listed| listed.name != blob && listed.name != name));
}

async fn nothing_is_replaced(store: &NamedStore) {
    let (first, second, name) = (id(), id(), id());
    let url = put(store, &first, &name, b"first").await.unwrap();
    let error = put(store, &second, &name, b"second").await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Exists, "{error}");
    assert_eq!(get(store, &url, None).await.unwrap(), b"first");
    // What the second one left is its own.
    store.delete(&second, &id()).await.unwrap();
    assert_eq!(get(store, &url, None).await.unwrap(), b"first");
    store.delete(&first, &name).await.unwrap();
}

/// A blob whose name something else has takes another one, or goes; what has the name stays, whichever came first.
async fn what_others_have_under_the_name_stays(store: &NamedStore) {
    let (first, second, name, other) = (id(), id(), id(), id());
    let mut writer = store.writer(&new(&second, &name, None)).await.unwrap();
    writer.write(Bytes::from_static(b"second")).await.unwrap();
    assert!(!store.holds(&name).await.unwrap());
    let url = put(store, &first, &name, b"first").await.unwrap();
    assert!(store.holds(&name).await.unwrap());
    writer.sync().await.unwrap();
    let error = writer.commit(&name).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Exists, "{error}");
    let moved = writer.commit(&other).await.unwrap().into_full();
    assert_eq!(get(store, &moved, None).await.unwrap(), b"second");
    store.delete(&second, &other).await.unwrap();

    let third = id();
    let mut writer = store.writer(&new(&third, &name, None)).await.unwrap();
    writer.write(Bytes::from_static(b"third")).await.unwrap();
    store.delete(&third, &name).await.unwrap();
    drop(writer);
    assert_eq!(get(store, &url, None).await.unwrap(), b"first");
    store.delete(&first, &name).await.unwrap();
    assert!(!store.holds(&name).await.unwrap());
}

async fn deleting_can_be_repeated(store: &NamedStore) {
    let (blob, name) = (id(), id());
    store.delete(&blob, &name).await.unwrap();
    put(store, &blob, &name, b"x").await.unwrap();
    store.delete(&blob, &name).await.unwrap();
    store.delete(&blob, &name).await.unwrap();
}

async fn blobs_do_not_mix(store: &NamedStore) {
    let blobs: Vec<_> = (1..9).map(|i| (id(), id(), data(i * 11_111))).collect();
    let all = blobs.iter().map(|(blob, name, bytes)| put(store, blob, name, bytes));
    let urls = futures::future::try_join_all(all).await.unwrap();
    for (url, (blob, name, bytes)) in urls.iter().zip(&blobs) {
        assert!(get(store, url, None).await.unwrap() == *bytes);
        store.delete(blob, name).await.unwrap();
    }
}

async fn names_that_are_none_are_refused(store: &NamedStore) {
    for name in ["", ".", "..", "../x", "a/b", ".hidden", "a\0b"] {
        assert!(store.writer(&new(&id(), name, None)).await.is_err(), "{name:?}");
        assert!(store.writer(&new(name, &id(), None)).await.is_err(), "{name:?}");
        assert!(store.delete(&id(), name).await.is_err(), "{name:?}");
    }
}

async fn urls_of_others_are_refused(store: &NamedStore) {
    for url in ["", "nonsense", "unknown://x/y", "file:///etc/passwd"] {
        assert!(!store.owns(url) && store.read(url, None).await.is_err(), "{url:?}");
    }
}

async fn what_can_be_shared_is(store: &NamedStore) {
    let (first, name, bytes) = (id(), id(), data(20_000));
    let url = put(store, &first, &name, &bytes).await.unwrap();
    let (second, other) = (id(), id());
    match store.share(store, &url, &new(&second, &other, None)).await.unwrap() {
        Some(shared) => {
            assert!(store.capabilities().share.is_some() && store.owns(shared.full()));
            store.delete(&first, &name).await.unwrap();
            assert!(get(store, shared.full(), None).await.unwrap() == bytes);
            store.delete(&second, &other).await.unwrap();
        }
        None => store.delete(&first, &name).await.unwrap(),
    }
}

fn key() -> String {
    format!("2026-11-30/{}", id())
}

/// What lies out of the way is seen by nobody, and comes back as it was; nothing that has its name by then is replaced, and
/// each step may be repeated.
async fn what_lies_out_of_the_way_comes_back(store: &NamedStore) {
    let (before, blob, name, key, bytes) = (sorted(store).await, id(), id(), key(), data(300_001));
    assert!(!store.set_aside(&name, false, &key).await.unwrap());
    let url = put(store, &blob, &name, &bytes).await.unwrap();
    assert!(store.sets_aside(false) && store.is_plain(&name).await.unwrap());
    for _ in 0..2 {
        assert!(store.set_aside(&name, false, &key).await.unwrap());
        assert!(!store.holds(&name).await.unwrap());
        assert_eq!(sorted(store).await, before);
        assert_eq!(get(store, &url, None).await.unwrap_err().kind, StoreErrorKind::NotFound);
    }
    assert!(store.bring_back(&key, &name, false).await.unwrap());
    assert!(get(store, &url, None).await.unwrap() == bytes);
    assert!(!store.bring_back(&key, &name, false).await.unwrap());
    assert!(store.set_aside(&name, false, &key).await.unwrap());
    let other = id();
    put(store, &other, &name, b"another").await.unwrap();
    let error = store.bring_back(&key, &name, false).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Exists, "{error}");
    assert_eq!(get(store, &url, None).await.unwrap(), b"another");
    store.delete(&other, &name).await.unwrap();
    assert!(store.bring_back(&key, &name, false).await.unwrap());
    assert!(get(store, &url, None).await.unwrap() == bytes);

    assert!(store.set_aside(&name, false, &key).await.unwrap());
    for _ in 0..2 {
        store.discard(&key).await.unwrap();
    }
    assert!(!store.bring_back(&key, &name, false).await.unwrap());
    for wrong in ["", "x", "../x", "a/../x", "a/b/c", "/x"] {
        assert!(store.set_aside(&name, false, wrong).await.is_err(), "{wrong:?}");
        assert!(store.discard(wrong).await.is_err(), "{wrong:?}");
    }
    store.delete(&blob, &name).await.unwrap();
}

/// What is unfinished goes out of the way and comes back where the store says so, and else stays where it is.
async fn unfinished_data_goes_out_of_the_way_or_stays(store: &NamedStore) {
    let (before, blob, name, key) = (sorted(store).await, id(), id(), key());
    let mut writer = store.writer(&new(&blob, &name, None)).await.unwrap();
    writer.write(Bytes::from(data(9 << 20))).await.unwrap();
    writer.sync().await.unwrap();
    drop(writer);
    let with_it = sorted(store).await;
    if store.sets_aside(true) {
        let part = with_it.iter().find(|listed| listed.unfinished && !before.contains(listed)).unwrap();
        assert!(store.set_aside(&part.name, true, &key).await.unwrap());
        assert_eq!(sorted(store).await, before);
        assert!(store.bring_back(&key, &part.name, true).await.unwrap());
    } else {
        let refused = store.set_aside(&name, true, &key).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Unsupported);
    }
    assert_eq!(sorted(store).await, with_it);
    store.delete(&blob, &name).await.unwrap();
}

/// The first mark stays, and what is new is new by the clock of the store.
async fn marks_stay_and_clocks_go(store: &NamedStore) {
    let first = store.mark(Some("one")).await.unwrap();
    assert!(first.is_some());
    assert_eq!(store.mark(Some("two")).await.unwrap(), first);
    assert_eq!(store.mark(None).await.unwrap(), first);
    let (blob, name) = (id(), id());
    put(store, &blob, &name, b"x").await.unwrap();
    let listed: Vec<Listed> = store.list().try_collect().await.unwrap();
    let listed = listed.into_iter().find(|listed| listed.name == name).unwrap();
    let modified = listed.modified.or(store.modified(&name, false).await.unwrap()).unwrap();
    let age = store.time().await.unwrap().0 - modified.0;
    assert!((-5_000_000..60_000_000).contains(&age), "{age} microseconds");
    store.delete(&blob, &name).await.unwrap();
}

//! What the layer above the backends adds: bounds in number and time, counts, parts, and whose URLs are whose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;

use super::{
    super::{
        Writer,
        backend::NamedBy,
        conformance::{get, new, put},
        file::FileStore,
    },
    *,
};

fn files(dir: &tempfile::TempDir, limits: &Limits) -> NamedStore {
    let backend = Arc::new(FileStore::open(dir.path()).unwrap());
    NamedStore::new("f".to_owned(), None, 0, backend, limits)
}

/// Proves that the work of a store is counted.
#[tokio::test]
async fn work_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Arc::new(FileStore::open(dir.path()).unwrap());
    let store = NamedStore::new("counted".to_owned(), None, 0, backend, &Limits::default());
    let url = put(&store, "b", "n", &[1; 20_000]).await.unwrap();
    get(&store, &url, None).await.unwrap();
    store.read("file:///nowhere", None).await.err().unwrap();
    let counts = store.counters.counts();
    assert_eq!((counts.bytes_written, counts.writes), (20_000, 1));
    assert_eq!((counts.bytes_read, counts.reads, counts.errors), (20_000, 2, 1));
    let figures = crate::telemetry::metrics().text();
    for line in [
        "vitrine_store_calls_total{store=\"counted\",operation=\"read\",outcome=\"ok\"} 1",
        "vitrine_store_calls_total{store=\"counted\",operation=\"read\",outcome=\"error\"} 1",
        "vitrine_store_bytes_total{store=\"counted\",direction=\"written\"} 20000",
    ] {
        assert!(figures.lines().any(|found| found == line), "{line} is missing:\n{figures}");
    }
}

/// Proves that one more than the bound is turned away in time, and let in once a seat is free.
#[tokio::test]
async fn readers_and_writers_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let patience = Duration::from_millis(20);
    let store = files(&dir, &Limits { reads: 1, writes: 1, patience, ..Limits::default() });
    let busy = |error: StoreError| assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    let url = put(&store, "b", "n", b"x").await.unwrap();
    let writer = store.writer(&new("c", "m", None)).await.unwrap();
    busy(store.writer(&new("d", "o", None)).await.err().unwrap());
    let stream = store.read(&url, None).await.unwrap();
    busy(store.read(&url, None).await.err().unwrap());
    drop(stream);
    writer.cancel().await.unwrap();
    drop(store.read(&url, None).await.unwrap());
    store.writer(&new("d", "o", None)).await.unwrap().cancel().await.unwrap();
}

/// A store that knows no ranges and has one blob, `0123456789`; of anything else it never says a word.
struct Slow;

static SLOW: Kind = Kind {
    name: "slow",
    schemes: &["slow"],
    named_by: NamedBy::Nobody,
    options: &[],
    read: |_| panic!("it has no settings"),
};

#[async_trait]
impl Backend for Slow {
    fn about(&self) -> About {
        About {
            kind: &SLOW,
            capabilities: Capabilities { writes: true, ranges: false, share: None },
            addresses: Addresses::Schemes(&["slow"]),
            properties: Map::new(),
            metadata: Vec::new(),
        }
    }

    async fn read(&self, url: &StoreUrl, range: Option<ByteRange>) -> StoreResult<ByteStream> {
        assert_eq!(range, None);
        match url.full() {
            "slow://digits" => Ok(Box::pin(stream::once(async { Ok(Bytes::from_static(b"0123456789")) }))),
            "slow://later" => Ok(Box::pin(stream::pending())),
            _ => std::future::pending().await,
        }
    }

    async fn writer(&self, _: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        Err(StoreError::new(StoreErrorKind::Full, "slow", "no room"))
    }

    async fn share(&self, _: &StoreUrl, _: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        Ok(None)
    }

    async fn stat(&self, _: &StoreUrl) -> StoreResult<u64> {
        std::future::pending().await
    }

    async fn delete(&self, _: &str, _: &str) -> StoreResult<()> {
        std::future::pending().await
    }

    async fn holds(&self, _: &str) -> StoreResult<bool> {
        std::future::pending().await
    }

    async fn in_use(&self, _: &str) -> StoreResult<bool> {
        std::future::pending().await
    }

    fn list(&self) -> ListStream {
        Box::pin(stream::pending())
    }
}

/// Proves that parts are cut from the whole for a store that gives no parts, and that one which does not answer
/// counts as unavailable in the end, whatever it was asked.
#[tokio::test]
async fn a_store_that_hangs_is_given_up() {
    let limits = Limits { answer: Duration::from_millis(20), ..Limits::default() };
    let store = NamedStore::new("s".to_owned(), None, 0, Arc::new(Slow), &limits);
    let part = get(&store, "slow://digits", Some(ByteRange { first: 3, last: 5 })).await.unwrap();
    assert_eq!(part, b"345");
    for error in [
        store.read("slow://", None).await.err().unwrap(),
        get(&store, "slow://later", None).await.unwrap_err(),
        store.stat("slow://digits").await.unwrap_err(),
        store.delete("b", "n").await.unwrap_err(),
        store.holds("n").await.unwrap_err(),
        store.list().try_next().await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    }
    assert_eq!(store.counters.counts().errors, 6);
}

/// Proves which URLs belong to a folder: those of one plain name in it, however its path is spelled.
#[test]
fn one_name_below_a_prefix_is_owned() {
    let addresses = Addresses::Below(vec!["file:///a/b/".to_owned()]);
    for url in ["file:///a/b/n", "file:///a//b/n", "file:///a/./b//n"] {
        assert!(addresses.have(url), "{url}");
    }
    for url in
        ["file://a/b/n", "file:///a/n", "file:///a/b/", "file:///a/b/.n", "file:///a/b/c/n", "x:///a/b/n"]
    {
        assert!(!addresses.have(url), "{url}");
    }
}

//! The layer above the backends: limits on number and time, metrics, ranges, and the ownership of URLs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;

use super::{
    super::{
        LocalFile, Quarantine, Share, Writer, Yard,
        backend::{NamedBy, Room},
        conformance::{get, new, put},
        file::FileStore,
        health::State,
        limit::Fencing,
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

/// Proves that what is sent from a file unread is counted as if it were read, and that a file system which does not answer
/// in the middle is a store that does not.
#[tokio::test]
async fn files_sent_unread_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = files(&dir, &Limits { reads: 1, patience: Duration::ZERO, ..Limits::default() });
    let url = put(&store, "b", "n", &[1; 20_000]).await.unwrap();
    let file = store.file(&url).await.unwrap().unwrap();
    assert_eq!(file.size, 20_000);
    file.sent(15_000);
    assert_eq!(store.read(&url, None).await.err().unwrap().kind, StoreErrorKind::Unavailable);
    file.failed::<()>(std::io::Error::other("shorter")).unwrap_err();
    assert_eq!(store.report().await.state, State::Well);
    file.failed::<()>(std::io::ErrorKind::TimedOut.into()).unwrap_err();
    assert_eq!(store.report().await.state, State::Sick);
    drop(file);
    get(&store, &url, None).await.unwrap();
    let counts = store.counters.counts();
    assert_eq!((counts.bytes_read, counts.reads, counts.errors), (35_000, 3, 3));
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
    writes: true,
    options: &[],
    read: |_| panic!("it has no settings"),
};

#[async_trait]
impl Backend for Slow {
    fn about(&self) -> About {
        About {
            kind: &SLOW,
            capabilities: Capabilities {
                writes: true,
                ranges: false,
                share: None,
                remote: false,
                quarantine: Quarantine::Nothing,
            },
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

    async fn file(&self, _: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        Ok(None)
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

    async fn room(&self) -> StoreResult<Option<Room>> {
        std::future::pending().await
    }

    async fn admit(&self, _: &str, _: &Readers) -> StoreResult<()> {
        Ok(())
    }

    fn list(&self) -> ListStream {
        Box::pin(stream::pending())
    }

    fn yard(&self) -> Option<&dyn Yard> {
        None
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

/// Proves that it is told how a store is: it is well until it does not answer, what callers ask for in vain is no error
/// of its own, what went wrong last is kept, and its next answer makes it well again.
#[tokio::test]
async fn how_a_store_is_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let store = files(&dir, &Limits::default());
    let before = store.report().await;
    assert_eq!((before.state, before.latency, before.errors), (State::Well, None, 0));
    let Room { free, total } = before.room.unwrap();
    assert!(0 < free && free <= total, "{free} of {total}");
    let missing = format!("file://{}/nothing", dir.path().display());
    assert_eq!(store.stat(&missing).await.unwrap_err().kind, StoreErrorKind::NotFound);
    let answered = store.report().await;
    assert_eq!((answered.state, answered.errors, answered.last_error), (State::Well, 0, None));
    assert!(answered.latency.unwrap().median <= answered.latency.unwrap().longest);

    let (silent, _) = scripted(one_server());
    silent.stat("slow://x").await.unwrap_err();
    let sick = silent.report().await;
    assert_eq!((sick.state, sick.errors, sick.room), (State::Sick, 1, None));
    assert_eq!(sick.last_error.unwrap().reason, "scripted: not a word");
    silent.stat("slow://missing").await.unwrap_err();
    let report = silent.report().await;
    assert_eq!((report.state, report.errors), (State::Well, 1));
}

/// What a test answers when the store itself is asked.
type Asked = tokio::sync::oneshot::Sender<StoreResult<bool>>;

/// A store whose blobs never can be reached; whether it answers for itself, the test decides.
struct Scripted {
    asked: tokio::sync::mpsc::UnboundedSender<Asked>,
    addresses: Addresses,
}

fn silence<T>() -> StoreResult<T> {
    Err(StoreError::new(StoreErrorKind::Unavailable, "scripted", "not a word"))
}

#[async_trait]
impl Backend for Scripted {
    fn about(&self) -> About {
        let capabilities = Capabilities { share: Some(Share::HardLink), ..Slow.about().capabilities };
        About { addresses: self.addresses.clone(), capabilities, ..Slow.about() }
    }

    async fn read(&self, _: &StoreUrl, _: Option<ByteRange>) -> StoreResult<ByteStream> {
        silence()
    }

    async fn file(&self, _: &StoreUrl) -> StoreResult<Option<LocalFile>> {
        silence()
    }

    async fn writer(&self, _: &NewBlob<'_>) -> StoreResult<Box<dyn Writer>> {
        silence()
    }

    async fn share(&self, _: &StoreUrl, _: &NewBlob<'_>) -> StoreResult<Option<StoreUrl>> {
        silence()
    }

    async fn stat(&self, url: &StoreUrl) -> StoreResult<u64> {
        match url.full() {
            "slow://missing" => Err(StoreError::new(StoreErrorKind::NotFound, "scripted", "nothing")),
            "slow://bad" => Err(StoreError::new(StoreErrorKind::BadUrl, "scripted", "no such place")),
            _ => silence(),
        }
    }

    async fn delete(&self, _: &str, _: &str) -> StoreResult<()> {
        silence()
    }

    async fn holds(&self, _: &str) -> StoreResult<bool> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        self.asked.send(answer).unwrap();
        answered.await.unwrap()
    }

    async fn in_use(&self, _: &str) -> StoreResult<bool> {
        silence()
    }

    async fn admit(&self, _: &str, _: &Readers) -> StoreResult<()> {
        silence()
    }

    async fn room(&self) -> StoreResult<Option<Room>> {
        silence()
    }

    fn list(&self) -> ListStream {
        Box::pin(stream::once(async { silence() }))
    }

    fn yard(&self) -> Option<&dyn Yard> {
        None
    }
}

/// A scripted store with URLs of these, which is doubted after three calls, and what it is asked itself.
fn scripted(addresses: Addresses) -> (NamedStore, tokio::sync::mpsc::UnboundedReceiver<Asked>) {
    let (asked, questions) = tokio::sync::mpsc::unbounded_channel();
    let pause = Duration::from_millis(1);
    let fencing = Fencing { after: 3, pause, longest_pause: pause, ..Fencing::default() };
    let limits = Limits { fencing, ..Limits::default() };
    (NamedStore::new("s".to_owned(), None, 0, Arc::new(Scripted { asked, addresses }), &limits), questions)
}

fn one_server() -> Addresses {
    Addresses::Below(vec!["slow://".to_owned()])
}

/// Waits until a store is like that.
async fn becomes(store: &NamedStore, state: State) {
    while store.report().await.state != state {
        tokio::task::yield_now().await;
    }
}

/// Proves that a store which does not answer, itself included, is left alone by every call until it answers again.
#[tokio::test]
async fn a_store_that_does_not_answer_is_left_alone_until_it_does() {
    let (store, mut questions) = scripted(one_server());
    for _ in 0..3 {
        store.stat("slow://x").await.unwrap_err();
    }
    questions.recv().await.unwrap().send(silence()).unwrap();
    becomes(&store, State::Fenced).await;
    let before = store.report().await.errors;
    for error in [
        store.stat("slow://missing").await.unwrap_err(),
        store.read("slow://x", None).await.err().unwrap(),
        store.file("slow://x").await.err().unwrap(),
        store.writer(&new("b", "n", None)).await.err().unwrap(),
        store.delete("b", "n").await.unwrap_err(),
        store.holds("n").await.unwrap_err(),
        store.in_use("n").await.unwrap_err(),
        store.list().try_next().await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::Unavailable);
        assert!(
            error.to_string().contains("left alone until it answers again; last: scripted: not a word"),
            "{error}"
        );
    }
    assert_eq!(store.report().await.errors, before, "the store was called");
    for _ in 0..3 {
        questions.recv().await.unwrap().send(silence()).unwrap();
    }
    questions.recv().await.unwrap().send(Ok(false)).unwrap();
    becomes(&store, State::Well).await;
    assert_eq!(store.stat("slow://missing").await.unwrap_err().kind, StoreErrorKind::NotFound);
    assert!(questions.try_recv().is_err());
}

/// Proves that data of one caller's that cannot be reached gets no store fenced which answers otherwise.
#[tokio::test]
async fn sec_37_a_store_that_answers_for_itself_is_not_left_alone() {
    let (store, mut questions) = scripted(one_server());
    for _ in 0..2 {
        for _ in 0..3 {
            store.stat("slow://x").await.unwrap_err();
        }
        questions.recv().await.unwrap().send(Ok(false)).unwrap();
        becomes(&store, State::Well).await;
    }
    assert_eq!(store.stat("slow://missing").await.unwrap_err().kind, StoreErrorKind::NotFound);
}

/// Proves that what is the caller's own fault is no failure of the store, and that one answer makes up for many failures.
#[tokio::test]
async fn sec_37_faults_of_callers_are_no_failures_of_the_store() {
    let (store, mut questions) = scripted(one_server());
    for url in ["slow://x", "slow://x", "slow://missing", "slow://x", "slow://bad", "slow://x"] {
        store.stat(url).await.unwrap_err();
    }
    tokio::task::yield_now().await;
    assert!(questions.try_recv().is_err());
    store.stat("slow://x").await.unwrap_err();
    questions.recv().await.unwrap();
}

/// Proves that a store whose servers strangers name is never left alone, however many of them are dead.
#[tokio::test]
async fn sec_37_dead_servers_of_strangers_fence_no_store() {
    let (store, mut questions) = scripted(Addresses::Schemes(&["slow"]));
    for _ in 0..20 {
        store.stat("slow://x").await.unwrap_err();
    }
    tokio::task::yield_now().await;
    assert!(questions.try_recv().is_err());
    let report = store.report().await;
    assert_eq!((report.state, report.errors), (State::Well, 20));
    assert_eq!(store.stat("slow://missing").await.unwrap_err().kind, StoreErrorKind::NotFound);
}

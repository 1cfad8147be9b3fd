//! A Ceph cluster of the test's own that stops during work, and returns.

use std::{path::Path, process::Command, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::*;
use crate::store::servers::script;

struct OwnCeph {
    folder: TempDir,
}

impl OwnCeph {
    fn start() -> Self {
        let ceph = Self { folder: tempfile::tempdir().unwrap() };
        let done = ceph.script("up").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        ceph
    }

    fn place(&self) -> std::path::PathBuf {
        self.folder.path().join("ceph")
    }

    fn script(&self, word: &str) -> Command {
        let mut command = script("ceph");
        command.arg(word).env("VITRINE_CEPH", self.place());
        command
    }

    /// Sends a signal to one of its daemons.
    fn signal(&self, daemon: &str, signal: Signal) {
        let number = std::fs::read_to_string(self.place().join(format!("{daemon}.pid"))).unwrap();
        let sent = kill(Pid::from_raw(number.trim().parse().unwrap()), signal);
        assert!(sent.is_ok() || std::thread::panicking(), "{sent:?}");
    }

    fn store(&self, timeout: Option<Duration>) -> NamedStore {
        let conf = Some(Path::join(&self.place(), "ceph.conf"));
        let pool = "images".to_owned();
        opened(&Settings {
            chunk: 1 << 20,
            pool,
            user: Some("glance".to_owned()),
            conf,
            timeout,
            thin: false,
        })
    }
}

impl Drop for OwnCeph {
    fn drop(&mut self) {
        self.signal("osd", Signal::SIGCONT);
        self.signal("mon", Signal::SIGCONT);
        let _ = self.script("down").output();
    }
}

/// A blob that is half written, and its id.
async fn half_written(store: &NamedStore, bytes: &[u8]) -> (crate::store::BlobWriter, String) {
    let blob = uuid();
    let mut writer = store.writer(&new(&blob, &blob, None)).await.unwrap();
    writer.write(Bytes::copy_from_slice(&bytes[..bytes.len() / 2])).await.unwrap();
    (writer, blob)
}

async fn rest(mut writer: crate::store::BlobWriter, name: &str, bytes: &[u8]) -> StoreResult<String> {
    writer.write(Bytes::copy_from_slice(&bytes[bytes.len() / 2..])).await?;
    writer.sync().await?;
    writer.commit(name).await.map(StoreUrl::into_full)
}

/// Proves that a cluster which hangs in mid-read and mid-write ends both in time, and whatever else is asked of the
/// store, however often; that all is as before when it returns; that one whose OSD is killed and started again is
/// waited for: nothing is lost or repeated; and that a store is opened, and works later, although no monitor answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_stops_costs_its_store_and_returns() {
    let ceph = OwnCeph::start();
    let (hasty, patient) = (ceph.store(Some(Duration::from_secs(5))), ceph.store(None));
    let (blob, bytes) = (uuid(), data(12 * MIB));
    let url = put(&patient, &blob, &blob, &bytes).await.unwrap();
    let mut stream = hasty.read(&url, None).await.unwrap();
    assert!(stream.try_next().await.unwrap().is_some());
    let (writer, half) = half_written(&hasty, &bytes).await;

    ceph.signal("osd", Signal::SIGSTOP);
    let written = rest(writer, &half, &bytes).await.unwrap_err();
    let read: StoreResult<Vec<Bytes>> = stream.try_collect().await;
    assert_eq!(
        (written.kind, read.unwrap_err().kind),
        (StoreErrorKind::Unavailable, StoreErrorKind::Unavailable)
    );
    let asked = (0..20).map(|_| hasty.stat(&url));
    for error in futures::future::join_all(asked).await {
        assert_eq!(error.unwrap_err().kind, StoreErrorKind::Unavailable);
    }
    assert_eq!(hasty.delete(&blob, &blob).await.unwrap_err().kind, StoreErrorKind::Unavailable);
    ceph.signal("osd", Signal::SIGCONT);

    assert!(get(&patient, &url, None).await.unwrap() == bytes);
    let (writer, other) = half_written(&patient, &bytes).await;
    let mut stream = patient.read(&url, None).await.unwrap();
    let first = stream.try_next().await.unwrap().unwrap();
    ceph.signal("osd", Signal::SIGKILL);
    let (written, read, _) =
        tokio::join!(rest(writer, &other, &bytes), stream.try_collect::<Vec<Bytes>>(), async {
            ceph.script("osd").status().unwrap()
        },);
    assert!([vec![first], read.unwrap()].concat().concat() == bytes);
    let written = written.unwrap();
    let found = loop {
        match get(&hasty, &written, None).await {
            // Its connection is being made again.
            Err(error) => assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}"),
            Ok(found) => break found,
        }
    };
    assert!(found == bytes);

    for blob in [&blob, &other, &half] {
        // What was being removed when the cluster stopped may still be.
        while let Err(error) = patient.delete(blob, blob).await {
            assert_eq!(error.kind, StoreErrorKind::InUse, "{error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(sorted(&patient).await, []);

    ceph.signal("mon", Signal::SIGSTOP);
    let opened = ceph.store(Some(Duration::from_secs(1)));
    assert_eq!(opened.stat(&url).await.unwrap_err().kind, StoreErrorKind::Unavailable);
    ceph.signal("mon", Signal::SIGCONT);
    while let Err(error) = opened.stat(&url).await {
        if error.kind == StoreErrorKind::NotFound {
            return;
        }
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("there is something that was deleted");
}

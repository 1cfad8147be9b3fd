//! Servers that die or stop while they are read from and written to.

use std::process::{Child, Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::*;
use crate::store::servers::{port, script};

/// A gateway to the shared Ceph that may be killed and stopped.
struct Gateway {
    port: u16,
    process: Child,
}

impl Gateway {
    fn new() -> Self {
        let port = port();
        Self { port, process: Self::start(port) }
    }

    fn start(port: u16) -> Child {
        let mut command = script("ceph");
        command.args(["gateway", &format!("swift-{port}"), &port.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    /// Kills it, and starts it again.
    fn die_and_return(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Self::start(self.port);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Proves that with segments in files, a gateway that dies in the middle of an upload and of a download, and comes back,
/// costs nothing but time; that one which stops is given up in time; and that what was given up can be removed.
#[tokio::test(flavor = "multi_thread")]
async fn servers_die_and_return() {
    let mut gateway = Gateway::new();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        accounts: vec![account(&format!("http://127.0.0.1:{}/auth/v1.0", gateway.port))],
        folder: Some(folder.path().to_owned()),
        retries: 5,
        ..in_segments()
    };
    let (_, named) = opened(&settings);
    let (blob, name) = (id(), id());
    let url = through_deaths(&named, &blob, &name, || gateway.die_and_return()).await;

    let hurried =
        Settings { patience: Patience::of(Duration::from_secs(8)), folder: None, retries: 0, ..settings };
    let (_, hurried) = opened(&hurried);
    let other = id();
    let mut writer = begun(&hurried, &other, &other).await;
    let mut stream = hurried.read(&url, None).await.unwrap();
    stream.try_next().await.unwrap().unwrap();
    gateway.signal(Signal::SIGSTOP);
    for error in [
        hurried.stat(&url).await.unwrap_err(),
        stream.try_for_each(|_| std::future::ready(Ok(()))).await.unwrap_err(),
        writer.sync().await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    }
    gateway.signal(Signal::SIGCONT);
    drop(writer);
    named.delete(&other, &other).await.unwrap();
    assert_eq!(sorted(&named).await, [Listed::of(name, false)]);
}

//! Servers that die or stop while they are read from and written to.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::*;
use crate::store::servers::{port, script};

/// A gateway to the shared Ceph that may be killed and stopped.
struct Gateway {
    port: u16,
    /// The file of its certificate and key, if it speaks TLS.
    pem: Option<PathBuf>,
    process: Child,
}

impl Gateway {
    fn new(pem: Option<PathBuf>) -> Self {
        let port = port();
        Self { port, process: Self::start(port, pem.as_deref()), pem }
    }

    fn start(port: u16, pem: Option<&Path>) -> Child {
        let mut command = script("ceph");
        command.args(["gateway", &format!("own-{port}"), &port.to_string()]).args(pem);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    /// Kills it, and starts it again.
    fn die_and_return(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = Self::start(self.port, self.pem.as_deref());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Proves that a gateway that dies in the middle of an upload and of a download, and comes back, costs nothing but time;
/// that one which stops is given up in time; and that what was given up can be removed.
#[tokio::test(flavor = "multi_thread")]
async fn servers_die_and_return() {
    let mut gateway = Gateway::new(None);
    let server = &ceph()["s3"];
    let endpoint = format!("http://127.0.0.1:{}", gateway.port);
    let settings = Settings {
        part: 5 * MIB,
        large: 0,
        patience: Duration::from_secs(60),
        ..settings(server, &endpoint)
    };
    let (store, named) = opened(&settings);
    store.have_bucket().await.unwrap();
    let (blob, name) = (id(), id());
    let url = through_deaths(&named, &blob, &name, || gateway.die_and_return()).await;

    let short = Settings { patience: Duration::from_secs(8), ..settings };
    let (_, hurried) = opened(&short);
    let other = id();
    let mut writer = begun(&hurried, &other, &other).await;
    let mut stream = hurried.read(&url, None).await.unwrap();
    stream.try_next().await.unwrap().unwrap();
    gateway.signal(Signal::SIGSTOP);
    for error in [
        hurried.stat(&url).await.unwrap_err(),
        stream.try_for_each(|_| std::future::ready(Ok(()))).await.unwrap_err(),
        writer.sync().await.err().unwrap_or_else(|| fault::Fault::Silent(0).at("sent before")),
        writer.commit(&other).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
    }
    gateway.signal(Signal::SIGCONT);
    drop(writer);
    named.delete(&other, &other).await.unwrap();
    assert_eq!(sorted(&named).await, [Listed::of(name, false)]);
}

/// Proves that https is verified by the certificates that the operator names, and that by https, where bodies are proved by
/// their MD5, all promises are kept.
#[tokio::test(flavor = "multi_thread")]
async fn https_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=gateway",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-out",
            "pem",
            "-keyout",
            "key",
        ])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let (certificate, key) = (read("pem"), read("key"));
    let both = folder.path().join("both");
    std::fs::write(&both, [certificate.clone(), key].concat()).unwrap();
    let gateway = Gateway::new(Some(both));
    let endpoint = format!("https://127.0.0.1:{}", gateway.port);
    let server = &ceph()["s3"];
    let authorities = Some(crate::outbound::Authorities::from_pem(&certificate).unwrap());
    let settings = Settings { part: 5 * MIB, large: 0, authorities, ..settings(server, &endpoint) };
    let (store, named) = opened(&settings);
    store.have_bucket().await.unwrap();
    conforms(&named, None).await;
    let bytes = data(6 << 20);
    let url = put(&named, &id(), &id(), &bytes).await.unwrap();
    assert!(url.starts_with("s3+https://") && get(&named, &url, None).await.unwrap() == bytes);
    let (_, trusting_nobody) =
        opened(&Settings { authorities: None, patience: Duration::from_secs(1), ..settings });
    assert_eq!(trusting_nobody.stat(&url).await.unwrap_err().kind, StoreErrorKind::Unavailable);
}

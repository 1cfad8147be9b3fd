//! The real servers on which remote store types are tested. All tests share them; the first test that needs one
//! starts it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{net::TcpListener, path::Path, process::Command, sync::LazyLock};

use serde_json::Value;

/// A Ceph: `conf`, `fsid`, `rbd`, `s3` and `swift`, as `tests/harness/ceph.py` tells them.
pub fn ceph() -> &'static Value {
    static CEPH: LazyLock<Value> = LazyLock::new(|| up("ceph"));
    &CEPH
}

/// An S3 that others have written: `endpoint`, `region`, `access_key`, `secret_key`.
pub fn second_s3() -> &'static Value {
    static S3: LazyLock<Value> = LazyLock::new(|| up("s3"));
    &S3
}

/// A command that starts or stops such servers.
pub fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers").join(name))
}

/// A port that the kernel gives nobody, so that a server can be started there, killed, and started again.
pub fn port() -> u16 {
    let mut ports = std::iter::repeat_with(|| rand::random_range(10_000..20_000_u16));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("one is free")
}

fn up(name: &str) -> Value {
    let done = script(name).arg("up").output().expect("the script runs");
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{name} does not start: {complaint}");
    serde_json::from_slice(&done.stdout).expect("it prints what clients need")
}

/// A text of what a server told of itself.
pub fn text<'a>(told: &'a Value, path: &str) -> &'a str {
    told.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path} is missing"))
}

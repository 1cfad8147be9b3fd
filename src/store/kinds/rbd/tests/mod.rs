//! The RBD store against a real Ceph.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod outage;

use std::{path::PathBuf, process::Command, time::Duration};

use bytes::Bytes;
use futures::TryStreamExt;

use super::{RbdStore, Settings};
use crate::store::{
    ByteRange, Listed, NamedStore, StoreErrorKind, StoreResult, StoreUrl,
    conformance::{conforms, data, get, named, new, put, sorted},
    servers::{ceph, text},
};

const MIB: usize = 1 << 20;

/// The options for a pool of the shared Ceph, which each test has to itself, and finds empty.
fn settings(pool: &str) -> Settings {
    tool("ceph", &["osd", "pool", "rm", pool, pool, "--yes-i-really-really-mean-it"]).unwrap();
    tool("ceph", &["osd", "pool", "create", pool, "1"]).unwrap();
    tool("ceph", &["osd", "pool", "application", "enable", pool, "rbd"]).unwrap();
    Settings {
        chunk: 1 << 20,
        pool: pool.to_owned(),
        user: Some("admin".to_owned()),
        conf: Some(PathBuf::from(text(ceph(), "/conf"))),
        timeout: None,
        thin: false,
    }
}

fn opened(settings: &Settings) -> NamedStore {
    named(RbdStore::open("tested", settings).unwrap())
}

/// Runs one of Ceph's own tools; returns what it printed if it succeeded, and what it complained about if not.
fn tool(name: &str, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(name);
    command.args(["-c", text(ceph(), "/conf")]).args(words).env_remove("CEPH_ARGS");
    let done = command.output().expect("Ceph's tools are installed");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if done.status.success() { Ok(said(&done.stdout)) } else { Err(said(&done.stderr)) }
}

fn rbd(words: &[&str]) -> String {
    tool("rbd", words).unwrap()
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn listed(name: &str, unfinished: bool) -> Listed {
    Listed::of(name.to_owned(), unfinished)
}

/// Proves that the RBD store keeps the promises of stores, also where runs of zeros are not written.
#[tokio::test(flavor = "multi_thread")]
async fn the_rbd_store_conforms() {
    let settings = settings("conforms");
    conforms(&opened(&settings), None).await;
    conforms(&opened(&Settings { thin: true, ..settings }), None).await;
}

/// Proves that an image of unknown size grows with its data over many objects, ends with its last byte, and has what
/// Nova and Cinder clone: the protected snapshot under Glance's URL, in objects of the configured size.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_unknown_size_ends_where_its_data_does() {
    let settings = settings("grows");
    let (store, name, blob) = (opened(&settings), uuid(), uuid());
    let bytes = data(9 * MIB + 12_345);
    let mut writer = store.writer(&new(&blob, &name, None)).await.unwrap();
    for chunk in bytes.chunks(700_001) {
        writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    writer.sync().await.unwrap();
    let url = writer.commit(&name).await.unwrap().into_full();
    assert_eq!(url, format!("rbd://{}/grows/{name}/snap", text(ceph(), "/fsid")));
    assert!(get(&store, &url, None).await.unwrap() == bytes);
    let spec = format!("grows/{name}");
    let info: serde_json::Value = serde_json::from_str(&rbd(&["info", "--format", "json", &spec])).unwrap();
    assert_eq!((info["size"].as_u64(), info["order"].as_u64()), (Some(bytes.len() as u64), Some(20)));
    assert!(info["features"].as_array().unwrap().iter().any(|feature| feature == "layering"), "{info}");
    let shots = rbd(&["snap", "ls", "--format", "json", &spec]);
    let shots: serde_json::Value = serde_json::from_str(&shots).unwrap();
    assert_eq!((&shots[0]["name"], &shots[0]["protected"]), (&"snap".into(), &"true".into()), "{shots}");
    store.delete(&blob, &name).await.unwrap();
}

/// Proves that less data than was declared leaves no zeros behind it, and more is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_size_that_was_wrong_is_mended() {
    let store = opened(&settings("sizes"));
    for declared in [1, 3 * MIB as u64] {
        let (name, blob, bytes) = (uuid(), uuid(), data(MIB + 5));
        let mut writer = store.writer(&new(&blob, &name, Some(declared))).await.unwrap();
        writer.write(Bytes::from(bytes.clone())).await.unwrap();
        let url = writer.commit(&name).await.unwrap().into_full();
        assert!(get(&store, &url, None).await.unwrap() == bytes, "{declared}");
        store.delete(&blob, &name).await.unwrap();
    }
}

/// Proves that runs of zeros take no room where the operator does not want them written, and are read as zeros.
#[tokio::test(flavor = "multi_thread")]
async fn runs_of_zeros_are_not_written() {
    let settings = Settings { thin: true, ..settings("thin") };
    let (store, name, blob) = (opened(&settings), uuid(), uuid());
    let mut bytes = vec![0; 8 * MIB];
    bytes[3 * MIB + 7] = 1;
    let url = put(&store, &blob, &name, &bytes).await.unwrap();
    assert!(get(&store, &url, None).await.unwrap() == bytes);
    let objects = tool("rados", &["-p", "thin", "ls"]).unwrap();
    assert_eq!(objects.lines().filter(|object| object.starts_with("rbd_data.")).count(), 1, "{objects}");
    store.delete(&blob, &name).await.unwrap();
}

/// Proves that an image stays, with its snapshot protected, for as long as it has a clone, that this is known before
/// anything is done, and that it goes once the clone is gone.
#[tokio::test(flavor = "multi_thread")]
async fn an_image_with_a_clone_stays() {
    let settings = settings("clones");
    let (store, name, blob) = (opened(&settings), uuid(), uuid());
    let url = put(&store, &blob, &name, &data(MIB)).await.unwrap();
    assert!(!store.in_use(&name).await.unwrap());
    let shot = format!("clones/{name}@snap");
    rbd(&["clone", &shot, "clones/child"]);
    assert!(store.in_use(&name).await.unwrap());
    let error = store.delete(&blob, &name).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::InUse, "{error}");
    assert_eq!(get(&store, &url, None).await.unwrap(), data(MIB));
    rbd(&["rm", "--no-progress", "clones/child"]);
    assert!(!store.in_use(&name).await.unwrap());
    store.delete(&blob, &name).await.unwrap();
    assert_eq!(sorted(&store).await, []);
}

/// Proves that an image to which somebody has given another snapshot goes to the trash, as in Glance, and so does one whose
/// clones do without their parent's snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_removed_goes_to_the_trash() {
    let settings = settings("trash");
    let store = opened(&settings);
    for clone in [false, true] {
        let (name, blob) = (uuid(), uuid());
        put(&store, &blob, &name, &data(1000)).await.unwrap();
        let spec = format!("trash/{name}");
        if clone {
            let shot = format!("{spec}@snap");
            rbd(&["clone", "--rbd-default-clone-format", "2", &shot, "trash/child"]);
            assert!(!store.in_use(&name).await.unwrap());
        } else {
            rbd(&["snap", "create", "--no-progress", &format!("{spec}@other")]);
        }
        store.delete(&blob, &name).await.unwrap();
        let trash = rbd(&["trash", "ls", "--all", "trash"]);
        assert!(trash.contains(&name), "{trash}");
    }
    assert_eq!(sorted(&store).await, [listed("child", false)]);
}

/// Proves that names which are not ours are listed and stay: images of others, and one that bears the name of a blob that
/// was never shown.
#[tokio::test(flavor = "multi_thread")]
async fn sec_72_images_of_others_stay() {
    let settings = settings("others");
    let store = opened(&settings);
    let (name, blob) = (uuid(), uuid());
    rbd(&["create", "--size", "1M", &format!("others/{name}")]);
    let mut writer = store.writer(&new(&blob, &name, None)).await.unwrap();
    writer.write(Bytes::from_static(b"x")).await.unwrap();
    let error = writer.commit(&name).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Exists, "{error}");
    assert_eq!(sorted(&store).await, {
        let mut both = vec![listed(&name, false), listed(&blob, true)];
        both.sort();
        both
    });
    store.delete(&blob, &name).await.unwrap();
    assert_eq!(sorted(&store).await, [listed(&name, false)]);
}

/// Proves that a pool is listed in steps, so that its size does not matter, in the order of the pool and without what is
/// no image.
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_is_listed_in_steps() {
    let settings = settings("lists");
    let RbdStore(shared) = RbdStore::open("tested", &settings).unwrap();
    assert!(super::names::after(&shared.link.pool().unwrap(), "", 2).unwrap().is_none());
    for name in ["a", "b", "c", ".part.d", "e"] {
        rbd(&["create", "--size", "1M", &format!("lists/{name}")]);
    }
    let (mut found, mut last) = (Vec::new(), String::new());
    while let Some((names, next)) = super::names::after(&shared.link.pool().unwrap(), &last, 2).unwrap() {
        assert!(names.len() <= 2);
        found.extend(names);
        last = next;
    }
    let names = [("d", true), ("a", false), ("b", false), ("c", false), ("e", false)];
    assert_eq!(found, names.map(|(name, unfinished)| listed(name, unfinished)));
}

/// Proves that an image which is deleted while it is read does not end as zeros: the reader is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_while_it_is_read_is_no_data() {
    let store = opened(&settings("gone"));
    let (name, blob) = (uuid(), uuid());
    let url = put(&store, &blob, &name, &data(12 * MIB)).await.unwrap();
    let mut stream = store.read(&url, None).await.unwrap();
    assert!(stream.try_next().await.unwrap().is_some());
    store.delete(&blob, &name).await.unwrap();
    let rest: Result<Vec<Bytes>, _> = stream.try_collect().await;
    assert_eq!(rest.unwrap_err().kind, StoreErrorKind::Io);
}

/// Proves that another snapshot, and an image without one, are read where an old URL names them.
#[tokio::test(flavor = "multi_thread")]
async fn older_urls_are_read() {
    let settings = settings("older");
    let store = opened(&settings);
    let (name, blob) = (uuid(), uuid());
    let url = put(&store, &blob, &name, &data(MIB)).await.unwrap();
    rbd(&["snap", "create", "--no-progress", &format!("older/{name}@other")]);
    let range = ByteRange { first: 10, last: 99 };
    for url in [url.replace("/snap", "/other"), format!("rbd://{name}")] {
        assert_eq!((store.name_of(&url), store.written_as(&url)), (Some(name.as_str()), None));
        assert_eq!(get(&store, &url, Some(range)).await.unwrap(), data(MIB)[10..=99]);
        assert_eq!(store.stat(&url).await.unwrap(), MIB as u64);
    }
    assert_eq!(store.written_as(&url), Some(name.as_str()));
    let missing = url.replace("/snap", "/missing");
    assert_eq!(store.stat(&missing).await.unwrap_err().kind, StoreErrorKind::NotFound);
}

/// Proves that a wrong key, a user or pool that there is not, and a configuration that is missing stop the opening of
/// the store, each with a sentence that says so.
#[test]
fn what_cannot_be_opened_is_said() {
    let right = settings("opened");
    let folder = tempfile::tempdir().unwrap();
    let conf = folder.path().join("ceph.conf");
    let keyring = folder.path().join("keyring");
    let original = std::fs::read_to_string(text(ceph(), "/conf")).unwrap();
    let lines: Vec<&str> = original.lines().filter(|line| !line.starts_with("keyring")).collect();
    let own = format!("{}\n[client]\nkeyring = {}\n", lines.join("\n"), keyring.display());
    std::fs::write(&conf, own).unwrap();
    std::fs::write(&keyring, "[client.wrong]\nkey = AQCzsNRnAAAAABAAq6vS1UHXgLLXG5Jyh8BhAA==\n").unwrap();
    let user = |name: &str| Some(name.to_owned());
    let wrong = [
        (
            Settings { user: user("wrong"), conf: Some(conf.clone()), ..right.clone() },
            "user wrong cannot connect",
        ),
        (Settings { user: user("nobody"), ..right.clone() }, "user nobody cannot connect"),
        (
            Settings { pool: "missing".to_owned(), ..right.clone() },
            "pool missing: the cluster has no such pool",
        ),
        (Settings { conf: Some(folder.path().join("none")), ..right.clone() }, "none: No such file"),
    ];
    for (settings, sentence) in wrong {
        let said = RbdStore::open("tested", &settings).err().unwrap();
        assert!(said.contains(sentence), "{said}");
    }
    RbdStore::open("tested", &Settings { timeout: Some(Duration::from_secs(9)), ..right }).unwrap();
}

//! File stores pass the conformance tests in every configuration; folders, modes, holes and mount points are as the
//! options say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use futures::TryStreamExt;
use tempfile::TempDir;

use super::*;
use crate::store::StoreErrorKind;
use crate::store::{
    NamedStore,
    conformance::{self, get, named, new, put, sorted},
};

fn with(settings: &Settings) -> NamedStore {
    named(FileStore::with(settings).unwrap())
}

fn open(folder: &Path) -> NamedStore {
    named(FileStore::open(folder).unwrap())
}

fn settings(dir: &TempDir, folders: &[(&str, i64)]) -> Settings {
    let folders =
        folders.iter().map(|(name, priority)| Folder { path: dir.path().join(name), priority: *priority });
    Settings { folders: folders.collect(), ..Settings::of_folder(PathBuf::new()) }
}

/// Proves that a file store keeps the promises of stores, whatever its options are.
#[tokio::test]
async fn every_kind_of_file_store_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let plain = settings(&dir, &[("plain", 0)]);
    let several = settings(&dir, &[("a", 1), ("b", 1), ("c", 9)]);
    let tuned = Settings {
        file_perm: Some(0o444),
        chunk_size: Some(1000),
        thin_provisioning: true,
        timeout: Some(Duration::from_secs(60)),
        thread_pool_size: 2,
        ..settings(&dir, &[("tuned", 0)])
    };
    for settings in [plain, several, tuned] {
        conformance::conforms(&with(&settings), None).await;
    }
}

/// Proves that the highest priority is filled first, that one name is in one folder only, and that a size which
/// fits nowhere is told before the first byte.
#[tokio::test]
async fn folders_are_filled_by_priority() {
    let dir = tempfile::tempdir().unwrap();
    let store = with(&settings(&dir, &[("low", -1), ("high", 5), ("middle", 0)]));
    let url = put(&store, "one", "n", b"x").await.unwrap();
    assert!(url.ends_with("/high/n"), "{url}");
    std::fs::rename(dir.path().join("high/n"), dir.path().join("low/n")).unwrap();
    let error = put(&store, "two", "n", b"y").await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Exists, "{error}");
    store.delete("two", "other").await.unwrap();
    let error = store.writer(&new("three", "m", Some(u64::MAX))).await.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    store.delete("one", "n").await.unwrap();
    assert_eq!(sorted(&store).await, []);
}

/// Proves that runs of zeros take no room, that every byte is still there, and that the mode is the operator's.
#[tokio::test]
async fn zeros_become_holes() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir, &[("thin", 0)]);
    (settings.thin_provisioning, settings.chunk_size, settings.file_perm) = (true, Some(65536), Some(0o644));
    let store = with(&settings);
    let mut bytes = vec![0; 4 << 20];
    bytes[2 << 20] = 7;
    let url = put(&store, "b", "n", &bytes).await.unwrap();
    assert!(get(&store, &url, None).await.unwrap() == bytes);
    let found = std::fs::metadata(dir.path().join("thin/n")).unwrap();
    assert!(found.blocks() * 512 <= 128 * 1024, "{} blocks", found.blocks());
    assert_eq!(found.permissions().mode() & 0o777, 0o644);
    let folder = std::fs::metadata(dir.path().join("thin")).unwrap();
    assert_eq!(folder.permissions().mode() & 0o011, 0o011);
}

/// Proves that a blob of another store becomes one of this store without being read, unless its name is taken, the store
/// wants files of its own kind, or more users may read it than may read ours.
#[tokio::test]
async fn files_are_shared_by_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let source = open(&dir.path().join("source"));
    let file = dir.path().join("source/staged");
    let staged = put(&source, "b", "staged", b"data").await.unwrap();
    let store = with(&settings(&dir, &[("high", 2), ("low", 1)]));
    let share = async |store: &NamedStore, name| store.share(&source, &staged, &new("c", name, None)).await;
    let url = share(&store, "n").await.unwrap().unwrap();
    assert_eq!(get(&store, url.full(), None).await.unwrap(), b"data");
    assert_eq!(std::fs::metadata(&file).unwrap().nlink(), 2);
    source.delete("b", "staged").await.unwrap();
    assert_eq!(get(&store, url.full(), None).await.unwrap(), b"data");

    put(&source, "b", "staged", b"data").await.unwrap();
    std::fs::write(dir.path().join("low/rival"), b"x").unwrap();
    let taken = share(&store, "rival").await.unwrap_err();
    assert_eq!(taken.kind, StoreErrorKind::Exists, "{taken}");
    let mut own = settings(&dir, &[("own", 0)]);
    own.file_perm = Some(0o600);
    assert_eq!(share(&with(&own), "n").await.unwrap(), None);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(share(&store, "open").await.unwrap(), None);
    assert!(!dir.path().join("high/open").exists());
}

/// Proves that the entry of a mount point goes with the locations below it, and only with those.
#[tokio::test]
async fn mount_points_are_told_in_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&dir, &[("a", 0)]);
    let here = dir.path().display();
    settings.mounts = settings::mounts(&format!(
        r#"[{{"id": "no", "mountpoint": "{here}/b"}}, {{"id": "yes", "mountpoint": "{here}/a", "share": "s"}}]"#
    ))
    .unwrap();
    let store = with(&settings);
    let url = put(&store, "b", "n", b"x").await.unwrap();
    assert_eq!(
        Value::Object(store.metadata(&url)),
        json!({"id": "yes", "mountpoint": format!("{here}/a"), "share": "s"})
    );
    assert!(store.metadata("file:///elsewhere/n").is_empty());
}

/// Proves that a folder whose file system went away does not pass for one that is empty.
#[tokio::test]
async fn an_absent_file_system_is_not_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("mount"));
    let url = put(&store, "b", "n", b"x").await.unwrap();
    std::fs::rename(dir.path().join("mount"), dir.path().join("away")).unwrap();
    std::fs::create_dir(dir.path().join("mount")).unwrap();
    for error in [
        store.read(&url, None).await.err().unwrap(),
        store.stat(&url).await.unwrap_err(),
        store.delete("b", "n").await.unwrap_err(),
        store.list().try_collect::<Vec<_>>().await.unwrap_err(),
        store.writer(&new("c", "m", None)).await.err().unwrap(),
        store.share(&store, &url, &new("c", "m", None)).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, StoreErrorKind::Gone, "{error}");
    }
}

/// Proves that URLs are understood by way of a symbolic link and of its target, and that nothing else is.
#[tokio::test]
async fn urls_outside_the_folders_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("real")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("real"), dir.path().join("link")).unwrap();
    let store = open(&dir.path().join("link"));
    let url = put(&store, "b", "n", b"x").await.unwrap();
    let real = format!("file://{}", dir.path().canonicalize().unwrap().join("real/n").display());
    for url in [&url, &real, &url.replace("file://", "filesystem://")] {
        assert_eq!(get(&store, url, None).await.unwrap(), b"x");
    }
    for tail in ["real/.parts/n", "n", "link/../n", "link/sub/n", "link/.n", "link/"] {
        assert!(!store.owns(&format!("file://{}/{tail}", dir.path().display())), "{tail}");
    }
}

/// Proves that a listing comes to its end in a folder of more files than are read at once.
#[tokio::test]
async fn long_listings_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 0..2001 {
        std::fs::write(dir.path().join(format!("n{number}")), b"").unwrap();
    }
    std::fs::write(dir.path().join(PARTS).join("part"), b"").unwrap();
    let listed = sorted(&store).await;
    assert_eq!(listed.len(), 2002);
    assert_eq!(listed.iter().filter(|listed| listed.unfinished).count(), 1);
}

/// Proves that a declared size takes no more of the disk than a step ahead of the data, and that one which does not fit is
/// told before the first byte all the same.
#[tokio::test]
async fn sec_14_a_declared_size_takes_room_step_by_step() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let taken = || {
        let part = std::fs::metadata(dir.path().join(PARTS).join("b")).unwrap();
        part.blocks() * 512
    };
    let mut writer = store.writer(&new("b", "n", Some(256 << 20))).await.unwrap();
    writer.write(bytes::Bytes::from_static(b"x")).await.unwrap();
    assert!(taken() <= 2 * ahead::FIRST_STEP, "{} bytes", taken());
    writer.write(conformance::data(5 << 20).into()).await.unwrap();
    writer.sync().await.unwrap();
    assert!(taken() <= 11 << 20, "{} bytes", taken());
    writer.cancel().await.unwrap();
    let error = store.writer(&new("c", "m", Some(u64::MAX >> 2))).await.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    assert_eq!(sorted(&store).await, []);
}

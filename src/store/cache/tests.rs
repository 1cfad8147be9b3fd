//! The cache folder: locks, remains, listings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

const A: &str = "00000000-0000-4000-8000-00000000000a";
const B: &str = "00000000-0000-4000-8000-00000000000b";

fn names(folder: &Path) -> Vec<String> {
    held(folder).unwrap().into_iter().map(|file| file.name).collect()
}

fn folder() -> (tempfile::TempDir, CacheFolder) {
    let dir = tempfile::tempdir().unwrap();
    let folder = CacheFolder::open(dir.path()).unwrap();
    (dir, folder)
}

/// Proves that one writer at a time has a name, and that its file is seen whole or not at all.
#[test]
fn a_file_has_one_writer_and_is_shown_at_once() {
    let (_dir, folder) = folder();
    let mut part = folder.begin(A).unwrap().unwrap();
    assert!(folder.begin(A).unwrap().is_none(), "a second writer");
    part.write(b"half").unwrap();
    assert!(folder.open_entry(A).unwrap().is_none());
    part.sync().unwrap();
    part.commit().unwrap();
    assert_eq!(folder.open_entry(A).unwrap().unwrap().1, 4);
    assert!(folder.begin(A).unwrap().is_none(), "it is there already");
    assert_eq!(names(&folder.root.join(INCOMPLETE)), Vec::<String>::new());
    assert!(folder.remove(A).unwrap() && !folder.remove(A).unwrap());
}

/// Proves that what a dead writer left is taken over, whatever its age, and holds none of its bytes.
#[test]
fn the_file_of_a_dead_writer_is_taken_over() {
    let (_dir, folder) = folder();
    fs::write(folder.root.join(INCOMPLETE).join(A), b"from a process that was killed").unwrap();
    let mut part = folder.begin(A).unwrap().unwrap();
    part.write(b"new").unwrap();
    part.commit().unwrap();
    assert_eq!(fs::read(folder.root.join(A)).unwrap(), b"new");
}

/// Proves that giving up removes the file, and never that of a later writer.
#[test]
fn giving_up_removes_ones_own_file_only() {
    let (_dir, folder) = folder();
    let first = folder.begin(A).unwrap().unwrap();
    // The operator removes it; another writer begins.
    assert_eq!(folder.clean_incomplete(Duration::ZERO).unwrap(), 1);
    let second = folder.begin(A).unwrap().unwrap();
    drop(first);
    assert_eq!(names(&folder.root.join(INCOMPLETE)), [A]);
    drop(second);
    assert_eq!(names(&folder.root.join(INCOMPLETE)), Vec::<String>::new());
    let stalled = folder.begin(B).unwrap().unwrap();
    assert_eq!(folder.clean_incomplete(Duration::ZERO).unwrap(), 1);
    assert_eq!(stalled.commit().unwrap_err().kind(), io::ErrorKind::NotFound);
    assert!(folder.open_entry(B).unwrap().is_none());
}

/// Proves that cleaning leaves alone what is being written, and removes what is invalid or was left.
#[test]
fn cleaning_removes_what_nobody_writes() {
    let (_dir, folder) = folder();
    let part = folder.begin(A).unwrap().unwrap();
    fs::write(folder.root.join(INCOMPLETE).join(B), b"left").unwrap();
    assert_eq!(folder.clean_incomplete(Duration::from_secs(3600)).unwrap(), 1);
    part.reject().unwrap();
    fs::write(folder.root.join(INVALID).join(B), b"invalid").unwrap();
    assert_eq!(folder.invalid_bytes().unwrap(), 7);
    assert_eq!(folder.clean_invalid().unwrap(), 2);
    assert_eq!(folder.invalid_bytes().unwrap(), 0);
}

/// Proves that the queue keeps its order, and that files of other names are neither shown nor reached.
#[test]
fn the_queue_keeps_its_order_and_strange_names_are_left_alone() {
    let (dir, folder) = folder();
    folder.queue(B).unwrap();
    let turn = fs::metadata(folder.root.join(QUEUE).join(B)).unwrap().modified().unwrap();
    let later = turn + Duration::from_secs(1);
    folder.queue(A).unwrap();
    File::options().write(true).open(folder.root.join(QUEUE).join(A)).unwrap().set_modified(later).unwrap();
    folder.queue(B).unwrap();
    assert_eq!(folder.queued().unwrap(), [B, A]);
    assert!(folder.unqueue(B).unwrap() && !folder.unqueue(B).unwrap());
    fs::write(dir.path().join("cache.db"), b"Glance's").unwrap();
    assert_eq!(folder.entries().unwrap(), []);
    for name in ["cache.db", "../x", ""] {
        assert_eq!(folder.remove(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        assert!(folder.begin(name).is_err() && folder.queue(name).is_err());
    }
    assert_eq!(CacheFolder::open(dir.path()).unwrap().id(), folder.id());
}

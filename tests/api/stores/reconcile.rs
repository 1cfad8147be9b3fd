//! `vitrine store reconcile`: what it finds, and that it deletes what nothing knows and nothing else.

use std::process::{Command, Output};

use vitrine::{
    model::finding::ObjectState,
    reconcile::{
        self, Orphan,
        scan::{Scan, Wanted},
    },
    store::NamedStore,
};

use super::*;

/// What a store has too much, what it lacks, and how many files it has.
async fn examine(db: &db::Db, store: &NamedStore) -> (Vec<Orphan>, Vec<(String, String)>, u64) {
    let scan = Scan::begin(db, store, std::env::temp_dir(), Wanted::default(), &|| Ok(()));
    let (mut scan, mut found) = (scan.await.unwrap(), Vec::new());
    loop {
        match scan.next().await.unwrap() {
            batch if batch.is_empty() => break,
            batch => found.extend(batch),
        }
    }
    let lost = found.iter().filter(|finding| finding.state == ObjectState::Missing);
    let missing = lost.map(|finding| (finding.name.clone(), finding.image_id.clone().unwrap())).collect();
    let mut orphans: Vec<_> = found.iter().filter_map(Orphan::of).collect();
    orphans.sort();
    (orphans, missing, scan.objects)
}

on_each_database! {
    /// Files that nothing knows are found in each store and deleted; what images have stays, and so does what is
    /// being written. A file that is gone is told with its image.
    async fn differences_are_found_and_files_deleted(database: Database) {
        let app = database.app_with_stores();
        let id = image_in(&app, &["slow"], b"data").await;
        let all = app.app();
        let slow = &all.stores.get("slow").unwrap();
        let part = fresh_id();
        let folder = app.folder().join("slow");
        std::fs::write(folder.join("unknown"), b"x").unwrap();
        std::fs::write(folder.join(".parts").join(&part), b"x").unwrap();
        // An upload under way has a row, and with it its file is known.
        let writing = Blob {
            id: fresh_id(),
            image_id: fresh_id(),
            store: "slow".to_owned(),
            name: fresh_id(),
            state: BlobState::Writing,
            size: None,
            holder: fresh_id(),
            lease_until: now().plus_seconds(3600),
            delete_after: Timestamp(0),
            attempts: 0,
        };
        let row = writing.clone();
        all.db.write("test.blob", move |conn| db::blobs::insert(conn, &row, now())).await.unwrap();
        let writer = slow.writer(&NewBlob::of(&writing, None)).await.unwrap();

        let (orphans, missing, _) = examine(&all.db, slow).await;
        let shown: Vec<_> = orphans.iter().map(|o| (o.name.as_str(), o.unfinished)).collect();
        let mut expected = [(part.as_str(), true), ("unknown", false)];
        expected.sort_unstable();
        assert_eq!((shown, missing), (expected.to_vec(), vec![]));
        for orphan in &orphans {
            assert!(reconcile::delete(&all.db, slow, orphan).await.unwrap());
        }
        let known = Orphan { name: id.clone(), unfinished: false };
        assert!(!reconcile::delete(&all.db, slow, &known).await.unwrap());
        let known = Orphan { name: writing.id.clone(), unfinished: true };
        assert!(!reconcile::delete(&all.db, slow, &known).await.unwrap());
        writer.cancel().await.unwrap();
        all.db.write("test.remove", move |conn| db::blobs::remove(conn, &writing.id)).await.unwrap();
        assert_eq!(examine(&all.db, slow).await, (vec![], vec![], 1));

        std::fs::rename(folder.join(&id), app.folder().join("aside")).unwrap();
        let gone = (id.clone(), id.clone());
        assert_eq!(examine(&all.db, slow).await, (vec![], vec![gone], 0));
        std::fs::rename(app.folder().join("aside"), folder.join(&id)).unwrap();
    }
}

fn run(data_dir: &Path, arguments: &[&str]) -> Output {
    store("reconcile", data_dir, arguments)
}

fn store(command: &str, data_dir: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_vitrine");
    Command::new(program)
        .args(["store", command, "--data-dir"])
        .arg(data_dir)
        .args(arguments)
        .output()
        .unwrap()
}

/// What was stored before a store had its id belongs to it once the operator says so; the id of a store that is
/// there is no former one.
#[test]
fn a_renamed_store_is_adopted() {
    let mut app = Database::Sqlite.app();
    block_on(image_in(&app, &[], b"data"));
    app.reconfigure(|options| {
        let one = StoreSettings::new("one", file::Settings::of_folder(options.data_dir.join("images")));
        options.stores =
            Stores { list: vec![one], default: "one".to_owned(), multiple: true, ..Stores::default() };
    });
    let configuration = app.folder().join("glance-api.conf");
    let text = format!(
        "[DEFAULT]\nenabled_backends = one:file\n[glance_store]\ndefault_backend = one\n\
         [one]\nfilesystem_store_datadir = {}\n",
        app.store_folder().display()
    );
    std::fs::write(&configuration, text).unwrap();
    let adopt = |arguments: &[&str]| {
        let configured = [&["--config-file", configuration.to_str().unwrap()], arguments].concat();
        let output = store("adopt", app.folder(), &configured);
        (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, text) = adopt(&["--from", "one"]);
    assert!(code == 1 && text.contains("is configured"), "{text}");
    assert_eq!(adopt(&["--from", "file"]), (0, "file: 1 rows belong to one now\n".to_owned()));
    assert_eq!(adopt(&[]), (0, "there is nothing to adopt\n".to_owned()));
}

/// The command tells and changes nothing unless it is told to, and its exit code says whether all is well.
#[test]
fn the_command_is_a_dry_run_by_default() {
    let app = Database::Sqlite.app();
    let orphan = app.store_folder().join("unknown");
    assert_eq!(run(app.folder(), &[]).status.code(), Some(0));
    std::fs::write(&orphan, b"x").unwrap();
    let output = run(app.folder(), &["--store", "file"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(2) && text.contains("no row: unknown") && orphan.exists(), "{text}");
    let output = run(app.folder(), &["--delete"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.code() == Some(0) && text.contains("unknown (deleted)") && !orphan.exists(),
        "{text}"
    );
    let output = run(app.folder(), &["--store", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    let empty = scratch_folder();
    let output = run(empty.path(), &[]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("no database"));
}

//! Scrubbing: every byte is read, what is damaged in one store is written anew from another, and the rest is told.

use std::process::{Command, Output};

use vitrine::scrub::{Finding, Outcome, Pace, Scrubber, Verdict};

use super::*;

/// Images of the large test, each with a copy in two stores.
const IMAGES: usize = 40;

/// The data of an image, by its number.
fn data(number: usize) -> Vec<u8> {
    (0..5000 + number).map(|byte| (byte * 7 + number) as u8).collect()
}

/// Files of the data of an image, by store.
async fn files(app: &TestApp, id: &str) -> Vec<(String, PathBuf)> {
    let id = id.to_owned();
    let find = move |conn: &mut db::Conn| db::images::find(conn, &id);
    let image = app.app().db.read("test.image", find).await.unwrap().unwrap();
    let file = |location: &Location| {
        let path = location.url.strip_prefix("file://").unwrap();
        (location.store.clone().unwrap(), PathBuf::from(path))
    };
    image.locations.iter().map(file).collect()
}

/// Replaces a file, which stores may share, by one of its own that differs in one bit.
fn flip(path: &Path, bit: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let place = bit / 8 % bytes.len();
    bytes[place] ^= 1 << (bit % 8);
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// What a scrubber finds, by image and store.
async fn scrub(app: &TestApp, repairs: bool) -> Vec<Finding> {
    let scrubber = Scrubber::new(app.app().blobs.clone(), Pace::new(None), repairs);
    let (mut findings, mut after) = (Vec::new(), String::new());
    loop {
        let page = scrubber.page(&after).await.unwrap();
        for id in &page {
            findings.extend(scrubber.image(id).await.unwrap());
        }
        match page.last() {
            Some(last) => after.clone_from(last),
            None => return findings,
        }
    }
}

on_each_database! {
    /// One bit is flipped in one copy of each of many images: one scrub repairs all of them, and changes nothing that
    /// a client sees but the time of the change.
    async fn every_flipped_bit_is_found_and_repaired(database: Database) {
        let app = database.app_with_stores();
        let alice = app.as_member("alice");
        let mut images = Vec::new();
        for number in 0..IMAGES {
            let id = image_in(&app, &["slow"], &data(number)).await;
            let found = files(&app, &id).await;
            assert_eq!(found.len(), 2);
            // Stores on one file system share a file.
            let copy = std::fs::read(&found[1].1).unwrap();
            std::fs::remove_file(&found[1].1).unwrap();
            std::fs::write(&found[1].1, copy).unwrap();
            flip(&found[number % 2].1, number * 997);
            let shown = alice.get(&format!("/v2/images/{id}")).await.json();
            images.push((id, found[number % 2].0.clone(), shown));
        }
        let findings = scrub(&app, true).await;
        assert_eq!(findings.len(), 2 * IMAGES);
        for finding in &findings {
            let (_, store, _) = images.iter().find(|(id, ..)| *id == finding.image).unwrap();
            let is_damaged = *store == finding.store;
            assert_eq!(matches!(finding.verdict, Verdict::Damaged(_)), is_damaged, "{finding:?}");
            assert_eq!(finding.outcome == Outcome::Repaired, is_damaged, "{finding:?}");
            assert_eq!(finding.complaint(), None);
        }
        assert!(scrub(&app, false).await.iter().all(|finding| finding.verdict == Verdict::Whole));
        for (number, (id, _, before)) in images.iter().enumerate() {
            for (store, file) in files(&app, id).await {
                assert_eq!(std::fs::read(file).unwrap(), data(number), "{id} in {store}");
            }
            assert_eq!(alice.get(&format!("/v2/images/{id}/file")).await.expect(200).body, data(number));
            let mut after = alice.get(&format!("/v2/images/{id}")).await.json();
            let mut before = before.clone();
            for record in [&mut before, &mut after] {
                record.as_object_mut().unwrap().retain(|name, _| {
                    !matches!(name.as_str(), "updated_at" | "locations" | "direct_url")
                });
            }
            assert_eq!(before, after);
        }
    }

    /// A lost file counts as damaged; what no other store has is told and stays; what cannot be read now is neither.
    async fn what_cannot_be_repaired_is_told(database: Database) {
        let app = database.app_with_stores();
        let (lost, only) = (image_in(&app, &["slow"], b"lost").await, image_in(&app, &[], b"only").await);
        let of_lost = files(&app, &lost).await;
        std::fs::remove_file(&of_lost[1].1).unwrap();
        let of_only = files(&app, &only).await;
        flip(&of_only[0].1, 3);
        let damaged = std::fs::read(&of_only[0].1).unwrap();
        let findings = scrub(&app, false).await;
        assert!(findings.iter().all(|finding| finding.outcome == Outcome::Left));
        assert_eq!(findings.iter().filter_map(Finding::complaint).count(), 2);

        let findings = scrub(&app, true).await;
        let complaints: Vec<_> = findings.iter().filter_map(Finding::complaint).collect();
        assert!(complaints.len() == 1 && complaints[0].contains(&only), "{complaints:?}");
        assert!(complaints[0].contains("no other store has a good copy"), "{complaints:?}");
        assert_eq!(std::fs::read(&of_only[0].1).unwrap(), damaged);
        assert_eq!(std::fs::read(&files(&app, &lost).await[1].1).unwrap(), b"lost");

        let folder = of_lost[0].1.parent().unwrap();
        let aside = folder.with_extension("aside");
        std::fs::rename(folder, &aside).unwrap();
        let findings = scrub(&app, true).await;
        std::fs::rename(&aside, folder).unwrap();
        let unread = findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Unread(_))).count();
        assert_eq!(unread, 2, "a file system that is not there is no damage: {findings:?}");
    }
}

fn vitrine(app: &TestApp, words: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_vitrine");
    Command::new(program).args(words).arg("--data-dir").arg(app.folder()).output().unwrap()
}

/// The commands say what is wrong, and their exit codes whether anything is.
#[test]
fn the_commands_tell_of_damage() {
    let app = Database::Sqlite.app();
    let id = block_on(image_in(&app, &[], b"data"));
    for words in [&["scrub"][..], &["check"], &["check", "--all"]] {
        let output = vitrine(&app, words);
        assert_eq!(output.status.code(), Some(0), "{words:?} {output:?}");
    }
    let file = app.store_folder().join(&id);
    flip(&file, 1);
    assert_eq!(vitrine(&app, &["check"]).status.code(), Some(0), "it does not read data");
    for words in
        [&["check", "--all"][..], &["scrub", "--pace", "1000"], &["scrub", "--no-repair", "--image", &id]]
    {
        let output = vitrine(&app, words);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.code() == Some(2) && text.contains(&format!("image {id} in file: damaged")),
            "{text}"
        );
    }
}

/// Images and ledger that disagree are named, each with what is wrong.
#[test]
fn the_check_names_what_disagrees() {
    let app = Database::Sqlite.app();
    let (astray, bare) =
        block_on(async { (image_in(&app, &[], b"data").await, image_in(&app, &[], b"data").await) });
    let (of_astray, of_bare) = (astray.clone(), bare.clone());
    let break_it = move |conn: &mut db::Conn| {
        let (led, left) = (db::images::find(conn, &of_astray)?, db::images::find(conn, &of_bare)?);
        let blob = led.unwrap().locations[0].blob_id.clone().unwrap();
        db::blobs::doom(conn, &blob, Timestamp(i64::MAX), Timestamp(0))?;
        let left = left.unwrap();
        db::images::save(conn, &left, &Image { locations: vec![], ..left.clone() })?;
        Ok((blob, left.locations))
    };
    let (blob, locations) = block_on(app.app().db.write("test.break", break_it)).unwrap();
    let output = vitrine(&app, &["check"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains(&format!("of image {astray}: it leads to a blob that is doomed")), "{text}");
    assert!(text.contains(&format!("image {bare}: it is active and has no location")), "{text}");
    assert!(
        text.contains(&format!("of image {bare} in file: it is live and no location leads to it")),
        "{text}"
    );
    let mend_it = move |conn: &mut db::Conn| {
        assert!(db::blobs::revive(conn, &blob, Timestamp(1))?);
        let left = db::images::find(conn, &bare)?.unwrap();
        db::images::save(conn, &left, &Image { locations: locations.clone(), ..left.clone() }).map(drop)
    };
    block_on(app.app().db.write("test.mend", mend_it)).unwrap();
}

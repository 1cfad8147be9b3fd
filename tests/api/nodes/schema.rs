//! `vitrine db sync | check | version`, and what an older or newer schema is told.

use super::*;

/// How often the race is run.
const ROUNDS: usize = 5;

on_each_database! {
    /// Three syncs that start together on an empty database all succeed: one makes the schema, the others find it
    /// made. What `check` and `version` say follows.
    fn syncs_at_once_all_succeed(database: Database) {
        for _ in 0..ROUNDS {
            let folder = scratch_folder();
            let empty = TestDatabase::empty(database, folder.path());
            let syncs: Vec<Child> = (0..3).map(|_| spawn(folder.path(), empty.url(), &["db", "sync"])).collect();
            let ends: Vec<_> = syncs.into_iter().map(|sync| ended(sync.wait_with_output().unwrap())).collect();
            assert!(ends.iter().all(|(code, _)| *code == 0), "{ends:#?}");
            assert_eq!(ends.iter().filter(|(_, text)| text.contains("applied ")).count(), 1, "{ends:#?}");
            let (code, text) = run(folder.path(), empty.url(), &["db", "check"]);
            assert!(code == 0 && text.contains("up to date"), "{text}");
            let (code, text) = run(folder.path(), empty.url(), &["db", "version"]);
            let latest = ends.iter().flat_map(|(_, text)| text.lines()).filter_map(|line| line.strip_prefix("applied ")).max();
            let digits: String = latest.unwrap().split('_').next().unwrap().replace('-', "");
            assert_eq!((code, text.trim()), (0, digits.as_str()));
        }
    }

    /// A database of an older version is left as it is by everything but `sync`, and everybody says so; only the
    /// embedded one is brought up to date by the server itself.
    fn an_older_schema_waits_for_its_sync(database: Database) {
        let folder = scratch_folder();
        let empty = TestDatabase::empty(database, folder.path());
        let at = |words: &[&str]| run(folder.path(), empty.url(), words);
        if database == Database::Sqlite {
            // There is not even a file.
            assert_eq!(at(&["db", "check"]).0, 1);
            std::fs::File::create(folder.path().join("vitrine.sqlite")).unwrap();
        } else {
            for words in [&["serve", "--bind", "127.0.0.1:0"][..], &["jobs", "list"]] {
                let (code, text) = at(words);
                assert!(code == 1 && text.contains("older than this version") && text.contains("vitrine db sync"), "{text}");
            }
        }
        let (code, text) = at(&["store", "reconcile"]);
        assert!(code == 1 && text.contains("vitrine db sync"), "{text}");
        let (code, text) = at(&["db", "check"]);
        assert!(code == 3 && text.contains("000001_images") && text.contains("vitrine db sync"), "{text}");
        assert_eq!(at(&["db", "version"]), (0, "none\n".to_owned()));
        if database == Database::Sqlite {
            assert_eq!(at(&["jobs", "list"]).0, 0);
        } else {
            assert_eq!(at(&["db", "sync"]).0, 0);
        }
        assert_eq!(at(&["db", "check"]).0, 0);
    }

    /// A database of a newer version is touched by nobody.
    fn a_newer_schema_is_refused(database: Database) {
        let folder = scratch_folder();
        let newer = TestDatabase::empty(database, folder.path());
        let at = |words: &[&str]| run(folder.path(), newer.url(), words);
        assert_eq!(at(&["db", "sync"]).0, 0);
        execute(newer.url(), "INSERT INTO __diesel_schema_migrations (version) VALUES ('99991231000001')");
        for (words, expected) in [
            (&["db", "check"][..], 2),
            (&["db", "sync"], 1),
            (&["serve", "--bind", "127.0.0.1:0"], 1),
            (&["jobs", "list"], 1),
            (&["store", "reconcile"], 1),
        ] {
            let (code, text) = at(words);
            assert!(code == expected && text.contains("newer version") && text.contains("99991231000001"), "{words:?}: {text}");
        }
    }
}

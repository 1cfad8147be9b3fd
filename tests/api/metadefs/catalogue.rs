//! The shipped catalogue, and files of namespaces: load, unload, export.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use vitrine::{
    db::{self, Db},
    metadef::catalogue::{self, Mode, Report, SHIPPED},
    model::metadef::file::{self, NamespaceFile},
};

use super::NS;
use crate::support::*;

fn open(database: &TestDatabase) -> Db {
    let settings = db::Settings { connection: database.url().to_owned(), ..db::Settings::default() };
    let db = Db::open(&settings).unwrap();
    db.migrate(vitrine::db::Phase::Whole).unwrap();
    db
}

fn parsed(files: &[(String, String)]) -> Vec<NamespaceFile> {
    files.iter().map(|(name, text)| file::parse(text).unwrap_or_else(|e| panic!("{name}: {e}"))).collect()
}

fn one(body: &Value) -> Vec<NamespaceFile> {
    vec![file::parse(&body.to_string()).unwrap()]
}

/// What is built into the binary is what lies in the folder.
#[test]
fn every_file_of_the_folder_is_shipped() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/metadefs");
    let found: BTreeSet<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let shipped: BTreeSet<String> = SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(found, shipped);
    assert_eq!(catalogue::shipped().unwrap().len(), SHIPPED.len());
}

/// The embedded default has the catalogue from its first start; what is unloaded stays away.
#[test]
fn the_first_start_loads_it() {
    block_on(async {
        let mut app = Database::Sqlite.app();
        let list = app.as_reader("alpha").get(&format!("{NS}?limit=100")).await.expect(200).json();
        let shown = list["namespaces"].as_array().unwrap().len();
        let public =
            catalogue::shipped().unwrap().iter().filter(|f| f.fields.visibility.as_str() == "public").count();
        assert_eq!(shown, public);
        let whole = app.as_admin().get(&format!("{NS}/OS::Compute::Quota")).await.expect(200).json();
        assert!(whole.get("updated_at").is_none(), "files bring no time of change");
        assert_eq!(whole["objects"].as_array().unwrap().len(), 3);
        assert_eq!(catalogue::unload(&app.app().db).unwrap(), SHIPPED.len());
        app.restart(|_| {});
        let list = app.as_admin().get(NS).await.expect(200).json();
        assert_eq!(list["namespaces"], json!([]));
        assert_eq!(
            app.as_admin().get("/v2/metadefs/resource_types").await.json(),
            json!({"resource_types": []})
        );
    });
}

on_each_database! {
    /// What is exported loads again and is exported as before.
    fn round_trip(database: Database) {
        let folder = scratch_folder();
        let database = TestDatabase::create(database, folder.path());
        let db = open(&database);
        let shipped = catalogue::shipped().unwrap();
        let report = catalogue::load(&db, &shipped, Mode::Skip).unwrap();
        assert_eq!(report, Report { added: SHIPPED.len(), ..Report::default() });
        let first = catalogue::export(&db).unwrap();
        let names: BTreeSet<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names.len(), SHIPPED.len(), "no two files have one name");
        assert_eq!(catalogue::unload(&db).unwrap(), SHIPPED.len());
        assert!(catalogue::export(&db).unwrap().is_empty());
        catalogue::load(&db, &parsed(&first), Mode::Skip).unwrap();
        assert_eq!(catalogue::export(&db).unwrap(), first);
        for (name, text) in SHIPPED {
            let wanted = file::parse(text).unwrap();
            let found = parsed(&first).into_iter().find(|f| f.fields.namespace == wanted.fields.namespace);
            assert_eq!(found.unwrap().fields, wanted.fields, "{name}");
        }
    }

    /// Each mode does to what is there what it says, and to nothing else.
    fn modes(database: Database) {
        let folder = scratch_folder();
        let database = TestDatabase::create(database, folder.path());
        let db = open(&database);
        let old = json!({"namespace": "N", "display_name": "old", "owner": "o",
            "properties": {"p": {"title": "old"}, "mine": {"title": "m"}}, "tags": [{"name": "mine"}],
            "objects": [{"name": "o", "required": ["x"], "properties": {"x": {"default": 1}}}],
            "resource_type_associations": [{"name": "A", "prefix": "old"}]});
        let new = json!({"namespace": "N", "display_name": "new",
            "properties": {"p": {"title": "new"}, "q": {"title": "q"}}, "tags": [{"name": "t"}],
            "objects": [{"name": "o", "description": "new"}, {"name": "o2"}],
            "resource_type_associations": [{"name": "A", "prefix": "new"}, {"name": "B"}]});
        let now = || -> Value { serde_json::from_str(&catalogue::export(&db).unwrap()[0].1).unwrap() };
        catalogue::load(&db, &one(&old), Mode::Skip).unwrap();
        let before = now();
        assert_eq!(before["objects"], old["objects"], "definitions stay as they were written");
        assert_eq!(catalogue::load(&db, &one(&new), Mode::Skip).unwrap().skipped, 1);
        assert_eq!(now(), before);

        assert_eq!(catalogue::load(&db, &one(&new), Mode::Merge).unwrap().merged, 1);
        let merged = now();
        assert_eq!((&merged["display_name"], &merged["owner"]), (&json!("old"), &json!("o")));
        assert_eq!(keys(&merged["properties"]), ["mine", "p", "q"]);
        assert_eq!(merged["properties"]["p"]["title"], "old");
        assert_eq!(merged["objects"][0], old["objects"][0]);
        assert_eq!(merged["tags"], json!([{"name": "mine"}, {"name": "t"}]));
        assert_eq!(merged["resource_type_associations"], json!([{"name": "A", "prefix": "old"}, {"name": "B"}]));

        assert_eq!(catalogue::load(&db, &one(&new), Mode::PreferNew).unwrap().updated, 1);
        let preferred = now();
        assert_eq!((&preferred["display_name"], &preferred["owner"]), (&json!("new"), &json!("admin")));
        assert_eq!(keys(&preferred["properties"]), ["mine", "p", "q"]);
        assert_eq!(preferred["properties"]["p"]["title"], "new");
        assert_eq!(preferred["objects"][0], json!({"name": "o", "description": "new", "properties": {}}));
        assert_eq!(preferred["resource_type_associations"][0]["prefix"], "new");

        assert_eq!(catalogue::load(&db, &one(&new), Mode::Replace).unwrap().replaced, 1);
        assert_eq!(keys(&now()["properties"]), ["p", "q"]);
        assert_eq!(now()["tags"], new["tags"]);
        let twins = [one(&new), one(&old)].concat();
        assert!(catalogue::load(&db, &twins, Mode::Replace).unwrap_err().to_string().contains("two files"));
    }
}

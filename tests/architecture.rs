//! Reads the names that `src/` says and holds them to the rules of the house: imports point down, frameworks stay in
//! the one room that may name each, images are saved in the door, and work remembers its cause.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
};

#[path = "architecture/reader.rs"]
mod reader;
#[path = "architecture/security.rs"]
mod security;

use reader::Named;

/// Rooms from the ground up. A room may import rooms of lower floors alone: none of its own floor, none above.
const FLOORS: [&[&str]; 18] = [
    &["model"],
    &["telemetry"],
    &["db"],
    &["outbound"],
    &["format", "identity", "policy", "store"],
    // Its service user logs in as that of the identity does.
    &["key_manager"],
    &["access"],
    // The one door for changes of an image.
    &["image"],
    // The one path of bytes.
    &["blob"],
    &["work"],
    // Damage is repaired in one place, whoever finds it.
    &["scrub"],
    // Features, which never import each other.
    &["cache", "import", "location", "metadef", "moving", "notify", "reconcile", "storage", "usage"],
    &["task"],
    &["app"],
    &["api", "jobs"],
    // Gathers the settings that each room owns.
    &["config"],
    &["server"],
    // The last calls parsers of every room, for those who fuzz them.
    &["cli", "fuzzing"],
];

/// What only the door may say: nothing else inserts, saves or deletes an image.
const DOOR: &str = "image/change";
const BEHIND_THE_DOOR: [&str; 5] = ["insert", "insert_drawn", "save", "delete", "restore"];
/// The statements behind it.
const STATEMENTS: &str = "db/images";

/// Names that only some places may mention.
const FRAMEWORKS: [(&str, &[&str]); 14] = [
    ("actix_http", &["api"]),
    ("actix_server", &["api"]),
    ("actix_service", &["api"]),
    // The last plays a Keystone in tests.
    ("actix_web", &["api", "server", "identity/keystone/fake"]),
    ("diesel", &["db"]),
    ("diesel_migrations", &["db"]),
    // Whoever starts a program that reads what strangers sent.
    ("landlock", &["import"]),
    ("lapin", &["notify"]),
    ("libsqlite3_sys", &["db"]),
    ("clap", &["cli"]),
    ("object_store", &["store"]),
    ("quick_xml", &["import", "store"]),
    ("reqwest", &["outbound"]),
    ("seccompiler", &["import"]),
];

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&room))
}

/// Whether code of one room may name the other.
fn may_import(from: &str, to: &str) -> bool {
    match (floor_of(from), floor_of(to)) {
        (Some(above), Some(below)) => above > below || from == to,
        _ => false,
    }
}

/// What follows the root of the crate in a path, or `None` where a path does not begin there. `depth` is how many
/// `super::` lead there from the file; from a module inside it takes more.
fn from_root<'a, 'b>(path: &'b [&'a str], depth: usize) -> Option<&'b [&'a str]> {
    let own = path.iter().take_while(|name| **name == "self").count();
    let path = &path[own..];
    let up = path.iter().take_while(|name| **name == "super").count();
    match path.first() {
        Some(&"crate" | &"vitrine") => Some(&path[1..]),
        // In a module inside the file as many `super::` may lead to the file, where no room follows.
        Some(&"super") if up >= depth => {
            Some(&path[up..]).filter(|rest| rest.first().is_none_or(|name| floor_of(name).is_some()))
        }
        _ => None,
    }
}

/// Imports of one file that its room may not have. The root of the crate keeps its name, or they could not be seen.
fn import_faults(room: &str, depth: usize, paths: &[Named]) -> Vec<String> {
    let mut faults = Vec::new();
    for named in paths {
        let Some(rest) = from_root(&named.path, depth) else { continue };
        if named.renamed && rest.is_empty() {
            faults.push(format!("`{}` may not go by another name", named.path.join("::")));
        } else if let Some(other) = rest.first().filter(|other| !may_import(room, other)) {
            faults.push(format!("`{room}` may not import `{other}`"));
        }
    }
    faults
}

/// Ways past the door. Other rooms name `db::images` in full, so that a change cannot be called anything else; in the
/// room of the statements only their file writes the table.
fn door_faults(file: &str, words: &[&str], paths: &[Named]) -> Vec<String> {
    if file == DOOR || file == STATEMENTS {
        return Vec::new();
    }
    let in_db = file == "db" || file.starts_with("db/");
    let passing = |named: &Named| {
        let path = named.path.join("::");
        let names = |end: &str| path == end || path.ends_with(&format!("::{end}"));
        let is_change = BEHIND_THE_DOOR.iter().any(|change| names(&format!("images::{change}")));
        let passes = if in_db {
            is_change || names("images::*") || names("images") && named.renamed
        } else if names("db") {
            named.renamed
        } else {
            names("db::*")
                || path.contains("db::images") && (is_change || names("images::*") || names("images"))
        };
        passes.then_some(path)
    };
    let writes = |place: &usize| {
        let mut table = words[place + 1..].iter().skip(1).take_while(|word| **word != ")");
        in_db
            && ["insert_into", "update", "delete"].contains(&words[*place])
            && words.get(place + 1) == Some(&"(")
            && table.any(|word| *word == "images")
    };
    let writes = (0..words.len()).filter(writes).map(|place| format!("diesel::{}(…images", words[place]));
    paths
        .iter()
        .filter_map(passing)
        .chain(writes)
        .map(|what| {
            format!("{what}: images are inserted, saved and deleted only by {DOOR}, with {STATEMENTS}")
        })
        .collect()
}

/// What is wrong with one file, given its path below `src/`.
fn faults_of(path: &Path, source: &str) -> Vec<String> {
    let parts = path.with_extension("");
    let mut parts: Vec<_> = parts.iter().map(|part| part.to_str().unwrap()).collect();
    if parts.last() == Some(&"mod") {
        parts.pop();
    }
    let (room, file, shown) = (parts[0], parts.join("/"), path.display());
    let mut faults = Vec::new();
    if !source.starts_with("//! ") {
        faults.push("does not open with a sentence saying what lives there".to_owned());
    }
    let words = reader::words(source);
    let paths = reader::paths(&words);
    // The root of the crate stands above all rooms.
    if path != "lib.rs" && path != "main.rs" {
        if floor_of(room).is_none() {
            return vec![format!(
                "{shown}: the room `{room}` has no floor in tests/architecture.rs; give it one"
            )];
        }
        faults.extend(import_faults(room, parts.len(), &paths));
    }
    if room == "db" {
        let words = reader::words(without_tests(path, source));
        faults.extend(door_faults(&file, &words, &reader::paths(&words)));
    } else {
        faults.extend(door_faults(&file, &words, &paths));
    }
    for (framework, places) in FRAMEWORKS {
        if words.contains(&framework) && !places.contains(&room) && !places.contains(&file.as_str()) {
            faults.push(format!("only {} may name {framework}", places.join(" and ")));
        }
    }
    faults.sort();
    faults.dedup();
    faults.into_iter().map(|fault| format!("{shown}: {fault}")).collect()
}

/// The code that is compiled into the server, as far as files and modules of tests say so by their names.
fn without_tests<'a>(path: &Path, source: &'a str) -> &'a str {
    let is_test = |part: &std::ffi::OsStr| {
        part.to_string_lossy().starts_with("test") || part == "fake.rs" || part == "servers.rs"
    };
    if path.iter().any(is_test) {
        return "";
    }
    source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every fault in the tree.
fn faults_in_tree(faults_of: impl Fn(&Path, &str) -> Vec<String>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "src/ was not found");
    let faults =
        |path: &PathBuf| faults_of(path.strip_prefix(&root).unwrap(), &fs::read_to_string(path).unwrap());
    files.iter().flat_map(faults).collect()
}

#[test]
fn names_keep_to_their_rooms() {
    let faults = faults_in_tree(faults_of);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Ways to write what is forbidden, one fault each.
const BAD: [(&str, &str); 43] = [
    ("db/images.rs", "use crate::image::query;"),
    ("db/images.rs", "use crate::{\n    model::image::Image,\n    store::{Store, Writer},\n};"),
    ("db/images.rs", "fn f() { crate::policy::enforce() }"),
    ("db/images.rs", "use super::super::identity;"),
    ("db/mod.rs", "use super::api::{self, Settings};"),
    ("model/image.rs", "pub(crate) use crate::db;"),
    ("identity/keystone/mod.rs", "use crate::policy;"),
    ("image/upload.rs", "use crate::api::error::ApiError;"),
    ("image/upload.rs", "use crate::jobs;"),
    ("api/routes.rs", "use crate::jobs::Jobs;"),
    ("image/upload.rs", "use actix_web::web;"),
    ("image/upload.rs", "use diesel::prelude::*;"),
    ("policy/remote.rs", "fn f() { reqwest::Client::builder() }"),
    ("outbound/client.rs", "use crate::policy::Enforcer;"),
    ("attic/mod.rs", ""),
    ("import/job.rs", "use crate::cache::Cache;"),
    ("image/query.rs", "mod inner {\n    use super::super::super::api;\n}"),
    ("image/query.rs", "use self::super::super::api;"),
    ("image/query.rs", "use super::{super::api, create};"),
    ("image/query.rs", "macro_rules! m { () => { $crate::api::map } }"),
    ("image/query.rs", "const AT: (&str, Rule) = (\"http://a\", crate::api::RULE);"),
    ("image/query.rs", "use crate ::api;"),
    ("image/query.rs", "use vitrine::api;"),
    ("image/query.rs", "use crate::*;"),
    ("image/query.rs", "use crate as root;"),
    ("image/query.rs", "use crate::db as rows;"),
    ("image/query.rs", "use super::super as root;"),
    ("main/mod.rs", "fn main() {}"),
    ("image/query.rs", "use actix_web as web;"),
    ("image/query.rs", "use {diesel, std::fs};"),
    ("main.rs", "use diesel::prelude::*;"),
    ("image/update.rs", "fn f() { db::images::save(conn, &a, &b) }"),
    ("lib.rs", "fn f() { db::images\n    ::save(conn, &a, &b) }"),
    ("blob/draft.rs", "fn f() { let insert = db::images::insert; }"),
    ("blob/draft.rs", "use crate::db::images;"),
    ("blob/draft.rs", "use crate::db::{blobs, images::{self as rows}};"),
    ("blob/draft.rs", "use crate::db::images::{delete as remove, find};"),
    ("blob/draft.rs", "use crate::db::images::*;"),
    ("blob/draft.rs", "use crate::db::*;"),
    ("db/blobs.rs", "fn f() { super::images::save(conn, &a, &b) }"),
    ("db/blobs.rs", "use super::images as rows;"),
    ("db/mod.rs", "pub use images::{find, save as keep};"),
    ("db/blobs.rs", "fn f() { diesel::update(super::schema::images::table.filter(id)) }"),
];

/// The rules themselves: they see what is forbidden, and nothing where there is none.
#[test]
fn the_rules_find_what_they_should() {
    for (path, code) in BAD {
        let faults = faults_of(Path::new(path), &format!("//! A room.\n{code}\n"));
        assert_eq!(faults.len(), 1, "{path}: {code}: {faults:?}");
    }
    let good = [
        (
            "db/images.rs",
            "use crate::{\n    model::{\n        image::{Image, store},\n    },\n};\nuse super::Conn;",
        ),
        ("image/change.rs", "fn f() { db::images::save(conn, &a, &b) }"),
        ("image/query.rs", "use crate::db;\nfn f() { db::images::find(conn, \"crate::api\") }"),
        (
            "blob/draft.rs",
            "use crate::{access as rules, db::images_page, image::{query as images, update::{self as change}}};",
        ),
        ("db/images.rs", "fn f() { diesel::insert_into(images::table) }\npub fn save() {}"),
        ("db/blobs.rs", "use super::images;\nfn f() { images::find(conn, id) }"),
        ("db/blobs.rs", "#[cfg(test)]\nmod tests {\n    fn f() { images::insert(conn, &a) }\n}"),
        ("api/routes.rs", "use super::images::{create, delete as remove};"),
        ("main.rs", "fn main() { vitrine::cli::run() }"),
        ("db/images.rs", "// use crate::image;\n/// See [`crate::api`].\nuse diesel::prelude::*;"),
        ("blob/upload.rs", "use crate::{access, db, format, image, policy, store};\nuse super::draft;"),
        ("image/mod.rs", "mod tests {\n    use super::*;\n    use super::query;\n}"),
        ("api/mod.rs", "use crate::{app::App, identity::Identity};\nuse actix_web::web;"),
        ("identity/builtin/mod.rs", "use crate::db::identity;"),
        ("server.rs", "use crate::{api, jobs, db};\nuse actix_web::HttpServer;"),
    ];
    for (path, code) in good {
        assert_eq!(
            faults_of(Path::new(path), &format!("//! A room.\n{code}\n")),
            Vec::<String>::new(),
            "{code}"
        );
    }
    assert_eq!(faults_of(Path::new("db/images.rs"), "use std::fs;").len(), 1, "no opening sentence");
}

/// What in one file starts tasks and threads that know nothing of the request that caused them; tests may.
fn forgets(path: &Path, source: &str) -> Vec<String> {
    if path.starts_with("telemetry") {
        return Vec::new();
    }
    let words = reader::words(without_tests(path, source));
    let before = |place: usize, expected: &[&str]| words[..place].ends_with(expected);
    let starts = |place: &usize| match words[*place] {
        "block" => before(*place, &["web", "::"]),
        // Whoever starts a process hands it no closure.
        "spawn" if before(*place, &["."]) && words[*place + 1..].starts_with(&["(", ")"]) => false,
        word => (word == "spawn" || word.starts_with("spawn_")) && !before(*place, &["telemetry", "::"]),
    };
    let found = (0..words.len()).filter(starts);
    found
        .map(|place| format!("{}: `{}` forgets the cause; see `telemetry`", path.display(), words[place]))
        .collect()
}

/// All work is started by `telemetry`, so that each line of the log names the request that caused it.
#[test]
fn work_remembers_its_cause() {
    let forgetful = [
        "tokio::spawn(x)",
        "use tokio::task::spawn;",
        "tokio::task::spawn_blocking(x)",
        "rt::spawn(x)",
        "task::spawn_local(x)",
        "std::thread::spawn(x)",
        "thread::Builder::new().spawn(x)",
        "JoinSet::new().spawn(x)",
        "Handle::current().spawn(x)",
        "futures.map(tokio::spawn)",
        "web::block(x)",
    ];
    for starter in forgetful {
        let code = format!("//! A room.\n{starter}\n");
        assert_eq!(forgets(Path::new("image/upload.rs"), &code).len(), 1, "{starter}");
        assert!(forgets(Path::new("telemetry/tasks.rs"), &code).is_empty(), "{starter}");
    }
    for mindful in ["telemetry::spawn(x)", "telemetry::spawn_in(&mut set, x)", "Command::new(x).spawn()"] {
        assert!(forgets(Path::new("image/upload.rs"), mindful).is_empty(), "{mindful}");
    }
    let faults = faults_in_tree(forgets);
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// No file imports itself by way of others, no room does, and the other numbers of the tree hold: `tools/numbers` reads
/// every import down to the file that defines the name.
#[test]
fn the_numbers_of_the_tree_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = std::process::Command::new(root.join("tools/numbers")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("circles between files: 0"), "{said}");
}

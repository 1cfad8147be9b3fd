//! Reads the imports of `src/` and holds them to the one direction in which they may point, and the frameworks to
//! the one room that may name each.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Rooms from the ground up. A room may import rooms of lower floors alone: none of its own floor, none above.
const FLOORS: [&[&str]; 16] = [
    &["model"],
    &["telemetry"],
    &["db"],
    &["outbound"],
    &["format", "identity", "policy", "store"],
    &["access"],
    // The one door for changes of an image.
    &["image"],
    // The one path of bytes.
    &["blob"],
    &["work"],
    // Features, which never import each other.
    &["cache", "import", "location", "metadef", "reconcile"],
    &["task"],
    &["app"],
    &["api", "jobs"],
    // Gathers the settings that each room owns.
    &["config"],
    &["server"],
    &["cli"],
];

/// What only the door may say: nothing else inserts, saves or deletes an image.
const DOOR: &str = "image/change";
const BEHIND_THE_DOOR: [&str; 3] = ["images::insert(", "images::save(", "images::delete("];

/// Names that only some places may mention.
const FRAMEWORKS: [(&str, &[&str]); 8] = [
    ("actix_http", &["api"]),
    ("actix_server", &["api"]),
    ("actix_service", &["api"]),
    // The last plays a Keystone in tests.
    ("actix_web", &["api", "server", "identity/keystone/fake"]),
    ("diesel", &["db"]),
    ("diesel_migrations", &["db"]),
    ("clap", &["cli"]),
    ("reqwest", &["outbound"]),
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

/// The text without comments. Text in quotes stays: no import stands in one.
fn without_comments(source: &str) -> String {
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn identifier(text: &str) -> &str {
    text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).next().unwrap_or_default()
}

/// What stands first in each branch of an import: `a` and `b` in `{a::c, b::{d, e}}`.
fn heads(text: &str) -> Vec<String> {
    let Some(group) = text.strip_prefix('{') else { return vec![identifier(text).to_owned()] };
    let (mut heads, mut depth, mut at_head) = (Vec::new(), 0, true);
    for (place, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_head = true,
            c if at_head && !c.is_whitespace() => {
                heads.push(identifier(&group[place..]).to_owned());
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

/// Rooms that the code of a file names by `crate::`, or by a `super::` that leads to the root of the crate.
/// `depth` is how many `super::` that takes.
fn rooms_named(code: &str, depth: usize) -> BTreeSet<String> {
    let roots = ["crate::".to_owned(), "super::".repeat(depth)];
    let mut named = BTreeSet::new();
    for root in roots {
        for (place, found) in code.match_indices(&root) {
            let before = code[..place].chars().next_back().unwrap_or(' ');
            let is_tail = before == ':' || before == '_' || before == '$' || before.is_ascii_alphanumeric();
            let names = heads(code[place + found.len()..].trim_start());
            // `super::` leads to the root only where a room follows; in a test module it leads to the file.
            let is_room = |name: &String| root.starts_with("crate") || floor_of(name).is_some();
            named.extend(names.into_iter().filter(|name| !is_tail && is_room(name)));
        }
    }
    named
}

/// What is wrong with one file, given its path below `src/`.
fn faults_of(path: &Path, source: &str) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    let room = parts.first().cloned().unwrap_or_default();
    let shown = path.display();
    let mut faults = Vec::new();
    if !source.starts_with("//! ") {
        faults.push(format!("{shown} does not open with a sentence saying what lives there"));
    }
    if room == "lib" || room == "main" {
        return faults;
    }
    if floor_of(&room).is_none() {
        faults.push(format!("{shown}: the room `{room}` has no floor in tests/architecture.rs; give it one"));
        return faults;
    }
    let code = without_comments(source);
    for other in rooms_named(&code, parts.len()) {
        if !may_import(&room, &other) {
            faults.push(format!("{shown}: `{room}` may not import `{other}`"));
        }
    }
    if room != "db" && parts.join("/") != DOOR {
        for call in BEHIND_THE_DOOR.iter().filter(|call| code.contains(&format!("db::{call}"))) {
            faults.push(format!("{shown}: only {DOOR} may call db::{call}…)"));
        }
    }
    for (framework, rooms) in FRAMEWORKS {
        let named = code.match_indices(framework).any(|(place, _)| {
            identifier(&code[place..]) == framework
                && !code[..place].ends_with(|c: char| c == '_' || c.is_ascii_alphanumeric())
                && code[place + framework.len()..].starts_with([':', ';'])
        });
        if named && !rooms.contains(&room.as_str()) && !rooms.contains(&parts.join("/").as_str()) {
            faults.push(format!("{shown}: only {} may name {framework}", rooms.join(" and ")));
        }
    }
    faults
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

#[test]
fn imports_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "src/ was not found");
    let faults: Vec<String> = files
        .iter()
        .flat_map(|path| faults_of(path.strip_prefix(&root).unwrap(), &fs::read_to_string(path).unwrap()))
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The reader itself: it sees every way to write a forbidden import, and nothing where there is none.
#[test]
fn the_reader_finds_what_it_should() {
    let bad = [
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
        ("image/update.rs", "fn f() { db::images::save(conn, &a, &b) }"),
    ];
    for (path, code) in bad {
        let faults = faults_of(Path::new(path), &format!("//! A room.\n{code}\n"));
        assert_eq!(faults.len(), 1, "{path}: {code}: {faults:?}");
    }
    let good = [
        (
            "db/images.rs",
            "use crate::{\n    model::{\n        image::{Image, store},\n    },\n};\nuse super::Conn;",
        ),
        ("image/change.rs", "fn f() { db::images::save(conn, &a, &b) }"),
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

/// What starts tasks and threads that know nothing of the request that caused them.
const FORGETFUL: [&str; 5] =
    ["tokio::spawn(", "spawn_blocking(", "rt::spawn(", "task::spawn_local(", "thread::spawn("];

/// What in one file starts work that forgets its cause; tests may.
fn forgets(path: &Path, source: &str) -> Vec<String> {
    let is_test = |part: &std::ffi::OsStr| part.to_string_lossy().starts_with("test") || part == "fake.rs";
    if path.starts_with("telemetry") || path.iter().any(is_test) {
        return Vec::new();
    }
    let code = without_comments(source);
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let found = FORGETFUL.iter().filter(|starter| code.contains(**starter));
    found
        .map(|starter| format!("{}: `{starter}` forgets the cause; see `telemetry`", path.display()))
        .collect()
}

/// All work is started by `telemetry`, so that each line of the log names the request that caused it.
#[test]
fn work_remembers_its_cause() {
    for starter in FORGETFUL {
        let code = format!("//! A room.\nfn f() {{ {starter}x) }}\n");
        assert_eq!(forgets(Path::new("image/upload.rs"), &code).len(), 1, "{starter}");
        assert!(forgets(Path::new("telemetry/tasks.rs"), &code).is_empty(), "{starter}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let faults: Vec<String> = files
        .iter()
        .flat_map(|path| forgets(path.strip_prefix(&root).unwrap(), &fs::read_to_string(path).unwrap()))
        .collect();
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

//! The whole matrix of roles, operations and visibilities, over HTTP, and what of the API it leaves out.
//!
//! The facts are `tests/data/rbac.tsv`, the gaps `tests/data/rbac-uncovered.txt`. Each cell gets an image or
//! namespace of its own. SQLite alone: rights are decided before the database matters, and the tests of each
//! call ask for the decisive ones on PostgreSQL too.

mod calls;
mod matrix;

use std::{collections::BTreeSet, fs, path::Path};

use vitrine::server::Options;

use crate::support::*;
use calls::{Case, call_of, endpoint_of};
use matrix::{CALLERS, Row, rows, uncovered};

fn app() -> TestApp {
    Database::Sqlite.app_with(|options: &mut Options| {
        options.image.show_multiple_locations = true;
        options.image.show_image_direct_url = true;
        options.stores = crate::stores::several(&options.data_dir);
        reach_loopback(options);
        crate::cache::with_cache(options);
    })
}

fn app_without_http_store() -> TestApp {
    Database::Sqlite.app_with(|options: &mut Options| {
        options.stores.list.retain(|store| store.id == "file");
        reach_loopback(options);
    })
}

/// What differs from the matrix in one row.
async fn faults(app: &TestApp, source: &WebSource, row: &Row) -> Vec<String> {
    let mut faults = Vec::new();
    for (caller, expected) in CALLERS.iter().zip(&row.statuses) {
        let case = Case { app, source, operation: &row.operation, visibility: &row.visibility };
        let call = call_of(&case).await;
        let got = call.send(&app.as_persona(&matrix::persona(caller))).await.status;
        if got != *expected {
            faults.push(format!("{} {} {caller}: {got}, not {expected}", row.operation, row.visibility));
        }
    }
    faults
}

async fn walk(app: &TestApp, select: impl Fn(&Row) -> bool) -> usize {
    let source = WebSource::start();
    let gaps = uncovered();
    let (mut faulty, mut number) = (Vec::new(), 0);
    for row in rows().iter().filter(|row| select(row) && !gaps.operations.contains(&row.operation)) {
        faulty.extend(faults(app, &source, row).await);
        // Nobody gets past the door without a token.
        let case = Case { app, source: &source, operation: &row.operation, visibility: &row.visibility };
        let got = call_of(&case).await.send(&app.as_nobody()).await.status;
        if got != 401 {
            faulty.push(format!("{} {} anonymous: {got}, not 401", row.operation, row.visibility));
        }
        number += 1;
    }
    assert!(faulty.is_empty(), "{} cells differ:\n{}", faulty.len(), faulty.join("\n"));
    number
}

fn needs_no_http_store(row: &Row) -> bool {
    row.operation == "image.locations.post(queued,http)"
}

/// Images, members, locations and the calls about the service.
#[test]
fn images() {
    let app = app();
    let number = block_on(walk(&app, |row| !row.operation.starts_with("md.") && !needs_no_http_store(row)));
    assert!(number > 130, "only {number} rows");
    let app = app_without_http_store();
    assert_eq!(block_on(walk(&app, needs_no_http_store)), 4);
}

/// Metadata definitions.
#[test]
fn metadefs() {
    let app = app();
    let number = block_on(walk(&app, |row| row.operation.starts_with("md.")));
    assert!(number > 80, "only {number} rows");
}

/// What is listed as uncovered still is: a row that passes by now has to be walked like the others.
#[test]
fn gaps_are_still_gaps() {
    let (app, source, gaps) = (app(), WebSource::start(), uncovered());
    let rows = rows();
    for operation in &gaps.operations {
        assert!(
            rows.iter().any(|row| row.operation == *operation),
            "{operation} is no operation of the matrix"
        );
    }
    let mut passing = Vec::new();
    for row in rows.iter().filter(|row| gaps.operations.contains(&row.operation)) {
        if block_on(faults(&app, &source, row)).is_empty() {
            passing.push(format!("{} {}", row.operation, row.visibility));
        }
    }
    assert!(passing.is_empty(), "take these off tests/data/rbac-uncovered.txt, they pass now: {passing:#?}");
}

/// Every call that the router knows is in the matrix or in the list of gaps, and the list names no other.
#[test]
fn every_endpoint_is_known() {
    let gaps = uncovered();
    let served = endpoints(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api"));
    assert!(served.len() > 40, "only {} endpoints found", served.len());
    let covered: BTreeSet<String> = rows()
        .iter()
        .filter(|row| !gaps.operations.contains(&row.operation))
        .map(|row| endpoint_of(&row.operation))
        .collect();
    for endpoint in &served {
        let (walked, listed) = (covered.contains(endpoint), gaps.endpoints.contains(endpoint));
        assert!(walked || listed, "{endpoint} is neither in the matrix nor in tests/data/rbac-uncovered.txt");
        assert!(!(walked && listed), "{endpoint} is covered: take it off tests/data/rbac-uncovered.txt");
    }
    for endpoint in covered.iter().chain(&gaps.endpoints) {
        assert!(served.contains(endpoint), "{endpoint} is not served");
    }
}

/// `METHOD /path` of everything that the sources mount by `resource("/path", "METHOD, …")`. The built-in
/// identity has rules and tests of its own.
fn endpoints(folder: &Path) -> BTreeSet<String> {
    let mounted = regex::Regex::new(r#"\bresource\(\s*"(/[^"]*)"(?:,\s*"([A-Z, ]*)")?"#).unwrap();
    // Where other methods are not found, `Allow` is empty, and the routes say which there are.
    let routed = regex::Regex::new(r"\.route\(\s*(?:by_)?(\w+)\(\)").unwrap();
    let named = regex::Regex::new(r#"\bconst PATH: &str = ("/[^"]*")"#).unwrap();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("identity") {
            found.extend(endpoints(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let mut text = fs::read_to_string(&path).unwrap();
            if let Some(constant) = named.captures(&text) {
                text = text.replace("resource(PATH", &format!("resource({}", &constant[1]));
            }
            for place in mounted.captures_iter(&text) {
                let methods = place.get(2).map_or("GET", |methods| methods.as_str());
                let rest = &text[place.get(0).unwrap().end()..];
                let own = &rest[..mounted.find(rest).map_or(rest.len(), |next| next.start())];
                let by_route: Vec<_> = routed.captures_iter(own).map(|m| m[1].to_uppercase()).collect();
                let methods: Vec<_> = if methods.is_empty() {
                    by_route
                } else {
                    methods.split(", ").map(str::to_owned).collect()
                };
                found.extend(methods.iter().map(|method| format!("{method} {}", &place[1])));
            }
        }
    }
    found
}

/// Which images of project A the lists of each caller hold.
#[test]
fn lists() {
    let app = app();
    block_on(async {
        let image =
            |visibility: &str| image().named(visibility).with("owner", "A").with("visibility", visibility);
        let admin = app.as_admin();
        for visibility in matrix::VISIBILITIES {
            let id = admin.created(image(visibility)).await;
            if visibility == "shared" {
                admin.share(&id, "C").await.expect(200);
                app.as_member("C").answer(&id, "C", "accepted").await.expect(200);
            }
        }
        let all = "community private public shared";
        for (callers, by_filter) in [
            (&["admin"][..], ["private public shared", all, "private", "shared", "community", "public"]),
            (&["manager", "member", "reader"], [all, all, "private", "shared", "community", "public"]),
            (&["omember", "oreader"], ["public", "community public", "", "", "community", "public"]),
            (
                &["imember", "ireader"],
                ["public shared", "community public shared", "", "shared", "community", "public"],
            ),
        ] {
            for caller in callers {
                let client = app.as_persona(&matrix::persona(caller));
                for (filter, expected) in
                    ["", "all", "private", "shared", "community", "public"].iter().zip(by_filter)
                {
                    let query =
                        if filter.is_empty() { String::new() } else { format!("visibility={filter}") };
                    let listed = client.list(&query).await.expect(200).json();
                    let images = listed["images"].as_array().unwrap().iter();
                    let mut names: Vec<_> = images.map(|image| image["name"].as_str().unwrap()).collect();
                    names.sort_unstable();
                    assert_eq!(names.join(" "), expected, "{caller} {filter}");
                }
            }
        }
    });
}

/// What the defaults of earlier releases change: operations, visibilities, callers, and their status.
const OLD_DEFAULTS: [(&str, &str, &str, u16); 17] = [
    ("image.patch.name image.patch.addprop image.patch.vis=community", "any", "reader norole", 200),
    ("image.patch.vis=public image.patch.owner", "any", "reader norole", 403),
    ("image.delete image.upload(queued) image.deactivate image.tag.put", "any", "reader norole", 204),
    ("image.show image.download", "any", "reader norole", 200),
    ("image.members.add", "shared", "reader norole", 200),
    ("image.members.delete", "shared", "reader norole", 204),
    ("image.members.update", "shared", "reader norole", 403),
    ("image.members.update", "shared", "ireader", 200),
    (
        "image.members.add image.members.delete image.patch.name image.delete",
        "shared",
        "ireader imember",
        403,
    ),
    ("image.show image.download", "community public", "service oreader ireader", 200),
    ("image.download", "shared", "ireader", 200),
    (
        "image.patch.name image.delete image.upload(queued)",
        "community public",
        "service oreader omember",
        403,
    ),
    ("image.deactivate image.tag.put", "community public", "service oreader omember", 403),
    ("image.create", "private shared community", "reader norole service oreader ireader", 201),
    ("image.create(owner=A)", "private shared", "omember oreader service", 403),
    ("image.list", "-", "reader norole service", 200),
    // No owner is asked for before it is clear that the URLs of an image stay.
    ("image.patch.loc.replace", "community public", "omember oreader imember ireader", 400),
];

/// `enforce_new_defaults = false`: roles matter less and ownership is asked for instead; for those who had every
/// role of their project, nothing changes.
#[test]
fn old_defaults() {
    let app = Database::Sqlite.app_with(|options: &mut Options| {
        options.image.show_multiple_locations = true;
        options.policy.enforce_new_defaults = false;
        options.stores = crate::stores::several(&options.data_dir);
        reach_loopback(options);
    });
    let (source, gaps) = (WebSource::start(), uncovered());
    let mut cells = Vec::new();
    for (operations, visibilities, callers, status) in OLD_DEFAULTS {
        let visibilities =
            if visibilities == "any" { "private shared community public" } else { visibilities };
        for operation in operations.split(' ') {
            for visibility in visibilities.split(' ') {
                cells.extend(callers.split(' ').map(|caller| (operation, visibility, caller, status)));
            }
        }
    }
    let rows = rows();
    let unchanged = ["admin", "manager", "member", "omember", "sysadmin", "sysreader"];
    let is_walked = |row: &&Row| !needs_no_http_store(row) && !gaps.operations.contains(&row.operation);
    for row in rows.iter().filter(|row| row.operation.starts_with("image.")).filter(is_walked) {
        for (caller, status) in
            CALLERS.iter().zip(&row.statuses).filter(|(caller, _)| unchanged.contains(caller))
        {
            if (row.operation.as_str(), *caller) != ("image.patch.loc.replace", "omember") {
                cells.push((&row.operation, &row.visibility, caller, *status));
            }
        }
    }
    let mut faulty = Vec::new();
    block_on(async {
        for (operation, visibility, caller, status) in cells {
            let case = Case { app: &app, source: &source, operation, visibility };
            let got = call_of(&case).await.send(&app.as_persona(&matrix::persona(caller))).await.status;
            if got != status {
                faulty.push(format!("{operation} {visibility} {caller}: {got}, not {status}"));
            }
        }
    });
    assert!(faulty.is_empty(), "{} cells differ:\n{}", faulty.len(), faulty.join("\n"));
}

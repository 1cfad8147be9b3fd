//! Stores, what lies in them, and what is done about it (specification of the extensions, section b).

mod adoption;
mod danger;
mod information;
mod placement;
mod reconcile;
mod storages;

use std::{
    fs::File,
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::support::*;

const HOUR: u64 = 3600;

/// A file that was last written to so many seconds ago.
fn file(folder: &Path, name: &str, data: &[u8], age_seconds: u64) {
    let path = folder.join(name);
    std::fs::write(&path, data).unwrap();
    let then = SystemTime::now() - Duration::from_secs(age_seconds);
    File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
}

/// An image with data, of alice's.
async fn stored(app: &TestApp, data: &str) -> String {
    let alice = app.as_member("alice");
    let id = alice.created(image().raw().named("mine")).await;
    alice.upload(&id, data.to_owned()).await.expect(204);
    id
}

/// Everything that a list has, page by page.
async fn all(client: &Client, path: &str, member: &str) -> Vec<Value> {
    let (mut found, mut next) = (Vec::new(), path.to_owned());
    loop {
        let page = client.get(&next).await.expect(200).json();
        found.extend(page[member].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(link) => next = link.to_owned(),
            None => return found,
        }
    }
}

/// What a reconciliation came to: its result and its findings.
async fn reconciled(app: &TestApp, body: Value) -> (Value, Vec<Value>) {
    reconciled_in(app, "file", body).await
}

/// The same of another store.
async fn reconciled_in(app: &TestApp, store: &str, body: Value) -> (Value, Vec<Value>) {
    let admin = app.as_admin();
    let asked = admin.post(&format!("/ext/v1/stores/{store}/reconcile")).json(&body).await.expect(202);
    let path = format!("/ext/v1/jobs/{}", asked.json()["job"]["id"].as_str().unwrap());
    assert!(asked.header("location").ends_with(&path));
    let job = ended(&admin, &path).await;
    assert_eq!(job["state"], "done", "{job}");
    (job["result"].clone(), all(&admin, &format!("{path}/findings?limit=1"), "findings").await)
}

/// A job once it is over.
async fn ended(client: &Client, path: &str) -> Value {
    eventually("the job is over", async || {
        let job = client.get(path).await.expect(200).json()["job"].clone();
        if ["done", "failed", "cancelled"].contains(&job["state"].as_str().unwrap()) {
            Ok(job)
        } else {
            Err(job)
        }
    })
    .await
}

/// Leaves store and ledger in order: deletes all images, and then what is left.
async fn clear(app: &TestApp) {
    for client in [app.as_member("alice"), app.as_admin()] {
        for image in client.list("").await.expect(200).json()["images"].as_array().unwrap() {
            client.remove(image["id"].as_str().unwrap()).await.expect(204);
        }
    }
    for folder in [app.store_folder(), app.store_folder().join(".parts")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() || path.is_symlink() {
                // The reaper may be faster.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

fn states(found: &[Value]) -> Vec<(&str, &str)> {
    found.iter().map(|one| (one["key"].as_str().unwrap(), one["state"].as_str().unwrap())).collect()
}

on_each_database! {
    /// Administrators see each store with kind, place, room, state and counts, and nobody else does.
    async fn stores_are_listed(database: Database) {
        let app = database.app();
        stored(&app, "data!").await;
        let admin = app.as_admin();
        let listed = admin.get("/ext/v1/stores").await.expect(200).json();
        let store = listed["stores"][0].clone();
        assert_eq!(admin.get("/ext/v1/stores/file").await.expect(200).json()["store"]["id"], store["id"]);
        let place = format!("file://{}/", app.store_folder().display());
        for (name, value) in [
            ("id", json!("file")), ("type", json!("file")), ("place", json!(place)), ("state", json!("ok")),
            ("default", json!(true)), ("read_only", json!(false)), ("managed", json!(false)), ("mark", json!("none")),
            ("images", json!(1)), ("bytes", json!(5)), ("quarantined", json!(0)), ("orphans", json!(null)),
            ("last_reconcile", json!(null)), ("weight", json!(0)), ("description", json!(null)),
        ] {
            assert_eq!(store[name], value, "{name}");
        }
        assert!(store["free_bytes"].as_u64().unwrap() <= store["capacity_bytes"].as_u64().unwrap());
        let orphan = fresh_id();
        file(&app.store_folder(), &orphan, b"x", 48 * HOUR);
        reconciled(&app, json!({})).await;
        let store = admin.get("/ext/v1/stores/file").await.expect(200).json()["store"].clone();
        assert_eq!((&store["orphans"], &store["mark"]), (&json!(1), &json!("ours")));
        assert_eq!(store["last_reconcile"]["summary"], json!({"ok": 1, "orphan": 1}));

        for path in ["", "/file", "/file/objects", "/file/quarantine"] {
            let path = format!("/ext/v1/stores{path}");
            app.as_member("alice").get(&path).await.expect(403);
            app.as_reader("alice").get(&path).await.expect(403);
            app.as_nobody().get(&path).await.expect(401);
        }
        for path in ["/none", "/none/objects", "/none/quarantine"] {
            admin.get(&format!("/ext/v1/stores{path}")).await.expect(404);
        }
        clear(&app).await;
    }

    /// What lies in a store is shown in the order of the names, a page at a time, each with its size, its age, its image
    /// and how it is to be read.
    async fn stores_are_browsed(database: Database) {
        let app = database.app();
        let (folder, admin) = (app.store_folder(), app.as_admin());
        let id = stored(&app, "data!").await;
        let (old, young, part) = (fresh_id(), fresh_id(), fresh_id());
        file(&folder, &old, b"xx", 48 * HOUR);
        file(&folder, &young, b"x", HOUR);
        file(&folder, "strange\nname", b"x", 48 * HOUR);
        file(&folder.join(".parts"), &part, b"x", 48 * HOUR);
        file(&folder, ".hidden", b"x", 48 * HOUR);
        let found = all(&admin, "/ext/v1/stores/file/objects?limit=2", "objects").await;
        let mut expected = vec![
            (id.as_str(), "ok"), (&old, "orphan"), (&young, "young"), ("strange\nname", "foreign"), (&part, "stale-staging"),
        ];
        expected.sort_unstable();
        assert_eq!(states(&found), expected);
        let of = |name: &str| found.iter().find(|one| one["key"] == name).unwrap();
        let mine = of(&id);
        assert_eq!((&mine["image_id"], &mine["image_name"], &mine["image_status"]), (&json!(id), &json!("mine"), &json!("active")));
        assert_eq!((&mine["owner"], &mine["format"], &mine["bytes"]), (&json!("alice"), &json!("raw"), &json!(5)));
        let age = of(&old)["age_seconds"].as_u64().unwrap();
        assert!((48 * HOUR - 9..49 * HOUR).contains(&age) && of(&old)["mtime"].is_string(), "{age}");
        assert_eq!((of(&part)["unfinished"].clone(), of(&old)["image_id"].clone()), (json!(true), json!(null)));
        let orphans = all(&admin, "/ext/v1/stores/file/objects?state=orphan&limit=1", "objects").await;
        assert_eq!(states(&orphans), [(old.as_str(), "orphan")]);
        let of_prefix = all(&admin, &format!("/ext/v1/stores/file/objects?prefix={}", &young[..8]), "objects").await;
        assert_eq!(states(&of_prefix), [(young.as_str(), "young")]);
        for query in ["state=missing", "state=x", "limit=0", "marker=x", "colour=red"] {
            admin.get(&format!("/ext/v1/stores/file/objects?{query}")).await.expect_for(400, query);
        }
        clear(&app).await;
    }
}

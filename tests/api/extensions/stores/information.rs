//! What is worth knowing of objects with which nothing is wrong.

use vitrine::{image::consumers, jobs::reap, model::consumer::InUse};

use super::*;

const OBJECTS: &str = "/ext/v1/stores/file/objects";

/// An image of alice's as Nova makes it of a server.
async fn captured(app: &TestApp, server: &str) -> String {
    let alice = app.as_member("alice");
    let id = alice.created(image().raw().with("instance_uuid", server)).await;
    alice.upload(&id, format!("disk of {server}")).await.expect(204);
    id
}

/// Says that a server or something else runs from an image.
async fn runs(app: &TestApp, image: &str, consumer: &str) {
    let path = format!("/ext/v1/images/{image}/consumers/{consumer}");
    app.as_service().put(&path).json(&json!({"project_id": "alice"})).await.expect(201);
}

async fn ends(app: &TestApp, image: &str, consumer: &str) {
    app.as_service().delete(&format!("/ext/v1/images/{image}/consumers/{consumer}")).await.expect(204);
}

/// The names in a state, by the pages of the store and by a reconciliation that may do all there is to do.
async fn in_state(app: &TestApp, state: &str) -> Vec<String> {
    let admin = app.as_admin();
    let shown = all(&admin, &format!("{OBJECTS}?state={state}&limit=1"), "objects").await;
    let apply = json!({"verify": "hash", "dry_run": false, "deactivate": true, "actions": {"orphan": "quarantine",
        "stale-staging": "quarantine", "size-unknown": "fix", "missing": "mark", "size-mismatch": "repair", "hash-mismatch": "repair"}});
    let (result, findings) = reconciled(app, apply).await;
    let mut found: Vec<_> = findings.iter().filter(|one| one["state"] == state).collect();
    assert!(found.iter().all(|one| one["outcome"].is_null()) && result["changed"] == 0, "{findings:?}");
    assert_eq!(result["summary"][state].as_u64().unwrap_or(0), found.len() as u64);
    let names = |found: &[&Value]| -> Vec<String> {
        found.iter().map(|one| one["key"].as_str().unwrap().to_owned()).collect()
    };
    found.sort_by_key(|one| one["key"].to_string());
    let found = names(&found);
    assert_eq!(found, names(&shown.iter().collect::<Vec<_>>()));
    found
}

on_each_database! {
    /// An image is said to come from a server that is gone when that was registered and removed, from the registration of
    /// every image, and in no other case; nothing is done about it, and the data stays.
    async fn sources_that_are_gone_need_evidence(database: Database) {
        let app = database.app_with(|options| options.image.in_use = InUse::Allow);
        let (base, other) = (stored(&app, "base").await, stored(&app, "other").await);
        let [known, scoped, _unknown] = [captured(&app, "s1").await, captured(&app, "s2").await, captured(&app, "s3").await];
        let nothing = Vec::<String>::new();
        assert_eq!(in_state(&app, "stale-source").await, nothing);
        // What is called so, and is no server.
        runs(&app, &base, "volume/s3").await;
        ends(&app, &base, "volume/s3").await;
        runs(&app, &base, "server/s1").await;
        assert_eq!(in_state(&app, "stale-source").await, nothing);
        // Built anew from another image.
        runs(&app, &other, "server/s1").await;
        ends(&app, &base, "server/s1").await;
        assert_eq!(in_state(&app, "stale-source").await, nothing);
        ends(&app, &other, "server/s1").await;
        assert_eq!(in_state(&app, "stale-source").await, std::slice::from_ref(&known));
        let told = all(&app.as_admin(), &format!("{OBJECTS}?state=stale-source"), "objects").await;
        assert_eq!(told[0]["reason"], "the server s1 that its image was captured from is gone");
        assert_eq!((&told[0]["image_id"], &told[0]["image_status"]), (&json!(known), &json!("active")));
        assert_eq!(app.as_member("alice").download(&known).await.expect(200).text(), "disk of s1");
        // It comes back, and goes with its image: that says nothing of it.
        runs(&app, &base, "server/s1").await;
        assert_eq!(in_state(&app, "stale-source").await, nothing);
        app.as_member("alice").remove(&base).await.expect(204);
        consumers::delete_unused(&app.app().images).await.unwrap();
        app.settles().await;
        assert_eq!(in_state(&app, "stale-source").await, nothing);

        let scope = async |all: Value| {
            app.as_service().put("/ext/v1/consumers?scope=host:h1").json(&json!({"consumers": all})).await.expect(200);
        };
        let server = |image: &str| json!([{"image_id": image, "type": "server", "id": "s2", "project_id": "alice"}]);
        scope(server(&other)).await;
        // It is there, from an image that is not.
        scope(server(&fresh_id())).await;
        assert_eq!(in_state(&app, "stale-source").await, nothing);
        scope(server(&other)).await;
        scope(json!([])).await;
        assert_eq!(in_state(&app, "stale-source").await, std::slice::from_ref(&scoped));
        // What is wrong comes first.
        file(&app.store_folder(), &scoped, b"short", 0);
        assert_eq!(reconciled(&app, json!({})).await.0["summary"], json!({"ok": 3, "size-mismatch": 1}));
        std::fs::write(app.store_folder().join(&scoped), "disk of s2").unwrap();

        let inner = app.app();
        assert_eq!(reap::forget_gone_servers(&inner).await.unwrap(), 0);
        app.later(366 * 24 * 3600);
        assert_eq!(reap::forget_gone_servers(&inner).await.unwrap(), 1);
        assert_eq!(in_state(&app, "stale-source").await, nothing);
        clear(&app).await;
    }

    /// Objects of a store whose images have the same hash are named as duplicates of each other, whatever page or scope
    /// they are looked at in, as long as there are two and their bytes are right; nothing is done about them.
    async fn duplicates_are_named(database: Database) {
        let app = database.app();
        let mut twins = [stored(&app, "same").await, stored(&app, "same").await];
        twins.sort();
        let single = stored(&app, "else").await;
        assert_eq!(in_state(&app, "duplicate").await, twins);
        let expected = json!({"ok": 1, "duplicate": 2});
        assert_eq!(reconciled(&app, json!({"verify": "exists"})).await.0["summary"], expected);
        let (_, findings) = reconciled(&app, json!({"scope": {"image_id": twins[0]}})).await;
        assert_eq!(states(&findings), [(twins[0].as_str(), "duplicate")]);
        assert_eq!(findings[0]["reason"], format!("its image has the same hash as that of {}", twins[1]));
        let (_, findings) = reconciled(&app, json!({"scope": {"prefix": twins[1]}})).await;
        assert_eq!(findings[0]["reason"], format!("its image has the same hash as that of {}", twins[0]));
        let page = app.as_admin().get(&format!("{OBJECTS}?prefix={}", twins[1])).await.expect(200).json();
        assert_eq!(states(page["objects"].as_array().unwrap()), [(twins[1].as_str(), "duplicate")]);
        let page = app.as_admin().get(&format!("{OBJECTS}?prefix={single}")).await.expect(200).json();
        assert_eq!(states(page["objects"].as_array().unwrap()), [(single.as_str(), "ok")]);
        for id in &twins {
            assert_eq!(app.as_member("alice").download(id).await.expect(200).text(), "same");
        }
        // Bytes that are not those of the image are read to be so behind the word, too.
        file(&app.store_folder(), &twins[0], b"sAme", 0);
        let (result, findings) = reconciled(&app, json!({"verify": "hash"})).await;
        assert_eq!(states(&findings), [(twins[0].as_str(), "hash-mismatch"), (twins[1].as_str(), "duplicate")]);
        assert_eq!(result["summary"], json!({"ok": 1, "duplicate": 1, "hash-mismatch": 1}));
        app.as_member("alice").remove(&twins[0]).await.expect(204);
        app.settles().await;
        assert_eq!(in_state(&app, "duplicate").await, Vec::<String>::new());
        clear(&app).await;
    }
}

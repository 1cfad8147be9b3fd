//! Reconciliation, quarantine and undo.

use super::*;

on_each_database! {
    /// All that differs is found, with the image that it is of; nothing is changed unless that is asked for; findings are
    /// listed by state and as a table.
    async fn differences_are_found(database: Database) {
        let app = database.app();
        let (folder, admin) = (app.store_folder(), app.as_admin());
        let (lost, cut, well) = (stored(&app, "lost").await, stored(&app, "shorter").await, stored(&app, "well").await);
        std::fs::remove_file(folder.join(&lost)).unwrap();
        file(&folder, &cut, b"short", 0);
        let (old, young) = (fresh_id(), fresh_id());
        file(&folder, &old, b"x", 48 * HOUR);
        file(&folder, &young, b"x", HOUR);
        file(&folder, "stray", b"x", 48 * HOUR);
        let (result, findings) = reconciled(&app, json!({})).await;
        let mut expected = vec![
            (lost.as_str(), "missing"), (&cut, "size-mismatch"), (&old, "orphan"), (&young, "young"), ("stray", "foreign"),
        ];
        expected.sort_unstable();
        assert_eq!(states(&findings), expected);
        assert_eq!(result["summary"], json!({"ok": 1, "orphan": 1, "young": 1, "missing": 1, "size-mismatch": 1, "foreign": 1}));
        assert_eq!((&result["changed"], &result["dry_run"], &result["findings"]), (&json!(0), &json!(true), &json!(5)));
        assert_eq!((&result["objects"], &result["rows"]), (&json!(5), &json!(3)));
        let of = |name: &str| findings.iter().find(|one| one["key"] == name).unwrap();
        assert_eq!((&of(&lost)["image_id"], &of(&cut)["image_id"]), (&json!(lost), &json!(cut)));
        assert_eq!(of(&cut)["reason"], "it has 5 bytes, and should have 7");

        let job = admin.get("/ext/v1/stores/file").await.expect(200).json()["store"]["last_reconcile"]["job_id"].clone();
        let path = format!("/ext/v1/jobs/{}/findings", job.as_str().unwrap());
        let missing = admin.get(&format!("{path}?state=missing")).await.expect(200).json();
        assert_eq!(states(missing["findings"].as_array().unwrap()), [(lost.as_str(), "missing")]);
        let table = admin.get(&format!("{path}?format=csv&state=foreign&limit=1")).await.expect(200);
        assert!(table.header("content-type").starts_with("text/csv"));
        let lines: Vec<_> = table.text().split("\r\n").map(str::to_owned).collect();
        assert_eq!(lines[0], "state,key,unfinished,bytes,mtime,image_id,reason,outcome");
        assert!(lines[1].starts_with("foreign,stray,false,1,") && lines.len() == 3, "{lines:?}");
        app.as_member("alice").get(&path).await.expect(403);
        admin.get("/ext/v1/jobs/none/findings").await.expect(404);

        let scope = json!({"scope": {"image_id": cut}});
        assert_eq!(states(&reconciled(&app, scope).await.1), [(cut.as_str(), "size-mismatch")]);
        let scope = json!({"verify": "exists", "scope": {"prefix": well}});
        assert_eq!(reconciled(&app, scope).await.0["summary"], json!({"ok": 1}));
        let scope = json!({"scope": {"older_than": "2h", "prefix": young}});
        assert_eq!(reconciled(&app, scope).await.0["summary"], json!({}));
        clear(&app).await;
    }

    /// Bytes that are not the image's are found where that is asked for, and nowhere else.
    async fn damage_is_found(database: Database) {
        let app = database.app();
        let id = stored(&app, "data").await;
        file(&app.store_folder(), &id, b"dataX".get(..4).unwrap(), 0);
        assert_eq!(reconciled(&app, json!({"verify": "hash"})).await.0["summary"], json!({"ok": 1}));
        file(&app.store_folder(), &id, b"dAta", 0);
        assert_eq!(reconciled(&app, json!({"verify": "size"})).await.0["summary"], json!({"ok": 1}));
        let (_, findings) = reconciled(&app, json!({"verify": "hash"})).await;
        assert_eq!(states(&findings), [(id.as_str(), "hash-mismatch")]);
        clear(&app).await;
    }

    /// Orphans go out of the way and come back as they were; what is young or foreign never goes. What lies there is
    /// deleted by a word or after its days, and nothing else is.
    async fn orphans_go_out_of_the_way_and_come_back(database: Database) {
        let app = database.app();
        let (folder, admin) = (app.store_folder(), app.as_admin());
        let (old, other, young, part) = (fresh_id(), fresh_id(), fresh_id(), fresh_id());
        file(&folder, &old, b"old", 48 * HOUR);
        file(&folder, &other, b"other", 48 * HOUR);
        file(&folder, &young, b"x", HOUR);
        file(&folder, "stray", b"x", 48 * HOUR);
        file(&folder.join(".parts"), &part, b"x", 48 * HOUR);
        let apply = json!({"actions": {"orphan": "quarantine", "stale-staging": "quarantine"}, "dry_run": false});
        let (result, findings) = reconciled(&app, apply.clone()).await;
        assert_eq!(result["changed"], 3);
        let gone: Vec<_> = findings.iter().filter(|one| one["outcome"].is_string()).collect();
        assert!(gone.len() == 3 && gone.iter().all(|one| one["outcome"].as_str().unwrap().starts_with("quarantined as ")));
        assert!(![&old, &other].iter().any(|name| folder.join(name).exists()) && !folder.join(".parts").join(&part).exists());
        assert!(folder.join(&young).exists() && folder.join("stray").exists());
        assert_eq!(reconciled(&app, apply.clone()).await.0["changed"], 0);

        let list = "/ext/v1/stores/file/quarantine?limit=2";
        let held = all(&admin, list, "quarantine").await;
        assert_eq!(held.len(), 3);
        let of = |name: &str| held.iter().find(|one| one["key"] == name).unwrap();
        assert_eq!((&of(&old)["bytes"], &of(&old)["state"]), (&json!(3), &json!("held")));
        let path = |name: &str, call: &str| format!("/ext/v1/stores/file/quarantine/{}/{call}", of(name)["id"].as_str().unwrap());
        app.as_member("alice").post(&path(&old, "restore")).await.expect(403);
        app.as_member("alice").post(&path(&old, "purge")).await.expect(403);
        admin.post(&path(&old, "restore")).await.expect(204);
        admin.post(&path(&old, "restore")).await.expect(404);
        assert_eq!(std::fs::read(folder.join(&old)).unwrap(), b"old");
        admin.post(&path(&part, "restore")).await.expect(204);
        assert!(folder.join(".parts").join(&part).exists());
        // Something else bears the name by now.
        file(&folder, &other, b"another", 0);
        admin.post(&path(&other, "restore")).await.expect(409);
        std::fs::remove_file(folder.join(&other)).unwrap();
        admin.post(&path(&other, "purge")).await.expect(204);
        assert_eq!(all(&admin, list, "quarantine").await, Vec::<Value>::new());

        reconciled(&app, apply).await;
        let inner = app.app();
        let settle = async || vitrine::reconcile::quarantine::settle(&inner.db, &inner.stores, 14 * 24 * 3600).await.unwrap();
        assert_eq!(settle().await, 0);
        app.later(14 * 24 * 3600 + 1);
        assert_eq!(settle().await, 2);
        let left: Vec<_> = walk(&folder.join(".quarantine"));
        assert_eq!(left, Vec::<std::path::PathBuf>::new());
        assert!(folder.join(&young).exists() && folder.join("stray").exists());
        clear(&app).await;
    }

    /// Lost and damaged data is written anew from another store of the image, where one has it whole, and the image never
    /// misses it; nothing is done where nobody asks for that.
    async fn damage_is_repaired_from_another_store(database: Database) {
        let app = storages::app_with_storages(database);
        let (alice, folder) = (app.as_member("alice"), app.folder().join("slow"));
        let [lost, cut, changed, alone] = [copied(&app).await, copied(&app).await, copied(&app).await, copied(&app).await];
        // The stores share files by links: what is written over would change in both.
        for id in [&lost, &cut, &changed, &alone] {
            std::fs::remove_file(folder.join(id)).unwrap();
        }
        file(&folder, &cut, b"dat", 0);
        file(&folder, &changed, b"dAta", 0);
        file(&app.folder().join("fast"), &alone, b"dAta", 0);
        let body = |dry_run: bool| json!({"verify": "hash", "dry_run": dry_run,
            "actions": {"missing": "repair", "size-mismatch": "repair", "hash-mismatch": "repair"}});
        let outcomes = |findings: &[Value]| -> Vec<(String, Value)> {
            findings.iter().map(|one| (one["key"].as_str().unwrap().to_owned(), one["outcome"].clone())).collect()
        };
        let (result, findings) = reconciled_in(&app, "slow", body(true)).await;
        assert_eq!((&result["changed"], result["findings"].as_u64()), (&json!(0), Some(4)));
        assert!(outcomes(&findings).iter().all(|(_, outcome)| outcome.is_null()));
        let (_, findings) = reconciled_in(&app, "slow", body(false)).await;
        let repaired = json!("repaired from another store");
        let mut expected = vec![(lost.clone(), repaired.clone()), (cut.clone(), repaired.clone()), (changed.clone(), repaired),
            (alone.clone(), json!("not repaired: no other store has a good copy"))];
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(outcomes(&findings), expected);
        alice.remove(&alone).await.expect(204);
        // What was damaged is deleted, and the other copy can go.
        app.settles().await;
        let left = reconciled_in(&app, "slow", json!({"verify": "hash"})).await.0["summary"].clone();
        assert_eq!(left, json!({"duplicate": 3}));
        for id in [&lost, &cut, &changed] {
            app.as_admin().delete(&format!("/v2/stores/fast/{id}")).await.expect(204);
            assert_eq!(alice.download(id).await.expect(200).text(), "data");
        }
    }

    /// Whoever owns an image, and administrators, are told what is wrong with its data, until that is repaired; an image
    /// without any other data is taken out of use where that is asked for, and one with other data is not.
    async fn images_with_lost_data_are_marked(database: Database) {
        let app = storages::app_with_storages(database);
        let (alice, admin, folder) = (app.as_member("alice"), app.as_admin(), app.folder().join("slow"));
        let (copied, only, well) = (copied(&app).await, alice.created(image().raw()).await, alice.created(image().raw()).await);
        for (id, data) in [(&only, "data"), (&well, "other data")] {
            alice.upload(id, data).header("x-image-meta-store", "slow").await.expect(204);
        }
        for id in [&copied, &only] {
            std::fs::remove_file(folder.join(id)).unwrap();
        }
        let shown = async |id: &str| {
            let shown = alice.show(id).await.expect(200).json();
            (shown["status"].clone(), shown["needs_attention"].clone())
        };
        let (active, told) = (json!("active"), json!("missing in store slow: a location refers to it, and it is not there"));
        let (_, findings) = reconciled_in(&app, "slow", json!({"actions": {"missing": "mark"}, "dry_run": false})).await;
        assert!(findings.iter().all(|one| one["outcome"] == "the image is marked") && findings.len() == 2, "{findings:?}");
        assert_eq!((shown(&copied).await, shown(&only).await), ((active.clone(), told.clone()), (active.clone(), told.clone())));
        assert_eq!(shown(&well).await, (active.clone(), Value::Null));
        alice.update(&only, json!([{"op": "remove", "path": "/needs_attention"}])).await.expect(403);
        let listed = async |client: &Client| {
            let listed = client.get("/ext/v1/images?needs_attention=true&sort=id").await.expect(200).json();
            let ids = listed["images"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
            ids.collect::<std::collections::BTreeSet<_>>()
        };
        let both = std::collections::BTreeSet::from([copied.clone(), only.clone()]);
        assert_eq!((listed(&admin).await, listed(&alice).await), (both.clone(), both));
        assert!(listed(&app.as_member("bob")).await.is_empty());
        admin.get("/ext/v1/images?needs_attention=false").await.expect(400);

        let body = json!({"actions": {"missing": "mark"}, "deactivate": true, "dry_run": false});
        reconciled_in(&app, "slow", body).await;
        assert_eq!((shown(&copied).await, shown(&only).await), ((active.clone(), told.clone()), (json!("deactivated"), told)));
        reconciled_in(&app, "slow", json!({"actions": {"missing": "repair"}, "dry_run": false})).await;
        assert_eq!(shown(&copied).await, (active, Value::Null));
        assert_eq!(alice.download(&copied).await.expect(200).text(), "data");
        alice.remove(&only).await.expect(204);
    }

    /// An image that does not know its size is told, if that is asked for.
    async fn sizes_are_told(database: Database) {
        let app = database.app();
        let id = stored(&app, "data").await;
        let key = id.clone();
        app.write(move |conn| {
            let before = vitrine::db::images::find(conn, &key)?.unwrap();
            let after = vitrine::model::image::Image { size: None, ..before.clone() };
            vitrine::db::images::save(conn, &before, &after).map(drop)
        })
        .await;
        let (result, findings) = reconciled(&app, json!({})).await;
        assert_eq!((states(&findings), &result["changed"]), (vec![(id.as_str(), "size-unknown")], &json!(0)));
        let fix = json!({"actions": {"size-unknown": "fix"}, "dry_run": false});
        assert_eq!(reconciled(&app, fix).await.1[0]["outcome"], "the image has 4 bytes now");
        assert_eq!(app.as_member("alice").show(&id).await.expect(200).json()["size"], 4);
        assert_eq!(reconciled(&app, json!({})).await.0["summary"], json!({"ok": 1}));
        clear(&app).await;
    }

    /// One store is looked through by one at a time; the same is not repeated but asked for anew; what cannot be meant is
    /// refused.
    async fn requests_are_checked(database: Database) {
        let app = database.app();
        let (admin, path) = (app.as_admin(), "/ext/v1/stores/file/reconcile");
        for body in [
            json!([]), json!({"colour": 1}), json!({"verify": "all"}), json!({"dry_run": 1}), json!({"actions": {"missing": "fix"}}),
            json!({"deactivate": true}), json!({"deactivate": 1}), json!({"actions": {"missing": "repair"}, "deactivate": true}),
            json!({"actions": {"orphan": "delete"}}), json!({"actions": {"size-unknown": "quarantine"}}), json!({"scope": {"older_than": "1w"}}),
            json!({"scope": {"older_than": "-1h"}}), json!({"scope": {"image_id": ""}}), json!({"scope": {"prefix": "x".repeat(1025)}}),
        ] {
            admin.post(path).json(&body).await.expect_for(400, body);
        }
        app.as_member("alice").post(path).await.expect(403);
        admin.post("/ext/v1/stores/none/reconcile").await.expect(404);
        let inner = app.app();
        let job = admin.post(path).await.expect(202).json()["job"].clone();
        let job = format!("/ext/v1/jobs/{}", job["id"].as_str().unwrap());
        ended(&admin, &job).await;
        let id = job.rsplit('/').next().unwrap().to_owned();
        // As if it went on.
        let open = async |status: vitrine::model::job::JobStatus| {
            let id = id.clone();
            let stood: String = inner.db.write("test.open", move |conn| {
                let found = vitrine::db::jobs::find(conn, &id)?.unwrap();
                let id = fresh_id();
                let far = found.created_at.plus_seconds(9_000);
                vitrine::db::stores::set_job(conn, "file", &id)?;
                vitrine::db::jobs::insert(conn, &vitrine::model::job::Job { id: id.clone(), status, run_after: far, ..found })?;
                Ok(id)
            }).await.unwrap();
            format!("/ext/v1/jobs/{stood}")
        };
        open(vitrine::model::job::JobStatus::Pending).await;
        assert_eq!(admin.post(path).await.expect(409).json()["error"]["reason"], "busy");
        let job = open(vitrine::model::job::JobStatus::Failure).await;
        admin.post(&format!("{job}/retry")).await.expect(409);
        app.as_member("alice").post(&format!("{job}/cancel")).await.expect(404);
        admin.post(path).await.expect(202);
        clear(&app).await;
    }
}

/// An image of alice's whose data, four bytes, is in the stores `fast` and `slow`.
async fn copied(app: &TestApp) -> String {
    let alice = app.as_member("alice");
    let id = alice.created(image().raw()).await;
    alice.upload(&id, "data").await.expect(204);
    let body = json!({"method": {"name": "copy-image"}, "stores": ["slow"]});
    app.as_admin().post(&format!("/v2/images/{id}/import")).json(&body).await.expect(202);
    eventually("it is copied", async || {
        let shown = alice.show(&id).await.expect(200).json();
        let is_there = shown["stores"].as_str().is_some_and(|stores| stores.contains("slow"));
        if is_there && shown["os_glance_import_task"].is_null() { Ok(()) } else { Err(shown) }
    })
    .await;
    id
}

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

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
            json!([]), json!({"colour": 1}), json!({"verify": "all"}), json!({"dry_run": 1}), json!({"actions": {"missing": "mark"}}),
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

/// Every file below a folder.
fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

//! Images made of what lies in a store.

use super::*;

on_each_database! {
    /// A file becomes the data of a new image where it is, once, with its size and hashes; it is deleted with the image.
    async fn a_file_is_adopted_once(database: Database) {
        let app = database.app();
        let (folder, admin) = (app.store_folder(), app.as_admin());
        file(&folder, "by-hand.img", b"by hand", 60);
        let path = "/ext/v1/stores/file/objects/adopt";
        let body = json!({"key": "by-hand.img", "image": {"name": "found", "disk_format": "raw", "container_format": "bare"}});
        app.as_member("alice").post(path).json(&body).await.expect(403);
        let answer = admin.post(path).json(&body).await.expect(202);
        let id = answer.json()["image"]["id"].as_str().unwrap().to_owned();
        let job = ended(&admin, &format!("/ext/v1/jobs/{}", answer.json()["job"]["id"].as_str().unwrap())).await;
        assert_eq!(job["state"], "done", "{job}");
        let adopted = admin.show(&id).await.expect(200).json();
        assert_eq!((&adopted["status"], &adopted["size"], &adopted["name"]), (&json!("active"), &json!(7), &json!("found")));
        assert!(adopted["os_hash_value"].is_string() && adopted["os_glance_import_task"].is_null());
        assert_eq!(admin.download(&id).await.expect(200).text(), "by hand");
        assert_eq!(admin.post(path).json(&body).await.expect(409).json()["error"]["reason"], "not-an-orphan");
        assert_eq!(reconciled(&app, json!({"verify": "hash"})).await.0["summary"], json!({"ok": 1}));
        admin.remove(&id).await.expect(204);
        eventually("the file is gone", async || if folder.join("by-hand.img").exists() { Err(()) } else { Ok(()) }).await;
        clear(&app).await;
    }

    /// What an image may not be is refused: the image stays without data, and the object where it is.
    async fn sec_72_unsafe_files_are_not_adopted(database: Database) {
        let app = database.app();
        let (folder, admin) = (app.store_folder(), app.as_admin());
        let path = "/ext/v1/stores/file/objects/adopt";
        file(&folder, "backed.qcow2", &qcow2(1 << 20, Some("/etc/passwd")), 60);
        let secret = folder.parent().unwrap().join("secret");
        std::fs::write(&secret, b"secret").unwrap();
        std::os::unix::fs::symlink(&secret, folder.join("link")).unwrap();
        let body = |key: &str, format: &str| json!({"key": key, "image": {"disk_format": format, "container_format": "bare"}});
        let answer = admin.post(path).json(&body("backed.qcow2", "qcow2")).await.expect(202).json();
        let job = ended(&admin, &format!("/ext/v1/jobs/{}", answer["job"]["id"].as_str().unwrap())).await;
        assert_eq!(job["state"], "failed", "{job}");
        assert!(job["error"]["message"].as_str().unwrap().contains("backing file"), "{job}");
        let id = answer["image"]["id"].as_str().unwrap();
        assert_eq!(admin.show(id).await.expect(200).json()["status"], "queued");
        admin.remove(id).await.expect(204);
        assert!(folder.join("backed.qcow2").exists());
        for (key, status) in [("link", 404), ("../secret", 400), ("nothing", 404), ("", 400), (".store-id", 400)] {
            admin.post(path).json(&body(key, "raw")).await.expect_for(status, key);
        }
        let formless = json!({"key": "backed.qcow2", "image": {"name": "x"}});
        admin.post(path).json(&formless).await.expect(400);
        assert_eq!(admin.list("").await.expect(200).json()["images"], json!([]));
        clear(&app).await;
    }

    /// What lies in quarantine comes back and is adopted.
    async fn quarantined_objects_are_adopted(database: Database) {
        let app = database.app();
        let (folder, admin, orphan) = (app.store_folder(), app.as_admin(), fresh_id());
        file(&folder, &orphan, b"orphan", 48 * HOUR);
        reconciled(&app, json!({"actions": {"orphan": "quarantine"}, "dry_run": false})).await;
        assert!(!folder.join(&orphan).exists());
        let body = json!({"key": orphan, "image": {"disk_format": "raw", "container_format": "bare", "owner": "alice"}});
        let answer = admin.post("/ext/v1/stores/file/objects/adopt").json(&body).await.expect(202).json();
        let id = answer["image"]["id"].as_str().unwrap();
        app.as_member("alice").becomes(id, "active").await;
        assert_eq!(app.as_member("alice").download(id).await.expect(200).text(), "orphan");
        assert_eq!(all(&admin, "/ext/v1/stores/file/quarantine", "quarantine").await, Vec::<Value>::new());
        clear(&app).await;
    }
}

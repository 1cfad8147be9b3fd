//! The ways to lose live data, none of which a reconciliation takes (specification of security, "Order of danger", 1).

use vitrine::{
    db,
    model::{
        blob::{Blob, BlobState},
        time::Timestamp,
    },
    reconcile::guard::{self, Standing},
    store::NewBlob,
};

use super::*;

fn apply() -> Value {
    json!({"actions": {"orphan": "quarantine", "stale-staging": "quarantine"}, "dry_run": false})
}

on_each_database! {
    /// A folder that is not mounted, or that is empty below the place where it was mounted, does not pass for a store
    /// that has lost everything: the store is missing, nothing is asked of it and nothing is written there.
    async fn sec_73_an_unmounted_folder_is_missing(database: Database) {
        let app = database.app();
        let (folder, admin) = (app.store_folder(), app.as_admin());
        stored(&app, "data").await;
        let orphan = fresh_id();
        file(&folder, &orphan, b"x", 48 * HOUR);
        reconciled(&app, apply()).await;
        let held = all(&admin, "/ext/v1/stores/file/quarantine", "quarantine").await;
        let restore = format!("/ext/v1/stores/file/quarantine/{}/restore", held[0]["id"].as_str().unwrap());
        let away = folder.with_extension("away");
        std::fs::rename(&folder, &away).unwrap();
        let path = "/ext/v1/stores/file/reconcile";
        let refused = admin.post(path).json(&apply()).await.expect(503).json()["error"].clone();
        assert_eq!(refused["reason"], "store-missing");
        // What lies below a mount point looks like a store that was never used.
        std::fs::create_dir_all(folder.join(".parts")).unwrap();
        let refused = admin.post(path).json(&apply()).await.expect(503).json()["error"].clone();
        assert_eq!(refused["reason"], "store-missing");
        assert_eq!(admin.get("/ext/v1/stores/file").await.expect(200).json()["store"]["state"], "missing");
        // Nor is anything known to be gone that lies out of the way there.
        admin.post(&restore).await.expect(503);
        app.later(15 * 24 * 3600);
        let inner = app.app();
        let settled = vitrine::reconcile::quarantine::settle(&inner.db, &inner.stores, 14 * 24 * 3600).await;
        assert_eq!(settled.unwrap(), 0);
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::rename(&away, &folder).unwrap();
        admin.post(&restore).await.expect(204);
        std::fs::remove_file(folder.join(&orphan)).unwrap();
        assert_eq!(reconciled(&app, apply()).await.0["summary"], json!({"ok": 1}));
        clear(&app).await;
    }

    /// What is being written is nobody's remains, however old the file is and whatever the state of its upload: while the
    /// writer's lease goes on, and between the moment at which its bytes bear their name and that at which its image has
    /// them.
    async fn sec_73_uploads_in_flight_stay(database: Database) {
        let app = database.app();
        let (inner, folder) = (app.app(), app.store_folder());
        let store = inner.stores.get("file").unwrap();
        let mut rows = Vec::new();
        for shown in [false, true] {
            let blob = Blob {
                id: fresh_id(), image_id: fresh_id(), store: "file".to_owned(), name: fresh_id(), state: BlobState::Writing,
                size: None, holder: fresh_id(), lease_until: now().plus_seconds(3600), delete_after: Timestamp(0), attempts: 0,
            };
            let row = blob.clone();
            inner.db.write("test.blob", move |conn| db::blobs::insert(conn, &row, now())).await.unwrap();
            let mut writer = store.writer(&NewBlob::of(&blob, None)).await.unwrap();
            if shown {
                writer.sync().await.unwrap();
                writer.commit(&blob.name).await.unwrap();
            }
            let path = if shown { folder.join(&blob.name) } else { folder.join(".parts").join(&blob.id) };
            let old = SystemTime::now() - Duration::from_secs(48 * HOUR);
            File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
            rows.push((path, writer, blob.id));
        }
        let (result, _) = reconciled(&app, apply()).await;
        assert_eq!((&result["summary"], &result["changed"]), (&json!({"staging": 2}), &json!(0)));
        assert!(rows.iter().all(|(path, ..)| path.exists()));
        for (_, writer, id) in rows {
            writer.cancel().await.unwrap();
            inner.db.write("test.remove", move |conn| db::blobs::remove(conn, &id)).await.unwrap();
        }
        clear(&app).await;
    }

    /// The ages of objects are told by the clock that stamped them: when ours runs ahead for days, a new object is as
    /// young as it is, and one from the future is young, too.
    async fn sec_73_a_clock_that_is_wrong_makes_nothing_old(database: Database) {
        let app = database.app();
        let (folder, new, future) = (app.store_folder(), fresh_id(), fresh_id());
        file(&folder, &new, b"x", 60);
        file(&folder, &future, b"x", 0);
        let ahead = SystemTime::now() + Duration::from_secs(48 * HOUR);
        File::options().write(true).open(folder.join(&future)).unwrap().set_modified(ahead).unwrap();
        app.later(30 * 24 * 3600);
        let (result, _) = reconciled(&app, apply()).await;
        assert_eq!((&result["summary"], &result["changed"]), (&json!({"young": 2}), &json!(0)));
        assert!(folder.join(&new).exists() && folder.join(&future).exists());
        clear(&app).await;
    }

    /// A second service on the same storage is not cleaned up after: the store bears the mark of the first, and the other
    /// refuses to look until an operator says that the first is gone.
    async fn sec_73_a_second_service_is_refused(database: Database) {
        let first = database.app();
        let folder = first.store_folder();
        let id = stored(&first, "data").await;
        let old = SystemTime::now() - Duration::from_secs(48 * HOUR);
        File::options().write(true).open(folder.join(&id)).unwrap().set_modified(old).unwrap();
        reconciled(&first, json!({})).await;
        let second = database.app_with(|options| {
            options.stores = vitrine::config::Stores {
                list: vec![vitrine::config::StoreSettings::new("file", vitrine::store::file::Settings::of_folder(folder.clone()))],
                default: "file".to_owned(),
                ..vitrine::config::Stores::default()
            };
        });
        let path = "/ext/v1/stores/file/reconcile";
        let refused = second.as_admin().post(path).json(&apply()).await.expect(409).json()["error"].clone();
        assert_eq!(refused["reason"], "store-shared");
        assert_eq!(second.as_admin().get("/ext/v1/stores/file").await.expect(200).json()["store"]["mark"], "theirs");
        assert!(folder.join(&id).exists());
        let inner = second.app();
        let claimed = guard::claim(&inner.db, &inner.stores.get("file").unwrap()).await.unwrap();
        assert_eq!(claimed, Standing::Ours);
        assert_eq!(reconciled(&second, json!({})).await.0["summary"], json!({"orphan": 1}));
        clear(&first).await;
    }

    /// Uploads and deletions go on while orphans are taken out of the way again and again: no image loses its data.
    async fn sec_73_nothing_is_lost_while_others_work(database: Database) {
        let app = database.app_with(|options| options.image.orphan_grace_seconds = 0);
        let work = async {
            let mut kept = Vec::new();
            for number in 0..12 {
                let id = stored(&app, &format!("data {number}")).await;
                match number % 3 {
                    0 => {
                        app.as_member("alice").remove(&id).await.expect(204);
                    }
                    _ => kept.push((id, format!("data {number}"))),
                }
            }
            kept
        };
        let clean = async {
            for _ in 0..4 {
                reconciled(&app, apply()).await;
            }
        };
        let (kept, ()) = futures::future::join(work, clean).await;
        for (id, data) in kept {
            assert_eq!(app.as_member("alice").download(&id).await.expect(200).text(), data);
        }
        clear(&app).await;
    }
}

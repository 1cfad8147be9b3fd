//! Imports into several stores, and copies between them.

use vitrine::{
    config::{StoreSettings, Stores},
    store::{file, kinds::memory},
};

use super::{source::*, *};

fn with_stores(database: Database, ids: &'static [&'static str]) -> TestApp {
    with_stores_and(database, ids, |_| {})
}

/// A server with stores of these ids, of which the first is the default, and with other options as well.
pub fn with_stores_and(
    database: Database,
    ids: &'static [&'static str],
    change: impl FnOnce(&mut vitrine::server::Options),
) -> TestApp {
    with_stores_changed(database, ids, |_| {}, change)
}

/// The same, where the first store keeps disks in a format.
pub fn with_stores_and_formats(
    database: Database,
    ids: &'static [&'static str],
    format: &str,
    change: impl FnOnce(&mut vitrine::server::Options),
) -> TestApp {
    with_stores_changed(database, ids, |stores| stores[0].disk_format = Some(format.to_owned()), change)
}

fn with_stores_changed(
    database: Database,
    ids: &'static [&'static str],
    change_stores: impl FnOnce(&mut Vec<StoreSettings>),
    change: impl FnOnce(&mut vitrine::server::Options),
) -> TestApp {
    database.app_with(move |options| {
        reach_loopback(options);
        change(options);
        let folder = options.data_dir.clone();
        let store = |id: &&str| {
            // The test app looks for the default store here.
            let folder = folder.join(if *id == ids[0] { "images" } else { id });
            match *id {
                "memory" => StoreSettings::new(id, memory::Settings::default()),
                _ => StoreSettings::new(id, file::Settings::of_folder(folder)),
            }
        };
        let mut list = ids.iter().map(store).collect();
        change_stores(&mut list);
        options.stores = Stores { list, default: ids[0].to_owned(), multiple: true, ..Stores::default() };
    })
}

on_each_database! {
    /// One read of the source feeds every store.
    async fn all_stores_get_the_data(database: Database) {
        let app = with_stores(database, &["fast", "cheap", "far"]);
        let alice = app.as_member("alice");
        let data = bytes(1_000_000);
        let source = Source::of(data.clone());
        for (body, stores) in [
            (json!({"all_stores": true}), "fast,cheap,far"),
            (json!({"stores": ["far", "fast"]}), "far,fast"),
            (json!({}), "fast"),
        ] {
            let id = alice.created(image().raw()).await;
            let mut body = body;
            body["method"] = json!({"name": "web-download", "uri": source.url("/")});
            import(&alice, &id, body).await.expect(202);
            assert_eq!(holds(&alice, &id, &data).await["stores"], stores);
        }
        assert_eq!(source.served(), 3);
        nothing_is_staged(&app).await;
    }

    /// Stores are named in one way only, and must exist.
    async fn stores_are_checked(database: Database) {
        let app = with_stores(database, &["fast", "cheap"]);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let source = Source::of(bytes(10));
        let method = json!({"name": "web-download", "uri": source.url("/")});
        for (body, status) in [
            (json!({"method": method, "all_stores": true, "stores": ["fast"]}), 400),
            (json!({"method": method, "stores": []}), 400),
            (json!({"method": method, "stores": "fast"}), 400),
            (json!({"method": method, "stores": ["slow"]}), 409),
            (json!({"method": method, "stores": ["os_glance_staging_store"]}), 409),
        ] {
            import(&alice, &id, body).await.expect(status);
        }
        let named = json!({"method": method, "stores": ["fast"]});
        import(&alice, &id, named).header("x-image-meta-store", "cheap").await.expect(400);
        download(&alice, &id, &source.url("/")).header("x-image-meta-store", "cheap").await.expect(202);
        assert_eq!(holds(&alice, &id, &bytes(10)).await["stores"], "cheap");
    }

    /// An active image is copied to further stores; its status never changes.
    async fn images_are_copied(database: Database) {
        let app = with_stores(database, &["fast", "cheap", "far"]);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let data = bytes(500_000);
        let id = alice.created(image().raw()).await;
        alice.upload(&id, data.clone()).await.expect(204);
        let copy = |stores: Value| json!({"method": {"name": "copy-image"}, "stores": stores});
        import(&alice, &id, copy(json!(["cheap"]))).await.expect(403);
        import(&admin, &id, copy(json!(["fast"]))).await.expect(400);
        import(&admin, &id, copy(json!(["cheap"]))).await.expect(202);
        assert_eq!(holds(&admin, &id, &data).await["stores"], "fast,cheap");
        let all = json!({"method": {"name": "copy-image"}, "all_stores": true});
        import(&admin, &id, all.clone()).await.expect(202);
        eventually("copied to all", async || {
            let shown = alice.show(&id).await.expect(200).json();
            if shown["stores"] == "fast,cheap,far" { Ok(()) } else { Err(shown) }
        })
        .await;
        over(&admin, &id).await;
        import(&admin, &id, all).await.expect(202);
        nothing_is_staged(&app).await;
    }

    /// What every target takes over as it is, is not read; one that has another size is no copy.
    async fn what_is_taken_over_is_not_read(database: Database) {
        let app = with_stores(database, &["fast", "cheap", "far"]);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let id = alice.created(image().raw()).await;
        alice.upload(&id, bytes(500_000)).await.expect(204);
        let copy = |store: &str| json!({"method": {"name": "copy-image"}, "stores": [store]});
        import(&admin, &id, copy("cheap")).await.expect(202);
        over(&admin, &id).await;
        assert_eq!(alice.show(&id).await.expect(200).json()["stores"], "fast,cheap");
        assert_eq!(app.app().stores.get("fast").unwrap().counters.counts().bytes_read, 0);
        let file = std::fs::File::options().write(true).open(app.folder().join("images").join(&id)).unwrap();
        file.set_len(1000).unwrap();
        import(&admin, &id, copy("far")).await.expect(202);
        failed(&app, &admin, &id, "active", "not what was once imported").await;
        assert_eq!(alice.show(&id).await.expect(200).json()["stores"], "fast,cheap");
        file.set_len(500_000).unwrap();
    }

    /// What breaks off in the store that is read first is copied from another, whole; what is no copy is not made.
    async fn copies_go_on_from_another_store(database: Database) {
        let app = with_stores(database, &["fast", "cheap", "memory"]);
        let (alice, admin, data) = (app.as_member("alice"), app.as_admin(), bytes(3_000_000));
        let id = alice.created(image().raw()).await;
        alice.upload(&id, data.clone()).await.expect(204);
        let copy = |store: &str| json!({"method": {"name": "copy-image"}, "stores": [store]});
        import(&admin, &id, copy("cheap")).await.expect(202);
        assert_eq!(holds(&admin, &id, &data).await["stores"], "fast,cheap");
        over(&admin, &id).await;
        // A file of its own, of which a link would be wrong; the third store can take no links of either.
        let file = app.folder().join("images").join(&id);
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, &data[..1_000_000]).unwrap();
        import(&admin, &id, copy("memory")).await.expect(202);
        assert_eq!(holds(&admin, &id, &data).await["stores"], "fast,cheap,memory");
        std::fs::write(&file, &data).unwrap();
    }

    /// A store that fails stops the import, unless the caller can do without it.
    async fn a_failing_store_counts_as_asked(database: Database) {
        let app = with_stores(database, &["fast", "broken"]);
        let alice = app.as_member("alice");
        let source = Source::of(bytes(1000));
        // Without the folder in which it writes the store takes nothing.
        let (parts, aside) = (app.folder().join("broken/.parts"), app.folder().join("aside"));
        std::fs::rename(&parts, &aside).unwrap();
        let id = alice.created(image().raw()).await;
        let body = json!({
            "method": {"name": "web-download", "uri": source.url("/")},
            "all_stores": true,
            "all_stores_must_succeed": false,
        });
        import(&alice, &id, body).await.expect(202);
        let shown = holds(&alice, &id, &bytes(1000)).await;
        assert_eq!((&shown["stores"], &shown["os_glance_failed_import"]), (&json!("fast"), &json!("broken")));
        std::fs::rename(&aside, &parts).unwrap();
    }

    /// A folder that is gone does not come back by itself: it is tried three times, a few seconds in all.
    async fn a_folder_that_is_gone_is_soon_given_up(database: Database) {
        let app = with_stores(database, &["fast", "away"]);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let (folder, aside) = (app.folder().join("away"), app.folder().join("aside"));
        std::fs::rename(&folder, &aside).unwrap();
        let source = Source::of(bytes(1000));
        let body = json!({"method": {"name": "web-download", "uri": source.url("/")}, "stores": ["away"]});
        import(&alice, &id, body).await.expect(202);
        failed(&app, &alice, &id, "queued", "cannot be reached").await;
        let task = over(&alice, &id).await["id"].as_str().unwrap().to_owned();
        let job = app.app().db.read("test.job", move |conn| vitrine::db::jobs::find(conn, &task)).await.unwrap();
        assert_eq!(job.unwrap().attempts, 3);
        std::fs::rename(&aside, &folder).unwrap();
    }

    /// An import that is given up leaves what a client has staged, and the client may ask for the same import again.
    async fn sec_41_staged_data_outlives_an_import_that_is_given_up(database: Database) {
        let app = with_stores(database, &["fast", "away"]);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        stage(&alice, &id, bytes(1000)).await.expect(204);
        let (folder, aside) = (app.folder().join("away"), app.folder().join("aside"));
        std::fs::rename(&folder, &aside).unwrap();
        let body = json!({"method": {"name": "glance-direct"}, "stores": ["away"]});
        import(&alice, &id, body.clone()).await.expect(202);
        failed(&app, &alice, &id, "uploading", "cannot be reached").await;
        std::fs::rename(&aside, &folder).unwrap();
        import(&alice, &id, body).await.expect(202);
        holds(&alice, &id, &bytes(1000)).await;
    }
}

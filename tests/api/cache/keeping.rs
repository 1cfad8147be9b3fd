//! What keeps the cache whole: its limit, deletions, deaths, and the queue.

use std::{fs, sync::Arc};

use serde_json::json;
use vitrine::{
    cache::{Cache, Settings},
    db,
};

use super::*;

/// What a copy of this image is known by.
async fn content_of(app: &TestApp, id: &str) -> String {
    let shown = app.as_admin().show(id).await.expect(200).json();
    format!("{}:{}", shown["os_hash_algo"].as_str().unwrap(), shown["os_hash_value"].as_str().unwrap())
}

/// The cache of a server that is not asked over HTTP: that of another node, when `url` is another.
fn another(app: &TestApp, dir: &str, url: &str) -> Arc<Cache> {
    let (dir, db, url) = (app.folder().join(dir), app.app().db.clone(), url.to_owned());
    let open = move || Cache::open(Settings { node_url: Some(url), ..Settings::new(dir) }, db).unwrap();
    Arc::new(std::thread::spawn(open).join().unwrap())
}

on_each_database! {
    /// The cache never takes more than it may: the least recently used copies make room.
    async fn the_least_recently_used_make_room(database: Database) {
        let app = database.app_with(|options| with_room(options, 2500));
        let alice = app.as_member("alice");
        let mut ids = Vec::new();
        for byte in 0..3 {
            ids.push(app.active(&[byte; 1000]).await);
        }
        for id in &ids[..2] {
            alice.download(id).await.expect(200);
            app.cached_at_last(id).await;
        }
        // The older of the two is used.
        alice.download(&ids[0]).await.expect(200);
        alice.download(&ids[2]).await.expect(200);
        app.cached_at_last(&ids[2]).await;
        let names = |records: Vec<Value>| -> Vec<String> {
            records.iter().map(|record| record["image_id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(app.cached().await), [ids[0].clone(), ids[2].clone()]);
        let mut expected = vec![ids[0].clone(), ids[2].clone()];
        expected.sort();
        assert_eq!(app.cache_files(""), expected);

        // Larger than the cache: served, and no reason to drop anything; a request to cache it ends by itself.
        let large = app.active(&bytes(2501)).await;
        assert_eq!(alice.download(&large).await.expect(200).body, bytes(2501));
        app.as_admin().put(&format!("/v2/cache/{large}")).await.expect(202);
        eventually("out of the queue", async || {
            if app.cache_files("queue").is_empty() { Ok(()) } else { Err(app.cache_files("queue")) }
        })
        .await;
        assert_eq!(app.cache_files(""), expected);
        // Data that was set aside goes before any copy does.
        fs::write(app.cache_path("invalid").join(fresh_id()), [0; 400]).unwrap();
        let small = app.active(&bytes(400)).await;
        alice.download(&small).await.expect(200);
        app.cached_at_last(&small).await;
        assert_eq!((app.cached().await.len(), app.cache_files("invalid").len()), (3, 0));
    }

    /// Pruning tells what had to go, and ends when there are no records but files.
    async fn pruning_brings_the_cache_down_to_its_size(database: Database) {
        let mut app = database.app_with(with_cache);
        let mut ids = Vec::new();
        for size in [1000, 2000, 3000] {
            let id = app.active(&bytes(size)).await;
            app.as_member("alice").download(&id).await.expect(200);
            app.cached_at_last(&id).await;
            ids.push(id);
        }
        let prune = async |app: &TestApp| app.as_admin().post("/v2/cache/prune").await.expect(200).json();
        assert_eq!(prune(&app).await, json!({"total_files_pruned": 0, "total_bytes_pruned": 0}));
        app.reconfigure(|options| with_room(options, 3500));
        assert_eq!(prune(&app).await, json!({"total_files_pruned": 2, "total_bytes_pruned": 3000}));
        assert_eq!(app.cached().await[0]["image_id"], ids[2].as_str());
        assert_eq!(app.cache_files(""), [ids[2].as_str()]);
        app.reconfigure(|options| with_room(options, 0));
        // No record tells of it.
        let (node, id) = (1, ids[2].clone());
        app.app().db.write("test.lose", move |c| db::cached_images::remove(c, node, &id)).await.unwrap();
        assert_eq!(prune(&app).await, json!({"total_files_pruned": 1, "total_bytes_pruned": 3000}));
        assert_eq!((app.cached().await, app.cache_files("")), (vec![], vec![]));
    }

    /// A deleted image leaves the cache of the node that deleted it at once, and of another soon afterwards.
    async fn deleted_images_leave_every_cache(database: Database) {
        let app = database.app_with(with_cache);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let other = another(&app, "other-cache", "http://node-two");
        let (id, kept) = (app.active(b"data").await, app.active(b"more").await);
        for id in [&id, &kept] {
            alice.download(id).await.expect(200);
            app.cached_at_last(id).await;
            assert_eq!(other.fetch(&app.app().images, id).await.unwrap(), vitrine::cache::Fetched::Done);
        }
        let nodes = async |id: &str| admin.get(&format!("/v2/cache/nodes/{id}")).await.json();
        assert_eq!(nodes(&id).await, json!([NODE, "http://node-two"]));
        alice.remove(&id).await.expect(204);
        assert_eq!(app.cache_files(""), [kept.as_str()]);
        let there = || app.folder().join("other-cache").join(&id).exists();
        assert!(there());
        other.sweep().await.unwrap();
        assert!(!there() && app.folder().join("other-cache").join(&kept).exists());
        assert_eq!(other.list().await.unwrap().len(), 1);
        assert_eq!(nodes(&kept).await, json!([NODE, "http://node-two"]));
    }

    /// A node keeps its copies under a new URL; another folder under the same URL takes its place, and as that was a
    /// mistake, the node finds its copies again.
    async fn copies_belong_to_a_folder(database: Database) {
        let mut app = database.app_with(with_cache);
        let id = app.active(b"data").await;
        app.as_member("alice").download(&id).await.expect(200);
        let record = app.cached_at_last(&id).await;
        app.reconfigure(|options| options.cache.as_mut().unwrap().node_url = Some("http://renamed".to_owned()));
        let nodes = format!("/v2/cache/nodes/{id}");
        assert_eq!(app.as_admin().get(&nodes).await.json(), json!(["http://renamed"]));
        assert_eq!(app.record_of(&id).await, Some(record));
        // What the node does about that at its start must not come after the mistake.
        app.app().cache().unwrap().sweep().await.unwrap();
        let twin = another(&app, "twin", "http://renamed");
        assert_eq!(app.cached().await, Vec::<Value>::new());
        app.app().cache().unwrap().sweep().await.unwrap();
        twin.sweep().await.unwrap();
        assert_eq!(app.cached().await.len(), 1);
        assert_eq!(app.as_admin().get(&nodes).await.json(), json!(["http://renamed"]));
    }

    /// What a death can leave behind: at the next start it is made whole or dropped, and blocks nothing.
    async fn remains_are_adopted_or_dropped(database: Database) {
        let mut app = database.app_with(with_cache);
        let data = bytes(5000);
        let (whole, wrong, short) =
            (app.active(&data).await, app.active(&data).await, app.active(&data).await);
        let (lost, cut, gone) = (app.active(&data).await, app.active(&data).await, fresh_id());
        let torn = app.active(&data).await;
        for id in [&lost, &torn] {
            let content = content_of(&app, id).await;
            let (node, row) = (1, record_for(id, &content, 5000));
            app.app().db.write("test.row", move |c| db::cached_images::insert(c, node, &row)).await.unwrap();
        }
        app.restart(|app| {
            // Recorded, and shortened by a file system that did not keep its word.
            fs::write(app.cache_path(&torn), &data[..3000]).unwrap();
            // Renamed, not recorded.
            fs::write(app.cache_path(&whole), &data).unwrap();
            fs::write(app.cache_path(&wrong), vec![1; 5000]).unwrap();
            fs::write(app.cache_path(&short), &data[..4999]).unwrap();
            fs::write(app.cache_path(&gone), b"of an image that never was").unwrap();
            fs::write(app.cache_path("incomplete").join(&cut), &data[..2000]).unwrap();
            fs::write(app.cache_path("cache.db"), b"not ours").unwrap();
        });
        app.cached_at_last(&whole).await;
        eventually("in order", async || {
            let (files, rows) = (app.cache_files(""), app.cached().await.len());
            let mut expected = vec!["cache.db".to_owned(), whole.clone()];
            expected.sort();
            let done = files == expected && rows == 1 && app.cache_files("incomplete").is_empty();
            if done { Ok(()) } else { Err((files, rows)) }
        })
        .await;
        let alice = app.as_member("alice");
        let hidden = app.hide(&whole);
        assert_eq!(alice.download(&whole).await.expect(200).body, data);
        drop(hidden);
        for id in [&wrong, &short, &lost, &cut, &torn] {
            assert_eq!(alice.download(id).await.expect(200).body, data);
            app.cached_at_last(id).await;
        }
    }

    /// The queue is on disk: it survives a restart, one bad image does not hold up the others, and any location will do.
    async fn the_queue_outlives_the_server(database: Database) {
        let mut app = database.app_with(|options| {
            with_cache(options);
            options.stores = crate::stores::several(&options.data_dir);
            reach_loopback(options);
        });
        let source = WebSource::start();
        // Its first location has wrong data, its second the right one.
        let mut image = record("alice", 1);
        let id = image.id.clone();
        let location = |url: String, store: &str| vitrine::model::image::Location {
            id: fresh_id(),
            url,
            metadata: serde_json::Map::new(),
            store: Some(store.to_owned()),
            blob_id: None,
        };
        let far = format!("file://{}", app.folder().join("fast").join("none").display());
        (image.status, image.size) = (vitrine::model::status::Status::Active, Some(4));
        (image.checksum, image.os_hash_algo) = (Some("8d777f385d3dfec8815d20f7496026dc".to_owned()), None);
        image.os_hash_value = None;
        image.locations = vec![location(far, "fast"), location(source.url("x"), "web")];
        app.insert(std::slice::from_ref(&image)).await;
        let missing = app.active(b"its data is lost").await;
        let stored = app.folder().join("fast").join(&missing);
        let bytes = fs::read(&stored).unwrap();
        fs::remove_file(&stored).unwrap();
        let admin = app.as_admin();
        for id in [&missing, &id] {
            admin.put(&format!("/v2/cache/{id}")).await.expect(202);
        }
        app.cached_at_last(&id).await;
        let state = admin.get("/v2/cache").await.json();
        assert_eq!(state["queued_images"], json!([missing]));
        app.restart(|_| fs::write(&stored, &bytes).unwrap());
        app.cached_at_last(&missing).await;
        assert_eq!(app.cache_files("queue"), Vec::<String>::new());
    }
}

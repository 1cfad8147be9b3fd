//! Downloads through the cache.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::json;
use vitrine::model::image::Location;

use super::*;

/// The headers that a download of data has.
fn heads(answer: &Answer) -> [String; 4] {
    ["content-type", "content-length", "content-md5", "content-range"]
        .map(|name| answer.header(name).to_owned())
}

/// A download of alice's whose answer is not read yet.
fn begin_download(app: &TestApp, id: &str) -> TcpStream {
    let token = Persona::with_roles("alice", MEMBER).token();
    let mut stream = TcpStream::connect(app.address()).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let head = format!("GET /v2/images/{id}/file HTTP/1.1\r\nhost: x\r\nx-auth-token: {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

on_each_database! {
    /// The first download fills the cache, later ones need no store: whole or in part, with the same answers.
    async fn the_second_download_needs_no_store(database: Database) {
        let app = database.app_with(with_cache);
        let (alice, data) = (app.as_member("alice"), bytes(1_000_003));
        let id = app.active(&data).await;
        let part = |range: &str| alice.download(&id).header("range", range);
        let part_before = part("bytes=10-19").await.expect(206);
        assert_eq!(app.cached().await, Vec::<Value>::new(), "a part fills nothing");
        let miss = alice.download(&id).await.expect(200);
        let record = app.cached_at_last(&id).await;
        assert_eq!((&record["size"], &record["hits"]), (&json!(1_000_003), &json!(0)));
        assert_eq!(record["checksum"], alice.show(&id).await.json()["checksum"]);
        assert_eq!(fs::read(app.cache_path(&id)).unwrap(), data);
        assert_eq!(app.cache_files("incomplete"), Vec::<String>::new());

        let hidden = app.hide(&id);
        let hit = alice.download(&id).await.expect(200);
        assert!(hit.body == data && miss.body == data);
        assert_eq!(heads(&hit), heads(&miss));
        let part_after = part("bytes=10-19").await.expect(206);
        assert_eq!(part_after.body, data[10..20]);
        assert_eq!(heads(&part_after), heads(&part_before));
        assert_eq!(part("bytes=-3").await.expect(206).body, data[1_000_000..]);
        assert_eq!(part("bytes=1000003-").await.expect(416).header("content-md5"), "");
        part("bytes=1-2,4-5").await.expect(400);
        let after = app.record_of(&id).await.unwrap();
        assert!(after["hits"].as_i64().unwrap() >= 3, "{after}");
        assert!(after["last_accessed"].as_f64() > record["last_accessed"].as_f64());
        assert_eq!(after["last_modified"], record["last_modified"]);
        drop(hidden);
    }

    /// Many first downloads at once all get their data, and make one copy.
    async fn concurrent_misses_make_one_copy(database: Database) {
        let app = database.app_with(with_cache);
        let data = bytes(3 << 20);
        let id = app.active(&data).await;
        let all = (0..12).map(|_| {
            let (alice, id) = (app.as_member("alice"), id.clone());
            async move { alice.download(&id).await.expect(200).body }
        });
        for body in futures::future::join_all(all).await {
            assert!(body == data);
        }
        app.cached_at_last(&id).await;
        assert_eq!((app.cached().await.len(), app.cache_files("")), (1, vec![id.clone()]));
        assert_eq!(fs::read(app.cache_path(&id)).unwrap(), data);
        assert_eq!(app.cache_files("incomplete"), Vec::<String>::new());
    }

    /// Who may not see or download an image does not get it from the cache either.
    async fn sec_6_the_cache_gives_nothing_away(database: Database) {
        let app = database.app_with(with_cache);
        let alice = app.as_member("alice");
        let id = app.active(b"secret").await;
        alice.download(&id).await.expect(200);
        app.cached_at_last(&id).await;
        for range in ["", "bytes=0-1"] {
            app.as_member("bob").download(&id).header("range", range).await.expect(404);
            app.as_role("alice", &["unrelated"]).download(&id).header("range", range).await.expect(404);
            app.as_nobody().download(&id).header("range", range).await.expect(401);
        }
        let hits = app.record_of(&id).await.unwrap()["hits"].clone();
        alice.act(&id, "deactivate").await.expect(204);
        alice.download(&id).await.expect(403);
        let hidden = app.hide(&id);
        // An admin may, but a deactivated image is read from its store, which has lost it.
        app.as_admin().download(&id).await.expect(204);
        drop(hidden);
        app.as_admin().download(&id).await.expect(200);
        assert_eq!(app.record_of(&id).await.unwrap()["hits"], hits);
        alice.act(&id, "reactivate").await.expect(204);
        alice.download(&id).await.expect(200);
        assert_ne!(app.record_of(&id).await.unwrap()["hits"], hits);
        // The parameter is looked at whatever the cache has; there is but one store here.
        alice.get(&format!("/v2/images/{id}/file?prefer=x")).await.expect(400);
    }

    /// The answer from the cache says nowhere where the data is, nor who holds it; and of the first version of the API,
    /// whose answers did, there is nothing.
    async fn sec_3_a_cached_image_tells_no_place(database: Database) {
        let app = database.app_with(with_cache);
        let alice = app.as_member("alice");
        let id = app.active(b"secret").await;
        alice.download(&id).await.expect(200);
        app.cached_at_last(&id).await;
        let hidden = app.hide(&id);
        let folder = app.folder().display().to_string();
        for answer in [alice.download(&id).await.expect(200), alice.show(&id).await.expect(200)] {
            let told = format!("{:?}{}", answer.headers, answer.text());
            assert!(!told.contains(&folder) && !told.contains("file:") && !told.contains("location"), "{told}");
        }
        drop(hidden);
        for method in ["GET", "HEAD"] {
            alice.request(method, &format!("/v1/images/{id}")).await.expect_for(300, method);
        }
    }

    /// A client that goes away leaves nothing behind, and the next one fills the cache.
    async fn a_client_that_goes_away_blocks_nothing(database: Database) {
        let app = database.app_with(with_cache);
        // More than fits into the buffers of a connection.
        let data = bytes(48 << 20);
        let id = app.active(&data).await;
        let mut stream = begin_download(&app, &id);
        stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
        eventually("begun", async || {
            if app.cache_files("incomplete") == [id.as_str()] { Ok(()) } else { Err(app.cache_files("")) }
        })
        .await;
        drop(stream);
        eventually("given up", async || {
            let left = app.cache_files("incomplete");
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
        assert_eq!((app.cached().await, app.cache_files("")), (vec![], vec![]));
        assert!(app.as_member("alice").download(&id).await.expect(200).body == data);
        app.cached_at_last(&id).await;
        assert!(fs::read(app.cache_path(&id)).unwrap() == data);
    }

    /// Data that is not the image's is sent as the store has it, and not kept; cleaning removes what was set aside.
    async fn wrong_data_is_not_cached(database: Database) {
        let app = database.app_with(with_cache);
        let alice = app.as_member("alice");
        let id = app.active(&bytes(5000)).await;
        let at = app.store_folder().join(&id);
        fs::write(&at, vec![7; 5000]).unwrap();
        assert_eq!(alice.download(&id).await.expect(200).body, vec![7; 5000]);
        eventually("set aside", async || {
            if app.cache_files("invalid") == [id.as_str()] { Ok(()) } else { Err(app.cache_files("incomplete")) }
        })
        .await;
        assert_eq!((app.cached().await, app.cache_files("")), (vec![], vec![]));
        app.as_admin().post("/v2/cache/clean").await.expect(200);
        assert_eq!(app.cache_files("invalid"), Vec::<String>::new());
        fs::write(&at, bytes(5000)).unwrap();
        alice.download(&id).await.expect(200);
        app.cached_at_last(&id).await;
    }

    /// A copy that has been cut short, or cannot be read, is dropped, and the store answers.
    async fn a_damaged_copy_is_dropped(database: Database) {
        let app = database.app_with(with_cache);
        let (alice, data) = (app.as_member("alice"), bytes(5000));
        let id = app.active(&data).await;
        alice.download(&id).await.expect(200);
        let first = app.cached_at_last(&id).await;
        fs::write(app.cache_path(&id), &data[..100]).unwrap();
        assert_eq!(alice.download(&id).await.expect(200).body, data);
        eventually("cached anew", async || match app.record_of(&id).await {
            Some(record) if record["id"] != first["id"] => Ok(()),
            other => Err(other),
        })
        .await;
        assert_eq!(fs::read(app.cache_path(&id)).unwrap(), data);
    }

    /// A copy that turns out to be broken in the middle breaks one download off; the next one comes from the store.
    async fn a_copy_that_breaks_in_the_middle_is_dropped(database: Database) {
        let app = database.app_with(with_cache);
        // More than fits into the buffers of a connection.
        let data = bytes(48 << 20);
        let id = app.active(&data).await;
        app.as_member("alice").download(&id).await.expect(200);
        let first = app.cached_at_last(&id).await;
        let mut stream = begin_download(&app, &id);
        stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
        fs::File::options().write(true).open(app.cache_path(&id)).unwrap().set_len(32 << 20).unwrap();
        let mut rest = Vec::new();
        // Cut short or reset, as the connection has it.
        drop(stream.read_to_end(&mut rest));
        assert!(rest.len() < 33 << 20, "{}", rest.len());
        assert!(app.as_member("alice").download(&id).await.expect(200).body == data);
        assert_ne!(app.cached_at_last(&id).await["id"], first["id"]);
    }

    /// A copy of what was the image's data before is not served.
    async fn a_copy_of_other_data_is_not_served(database: Database) {
        let app = database.app_with(|options| {
            with_cache(options);
            options.stores = crate::stores::several(&options.data_dir);
            reach_loopback(options);
        });
        let source = WebSource::start();
        let location = |name: &str| Location {
            id: fresh_id(),
            url: source.url(name),
            metadata: serde_json::Map::new(),
            store: Some("web".to_owned()),
            blob_id: None,
        };
        // An image without any hash, as one that was added by its URL.
        let mut row = record("alice", 1);
        (row.status, row.size) = (vitrine::model::status::Status::Active, Some(4));
        (row.checksum, row.os_hash_algo, row.os_hash_value) = (None, None, None);
        row.locations = vec![location("old")];
        app.insert(std::slice::from_ref(&row)).await;
        let alice = app.as_member("alice");
        assert_eq!(alice.download(&row.id).await.expect(200).body, "data");
        let first = app.cached_at_last(&row.id).await;
        alice.download(&row.id).await.expect(200);
        assert_eq!(app.record_of(&row.id).await.unwrap()["id"], first["id"]);
        let (before, mut after) = (row.clone(), row.clone());
        after.locations = vec![location("new")];
        app.app()
            .db
            .write("test.move", move |conn| vitrine::db::images::save(conn, &before, &after).map(drop))
            .await
            .unwrap();
        assert_eq!(alice.download(&row.id).await.expect(200).body, "data");
        eventually("cached anew", async || match app.record_of(&row.id).await {
            Some(record) if record["id"] != first["id"] => Ok(()),
            other => Err(other),
        })
        .await;
        // A file of which nothing can be known is not believed.
        let (server, id) = (app.app(), row.id.clone());
        server.db.write("test.lose", move |c| vitrine::db::cached_images::forget_image(c, &id)).await.unwrap();
        server.cache().unwrap().sweep().await.unwrap();
        assert_eq!((app.cached().await, app.cache_files("")), (vec![], vec![]));
    }

    /// Without a flavour for it, downloads pass by the cache, whatever it has.
    async fn without_the_flavour_downloads_pass_by(database: Database) {
        let app = database.app_with(|options| {
            with_cache(options);
            options.cache.as_mut().unwrap().serves_downloads = false;
        });
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let id = app.active(b"data").await;
        alice.download(&id).await.expect(200);
        admin.put(&format!("/v2/cache/{id}")).await.expect(202);
        app.cached_at_last(&id).await;
        alice.download(&id).await.expect(200);
        assert_eq!(app.record_of(&id).await.unwrap()["hits"], 0);
    }

    /// The database being slow to count is no reason for a download to wait: hits are recorded in one go, once.
    async fn hits_are_counted_once(database: Database) {
        let mut app = database.app_with(with_cache);
        let (alice, id) = (app.as_member("alice"), app.active(b"data").await);
        alice.download(&id).await.expect(200);
        app.cached_at_last(&id).await;
        for _ in 0..5 {
            alice.download(&id).await.expect(200);
        }
        // A server that stops in order loses none.
        app.restart(|_| {});
        let record = app.record_of(&id).await.unwrap();
        assert_eq!(record["hits"], 5, "{record}");
        assert_eq!(app.record_of(&id).await.unwrap()["hits"], 5);
    }
}

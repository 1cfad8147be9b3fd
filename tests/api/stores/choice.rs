//! Which store takes the data of an upload, and which one gives it back.

use std::sync::Arc;

use serde_json::{Value, json};
use vitrine::reconcile::Adopted;

use super::*;

fn urls(shown: &Value) -> Vec<&str> {
    shown["locations"].as_array().unwrap().iter().map(|l| l["url"].as_str().unwrap()).collect()
}

on_each_database! {
    /// An upload goes to the store of its header, else to the default; a store that is not known or only reads is
    /// refused and leaves the image as it was.
    async fn uploads_choose_their_store(database: Database) {
        let app = database.app_with_stores();
        let alice = app.as_member("alice");
        let answer = alice.create(image().raw()).await.expect(201);
        assert_eq!(answer.header("openstack-image-store-ids"), "fast,slow,near,web");
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        assert_eq!(answer.json().get("stores"), None);
        alice.upload(&id, "x").header("x-image-meta-store", "nowhere").await.expect(400);
        alice.upload(&id, "x").header("x-image-meta-store", "web").await.expect(410);
        assert_eq!(alice.show(&id).await.json()["status"], "queued");
        alice.upload(&id, "data").header("X-Image-Meta-Store", "slow").await.expect(204);
        let shown = alice.show(&id).await.json();
        assert_eq!(shown["stores"], "slow");
        let url = format!("file://{}", app.folder().join("slow").join(&id).display());
        assert_eq!(shown["locations"], json!([{"url": url, "metadata": {"store": "slow"}}]));
        assert_eq!(shown["direct_url"], url);
        assert_eq!(alice.download(&id).await.expect(200).body.as_ref(), b"data");
        let id = image_in(&app, &[], b"x").await;
        assert_eq!(alice.show(&id).await.json()["stores"], "fast");
    }

    /// Several stores may only read, and one of them may be the default: then an upload that names no other is refused
    /// before anything is entered into the books, and a location is found by the first of them.
    async fn the_default_store_may_only_read(database: Database) {
        let app = TestApp::start(database, |options| {
            options.stores = readers(&options.data_dir);
            reach_loopback(options);
            options.image.show_multiple_locations = true;
        });
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let id = alice.created(image().raw()).await;
        let before = alice.show(&id).await.json();
        alice.upload(&id, "x").await.expect(410);
        assert_eq!(alice.show(&id).await.json(), before);
        let rows = async |store| {
            app.app().db.read("test.rows", move |conn| db::blobs::names_in_store(conn, store)).await.unwrap()
        };
        assert_eq!(rows("far").await, []);
        let value = json!({"url": source.url("a"), "metadata": {}});
        alice.update(&id, json!([{"op": "add", "path": "/locations/-", "value": value}])).await.expect(200);
        assert_eq!(alice.show(&id).await.json()["stores"], "near");
        assert_eq!(alice.download(&id).await.expect(200).body, "data");
    }

    /// What a store that only reads is said to hold cannot be deleted there, so nobody tries for ever.
    async fn a_store_that_only_reads_has_nothing_to_delete(database: Database) {
        let app = database.app_with_stores();
        let all = app.app();
        let blob = Blob {
            id: fresh_id(),
            image_id: fresh_id(),
            store: "web".to_owned(),
            name: fresh_id(),
            state: BlobState::Doomed,
            size: None,
            holder: fresh_id(),
            lease_until: Timestamp(0),
            delete_after: Timestamp(0),
            attempts: 0,
        };
        all.db.write("test.blob", move |conn| db::blobs::insert(conn, &blob, now())).await.unwrap();
        eventually("the row goes", async || {
            vitrine::jobs::reap::sweep(&all).await.unwrap();
            let rows = all.db.read("test.rows", |conn| db::blobs::names_in_store(conn, "web")).await.unwrap();
            if rows.is_empty() { Ok(()) } else { Err(rows) }
        })
        .await;
    }

    /// The heaviest store is read first and shown first, also in the list of stores.
    async fn the_heaviest_store_comes_first(database: Database) {
        let app = database.app_with_stores();
        let alice = app.as_member("alice");
        let data = bytes(300_000);
        let id = image_in(&app, &["slow", "near"], &data).await;
        let shown = alice.show(&id).await.json();
        assert_eq!(shown["stores"], "near,fast,slow");
        let stores: Vec<_> = shown["locations"].as_array().unwrap().iter().map(|l| l["metadata"]["store"].clone()).collect();
        assert_eq!(stores, ["near", "fast", "slow"]);
        assert_eq!(shown["direct_url"], shown["locations"][0]["url"]);
        assert_eq!(alice.list("").await.json()["images"][0]["locations"], shown["locations"]);
        assert_eq!(alice.download(&id).await.expect(200).body, data);
        assert_eq!((reads(&app, "near"), reads(&app, "fast"), reads(&app, "slow")), (1, 0, 0));
        // A change of the image keeps all of them.
        let patch = json!([{"op": "replace", "path": "/name", "value": "n"}]);
        assert_eq!(alice.update(&id, patch).await.expect(200).json()["locations"], shown["locations"]);
        assert_eq!(alice.show(&id).await.json()["locations"], shown["locations"]);
    }

    /// `prefer` moves stores to the front in its own order; what it names must be known.
    async fn downloads_may_prefer_stores(database: Database) {
        let app = database.app_with_stores();
        let alice = app.as_member("alice");
        let data = bytes(1000);
        let id = image_in(&app, &["slow", "near"], &data).await;
        let path = |prefer: &str| format!("/v2/images/{id}/file?prefer={prefer}");
        for (prefer, store) in
            [("slow", "slow"), ("fast,slow", "fast"), ("%20slow%20,,fast", "slow"), ("web,fast", "fast"), ("", "near"), (",", "near")]
        {
            let before = reads(&app, store);
            let answer = alice.get(&path(prefer)).header("range", "bytes=10-19").await.expect(206);
            assert_eq!(answer.body, data[10..20]);
            assert_eq!(reads(&app, store), before + 1, "{prefer}");
        }
        alice.get(&path("slow,nowhere")).await.expect(400);
        app.as_member("bob").get(&path("nowhere")).await.expect(404);
        app.as_reader("alice").get(&path("slow")).await.expect(403);
    }

    /// With one store there is nothing to prefer.
    async fn one_store_knows_no_preference(database: Database) {
        let app = database.app();
        let id = image_in(&app, &[], b"x").await;
        let alice = app.as_member("alice");
        alice.get(&format!("/v2/images/{id}/file?prefer=file")).await.expect(400);
        alice.get(&format!("/v2/images/{id}/file?prefer=%20,")).await.expect(200);
        assert_eq!(alice.show(&id).await.json().get("stores"), None);
    }

    /// A location that cannot be read, or has less than it should, gives way to the next; the last one decides.
    async fn downloads_fall_back(database: Database) {
        let app = database.app_with_stores();
        let alice = app.as_member("alice");
        let data = bytes(5000);
        let id = image_in(&app, &["slow", "near"], &data).await;
        let file = |store: &str| app.folder().join(store).join(&id);
        let aside = |store: &str| std::fs::rename(file(store), app.folder().join(format!("{store}.aside"))).unwrap();
        let back = |store: &str| std::fs::rename(app.folder().join(format!("{store}.aside")), file(store)).unwrap();
        aside("near");
        assert_eq!(alice.download(&id).await.expect(200).body, data);
        // An empty file is no data either.
        std::fs::write(file("near"), b"").unwrap();
        assert_eq!(alice.download(&id).await.expect(200).body, data);
        std::fs::remove_file(file("near")).unwrap();
        aside("fast");
        let answer = alice.download(&id).header("range", "bytes=-5").await.expect(206);
        assert_eq!(answer.body, data[4995..]);
        aside("slow");
        alice.download(&id).await.expect(204);
        // A whole folder that is away is no answer about the data.
        std::fs::rename(app.folder().join("slow"), app.folder().join("slow.away")).unwrap();
        alice.download(&id).await.expect(503);
        std::fs::rename(app.folder().join("slow.away"), app.folder().join("slow")).unwrap();
        for store in ["near", "fast", "slow"] {
            back(store);
        }
    }

    /// Data from the time of a single store is found in the store that has its folder now, for reading and in what is
    /// shown. A start changes none of its rows; the operator's word does, and then what was deleted goes, too.
    async fn data_of_a_single_store_moves_in(database: Database) {
        let mut app = TestApp::start(database, |options| {
            options.stores.list[0].settings = Arc::new(file::Settings::of_folder(options.data_dir.join("slow")));
            options.image.show_multiple_locations = true;
        });
        let data = bytes(2000);
        let (kept, removed) = (image_in(&app, &[], &data).await, image_in(&app, &[], &data).await);
        assert_eq!(app.as_member("alice").show(&kept).await.json().get("stores"), None);
        app.reconfigure(|options| options.stores = several(&options.data_dir));
        let alice = app.as_member("alice");
        let shown = alice.show(&kept).await.json();
        assert_eq!(shown["stores"], "slow");
        assert_eq!(shown["locations"][0]["metadata"], json!({"store": "slow"}));
        assert_eq!(urls(&shown).len(), 1);
        assert_eq!(alice.download(&kept).await.expect(200).body, data);
        alice.remove(&removed).await.expect(204);
        let all = app.app();
        let former = all.db.read("test.ledger", |conn| db::blobs::names_in_store(conn, "file")).await.unwrap();
        assert_eq!(former.len(), 2);
        assert_eq!(vitrine::reconcile::former_ids(&all.db, &all.stores).unwrap(), [("file".to_owned(), 1)]);
        let adopted = vitrine::reconcile::adopt(&all.db, &all.stores, None).unwrap();
        let expected = Adopted { moved: [("slow".to_owned(), 2)].into(), left: 0 };
        assert_eq!(adopted, [("file".to_owned(), expected)].into());
        app.settles().await;
        assert!(!app.folder().join("slow").join(&removed).exists());
        assert_eq!(alice.download(&kept).await.expect(200).body, data);
    }

    /// Deleting an image deletes its data in every store.
    async fn deleting_an_image_clears_all_stores(database: Database) {
        let app = database.app_with_stores();
        let id = image_in(&app, &["slow", "near"], b"data").await;
        app.as_member("alice").remove(&id).await.expect(204);
        app.settles().await;
        for store in ["fast", "slow", "near"] {
            assert!(!app.folder().join(store).join(&id).exists(), "{store}");
        }
    }
}

//! `web-download`: who may, from where, and what comes of it.

use serde_json::json;

use super::{source::*, *};

on_each_database! {
    /// Data from a web server becomes the image's; the source is read once.
    async fn data_is_fetched(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let data = bytes(2_000_000);
        let source = Source::of(data.clone());
        let id = alice.created(image().raw()).await;
        download(&alice, &id, &source.url("/image")).await.expect(202);
        let shown = holds(&alice, &id, &data).await;
        assert_eq!(source.served(), 1);
        assert_eq!(shown["os_hash_algo"], "sha512");
        nothing_is_staged(&app).await;
    }

    /// Redirects are followed.
    async fn redirects_are_followed(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let source = Source::start(|path| match path {
            "/a" => Reply::Redirect("/b".to_owned()),
            "/b" => Reply::Redirect("c?x=y".to_owned()),
            _ => Reply::Data(bytes(1000)),
        });
        let id = alice.created(image().raw()).await;
        download(&alice, &id, &source.url("/a")).await.expect(202);
        holds(&alice, &id, &bytes(1000)).await;
    }

    /// What the fragment of the address says of the bytes is held against them as they come; it is not asked of the
    /// server, other fragments say nothing, and one that contradicts the image or itself is refused at once.
    async fn fragments_are_honoured(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let (data, md5) = (b"hello".to_vec(), "5d41402abc4b2a76b9719d911017c592");
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let source = Source::of(data.clone());
        let at = |fragment: &str| source.url(&format!("/image#{fragment}"));
        let id = alice.created(image().raw()).await;
        for bad in ["sha256=12", &format!("md5={sha256}"), &format!("md5={md5}&md5={}", md5.replace('5', "6"))] {
            download(&alice, &id, &at(bad)).await.expect(400);
        }
        download(&alice, &id, &at(&format!("sha256={}", sha256.replace("2c", "2d")))).await.expect(202);
        failed(&app, &alice, &id, "queued", "hash-mismatch").await;
        download(&alice, &id, &at(&format!("SHA256={}&egg=x&md5={md5}", sha256.to_uppercase()))).await.expect(202);
        let shown = holds(&alice, &id, &data).await;
        assert!(shown.get("expected_hash").is_none(), "{shown}");
        let expecting = image().raw().with("expected_hash", format!("md5:{md5}"));
        let id = alice.created(expecting).await;
        download(&alice, &id, &at(&format!("md5={}", md5.replace('5', "6")))).await.expect(400);
        download(&alice, &id, &at("chapter-5")).await.expect(202);
        holds(&alice, &id, &data).await;
        assert!(source.heads().iter().all(|head| head.starts_with("GET /image HTTP")), "{:?}", source.heads());
    }

    /// The call is checked in Glance's order.
    async fn requests_are_checked(database: Database) {
        let app = app(database);
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let source = Source::of(bytes(10));
        let uri = source.url("/");
        let id = alice.created(image().raw()).await;
        for bad in [
            json!([]),
            json!({}),
            json!({"method": "web-download"}),
            json!({"method": {"name": "teleport"}}),
            json!({"method": {"name": "web-download"}}),
            json!({"method": {"name": "web-download", "uri": ""}}),
            json!({"method": {"name": "web-download", "uri": "file:///etc/passwd"}}),
            json!({"method": {"name": "web-download", "uri": "http://127.0.0.1:99999/"}}),
            json!({"method": {"name": "web-download", "uri": uri}, "all_stores_must_succeed": false}),
        ] {
            import(&alice, &id, bad.clone()).await.expect(400);
        }
        download(&bob, &id, &uri).await.expect(404);
        download(&app.as_reader("alice"), &id, &uri).await.expect(403);
        import(&alice, &id, json!({"method": {"name": "glance-direct"}})).await.expect(409);
        import(&alice, &id, json!({"method": {"name": "copy-image"}})).await.expect(409);
        let bare = alice.created(image().with("container_format", "bare")).await;
        download(&alice, &bare, &uri).await.expect(409);
        assert_eq!(source.served(), 0);
        download(&alice, &id, &uri).await.expect(202);
        holds(&alice, &id, &bytes(10)).await;
        alice.get(&format!("/v2/images/{id}/import")).await.expect(405);
    }

    /// An image that is deleted while its data comes takes everything with it.
    async fn sec_15_a_deleted_image_stops_its_import(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let source = Source::start(|_| Reply::Trickle(std::time::Duration::from_millis(20)));
        let id = alice.created(image().raw()).await;
        download(&alice, &id, &source.url("/")).await.expect(202);
        eventually("importing", async || {
            let shown = alice.show(&id).await.expect(200).json();
            if shown["status"] == "importing" && source.served() > 0 { Ok(()) } else { Err(shown) }
        })
        .await;
        download(&alice, &id, &source.url("/")).await.expect(409);
        alice.remove(&id).await.expect(204);
        nothing_is_staged(&app).await;
    }

    /// Clients see what methods there are.
    async fn methods_are_announced(database: Database) {
        let app = app(database);
        let alice = app.as_member("alice");
        let info = alice.get("/v2/info/import").await.expect(200).json();
        assert_eq!(info["import-methods"]["value"], json!(["glance-direct", "web-download", "copy-image"]));
        let created = alice.create(image().raw()).await.expect(201);
        assert_eq!(created.header("openstack-image-import-methods"), "glance-direct,web-download,copy-image");
        alice.post("/v2/info/import").await.expect(405);
    }
}

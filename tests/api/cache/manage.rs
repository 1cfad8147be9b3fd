//! `/v2/cache` and the calls of earlier releases.

use std::fs;

use serde_json::json;
use vitrine::cache::Driver;

use super::*;

on_each_database! {
    /// An image is queued, cached, shown with what clients read, found on its node, and taken out again.
    async fn an_image_goes_in_and_out(database: Database) {
        let app = database.app_with(with_cache);
        let (admin, id) = (app.as_admin(), app.active(b"some data").await);
        let (path, nodes) = (format!("/v2/cache/{id}"), format!("/v2/cache/nodes/{id}"));
        assert_eq!(admin.get(&nodes).await.expect(200).json(), json!([]));
        assert_eq!(admin.put(&path).await.expect(202).body, "");
        let record = app.cached_at_last(&id).await;
        assert_eq!(
            keys(&record),
            ["id", "image_id", "last_accessed", "last_modified", "size", "hits", "checksum"]
        );
        let now = crate::support::now().0 as f64 / 1e6;
        let age = now - record["last_modified"].as_f64().unwrap();
        assert!((0.0..60.0).contains(&age), "{record}");
        let state = admin.get("/v2/cache").await.expect(200).json();
        assert_eq!(state["queued_images"], json!([]));
        assert_eq!(admin.get(&nodes).await.expect(200).json(), json!([NODE]));
        // Again changes nothing.
        admin.put(&path).await.expect(202);
        assert_eq!(app.record_of(&id).await, Some(record));
        assert_eq!(app.cache_files("queue"), Vec::<String>::new());
        assert_eq!(admin.delete(&path).await.expect(204).body, "");
        assert_eq!((app.cached().await, app.cache_files("")), (vec![], vec![]));
        admin.delete(&path).await.expect(204);
    }

    /// Each refusal in its place in the order.
    async fn refusals_come_in_order(database: Database) {
        let app = database.app_with(with_cache);
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        let (id, queued) = (app.active(b"data").await, alice.created(image()).await);
        let none = fresh_id();
        for (client, line, status) in [
            (&admin, format!("PUT /v2/cache/{none}"), 404),
            (&admin, "PUT /v2/cache/not-an-image".to_owned(), 404),
            (&admin, format!("PUT /v2/cache/{queued}"), 400),
            (&alice, format!("PUT /v2/cache/{id}"), 403),
            (&alice, format!("PUT /v2/cache/{queued}"), 403),
            (&alice, format!("PUT /v2/cache/{none}"), 404),
            (&app.as_member("bob"), format!("PUT /v2/cache/{id}"), 404),
            (&admin, format!("DELETE /v2/cache/{none}"), 404),
            (&admin, "DELETE /v2/cache/..%2e".to_owned(), 404),
            (&alice, format!("DELETE /v2/cache/{id}"), 403),
            (&admin, format!("GET /v2/cache/nodes/{none}"), 404),
            (&alice, format!("GET /v2/cache/nodes/{none}"), 403),
            (&alice, "GET /v2/cache".to_owned(), 403),
            (&alice, "DELETE /v2/cache".to_owned(), 403),
            (&alice, "POST /v2/cache/clean".to_owned(), 403),
            (&alice, "POST /v2/cache/prune".to_owned(), 403),
            (&app.as_nobody(), "GET /v2/cache".to_owned(), 401),
        ] {
            let (method, path) = line.split_once(' ').unwrap();
            client.request(method, path).await.expect_for(status, &line);
        }
        for line in ["GET /v2/cache", "DELETE /v2/cache", "POST /v2/cache/clean", "POST /v2/cache/prune"] {
            let (method, path) = line.split_once(' ').unwrap();
            admin.request(method, path).json(&json!({})).await.expect_for(400, line);
        }
        assert_eq!((app.cached().await, app.cache_files("queue")), (vec![], vec![]));
        // An image that is gone is still taken out, by whoever may.
        let gone = fresh_id();
        let (queued, path) = (app.cache_path("queue").join(&gone), format!("/v2/cache/{gone}"));
        eventually("it is taken out", async || {
            fs::write(&queued, b"").unwrap();
            // Whoever fetches what is queued drops it as well, and may be first.
            match (alice.delete(&path).await.status, admin.delete(&path).await.status) {
                (403, 204) => Ok(()),
                (403 | 404, 404) => Err(()),
                other => panic!("{other:?}"),
            }
        })
        .await;
        admin.delete(&path).await.expect(404);
    }

    /// The header says what is emptied.
    async fn the_cache_is_emptied(database: Database) {
        let app = database.app_with(with_cache);
        let (admin, id) = (app.as_admin(), app.active(b"data").await);
        // It waits for as long as its store has lost it.
        let waiting = app.active(b"more data").await;
        let hidden = app.hide(&waiting);
        let fill = async || {
            for id in [&id, &waiting] {
                admin.put(&format!("/v2/cache/{id}")).await.expect(202);
            }
            app.cached_at_last(&id).await;
            assert_eq!(app.cache_files("queue"), [waiting.as_str()]);
        };
        let clear = |target: &str| admin.delete("/v2/cache").header("x-image-cache-clear-target", target);
        fill().await;
        for bad in ["both", "x", "cache,queue"] {
            clear(bad).await.expect(400);
        }
        assert_eq!(app.cached().await.len(), 1);
        clear("QUEUE").await.expect(204);
        assert_eq!((app.cached().await.len(), app.cache_files("queue").len()), (1, 0));
        fill().await;
        assert_eq!(clear("Cache").await.expect(204).body, "");
        assert_eq!((app.cached().await.len(), app.cache_files("queue").len()), (0, 1));
        assert_eq!(app.cache_files(""), Vec::<String>::new());
        for request in [clear(""), admin.delete("/v2/cache")] {
            fill().await;
            request.await.expect(204);
            assert_eq!((app.cached().await.len(), app.cache_files("queue").len()), (0, 0));
        }
        drop(hidden);
    }

    /// Without a cache nobody gets further than the policy lets them.
    async fn without_a_cache_there_is_nothing(database: Database) {
        let app = database.app_with(|options| options.api.cache_management = true);
        let (admin, alice, id) = (app.as_admin(), app.as_member("alice"), app.active(b"data").await);
        for line in [
            "GET /v2/cache".to_owned(),
            "DELETE /v2/cache".to_owned(),
            "POST /v2/cache/clean".to_owned(),
            "POST /v2/cache/prune".to_owned(),
            format!("PUT /v2/cache/{id}"),
            format!("DELETE /v2/cache/{id}"),
            format!("GET /v2/cache/nodes/{id}"),
            "GET /v2/cached_images".to_owned(),
            "GET /v2/queued_images".to_owned(),
        ] {
            let (method, path) = line.split_once(' ').unwrap();
            alice.request(method, path).await.expect_for(403, &line);
            admin.request(method, path).await.expect_for(404, &line);
        }
        admin.delete(&format!("/v2/cache/{}", fresh_id())).await.expect(404);
    }

    /// The other drivers show less, and do not know nodes.
    async fn drivers_differ_in_what_they_tell(database: Database) {
        for driver in [Driver::Sqlite, Driver::Xattr] {
            let app = database.app_with(|options| {
                with_cache(options);
                let cache = options.cache.as_mut().unwrap();
                (cache.driver, cache.node_url) = (driver, None);
            });
            let (admin, id) = (app.as_admin(), app.active(b"data").await);
            admin.put(&format!("/v2/cache/{id}")).await.expect(202);
            let record = app.cached_at_last(&id).await;
            assert_eq!(keys(&record), ["image_id", "last_accessed", "last_modified", "size", "hits"]);
            admin.get(&format!("/v2/cache/nodes/{id}")).await.expect(409);
            app.as_member("alice").get(&format!("/v2/cache/nodes/{id}")).await.expect(403);
        }
    }

    /// The calls of earlier releases: one rule for all, 200 with JSON, and nothing asked about images.
    async fn the_calls_of_earlier_releases(database: Database) {
        let mut app = database.app_with(with_cache);
        let (admin, alice, id) = (app.as_admin(), app.as_member("alice"), app.active(b"data").await);
        let (cached, queued) = (format!("/v2/cached_images/{id}"), format!("/v2/queued_images/{id}"));
        for (method, path) in [
            ("GET", "/v2/cached_images"),
            ("DELETE", "/v2/cached_images"),
            ("DELETE", &cached),
            ("GET", "/v2/queued_images"),
            ("DELETE", "/v2/queued_images"),
            ("PUT", &queued),
            ("DELETE", &queued),
        ] {
            alice.request(method, path).await.expect_for(403, (method, path));
        }
        assert_eq!(admin.put(&queued).await.expect(200).json(), Value::Null);
        app.cached_at_last(&id).await;
        let listed = admin.get("/v2/cached_images").await.expect(200).json();
        assert_eq!(listed, json!({"cached_images": app.cached().await}));
        assert_eq!(admin.delete(&cached).await.expect(200).json(), Value::Null);
        assert_eq!(admin.get("/v2/cached_images").await.expect(200).json(), json!({"cached_images": []}));
        let hidden = app.hide(&id);
        admin.put(&queued).await.expect(200);
        assert_eq!(admin.get("/v2/queued_images").await.expect(200).json(), json!({"queued_images": [id]}));
        assert_eq!(admin.delete("/v2/queued_images").await.expect(200).json(), json!({"num_deleted": 1}));
        drop(hidden);
        admin.put(&queued).await.expect(200);
        app.cached_at_last(&id).await;
        assert_eq!(admin.delete(&queued).await.expect(200).json(), Value::Null);
        assert_eq!(admin.delete("/v2/cached_images").await.expect(200).json(), json!({"num_deleted": 1}));
        // What is no image leaves the queue by itself, or never enters it.
        let none = fresh_id();
        for (name, status) in [(none.as_str(), 200), ("cache.db", 200), ("%252e%252e", 200), ("..%2fcache.db", 404)] {
            admin.put(&format!("/v2/queued_images/{name}")).await.expect_for(status, name);
        }
        eventually("dropped", async || {
            if app.cache_files("queue").is_empty() { Ok(()) } else { Err(app.cache_files("queue")) }
        })
        .await;
        admin.request("PATCH", "/v2/cached_images").await.expect(404);
        admin.get(&queued).await.expect(404);
        app.reconfigure(|options| options.api.cache_management = false);
        for path in ["/v2/cached_images", "/v2/queued_images"] {
            app.as_admin().get(path).await.expect(404);
            app.as_member("alice").get(path).await.expect(404);
        }
    }
}

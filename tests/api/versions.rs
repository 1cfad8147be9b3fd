//! Version negotiation and version documents.

use serde_json::{Value, json};

use crate::support::*;

fn ids(document: &Value) -> Vec<&str> {
    document["versions"].as_array().unwrap().iter().map(|version| version["id"].as_str().unwrap()).collect()
}

on_each_database! {
    /// The document, without a token, at every place where it appears.
    async fn the_document(database: Database) {
        let app = database.app();
        let nobody = app.as_nobody();
        let document = nobody.get("/versions").await.expect(200).json();
        assert_eq!(
            ids(&document),
            ["v2.15", "v2.9", "v2.17", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"]
        );
        let href = format!("http://{}/v2/", app.address());
        for version in document["versions"].as_array().unwrap() {
            assert_eq!(keys(version), ["id", "status", "links"]);
            assert_eq!(version["links"], json!([{"rel": "self", "href": href}]));
            let status = if version["id"] == "v2.17" { "CURRENT" } else { "SUPPORTED" };
            assert_eq!(version["status"], status);
        }
        for (method, path, status) in [
            ("GET", "/versions/", 200),
            ("GET", "/versions/anything/at/all", 200),
            ("POST", "/versions", 200),
            ("GET", "/", 300),
            ("POST", "/", 300),
            ("DELETE", "/", 300),
            ("GET", "/v1", 300),
            ("GET", "/v1/images", 300),
            ("GET", "/v3", 300),
            ("GET", "/V2/images", 300),
            ("GET", "/v2.99/images", 300),
            ("GET", "/v2.8/images", 300),
            ("GET", "/v2.18/images", 300),
            ("GET", "/images", 300),
            ("GET", "/foo?limit=x", 300),
        ] {
            let answer = nobody.request(method, path).await.expect_for(status, (method, path));
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(answer.json(), document, "{path}");
        }
        assert_eq!(nobody.request("HEAD", "/").await.expect(300).body, "");
        assert_eq!(nobody.request("HEAD", "/versions").await.expect(200).body, "");
    }

    /// Configuration decides which versions there are, and under which address.
    async fn configuration_shows(database: Database) {
        let app = database.app_with(|options| {
            options.api.image_cache = true;
            options.api.public_endpoint = Some("https://pub.example/image".to_owned());
        });
        let document = app.as_nobody().get("/").await.expect(300).json();
        let mut expected = vec!["v2.18", "v2.17", "v2.16", "v2.15", "v2.14", "v2.9"];
        expected.extend(["v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"]);
        assert_eq!(ids(&document), expected);
        assert_eq!(document["versions"][0]["status"], "CURRENT");
        assert_eq!(document["versions"][1]["status"], "SUPPORTED");
        assert_eq!(document["versions"][0]["links"][0]["href"], "https://pub.example/image/v2/");
        app.as_member("alice").get("/v2.18/images").await.expect(200);
        // The address plays no part in the links of images, nor in `Location`.
        let created = app.as_member("alice").create(image()).await.expect(201);
        assert!(created.header("location").starts_with(&format!("http://{}/v2/images/", app.address())));
    }

    /// Several stores bring the versions that know of them, in their place among the others, and what is not in the
    /// document is no version.
    async fn several_stores_show(database: Database) {
        let old = ["v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"];
        let stores = ["v2.13", "v2.12", "v2.11", "v2.10", "v2.9", "v2.8"];
        for (cached, newest, current) in [
            (false, &["v2.15"][..], &["v2.17"][..]),
            (true, &["v2.18", "v2.17", "v2.16", "v2.15", "v2.14"], &[]),
        ] {
            let app = database.app_with(|options| {
                options.api.image_cache = cached;
                options.stores = crate::stores::several(&options.data_dir);
            });
            let document = app.as_nobody().get("/versions").await.expect(200).json();
            let expected = [newest, &stores, current, &old].concat();
            assert_eq!(ids(&document), expected);
            let alice = app.as_member("alice");
            for number in 0..20 {
                let version = format!("v2.{number}");
                let status = if expected.contains(&version.as_str()) { 200 } else { 300 };
                alice.get(&format!("/{version}/images")).await.expect_for(status, (cached, &version));
            }
        }
    }

    /// Every accepted token is the same API; slashes in front and behind are swallowed.
    async fn tokens_and_slashes(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().named("same")).await;
        let tokens = ["v2", "v2.0", "v2.1", "v2.2", "v2.3", "v2.4", "v2.5", "v2.6", "v2.7", "v2.9", "v2.15", "v2.17"];
        for token in tokens {
            let shown = alice.get(&format!("/{token}/images/{id}")).await.expect_for(200, token);
            assert_eq!(shown.json()["self"], format!("/v2/images/{id}"));
        }
        for path in [format!("//v2/images/{id}"), format!("/v2//images/{id}"), format!("///v2.9///images/{id}")] {
            alice.get(&path).await.expect_for(200, &path);
        }
        for (accept, path, status) in [
            ("application/vnd.openstack.images-v2", "/images", 200),
            ("application/vnd.openstack.images-v2.9", "/images?limit=1", 200),
            ("application/vnd.openstack.images-v2", "/v2/images", 404),
            ("application/vnd.openstack.images-v9", "/v2/images", 300),
            ("application/vnd.openstack.images-", "/v2/images", 300),
        ] {
            alice.get(path).header("accept", accept).await.expect_for(status, (accept, path));
        }
    }

    /// `/v2` leads to `/v2/`, where there is nothing; both need a token.
    async fn the_root_of_the_api(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let answer = alice.get("/v2").await.expect(302);
        assert_eq!(answer.header("location"), format!("http://{}/v2/", app.address()));
        assert_eq!(answer.body, "");
        alice.get("/v2/").await.expect(404);
        app.as_nobody().get("/v2").await.expect(401);
        app.as_nobody().get("/v2/").await.expect(401);
        app.as_nobody().get("/v2/nothing").await.expect(401);
    }
}

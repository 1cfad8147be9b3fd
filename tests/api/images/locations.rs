//! `/v2/images/{id}/locations`, and `locations` in patches: who may, and what is refused before any data moves.

use std::{io::ErrorKind, net::TcpListener};

use serde_json::{Map, Value, json};
use vitrine::model::{
    image::{Image, Location},
    status::Status,
};

use crate::support::*;

/// An active image whose data is said to be at a URL, as a version that did not check would have left it.
fn located(url: &str) -> Image {
    let location = Location {
        id: fresh_id(),
        url: url.to_owned(),
        metadata: Map::new(),
        store: Some("http".to_owned()),
        blob_id: None,
    };
    Image { size: Some(4), locations: vec![location], ..record("alice", 1) }
}

/// A service of this machine that nobody from outside may talk to, and its port.
fn inner_service(address: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Patches that make a URL the location of a queued image.
fn patches_to(url: &str) -> [Value; 2] {
    let value = json!({"url": url, "metadata": {}});
    [
        json!([{"op": "add", "path": "/locations/-", "value": value}]),
        json!([{"op": "replace", "path": "/locations", "value": [value]}]),
    ]
}

on_each_database! {
    /// Bodies are judged before the image is looked up, the image before the policy, the policy before the URL.
    async fn the_first_fault_answers(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let queued = alice.created(image().raw()).await;
        let active = record("alice", 1);
        app.insert(std::slice::from_ref(&active)).await;
        let post = |client: &Client, id: &str, body: Value| {
            client.post(&format!("/v2/images/{id}/locations")).json(&body)
        };
        let good = json!({"url": "http://127.0.0.1:9/x"});
        for body in [
            json!({}),
            json!([]),
            json!({"url": 1}),
            json!({"url": null}),
            json!({"url": "http://127.0.0.1:9/x", "validation_data": null}),
            json!({"url": "http://127.0.0.1:9/x", "validation_data": {"os_hash_algo": "sha512"}}),
            json!({"url": "http://127.0.0.1:9/x", "validation_data": {"os_hash_value": "ab"}}),
            json!({"url": "http://127.0.0.1:9/x", "validation_data": {"os_hash_algo": "x", "os_hash_value": "ab"}}),
            json!({"url": "http://127.0.0.1:9/x", "validation_data": {"checksum": "ab"}}),
        ] {
            post(&alice, &queued, body.clone()).await.expect_for(400, &body);
            post(&alice, &fresh_id(), body.clone()).await.expect_for(400, &body);
        }
        alice.post(&format!("/v2/images/{queued}/locations")).await.expect(400);
        post(&alice, &fresh_id(), good.clone()).await.expect(404);
        post(&app.as_member("bob"), &queued, good.clone()).await.expect(404);
        post(&app.as_reader("alice"), &active.id, good.clone()).await.expect(409);
        post(&app.as_reader("alice"), &queued, good.clone()).await.expect(403);
        post(&app.as_nobody(), &queued, good).await.expect(401);
        for url in ["", "file:///etc/passwd", "rbd://pool/image", "swift+config://a/b/c", "nonsense"] {
            post(&alice, &queued, json!({ "url": url })).await.expect_for(403, url);
        }
        for (algorithm, value) in [("sha512", "xyz"), ("sha512", "abcd"), ("sha256", &"a".repeat(63)), ("md5", "")] {
            let data = json!({"os_hash_algo": algorithm, "os_hash_value": value});
            let body = json!({"url": "http://127.0.0.1:9/x", "validation_data": data});
            post(&alice, &queued, body.clone()).await.expect_for(400, body);
        }
        assert_eq!(alice.show(&queued).await.json()["status"], "queued");
    }

    /// A web address that imports may not fetch from is no location, for services neither.
    async fn the_filter_of_imports_holds(database: Database) {
        let app = database.app();
        let service = app.as_role("service", &["service", "member", "reader"]);
        let queued = service.created(image().raw()).await;
        let shouted = json!({"url": "HTTP://[::1]/x"});
        service.post(&format!("/v2/images/{queued}/locations")).json(&shouted).await.expect(400);
        for client in [app.as_member("alice"), service] {
            let id = client.created(image().raw()).await;
            let path = format!("/v2/images/{id}/locations");
            for url in [
                "http://127.0.0.1/x",
                "http://[::1]/x",
                "http://169.254.169.254/latest/meta-data",
                "http://2130706433/x",
                "http://93.184.216.34:8080/x",
                "https://no.such.host.invalid/x",
            ] {
                client.post(&path).json(&json!({ "url": url })).await.expect_for(400, url);
            }
            assert_eq!(client.show(&id).await.json()["status"], "queued");
            assert_eq!(client.get(&format!("/v2/images/{id}/tasks")).await.json()["tasks"], json!([]));
        }
    }

    /// What listens on this machine is no location, however its address is spelled, and is read for nobody.
    async fn sec_32_a_location_reaches_nothing_inside(database: Database) {
        let app = database.app_with(|options| {
            options.image.show_multiple_locations = true;
            options.imports.filter.allowed_ports = Vec::new();
        });
        let alice = app.as_member("alice");
        let (inner, port) = inner_service("127.0.0.1");
        let id = alice.created(image().raw()).await;
        for host in [
            "127.0.0.1", "0x7f.1", "2130706433", "017700000001", "[::ffff:127.0.0.1]", "[::1]", "localhost",
            "LOCALHOST.", "a@127.0.0.1", "/127.0.0.1", "169.254.169.254",
        ] {
            let url = format!("http://{host}:{port}/x");
            let body = json!({ "url": url });
            alice.post(&format!("/v2/images/{id}/locations")).json(&body).await.expect_for(400, &url);
            for operations in patches_to(&url) {
                alice.update(&id, operations).await.expect_for(400, &url);
            }
            let old = located(&url);
            app.insert(std::slice::from_ref(&old)).await;
            alice.download(&old.id).await.expect_for(503, &url);
        }
        assert_eq!(alice.show(&id).await.json()["status"], "queued");
        assert_eq!(inner.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    /// A location that may be read does not lead to one that may not.
    async fn sec_32_a_redirect_reaches_nothing_inside(database: Database) {
        let app = database.app_with(|options| {
            options.image.show_multiple_locations = true;
            options.imports.filter.allowed_ports = Vec::new();
            options.imports.filter.allowed_networks = vec!["127.0.0.1/32".parse().unwrap()];
        });
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let (inner, port) = inner_service("127.0.0.2");
        let good = located(&source.url(&format!("x?to={}", source.url("data"))));
        app.insert(std::slice::from_ref(&good)).await;
        assert_eq!(alice.download(&good.id).await.expect(200).body, "data");
        let url = source.url(&format!("x?to=http://127.0.0.2:{port}/"));
        let id = alice.created(image().raw()).await;
        for operations in patches_to(&url) {
            alice.update(&id, operations).await.expect(400);
        }
        let old = located(&url);
        app.insert(std::slice::from_ref(&old)).await;
        alice.download(&old.id).await.expect(503);
        // Where the first address leads to, only the job sees.
        let body = json!({ "url": url });
        alice.post(&format!("/v2/images/{id}/locations")).json(&body).await.expect(202);
        eventually("the location is given up", async || {
            let found = alice.get(&format!("/v2/images/{id}/tasks")).await.json()["tasks"][0]["status"].clone();
            if found == "failure" { Ok(()) } else { Err(found) }
        })
        .await;
        assert_eq!(alice.show(&id).await.json()["status"], "queued");
        assert_eq!(inner.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    /// Data that is not what its location promised stays where it is, and is served to nobody.
    async fn data_that_failed_its_hash_is_not_served(database: Database) {
        let app = database.app_with(reach_loopback);
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let id = alice.created(image().raw()).await;
        let wrong = json!({"os_hash_algo": "sha512", "os_hash_value": "0".repeat(128)});
        let body = json!({"url": source.url("data"), "validation_data": wrong});
        alice.post(&format!("/v2/images/{id}/locations")).json(&body).await.expect(202);
        let tasks = format!("/v2/images/{id}/tasks");
        eventually("the hash is found to be wrong", async || {
            let found = alice.get(&tasks).await.json()["tasks"][0]["status"].clone();
            if found == "failure" { Ok(()) } else { Err(found) }
        })
        .await;
        assert_eq!(alice.show(&id).await.json()["status"], "queued");
        let listed = app.as_admin().get(&format!("/v2/images/{id}/locations")).await.json();
        assert_eq!(listed[0]["url"], source.url("data"));
        alice.download(&id).await.expect(204);
    }

    /// Only services and admins read locations; nobody else is told where data is, unless the operator says so.
    async fn sec_28_who_may_read(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw().community()).await;
        let path = format!("/v2/images/{id}/locations");
        for (caller, status) in [
            (&alice, 403),
            (&app.as_reader("bob"), 403),
            (&app.as_role("service", &["service", "reader"]), 200),
            (&app.as_admin(), 200),
            (&app.as_nobody(), 401),
        ] {
            caller.get(&path).await.expect(status);
        }
        assert_eq!(app.as_admin().get(&path).await.json(), json!([]));
        alice.upload(&id, "data").await.expect(204);
        let listed = app.as_admin().get(&path).await.expect(200).json();
        assert_eq!(listed, json!([{"url": format!("file://{}/{id}", app.store_folder().display()), "metadata": {}}]));
        let reads = [
            format!("/v2/images/{id}"),
            "/v2/images".to_owned(),
            format!("/v2/images/{id}/tasks"),
            format!("/v2/images/{id}/file"),
            "/v2/images/none".to_owned(),
        ];
        for path in reads {
            let answer = alice.get(&path).await;
            let told = format!("{:?}{}", answer.headers, answer.text());
            assert!(!told.contains(&app.store_folder().display().to_string()), "{path}: {told}");
            assert!(!told.contains("direct_url") && !told.contains("\"locations\""), "{path}: {told}");
        }
        for method in ["PUT", "DELETE", "PATCH", "HEAD"] {
            assert_eq!(alice.request(method, &path).await.expect(405).header("allow"), "POST, GET");
        }
    }

    /// No other spelling of a file's place, and no scheme of a store that is not there, is taken for a location; and an
    /// image that has such a one from elsewhere takes no file with it when it goes.
    async fn sec_13_a_location_touches_no_file_of_the_server(database: Database) {
        let app = database.app_with(|options| options.image.show_multiple_locations = true);
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let store = app.store_folder();
        let outside = scratch_folder();
        let file = outside.path().join("file");
        std::fs::write(&file, "not an image").unwrap();
        std::os::unix::fs::symlink(&file, store.join("link")).unwrap();
        let (file, store) = (file.display().to_string(), store.display().to_string());
        let urls = [
            format!("file://{file}"),
            format!("FILE://{file}"),
            format!("filesystem://{file}"),
            format!("file:{file}"),
            format!("file://localhost{file}"),
            format!("file://{store}/../{}", file.trim_start_matches('/')),
            format!("file://{store}/%2e%2e{file}"),
            format!("file://{store}/link"),
            format!("file://{store}/.parts/x"),
            "swift+config://ref/container/object".to_owned(),
            "sheepdog://127.0.0.1;reboot:7000:image".to_owned(),
            "rbd://x".to_owned(),
            "cinder://x".to_owned(),
            "vsphere://x".to_owned(),
        ];
        for url in urls {
            let body = json!({ "url": url });
            alice.post(&format!("/v2/images/{id}/locations")).json(&body).await.expect_for(403, &url);
            for operations in patches_to(&url) {
                alice.update(&id, operations).await.expect_for(400, &url);
            }
            let old = located(&url);
            app.insert(std::slice::from_ref(&old)).await;
            let read = alice.download(&old.id).await;
            assert!(!read.text().contains("not an image"), "{url}: {read:?}");
            alice.remove(&old.id).await.expect_for(204, &url);
        }
        app.settles().await;
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "not an image");
        std::fs::remove_file(std::path::Path::new(&store).join("link")).unwrap();
    }

    /// Patches of locations: off by default, and checked when on.
    async fn patches(database: Database) {
        let add = |url: &str| {
            json!([{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}])
        };
        let app = database.app();
        let id = app.as_admin().created(image().raw()).await;
        app.as_admin().update(&id, add("http://127.0.0.1:9/x")).await.expect(403);
        let app = database.app_with(|options| options.image.show_multiple_locations = true);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let id = alice.created(image().raw()).await;
        let replace = |value: Value| json!([{"op": "replace", "path": "/locations", "value": value}]);
        alice.update(&id, replace(json!([]))).await.expect(403);
        for value in [json!("x"), json!([{"url": "http://127.0.0.1:9/"}]), json!([{"metadata": {}}])] {
            alice.update(&id, replace(value.clone())).await.expect_for(400, value);
        }
        for url in ["", "file:///etc/passwd", "nonsense://x", "filesystem:///etc/passwd"] {
            alice.update(&id, add(url)).await.expect_for(400, url);
        }
        alice.update(&id, json!([{"op": "remove", "path": "/locations/0"}])).await.expect(403);
        let long = format!("http://127.0.0.1/{}", "x".repeat(256));
        alice.update(&id, add(&long)).await.expect(400);
        for status in [Status::Saving, Status::Importing, Status::Deactivated] {
            let image = Image { status, ..record("alice", 1) };
            app.insert(std::slice::from_ref(&image)).await;
            admin.update(&image.id, add("http://127.0.0.1:9/x")).await.expect_for(409, status);
        }
        assert_eq!(alice.show(&id).await.json()["locations"], json!([]));
    }

    /// A location that is added at a place is shown there once; where it is kept, a new one comes last, and neither
    /// other metadata nor another order of the same URLs changes the places.
    async fn new_ones_come_last(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.image.show_multiple_locations = true;
        });
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let location = |name: &str| json!({"url": source.url(name), "metadata": {}});
        let id = alice.created(image().raw()).await;
        for name in ["a", "b", "c"] {
            let add = json!([{"op": "add", "path": "/locations/0", "value": location(name)}]);
            let shown = alice.update(&id, add).await.expect(200).json();
            assert_eq!(shown["locations"][0], location(name));
        }
        let kept = json!([location("a"), location("b"), location("c")]);
        assert_eq!(alice.show(&id).await.json()["locations"], kept);
        let turned = json!([location("c"), location("b"), location("a")]);
        alice.update(&id, json!([{"op": "replace", "path": "/locations", "value": turned}])).await.expect(200);
        assert_eq!(alice.show(&id).await.json()["locations"], kept);
    }

    /// The quota counts each location that is added; replacing all of them is counted as a whole.
    async fn the_quota_holds(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.image.show_multiple_locations = true;
            options.image.image_location_quota = 2;
        });
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let location = |name: &str| json!({"url": source.url(name), "metadata": {}});
        let add = |name: &str| json!([{"op": "add", "path": "/locations/-", "value": location(name)}]);
        let all = json!([location("a"), location("b"), location("c")]);
        let id = alice.created(image().raw()).await;
        alice.update(&id, json!([{"op": "replace", "path": "/locations", "value": all}])).await.expect(413);
        assert_eq!(alice.show(&id).await.json()["status"], "queued");
        for (name, status) in [("a", 200), ("b", 200), ("c", 413)] {
            alice.update(&id, add(name)).await.expect_for(status, name);
        }
        assert_eq!(alice.show(&id).await.json()["locations"], json!([location("a"), location("b")]));
        assert_eq!(alice.download(&id).await.expect(200).body, "data");
    }

    /// Where the data of a deactivated image is, admins alone are told.
    async fn deactivated_images_hide_them(database: Database) {
        let app = database.app_with(|options| {
            options.image.show_multiple_locations = true;
            options.image.show_image_direct_url = true;
        });
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let id = alice.created(image().raw().community()).await;
        alice.upload(&id, "data").await.expect(204);
        let shown = async |client: &Client| {
            let one = client.show(&id).await.expect(200).json();
            let listed = client.list("visibility=community").await.expect(200).json()["images"][0].clone();
            assert_eq!(one, listed);
            (one["locations"].as_array().unwrap().len(), one.get("direct_url").is_some())
        };
        assert_eq!(shown(&alice).await, (1, true));
        alice.act(&id, "deactivate").await.expect(204);
        assert_eq!(shown(&alice).await, (0, false));
        assert_eq!(shown(&app.as_reader("bob")).await, (0, false));
        assert_eq!(shown(&admin).await, (1, true));
        alice.act(&id, "reactivate").await.expect(204);
        assert_eq!(shown(&alice).await, (1, true));
    }
}

//! Storages that are added, changed and removed while the service runs.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
};

use vitrine::{access::unified::Counts, db, model::unified::Resource};

use super::*;

const STORES: &str = "/ext/v1/stores";

/// A server with several configured stores, below whose data folder file storages may lie.
pub fn app_with_storages(database: Database) -> TestApp {
    TestApp::start(database, |options| {
        options.stores = crate::stores::several(&options.data_dir);
        options.stores.storage_folders = vec![options.data_dir.clone()];
        options.image.enabled_import_methods =
            ["glance-direct", "web-download", "copy-image"].map(str::to_owned).to_vec();
        reach_loopback(options);
    })
}

/// A folder for a file storage, and the body that adds that.
pub fn described(app: &TestApp, id: &str) -> Value {
    let folder = app.folder().join(id);
    std::fs::create_dir_all(&folder).unwrap();
    json!({"id": id, "type": "file", "options": {"datadir": folder}})
}

/// Adds a file storage.
pub async fn added(app: &TestApp, id: &str, more: Value) {
    let mut body = described(app, id);
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.as_admin().post(STORES).json(&body).await.expect_for(201, body);
}

fn patch(client: &Client, id: &str, body: &Value) -> Request {
    client.request("PATCH", &format!("{STORES}/{id}")).json(body)
}

/// The ids of the stores that clients see, those that only read left out.
async fn writable(client: &Client) -> Vec<String> {
    let listed = client.get("/v2/info/stores").await.expect(200).json();
    let stores = listed["stores"].as_array().unwrap().iter().filter(|store| store.get("read-only").is_none());
    stores.map(|store| store["id"].as_str().unwrap().to_owned()).collect()
}

fn reason(answer: &Answer) -> String {
    answer.json()["error"]["reason"].as_str().unwrap_or_default().to_owned()
}

/// A server that has the bucket `images`, with nothing in it.
fn bucket() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut head, mut piece) = (Vec::new(), [0; 1024]);
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(read) if read > 0 => head.extend_from_slice(&piece[..read]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path =
                head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
            let status =
                if ["/images", "/images/"].contains(&path.as_str()) { "200 OK" } else { "404 Not Found" };
            // Whoever asked may be gone.
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    address
}

on_each_database! {
    /// A storage is a store like the configured ones from the moment it is added: clients see it, upload, import and copy
    /// into it, and read from it, also after a restart. One that is read-only takes nothing new and serves what it has.
    async fn storages_are_used_like_stores(database: Database) {
        let mut app = app_with_storages(database);
        let body = described(&app, "nfs1");
        let mut full = body.clone();
        full["description"] = json!("the first one");
        full["weight"] = json!(7);
        full["roles"] = json!(["iso"]);
        let answer = app.as_admin().post(STORES).json(&full).await.expect(201);
        assert!(answer.header("location").ends_with("/ext/v1/stores/nfs1"));
        let store = answer.json()["store"].clone();
        let place = format!("file://{}/", app.folder().join("nfs1").display());
        for (name, value) in [
            ("id", json!("nfs1")), ("type", json!("file")), ("place", json!(place)), ("managed", json!(true)),
            ("read_only", json!(false)), ("weight", json!(7)), ("roles", json!(["iso"])), ("hosts", json!([])),
            ("state", json!("ok")), ("default", json!(false)), ("description", json!("the first one")),
        ] {
            assert_eq!(store[name], value, "{name}");
        }
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        assert_eq!(admin.get(&format!("{STORES}/fast")).await.expect(200).json()["store"]["managed"], false);
        assert_eq!(writable(&alice).await, ["fast", "slow", "near", "nfs1"]);
        let detail = admin.get("/v2/info/stores/detail").await.expect(200).json();
        let last = detail["stores"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["type"], &last["weight"]), (&json!("file"), &json!(7)));
        let answer = alice.create(image().raw()).await.expect(201);
        assert_eq!(answer.header("openstack-image-store-ids"), "fast,slow,near,web,nfs1");
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        alice.upload(&id, "data").header("x-image-meta-store", "nfs1").await.expect(204);
        assert_eq!(std::fs::read(app.folder().join("nfs1").join(&id)).unwrap(), b"data");
        let copied = alice.created(image().raw()).await;
        alice.upload(&copied, "copy").await.expect(204);
        let copy = json!({"method": {"name": "copy-image"}, "stores": ["nfs1"]});
        admin.post(&format!("/v2/images/{copied}/import")).json(&copy).await.expect(202);
        eventually("the copy is there", async || {
            let shown = alice.show(&copied).await.json();
            // The heavier store comes first.
            if shown["stores"] == "nfs1,fast" { Ok(()) } else { Err(shown) }
        })
        .await;

        let changed = patch(&admin, "nfs1", &json!({"read_only": true, "description": null})).await.expect(200).json();
        assert_eq!((&changed["store"]["read_only"], &changed["store"]["description"]), (&json!(true), &Value::Null));
        assert_eq!(writable(&alice).await, ["fast", "slow", "near"]);
        let other = alice.created(image().raw()).await;
        alice.upload(&other, "x").header("x-image-meta-store", "nfs1").await.expect(410);
        admin.post(&format!("/v2/images/{other}/import")).json(&copy).await.expect(409);
        assert_eq!(alice.show(&other).await.json()["status"], "queued");
        assert_eq!(alice.download(&id).await.expect(200).body, "data");

        app.restart(|_| {});
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        assert_eq!(alice.download(&id).await.expect(200).body, "data");
        let refused = admin.delete(&format!("{STORES}/nfs1")).await.expect(409);
        assert_eq!(reason(&refused), "store-not-empty");
        let counts = json!({"locations": 2, "objects": 2, "quarantined": 0, "placement_rules": 0});
        assert_eq!(refused.json()["error"]["details"], counts);
        for id in [&id, &copied] {
            alice.remove(id).await.expect(204);
        }
        app.settles().await;
        let dry = admin.delete(&format!("{STORES}/nfs1?dry_run=true")).await.expect(200).json();
        assert_eq!(dry, json!({"dry_run": true, "store": {"id": "nfs1"}}));
        admin.delete(&format!("{STORES}/nfs1")).await.expect(204);
        admin.delete(&format!("{STORES}/nfs1")).await.expect(404);
        assert_eq!(writable(&alice).await, ["fast", "slow", "near"]);
        alice.upload(&other, "x").header("x-image-meta-store", "nfs1").await.expect(400);
        alice.upload(&other, "x").await.expect(204);
        alice.remove(&other).await.expect(204);
    }

    /// What cannot be a storage is refused with the reason, by those alone who may add one; and a dry run says the same and
    /// changes nothing.
    async fn what_is_no_storage_is_refused(database: Database) {
        let app = app_with_storages(database);
        let (admin, good) = (app.as_admin(), described(&app, "good"));
        for client in [app.as_member("alice"), app.as_service()] {
            client.post(STORES).json(&good).await.expect(403);
            patch(&client, "fast", &json!({"weight": 1})).await.expect(403);
            client.delete(&format!("{STORES}/fast")).await.expect(403);
        }
        app.as_nobody().post(STORES).json(&good).await.expect(401);
        std::fs::create_dir_all(app.folder().join("free/below")).unwrap();
        let with = |more: Value| {
            let mut body = good.clone();
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body
        };
        let at = |folder: &str| json!({"options": {"datadir": app.folder().join(folder)}});
        for (body, status, why) in [
            (with(json!({"id": "fast"})), 409, "store-exists"),
            (with(json!({"id": "a b"})), 400, "bad-request"),
            (with(json!({"type": "memory"})), 400, "bad-request"),
            (with(json!({"type": "cinder"})), 400, "bad-request"),
            (with(json!({"colour": "red"})), 400, "bad-request"),
            (with(json!({"options": {"bucket": "x"}})), 400, "bad-request"),
            (with(json!({"options": {}})), 400, "cannot-open"),
            (with(json!({"options": {"datadir": "/etc"}})), 400, "cannot-open"),
            (with(at("missing")), 400, "cannot-open"),
            (with(at("fast")), 409, "place-taken"),
            (with(at("fast/.parts")), 409, "place-taken"),
            (with(json!({"type": "s3", "options": {"host": "http://127.0.0.1:9", "bucket": "images", "patience": 1,
                "access_key": "AKIA", "secret_key": "hush-hush"}})), 400, "cannot-open"),
        ] {
            for query in ["", "?dry_run=true"] {
                let answer = admin.post(&format!("{STORES}{query}")).json(&body).await.expect_for(status, &body);
                assert_eq!(reason(&answer), why, "{body}");
                assert!(!answer.text().contains("hush-hush"), "{}", answer.text());
            }
        }
        assert!(!app.folder().join("missing").exists());
        admin.post(&format!("{STORES}?dry_run=maybe")).json(&good).await.expect(400);
        admin.post(&format!("{STORES}?limit=1")).json(&good).await.expect(400);
        let planned = admin.post(&format!("{STORES}?dry_run=true")).json(&good).await.expect(200).json();
        assert_eq!((&planned["dry_run"], &planned["store"]["id"]), (&json!(true), &json!("good")));
        admin.get(&format!("{STORES}/good")).await.expect(404);
        admin.post(STORES).json(&good).await.expect(201);
        assert_eq!(reason(&admin.post(STORES).json(&good).await.expect(409)), "store-exists");

        for (id, body, status, why) in [
            ("fast", json!({"weight": 1}), 409, "store-configured"),
            ("none", json!({"weight": 1}), 404, "not-found"),
            ("good", json!({"id": "better"}), 400, "bad-request"),
            ("good", json!({"weight": "1"}), 400, "bad-request"),
            ("good", at("free"), 409, "place-changes"),
            ("good", at("missing"), 400, "cannot-open"),
            ("good", json!({"options": {"datadir": null}}), 400, "cannot-open"),
        ] {
            assert_eq!(reason(&patch(&admin, id, &body).await.expect_for(status, &body)), why, "{body}");
        }
        let dry = format!("{STORES}/good?dry_run=true");
        let planned = admin.request("PATCH", &dry).json(&json!({"weight": 3})).await.expect(200).json();
        assert_eq!(planned["store"]["weight"], 3);
        assert_eq!(admin.get(&format!("{STORES}/good")).await.expect(200).json()["store"]["weight"], 0);
        let answer = admin.delete(&format!("{STORES}/fast")).await.expect(409);
        assert_eq!(reason(&answer), "store-configured");
        let single = database.app();
        let answer = single.as_admin().post(STORES).json(&good).await.expect(409);
        assert_eq!(reason(&answer), "single-store");
    }

    /// Secret options are encrypted in the row, open again after a restart, and are shown to nobody.
    async fn secrets_are_encrypted(database: Database) {
        let mut app = app_with_storages(database);
        let body = json!({"id": "bucket", "type": "s3", "options": {"host": format!("http://{}", bucket()),
            "bucket": "images", "region_name": "here", "bucket_url_format": "path", "access_key": "AKIA",
            "secret_key": "hush-hush"}});
        let added = app.as_admin().post(STORES).json(&body).await.expect(201);
        let web = json!({"id": "pages", "type": "http", "options": {"proxy_information": {"http": "http://us:hush-hush@127.0.0.1:9"}}});
        let added_web = app.as_admin().post(STORES).json(&web).await.expect(201);
        let web = app.as_admin().get(&format!("{STORES}/pages")).await.expect(200);
        let kept = app.app().db.read("test.storage", |conn| db::storages::find(conn, "pages")).await.unwrap().unwrap();
        assert!(kept.sealed.is_some());
        let row = async |app: &TestApp| {
            let found = app.app().db.read("test.storage", |conn| db::storages::find(conn, "bucket")).await;
            found.unwrap().unwrap()
        };
        let before = row(&app).await;
        let shown = app.as_admin().get(&format!("{STORES}/bucket")).await.expect(200);
        for text in [format!("{before:?}{kept:?}"), added.text(), shown.text(), added_web.text(), web.text()] {
            assert!(!text.contains("hush-hush") && !text.contains("AKIA"), "{text}");
        }
        assert!(before.sealed.as_ref().unwrap().starts_with("1:"), "{before:?}");
        app.restart(|_| {});
        let admin = app.as_admin();
        let shown = admin.get(&format!("{STORES}/bucket")).await.expect(200).json()["store"].clone();
        assert_eq!((&shown["state"], &shown["last_error"]), (&json!("ok"), &Value::Null));
        let changed = patch(&admin, "bucket", &json!({"options": {"secret_key": "softly"}})).await.expect(200);
        assert!(!changed.text().contains("softly"));
        let after = row(&app).await;
        assert_eq!(after.options, before.options);
        assert_ne!(after.sealed, before.sealed);
        // Keys are replaced once a month, and secrets are encrypted again before the old ones go.
        app.later(31 * 24 * 3600);
        vitrine::storage::refresh::renew_seals(&app.app().storages).await.unwrap();
        assert!(row(&app).await.sealed.unwrap().starts_with("2:"));
        admin.delete(&format!("{STORES}/pages")).await.expect(204);
        admin.delete(&format!("{STORES}/bucket")).await.expect(204);
    }

    /// Other nodes take up a storage, and what changes about it, by themselves. A node that has not heard yet that a storage
    /// takes nothing any more begins no data in it all the same.
    async fn other_nodes_take_storages_up(database: Database) {
        let app = app_with_storages(database);
        let (admin, other) = (app.as_admin(), app.neighbour());
        let alice = other.as_member("alice");
        added(&app, "nfs1", json!({})).await;
        eventually("the other node has the storage", async || {
            let known = writable(&alice).await;
            if known.contains(&"nfs1".to_owned()) { Ok(()) } else { Err(known) }
        })
        .await;
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "data").header("x-image-meta-store", "nfs1").await.expect(204);
        assert_eq!(app.as_member("alice").download(&id).await.expect(200).body, "data");
        assert_eq!(other.as_admin().get(&format!("{STORES}/nfs1")).await.expect(200).json()["store"]["images"], 1);

        let inner = app.app();
        let stale = inner.stores.get("nfs1").unwrap();
        patch(&other.as_admin(), "nfs1", &json!({"read_only": true})).await.expect(200);
        let (image_id, author) = (app.as_member("alice").created(image().raw()).await, vitrine::model::event::Author::service());
        let new = vitrine::blob::draft::NewDraft {
            image_id: &image_id, owner: None, payer: None, store: &stale, name: None, size: None, caller: None, holder: None,
            counts: Counts { resource: Resource::SizeTotal, binding: false }, prepares: None,
        };
        let begun = inner.blobs.begin_upload(author, new, vitrine::model::status::Status::Saving, |_| Ok(())).await;
        assert!(begun.err().unwrap().to_string().contains("takes no new images"));
        eventually("this node has the change", async || {
            let known = writable(&app.as_member("alice")).await;
            if known.contains(&"nfs1".to_owned()) { Err(known) } else { Ok(()) }
        })
        .await;
        for id in [&id, &image_id] {
            alice.remove(id).await.expect(204);
        }
        app.settles().await;
        admin.delete(&format!("{STORES}/nfs1")).await.expect(204);
        eventually("the other node has no such store", async || {
            let known = alice.get("/v2/info/stores").await.expect(200).text();
            if known.contains("nfs1") { Err(known) } else { Ok(()) }
        })
        .await;
    }

    /// A storage whose folder is not there is missing and takes the others with it nowhere; it is not made anew, and the data
    /// is there again with the folder.
    async fn a_storage_that_is_away_is_missing(database: Database) {
        let mut app = app_with_storages(database);
        added(&app, "nfs1", json!({})).await;
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "data").header("x-image-meta-store", "nfs1").await.expect(204);
        let (folder, away) = (app.folder().join("nfs1"), app.folder().join("away"));
        app.restart(|_| std::fs::rename(&folder, &away).unwrap());
        let (admin, alice) = (app.as_admin(), app.as_member("alice"));
        let shown = admin.get(&format!("{STORES}/nfs1")).await.expect(200).json()["store"].clone();
        assert_eq!(shown["state"], "missing");
        assert!(shown["last_error"].as_str().unwrap().contains("cannot be used"), "{shown}");
        alice.download(&id).await.expect(503);
        let other = alice.created(image().raw()).await;
        alice.upload(&other, "x").header("x-image-meta-store", "nfs1").await.expect(503);
        alice.upload(&other, "x").await.expect(204);
        assert!(!folder.exists());
        app.restart(|_| std::fs::rename(&away, &folder).unwrap());
        assert_eq!(app.as_member("alice").download(&id).await.expect(200).body, "data");
    }

    /// A storage that only reads says so also where it cannot be opened.
    async fn a_web_storage_that_is_away_takes_no_data(database: Database) {
        let mut app = app_with_storages(database);
        let certificates = Authority::new("the authority").file(app.folder(), "ca.pem");
        let body = json!({"id": "pages", "type": "http", "options": {"https_ca_certificates_file": certificates}});
        app.as_admin().post(STORES).json(&body).await.expect(201);
        let shown = async |app: &TestApp| {
            let shown = app.as_admin().get(&format!("{STORES}/pages")).await.expect(200).json()["store"].clone();
            (shown["state"].clone(), shown["read_only"].clone())
        };
        assert_eq!(shown(&app).await, (json!("ok"), json!(true)));
        app.restart(|_| std::fs::remove_file(&certificates).unwrap());
        assert_eq!(shown(&app).await, (json!("missing"), json!(true)));
    }

    /// A location comes to no storage that was removed meanwhile, also by a node that has not heard of it yet.
    async fn no_location_comes_to_a_removed_storage(database: Database) {
        let app = app_with_storages(database);
        added(&app, "nfs1", json!({})).await;
        let id = app.as_member("alice").created(image().raw()).await;
        let (inner, author) = (app.app(), vitrine::model::event::Author::service());
        let add = |image: &vitrine::model::image::Image| {
            let mut after = image.clone();
            after.locations.push(vitrine::model::image::Location {
                id: fresh_id(), url: "file:///nowhere".to_owned(), metadata: serde_json::Map::new(),
                store: Some("nfs1".to_owned()), blob_id: None,
            });
            Ok(Some(after))
        };
        let added = inner.images.change_for(&author, &id, add).await.unwrap();
        assert_eq!(added.locations.len(), 1);
        inner.db.write("test.remove", |conn| db::storages::delete(conn, "nfs1")).await.unwrap();
        let refused = inner.images.change_for(&author, &id, add).await.unwrap_err();
        assert_eq!(refused.to_string(), "There is no store nfs1 any more.");
        app.as_member("alice").remove(&id).await.expect(204);
    }

    /// A folder that bears the mark of another database is no storage of this one; one that bears its own is, by whatever
    /// name.
    async fn marks_say_whose_a_storage_is(database: Database) {
        let app = app_with_storages(database);
        let admin = app.as_admin();
        let theirs = described(&app, "theirs");
        std::fs::write(app.folder().join("theirs/.store-id"), "00000000-0000-4000-8000-000000000001").unwrap();
        assert_eq!(reason(&admin.post(STORES).json(&theirs).await.expect(409)), "store-shared");
        let mut ours = described(&app, "ours");
        admin.post(STORES).json(&ours).await.expect(201);
        let asked = admin.post(&format!("{STORES}/ours/reconcile")).json(&json!({})).await.expect(202).json();
        let job = format!("/ext/v1/jobs/{}", asked["job"]["id"].as_str().unwrap());
        assert_eq!(ended(&admin, &job).await["state"], "done");
        assert_eq!(admin.get(&format!("{STORES}/ours")).await.expect(200).json()["store"]["mark"], "ours");
        admin.delete(&format!("{STORES}/ours")).await.expect(204);
        ours["id"] = json!("again");
        admin.post(STORES).json(&ours).await.expect(201);
        assert_eq!(admin.get(&format!("{STORES}/again")).await.expect(200).json()["store"]["mark"], "ours");
        // Its mark at another path: the same place, mounted twice.
        let (twice, mark) = (described(&app, "twice"), app.folder().join("ours/.store-id"));
        std::fs::copy(&mark, app.folder().join("twice/.store-id")).unwrap();
        assert_eq!(reason(&admin.post(STORES).json(&twice).await.expect(409)), "place-taken");
        // Nothing where its mark was: what should be mounted is not.
        let same = json!({"options": ours["options"]});
        patch(&admin, "again", &same).await.expect(200);
        std::fs::remove_file(&mark).unwrap();
        assert_eq!(reason(&patch(&admin, "again", &same).await.expect(409)), "place-changes");
    }
}

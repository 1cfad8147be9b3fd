//! What strangers try: headers that claim, names that are the service's own, verbs and paths that lead nowhere, and
//! questions about what they may not see.

use std::{future::IntoFuture, sync::Mutex};

use futures::{StreamExt, channel::mpsc, stream};
use serde_json::json;
use vitrine::{
    db,
    model::{image::Image, status::Status},
};

use crate::{api_ref::routes, support::*};

/// Spellings of the headers by which a proxy with keystonemiddleware tells a service who is calling, and of those by
/// which version 1 of the API took metadata.
const CLAIMS: [(&str, &str); 16] = [
    ("x-roles", "admin,service"),
    ("X-Role", "admin"),
    ("X_ROLES", "admin"),
    ("x-user-id", "root"),
    ("x-user-name", "root"),
    ("x-project-id", "bob"),
    ("x-tenant-id", "bob"),
    ("x-tenant", "bob"),
    ("x_project_id", "bob"),
    ("x-domain-id", "default"),
    ("x-system-scope", "all"),
    ("x-is-admin-project", "True"),
    ("x-identity-status", "Confirmed"),
    ("x-service-roles", "service,admin"),
    ("x-service-identity-status", "Confirmed"),
    ("x-openstack-image-owner", "bob"),
];

fn claiming(request: Request) -> Request {
    CLAIMS.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// A path with something in place of each parameter.
fn filled(path: &str, id: &str) -> String {
    if path == "/v2/schemas/{name}" {
        return "/v2/schemas/image".to_owned();
    }
    path.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect::<Vec<_>>().join("/")
}

/// What an answer says, with the id that was asked for left out.
fn said(answer: &Answer, id: &str) -> (u16, String) {
    (answer.status, answer.text().replace(id, "ID"))
}

on_each_database! {
    /// No answer, whatever made it, may be taken for what it does not say it is.
    async fn sec_16_no_answer_is_sniffed(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw().named("<script>alert(1)</script>")).await;
        alice.upload(&id, "<script>alert(1)</script>").await.expect(204);
        for (request, status, content_type) in [
            (alice.show(&id), 200, "application/json"),
            (alice.download(&id), 200, OCTETS),
            (alice.get("/v2/images/%3Cscript%3E").header("accept", "text/html"), 404, "text/html; charset=UTF-8"),
            (alice.get("/v2/nothing"), 404, "text/html; charset=UTF-8"),
            (app.as_nobody().get("/v2/images"), 401, "text/html; charset=UTF-8"),
            (app.as_nobody().get("/healthcheck"), 200, "text/plain; charset=UTF-8"),
            (app.as_nobody().get("/"), 300, "application/json"),
        ] {
            let answer = request.await.expect(status);
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{answer:?}");
            assert_eq!(answer.header("content-type"), content_type, "{answer:?}");
            let shows_markup = content_type.starts_with("text/html") && answer.text().contains("<script");
            assert!(!shows_markup, "{answer:?}");
        }
        let refused = app.raw().send(b"NONSENSE\r\n\r\n").read_all();
        let refused = String::from_utf8(refused).unwrap();
        assert!(refused.contains("\r\nx-content-type-options: nosniff\r\n"), "{refused}");
    }

    /// A verb that a resource does not take reaches no handler.
    async fn sec_18_wrong_verbs_are_refused(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        let id = admin.created(image()).await;
        let before = admin.show(&id).await.text();
        let mut tried = 0;
        for (path, route) in routes::read() {
            // The calls of earlier releases are not there without their flavour.
            if route.allow == "any" || route.allow.is_empty() || !path.starts_with("/v2/") {
                continue;
            }
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"] {
                if route.methods.contains(method) {
                    continue;
                }
                let answer = admin.request(method, &filled(&path, &id)).body("{}").await;
                let answer = answer.expect_for(405, (method, &path));
                assert_eq!(answer.header("allow"), route.allow, "{method} {path}");
                tried += 1;
            }
        }
        assert!(tried > 100, "{tried}");
        assert_eq!(admin.show(&id).await.text(), before);
    }

    /// Metadata in headers, as version 1 of the API took it, changes nothing, neither when an image is made nor when its
    /// data comes.
    async fn sec_19_headers_set_no_metadata(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let forged = |request: Request| {
            ["status", "owner", "id", "checksum", "size", "is_public", "location", "property-x", "Property-X"]
                .iter()
                .fold(request, |request, name| request.header(&format!("x-image-meta-{name}"), "active"))
        };
        let made = forged(alice.create(image().raw())).await.expect(201).json();
        let id = made["id"].as_str().unwrap().to_owned();
        forged(alice.upload(&id, "data")).await.expect(204);
        let shown = alice.show(&id).await.json();
        for (name, value) in [
            ("owner", json!("alice")),
            ("size", json!(4)),
            ("visibility", json!("shared")),
            ("checksum", json!("8d777f385d3dfec8815d20f7496026dc")),
        ] {
            assert_eq!(shown[name], value, "{name}");
        }
        assert_eq!(made["status"], "queued");
        assert!(shown.get("x").is_none() && shown.get("X").is_none(), "{shown}");
        forged(alice.get(&format!("/v2/images/{id}"))).await.expect(200);
    }

    /// A project may have so many images without data, and others are not kept from having theirs.
    async fn sec_21_queued_images_are_bounded(database: Database) {
        let app = database.app_with(|options| options.image.queued_max = Some(3));
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let first = alice.created(image().raw()).await;
        for _ in 0..2 {
            alice.create(image()).await.expect(201);
        }
        alice.create(image()).await.expect(413);
        bob.create(image()).await.expect(201);
        alice.upload(&first, "data").await.expect(204);
        let fourth = alice.created(image()).await;
        alice.create(image()).await.expect(413);
        alice.remove(&fourth).await.expect(204);
        alice.create(image()).await.expect(201);
    }

    /// Nor does it get one more while another is being entered, which is not there yet for whoever counts: he waits for it.
    async fn sec_21_queued_images_are_counted_exactly(database: Database) {
        let app = database.app_with(|options| options.image.queued_max = Some(1));
        let ((held, mut is_held), (release, released)) = (mpsc::unbounded(), std::sync::mpsc::channel::<()>());
        let (other, released) = (Image { status: Status::Queued, ..record("alice", 1) }, Mutex::new(released));
        let db = app.app().db.clone();
        let entering = tokio::spawn(async move {
            let enter = move |conn: &mut db::Conn| {
                db::images::insert(conn, &other)?;
                db::quota::lock(conn, "alice")?;
                held.unbounded_send(()).unwrap();
                // Ends when the other end goes.
                let _ = released.lock().unwrap().recv();
                Ok(())
            };
            db.write("test.enter", enter).await
        });
        is_held.next().await.unwrap();
        let asked = tokio::spawn(app.as_member("alice").create(image()).into_future());
        // By then it has come as far as it can. On SQLite nobody else can write at all.
        if !matches!(database, Database::Sqlite) {
            for number in 0..10 {
                app.as_member(&format!("bob{number}")).create(image()).await.expect(201);
            }
        }
        drop(release);
        entering.await.unwrap().unwrap();
        asked.await.unwrap().expect(413);
    }

    /// An image that waits for its data too long is deleted, unless it is protected, or its data or a job is under way.
    async fn sec_21_images_that_wait_too_long_go(database: Database) {
        let app = database.app_with(|options| {
            options.image.queued_seconds = Some(3600);
            options.image.enabled_import_methods = vec!["glance-direct".to_owned()];
        });
        let alice = app.as_member("alice");
        let waiting = alice.created(image()).await;
        let kept = [
            ("protected", alice.created(image().with("protected", true)).await),
            ("active", alice.created(image().raw()).await),
            ("staged", alice.created(image().raw()).await),
        ];
        alice.upload(&kept[1].1, "data").await.expect(204);
        let stage = alice.put(&format!("/v2/images/{}/stage", kept[2].1)).header("content-type", OCTETS);
        stage.body("data").await.expect(204);
        let sweep = async || vitrine::image::queued::delete_stale(&app.app().images).await.unwrap();
        app.later(3500);
        let young = alice.created(image()).await;
        assert_eq!(sweep().await, 0);
        app.later(200);
        assert_eq!(sweep().await, 1);
        alice.show(&waiting).await.expect(404);
        alice.show(&young).await.expect(200);
        for (case, id) in &kept {
            alice.show(id).await.expect_for(200, case);
        }
        alice.remove(&kept[2].1).await.expect(204);
        alice.update(&kept[0].1, json!([{"op": "replace", "path": "/protected", "value": false}])).await.expect(200);
    }

    /// Names that are the service's own cannot be set, whatever the caller is.
    async fn sec_42_names_of_the_service_cannot_be_set(database: Database) {
        let app = database.app();
        for client in [app.as_member("alice"), app.as_admin()] {
            let id = client.created(image()).await;
            let before = client.show(&id).await.text();
            for name in [
                "os_glance_x", "os_glance_stage_host", "os_glance_importing_to_stores", "os_glance_import_task", "stores",
                "status", "checksum", "size", "virtual_size", "direct_url", "self", "file", "schema", "created_at",
                "updated_at", "deleted", "deleted_at", "os_hash_algo", "os_hash_value",
            ] {
                let value = match name {
                    "status" => json!("active"),
                    "size" | "virtual_size" => json!(1),
                    _ => json!("x"),
                };
                client.create(image().with(name, value)).await.expect_for(403, name);
                for op in ["add", "replace"] {
                    let patch = json!([{"op": op, "path": format!("/{name}"), "value": "x"}]);
                    client.update(&id, patch).await.expect_for(403, (op, name));
                }
            }
            assert_eq!(client.show(&id).await.text(), before);
        }
    }

    /// On which node something is done is for nobody but admins.
    async fn sec_43_nodes_are_not_shown(database: Database) {
        let app = database.app_with(|options| {
            options.image.enabled_import_methods = vec!["glance-direct".to_owned()];
        });
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let stage = alice.put(&format!("/v2/images/{id}/stage")).header("content-type", OCTETS);
        stage.body("data").await.expect(204);
        let node = app.app().leases().node.clone();
        let tasks = format!("/v2/images/{id}/tasks");
        for request in [alice.show(&id), alice.list(""), alice.get(&tasks)] {
            let answer = request.await.expect(200);
            assert!(!answer.text().contains("host") && !answer.text().contains(&node), "{answer:?}");
        }
        alice.get(&format!("/v2/cache/nodes/{id}")).await.expect(403);
        alice.remove(&id).await.expect(204);
    }

    /// Of an image that a caller may not see, every call says what it says of one that is not there.
    async fn sec_45_what_may_not_be_seen_is_not_there(database: Database) {
        let app = database.app_with(|options| {
            options.image.enabled_import_methods = vec!["glance-direct".to_owned()];
        });
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let (hidden, none) = (alice.created(image().private()).await, fresh_id());
        let patch = json!([{"op": "replace", "path": "/name", "value": "x"}]);
        let import = json!({"method": {"name": "glance-direct"}});
        let ask = |id: &str| {
            let at = |rest: &str| format!("/v2/images/{id}{rest}");
            vec![
                bob.show(id),
                bob.list(&format!("marker={id}")),
                bob.list(&format!("id={id}")),
                bob.download(id),
                bob.upload(id, "data"),
                bob.put(&at("/stage")).header("content-type", OCTETS).body("data"),
                bob.post(&at("/import")).json(&import),
                bob.update(id, patch.clone()),
                bob.remove(id),
                bob.put(&at("/tags/x")),
                bob.delete(&at("/tags/x")),
                bob.get(&at("/members")),
                bob.get(&at("/members/bob")),
                bob.share(id, "bob"),
                bob.answer(id, "bob", "accepted"),
                bob.delete(&at("/members/bob")),
                bob.act(id, "deactivate"),
                bob.act(id, "reactivate"),
                bob.get(&at("/tasks")),
                bob.get(&at("/locations")),
            ]
        };
        for (asked, other) in ask(&hidden).into_iter().zip(ask(&none)) {
            let (asked, other) = (asked.await, other.await);
            assert_eq!(said(&asked, &hidden), said(&other, &none), "{asked:?}");
        }
        // That an id was used is all that is told of it, whatever became of the image.
        let gone = alice.created(image().private()).await;
        alice.remove(&gone).await.expect(204);
        let taken = async |id: &str| said(&bob.create(image().id(id)).await.expect(409), id);
        assert_eq!(taken(&hidden).await, taken(&gone).await);
    }

    /// Who calls is what the token says, with whatever headers beside it.
    async fn sec_60_identity_headers_are_not_believed(database: Database) {
        let app = database.app();
        let (alice, bob, reader) = (app.as_member("alice"), app.as_member("bob"), app.as_reader("alice"));
        let bobs = bob.created(image().private()).await;
        claiming(app.as_nobody().list("")).await.expect(401);
        claiming(app.with_token(Some("nonsense")).list("")).await.expect(401);
        claiming(alice.show(&bobs)).await.expect(404);
        claiming(reader.create(image())).await.expect(403);
        claiming(alice.create(image().with("visibility", "public"))).await.expect(403);
        claiming(alice.get("/v2/tasks")).await.expect(403);
        let made = claiming(alice.create(image())).await.expect(201).json();
        assert_eq!(made["owner"], "alice");
    }

    /// Many callers at once, on shared connections: each is taken for himself.
    async fn sec_60_callers_are_not_mixed_up(database: Database) {
        let app = database.app();
        let mut callers = Vec::new();
        for number in 0..20 {
            let client = app.as_member(&format!("project{number}"));
            let id = client.created(image().private()).await;
            callers.push((client, id));
        }
        let callers = &callers;
        let asked = stream::iter(0..2000_usize).map(|turn| async move {
            let (client, id) = &callers[turn % 20];
            let (_, other) = &callers[(turn / 20 + 1 + turn) % 20];
            client.show(id).await.expect(200);
            if id != other {
                client.show(other).await.expect(404);
            }
        });
        asked.buffer_unordered(50).collect::<Vec<()>>().await;
    }

    /// Paths that lead nowhere leave nothing behind: no figure is kept of them.
    async fn sec_66_unknown_paths_leave_nothing(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let mark = fresh_id();
        for number in 0..50 {
            alice.get(&format!("/v2/{mark}/{number}")).await.expect(404);
            alice.get(&format!("/{mark}/{number}")).await.expect(300);
            alice.request("FROBNICATE", &format!("/v2/images/{mark}{number}/file/x")).await.expect(501);
        }
        assert!(!vitrine::telemetry::metrics().text().contains(&mark));
    }
}

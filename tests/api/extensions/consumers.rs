//! Consumers, the guard against deletion, and retired images (specification of the extensions, section j).

use futures::future::{join, join_all};
use serde_json::{Value, json};
use vitrine::model::consumer::InUse;

use crate::support::*;

fn app(database: Database, in_use: InUse) -> TestApp {
    database.app_with(|options| options.image.in_use = in_use)
}

fn told(app: &TestApp, image: &str, consumer: &str, project: &str) -> Request {
    let body = json!({"project_id": project, "region": "one"});
    app.as_service().put(&format!("/ext/v1/images/{image}/consumers/{consumer}")).json(&body)
}

/// A public image with data, of alice's.
async fn published(app: &TestApp) -> String {
    let alice = app.as_member("alice");
    let id = alice.created(image().raw()).await;
    alice.upload(&id, "data").await.expect(204);
    let publish = json!([{"op": "replace", "path": "/visibility", "value": "public"}]);
    app.as_admin().update(&id, publish).await.expect(200);
    id
}

on_each_database! {
    /// Services tell of consumers; each project sees its own; an image that is in use is not deleted where that is
    /// refused, and says what uses it.
    async fn an_image_in_use_is_not_deleted(database: Database) {
        let app = app(database, InUse::Refuse);
        let (alice, bob, id) = (app.as_member("alice"), app.as_member("bob"), published(&app).await);
        let first = told(&app, &id, "server/s1", "bob").await.expect(201).json()["consumer"].clone();
        assert_eq!((&first["image_id"], &first["type"], &first["id"]), (&json!(id), &json!("server"), &json!("s1")));
        app.later(60);
        let again = told(&app, &id, "server/s1", "bob").await.expect(200).json()["consumer"].clone();
        assert_eq!(again["since"], first["since"]);
        assert_ne!(again["last_seen"], first["last_seen"]);
        told(&app, &id, "server/s2", "carol").await.expect(201);
        told(&app, &id, "volume/v1", "carol").await.expect(201);

        let path = format!("/ext/v1/images/{id}/consumers");
        let ids = async |client: &Client| -> Vec<String> {
            let (mut ids, mut next) = (Vec::new(), format!("{path}?limit=2"));
            loop {
                let page = client.get(&next).await.expect(200).json();
                let found = page["consumers"].as_array().unwrap().iter();
                ids.extend(found.map(|consumer| consumer["id"].as_str().unwrap().to_owned()));
                match page["next"].as_str() {
                    Some(link) => next = link.to_owned(),
                    None => return ids,
                }
            }
        };
        assert_eq!(ids(&app.as_admin()).await, ["s1", "s2", "v1"]);
        assert_eq!(ids(&bob).await, ["s1"]);
        assert_eq!(ids(&alice).await, Vec::<String>::new());
        // Of images that services do not see, too.
        let private = alice.created(image().raw().private()).await;
        told(&app, &private, "server/s9", "alice").await.expect(201);
        app.as_service().delete(&format!("/ext/v1/images/{private}/consumers/server/s9")).await.expect(204);
        bob.put(&format!("{path}/server/s3")).await.expect(403);
        bob.delete(&format!("{path}/server/s1")).await.expect(403);

        let preview = alice.get(&format!("/ext/v1/images/{id}/delete-preview")).await.expect(200).json();
        let expected = json!({"action": "refuse", "reason": "image-in-use", "consumers": {"server": 2, "volume": 1},
            "members": 0, "stores": preview["stores"], "families": []});
        assert_eq!(preview, expected);
        let refused = alice.remove(&id).header("accept", "application/json").await.expect(409).json();
        let sentence = format!("Image {id} could not be deleted because it is in use: used by 2 server(s), 1 volume(s)");
        assert!(refused["message"].as_str().unwrap().starts_with(&sentence), "{refused}");
        for consumer in ["server/s1", "server/s2", "volume/v1"] {
            app.as_service().delete(&format!("{path}/{consumer}")).await.expect(204);
        }
        app.as_service().delete(&format!("{path}/server/s1")).await.expect(404);
        alice.remove(&id).await.expect(204);
        told(&app, &id, "server/s1", "bob").await.expect(404);
    }

    /// Nobody but services tells of consumers: no tenant keeps another's image from being deleted.
    async fn sec_77_tenants_block_no_deletion(database: Database) {
        let app = app(database, InUse::Refuse);
        let (bob, id) = (app.as_member("bob"), published(&app).await);
        bob.put(&format!("/ext/v1/images/{id}/consumers/server/s")).await.expect(403);
        let all = json!({"consumers": [{"image_id": id, "type": "server", "id": "s"}]});
        bob.put("/ext/v1/consumers?scope=bob").json(&all).await.expect(403);
        app.as_member("alice").remove(&id).await.expect(204);
    }

    /// Where images in use are retired, DELETE hides one, its data is for those who have something of it, and it goes
    /// with its last consumer.
    async fn an_image_in_use_is_retired(database: Database) {
        let app = app(database, InUse::Retire);
        let (alice, bob, carol, id) =
            (app.as_member("alice"), app.as_member("bob"), app.as_member("carol"), published(&app).await);
        told(&app, &id, "server/s1", "bob").await.expect(201);
        told(&app, &id, "server/s2", "bob").await.expect(201);
        carol.download(&id).await.expect(200);
        alice.remove(&id).await.expect(204);
        let shown = alice.show(&id).await.expect(200).json();
        assert_eq!((&shown["status"], &shown["os_hidden"]), (&json!("active"), &json!(true)));
        assert_eq!(shown["lifecycle_state"], "retired");
        assert!(!shown.to_string().contains("os_glance"), "{shown}");
        assert_eq!(carol.list("").await.expect(200).json()["images"], json!([]));
        carol.download(&id).await.expect(403);
        let nova = app.as_role("service", &["service", "member", "reader"]);
        for client in [&bob, &alice, &app.as_admin(), &nova] {
            client.download(&id).await.expect(200);
        }
        told(&app, &id, "server/s3", "carol").await.expect(409);
        told(&app, &id, "server/s1", "bob").await.expect(200);
        let body = json!({"project_id": "carol", "allow_retired": true});
        let third = format!("/ext/v1/images/{id}/consumers/server/s3");
        app.as_service().put(&third).json(&body).await.expect(201);
        carol.download(&id).await.expect(200);

        for server in ["s1", "s2"] {
            app.as_service().delete(&format!("/ext/v1/images/{id}/consumers/server/{server}")).await.expect(204);
            alice.show(&id).await.expect(200);
        }
        app.as_service().delete(&third).await.expect(204);
        alice.show(&id).await.expect(404);
        app.settles().await;
    }

    /// An owner retires an image and puts it back; nobody loses what he has meanwhile.
    async fn an_owner_retires(database: Database) {
        let app = app(database, InUse::Allow);
        let (alice, bob, id) = (app.as_member("alice"), app.as_member("bob"), published(&app).await);
        bob.post(&format!("/ext/v1/images/{id}/retire")).await.expect(403);
        for _ in 0..2 {
            alice.post(&format!("/ext/v1/images/{id}/retire")).await.expect(204);
        }
        bob.download(&id).await.expect(403);
        alice.post(&format!("/ext/v1/images/{id}/unretire")).await.expect(204);
        bob.download(&id).await.expect(200);
        let shown = alice.show(&id).await.expect(200).json();
        assert_eq!((&shown["os_hidden"], shown.get("lifecycle_state")), (&json!(false), None));
        let empty = alice.created(image()).await;
        alice.post(&format!("/ext/v1/images/{empty}/retire")).await.expect(409);
    }

    /// By default DELETE does what it does in Glance; an owner makes that stricter, and not laxer.
    async fn an_owner_is_stricter(database: Database) {
        let strict = app(database, InUse::Allow);
        let alice = strict.as_member("alice");
        let (plain, guarded) = (published(&strict).await, published(&strict).await);
        for id in [&plain, &guarded] {
            told(&strict, id, "server/s", "bob").await.expect(201);
        }
        let patch = |value: &str| json!([{"op": "add", "path": "/delete_policy", "value": value}]);
        alice.update(&guarded, patch("refuse")).await.expect(200);
        alice.remove(&plain).await.expect(204);
        alice.remove(&guarded).await.expect(409);
        assert_eq!(vitrine::image::consumers::delete_unused(&strict.app().images).await.unwrap(), 0);
        let server = strict.app();
        let left = server.db.read("test.left", move |conn| {
            Ok((vitrine::db::consumers::counts(conn, &plain)?.len(), vitrine::db::consumers::counts(conn, &guarded)?.len()))
        });
        assert_eq!(left.await.unwrap(), (0, 1));

        let app = app(database, InUse::Refuse);
        let (alice, id) = (app.as_member("alice"), published(&app).await);
        told(&app, &id, "server/s", "bob").await.expect(201);
        alice.update(&id, patch("allow")).await.expect(200);
        alice.remove(&id).await.expect(409);
    }

    /// A policy that means nothing is refused when it is written; one that was there stays until somebody changes it.
    async fn a_policy_must_say_something(database: Database) {
        let app = app(database, InUse::Allow);
        let alice = app.as_member("alice");
        let patch = |value: &str| json!([{"op": "add", "path": "/delete_policy", "value": value}]);
        for known in InUse::NAMES {
            let id = alice.created(image().with("delete_policy", known)).await;
            assert_eq!(alice.show(&id).await.expect(200).json()["delete_policy"], known);
        }
        let id = alice.created(image()).await;
        for unknown in ["", "Refuse", "refuse ", "never"] {
            alice.create(image().with("delete_policy", unknown)).await.expect_for(400, unknown);
            let refused = alice.update(&id, patch(unknown)).await.expect_for(400, unknown);
            assert!(refused.text().contains("delete_policy must be one of allow, retire, refuse."), "{}", refused.text());
        }
        assert_eq!(alice.show(&id).await.expect(200).json().get("delete_policy"), None);

        let mut old = record("alice", 0);
        old.set_property("delete_policy", Some("never".to_owned()));
        app.insert(&[old.clone()]).await;
        alice.update(&old.id, json!([{"op": "replace", "path": "/name", "value": "new"}])).await.expect(200);
        alice.update(&old.id, patch("never")).await.expect(200);
        alice.update(&old.id, patch("always")).await.expect(400);
        assert_eq!(alice.show(&old.id).await.expect(200).json()["delete_policy"], "never");
        alice.update(&old.id, json!([{"op": "remove", "path": "/delete_policy"}])).await.expect(200);
        alice.update(&old.id, patch("never")).await.expect(400);
    }

    /// Of a deletion and a consumer that come at one time, one is refused.
    async fn a_deletion_and_a_consumer_exclude_each_other(database: Database) {
        let app = app(database, InUse::Refuse);
        let alice = app.as_member("alice");
        let ids = join_all((0..24).map(|_| alice.created(image().community()))).await;
        let both = ids.iter().map(|id| {
            let tell = told(&app, id, "server/s", "bob");
            join(alice.remove(id).into_future(), tell.into_future())
        });
        for (removed, told) in join_all(both).await {
            let statuses = (removed.status, told.status);
            assert!(statuses == (204, 404) || statuses == (409, 201), "{statuses:?}");
        }
    }

    /// All consumers of a project or host are told of at once, in the place of those before.
    async fn a_scope_is_replaced(database: Database) {
        let app = app(database, InUse::Refuse);
        let (first, second) = (published(&app).await, published(&app).await);
        let service = app.as_service();
        let one = |image: &str, id: &str| json!({"image_id": image, "type": "server", "id": id, "project_id": "bob"});
        let put = |scope: &str, all: Value| service.put(&format!("/ext/v1/consumers?scope={scope}")).json(&json!({"consumers": all}));
        let missing = fresh_id();
        let answer = put("host:h1", json!([one(&first, "a"), one(&first, "b"), one(&missing, "c")])).await.expect(200);
        assert_eq!(answer.json(), json!({"kept": 2, "removed": 0, "unknown_images": [missing]}));
        put("host:h2", json!([one(&first, "z")])).await.expect(200);
        app.later(1);
        let answer = put("host:h1", json!([one(&first, "b"), one(&second, "d")])).await.expect(200);
        assert_eq!(answer.json(), json!({"kept": 2, "removed": 1, "unknown_images": []}));
        let listed = app.as_admin().get(&format!("/ext/v1/images/{first}/consumers")).await.expect(200).json();
        let ids: Vec<&Value> = listed["consumers"].as_array().unwrap().iter().map(|c| &c["id"]).collect();
        assert_eq!(ids, [&json!("b"), &json!("z")]);
        app.as_member("bob").put("/ext/v1/consumers?scope=host:h1").json(&json!({"consumers": []})).await.expect(403);
        // What would be replaced can be asked for.
        let dry = put("host:h1&dry_run=true", json!([one(&second, "e")])).await.expect(200);
        assert_eq!(dry.json(), json!({"kept": 1, "removed": 2, "unknown_images": []}));
        let listed = app.as_admin().get(&format!("/ext/v1/images/{second}/consumers")).await.expect(200).json();
        assert_eq!(listed["consumers"].as_array().unwrap().len(), 1);
        assert_eq!(listed["consumers"][0]["id"], "d");
    }
}

/// What cannot be a consumer is refused with what is wrong.
#[test]
fn wrong_consumers_are_refused() {
    block_on(async {
        let app = Database::Sqlite.app();
        let (service, id) = (app.as_service(), published(&app).await);
        let path = format!("/ext/v1/images/{id}/consumers");
        for (place, body, why) in [
            ("toaster/t", json!({}), "The type of a consumer"),
            ("server/a%20b", json!({}), "no blanks"),
            ("server/s", json!({"colour": "red"}), "no member"),
            ("server/s", json!({"region": 3}), "must be a text"),
            ("server/s", json!({"project_id": ""}), "project_id must have"),
            ("server/s", json!({"allow_retired": "yes"}), "allow_retired"),
            ("server/s", json!([]), "An object is expected"),
        ] {
            let refused =
                service.put(&format!("{path}/{place}")).json(&body).await.expect_for(400, &body).json();
            let message = refused["error"]["message"].as_str().unwrap();
            assert!(message.contains(why), "{body}: {message}");
        }
        for (query, body, status) in [
            ("", json!({"consumers": []}), 400),
            ("?scope=", json!({"consumers": []}), 400),
            ("?scope=a&scope=b", json!({"consumers": []}), 400),
            ("?scope=a&dry_run=perhaps", json!({"consumers": []}), 400),
            ("?scope=a&limit=1", json!({"consumers": []}), 400),
            ("?scope=a", json!({}), 400),
            ("?scope=a", json!({"consumers": [{}]}), 400),
            ("?scope=a", json!({"consumers": vec![0; 2001]}), 413),
        ] {
            service.put(&format!("/ext/v1/consumers{query}")).json(&body).await.expect_for(status, query);
        }
        for marker in ["x", "toaster:x", "server:"] {
            service.get(&format!("{path}?marker={marker}")).await.expect_for(400, marker);
        }
        service.put(&format!("{path}/server/s")).await.expect(201);
    });
}

//! Families of images: the current one, publication in one step, and back (specification of the extensions, section m).

use futures::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::*;

const PLAIN: &str = "Debian 12";

/// An image with data in the family, of alice's, built on a day of 2026.
async fn built(app: &TestApp, day: u32) -> String {
    let alice = app.as_member("alice");
    let date = format!("2026-01-{day:02}");
    let new = image().raw().named(&format!("build {day}")).with("image_family", "debian-12");
    let id = alice.created(new.with("image_build_date", date)).await;
    alice.upload(&id, "data").await.expect(204);
    id
}

fn publish(client: &Client, id: &str) -> Request {
    client.post("/ext/v1/families/debian-12/publish").json(&json!({"image_id": id, "plain_name": PLAIN}))
}

async fn current(client: &Client) -> Option<String> {
    let shown = client.get("/ext/v1/families/alice/debian-12").await.expect(200).json();
    shown["family"]["current"].as_str().map(str::to_owned)
}

/// Names of the images that a list shows.
async fn names(client: &Client, query: &str) -> Vec<String> {
    let listed = client.list(query).await.expect(200).json();
    listed["images"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap().to_owned()).collect()
}

on_each_database! {
    /// The newest image that may be is the current one, by the date of its content; each sees what is his to see.
    async fn the_newest_image_is_the_current_one(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let second = built(&app, 2).await;
        app.later(1);
        let first = built(&app, 1).await;
        assert_eq!(current(&alice).await, Some(second.clone()));
        for path in ["/ext/v1/families/alice/debian-12", "/ext/v1/families/alice/debian-12/current",
            "/ext/v1/families/alice/none", "/ext/v1/families/alice/No%20name"] {
            bob.get(path).await.expect_for(404, path);
        }
        assert_eq!(bob.get("/ext/v1/families").await.expect(200).json()["families"], json!([]));
        let listed = json!([{"owner": "alice", "name": "debian-12"}]);
        assert_eq!(alice.get("/ext/v1/families").await.expect(200).json()["families"], listed);
        let public = json!([{"op": "replace", "path": "/visibility", "value": "public"}]);
        app.as_admin().update(&first, public).await.expect(200);
        assert_eq!(bob.get("/ext/v1/families").await.expect(200).json()["families"], listed);
        assert_eq!(current(&bob).await, Some(first.clone()));
        assert_eq!(current(&alice).await, Some(second.clone()));
        let led = alice.get("/ext/v1/families/alice/debian-12/current").await.expect(303);
        assert!(led.header("location").ends_with(&format!("/v2/images/{second}")), "{}", led.header("location"));

        // Each of these takes it out of the running.
        let set = |name: &str, value: Value| json!([{"op": "add", "path": format!("/{name}"), "value": value}]);
        for (name, value, back) in [
            ("family_candidate", json!("false"), json!("true")),
            ("os_hidden", json!(true), json!(false)),
            ("deprecate_at", json!("2020-01-01"), json!("2099-01-01")),
            ("lifecycle_state", json!("retired"), json!("none")),
            ("image_family", json!("other"), json!("debian-12")),
        ] {
            alice.update(&second, set(name, value)).await.expect_for(200, name);
            assert_eq!(current(&alice).await, Some(first.clone()), "{name}");
            alice.update(&second, set(name, back)).await.expect_for(200, name);
            assert_eq!(current(&alice).await, Some(second.clone()), "{name}");
        }
        let page = alice.get("/ext/v1/families/alice/debian-12?limit=1").await.expect(200).json();
        assert_eq!(page["members"][0]["id"], json!(first));
        let rest = alice.get(page["next"].as_str().unwrap()).await.expect(200).json();
        assert_eq!(rest["members"][0]["id"], json!(second));
        let hidden = alice.get("/ext/v1/families/alice/debian-12?hidden=true").await.expect(200).json();
        assert_eq!(hidden["members"], json!([]));
    }

    /// A publication takes the plain name from the one before, hides that and points to the new one; a rollback undoes it.
    async fn a_publication_and_back(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let (first, second) = (built(&app, 1).await, built(&app, 2).await);
        let changed = publish(&alice, &second).await.expect(200).json();
        assert_eq!(changed["changed"].as_array().unwrap().len(), 2);
        assert_eq!(names(&alice, "").await, [PLAIN]);
        let third = built(&app, 3).await;
        publish(&alice, &third).await.expect(200);
        let shown = alice.show(&second).await.json();
        assert_eq!(shown["name"], "Debian 12 (2026-01-02)");
        assert_eq!((&shown["os_hidden"], &shown["replaced_by"]), (&json!(true), &json!(third)));
        assert_eq!(current(&alice).await, Some(third.clone()));
        // Once more changes nothing.
        publish(&alice, &third).await.expect(200);

        let back = async || alice.post("/ext/v1/families/debian-12/rollback").await;
        back().await.expect(200);
        assert_eq!(current(&alice).await, Some(second.clone()));
        let shown = alice.show(&second).await.json();
        assert_eq!((&shown["name"], &shown["os_hidden"], shown.get("replaced_by")), (&json!(PLAIN), &json!(false), None));
        let withdrawn = alice.show(&third).await.json();
        assert_eq!((&withdrawn["name"], &withdrawn["family_candidate"]), (&json!("build 3"), &json!("false")));
        // It can be published again, and taken back again.
        publish(&alice, &third).await.expect(200);
        assert_eq!(alice.show(&third).await.json().get("family_candidate"), None);
        back().await.expect(200);
        // The one before that is taken back too, to where nothing was published.
        back().await.expect(200);
        assert_eq!(current(&alice).await, Some(first.clone()));
        back().await.expect(404);
        publish(&alice, &third).await.expect(200);
        alice.remove(&first).await.expect(204);
        back().await.expect(409);
    }

    /// What a publication or a rollback would change can be asked for, by those who could do it, and changes nothing; a preview
    /// of a deletion says what becomes of the family.
    async fn publications_are_rehearsed(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let (first, second) = (built(&app, 1).await, built(&app, 2).await);
        publish(&alice, &first).await.expect(200);
        let before = (alice.show(&first).await.json(), alice.show(&second).await.json());
        let wish = json!({"image_id": second, "plain_name": PLAIN});
        let (place, back) = ("/ext/v1/families/debian-12/publish", "/ext/v1/families/debian-12/rollback");
        let dry = |path: &str| format!("{path}?dry_run=true");
        let would = alice.post(&dry(place)).json(&wish).await.expect(200).json();
        let names: Vec<&Value> = would["changed"].as_array().unwrap().iter().map(|image| &image["name"]).collect();
        assert_eq!(names, [&json!(PLAIN), &json!("Debian 12 (2026-01-01)")]);
        let would = alice.post(&dry(back)).await.expect(200).json();
        assert_eq!(would["changed"][0]["id"], json!(first));
        assert_eq!((alice.show(&first).await.json(), alice.show(&second).await.json()), before);
        // The publication is still there to be taken back; who may not publish learns nothing.
        app.as_reader("alice").post(&dry(place)).json(&wish).await.expect(403);
        bob.post(&dry(place)).json(&wish).await.expect(404);
        for wrong in ["?dry_run=perhaps", "?dry_run=true&dry_run=true", "?colour=red"] {
            alice.post(&format!("{place}{wrong}")).json(&wish).await.expect_for(400, wrong);
            alice.post(&format!("{back}{wrong}")).await.expect_for(400, wrong);
        }

        let family = async |id: &str| {
            let preview = alice.get(&format!("/ext/v1/images/{id}/delete-preview")).await.expect(200).json();
            preview["families"].clone()
        };
        let of = |current: bool, then: &Value| json!([{
            "owner": "alice", "name": "debian-12", "current": current, "current_afterwards": then,
        }]);
        assert_eq!(family(&first).await, of(true, &json!(second)));
        assert_eq!(family(&second).await, of(false, &json!(first)));
        alice.remove(&second).await.expect(204);
        assert_eq!(family(&first).await, of(true, &Value::Null));
        let plain = alice.created(image().raw()).await;
        assert_eq!(family(&plain).await, json!([]));
        alice.post(back).await.expect(200);
    }

    /// Whoever lists images while others publish always finds exactly one by the plain name.
    async fn readers_always_find_one_by_the_plain_name(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let mut ids = Vec::new();
        for day in 1..=12 {
            ids.push(built(&app, day).await);
        }
        publish(&alice, &ids[0]).await.expect(200);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let readers = (0..12).map(|_| {
            let (reader, stopped) = (app.as_reader("alice"), stopped.clone());
            async move {
                let mut looks = 0_u32;
                while !*stopped.borrow() {
                    assert_eq!(names(&reader, "name=Debian%2012").await, [PLAIN]);
                    looks += 1;
                }
                looks
            }
        });
        let publications = async {
            for id in &ids[1..] {
                publish(&alice, id).await.expect(200);
            }
            for _ in &ids[1..] {
                alice.post("/ext/v1/families/debian-12/rollback").await.expect(200);
            }
            stop.send(true).unwrap();
        };
        let (looks, ()) = join(join_all(readers), publications).await;
        assert!(looks.iter().all(|looks| *looks > 0), "{looks:?}");
        assert_eq!(current(&alice).await, Some(ids[0].clone()));
    }

    /// Of publications at the same time one is the last, and one image has the name; the first of a family as well.
    async fn publications_at_one_time_leave_one(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let ids = join_all((1..=4).map(|day| built(&app, day))).await;
        for round in 0..2 {
            let answers = join_all(ids.iter().map(|id| publish(&alice, id).into_future())).await;
            let published = answers.iter().filter(|answer| answer.status == 200).count();
            assert!(published > 0, "round {round}: {:?}", answers.iter().map(Answer::text).collect::<Vec<_>>());
            assert_eq!(names(&alice, "name=Debian%2012").await, [PLAIN], "round {round}");
        }
    }

    /// Public families are the operator's, those of others are theirs, and what lacks anything is not published.
    async fn publications_are_refused(database: Database) {
        let app = database.app();
        let (alice, bob, admin) = (app.as_member("alice"), app.as_member("bob"), app.as_admin());
        let (first, second) = (built(&app, 1).await, built(&app, 2).await);
        publish(&bob, &first).await.expect(404);
        publish(&app.as_reader("alice"), &first).await.expect(403);
        let wish = |id: &str| json!({"image_id": id, "plain_name": PLAIN, "visibility": "public"});
        let place = "/ext/v1/families/debian-12/publish";
        alice.post(place).json(&wish(&second)).await.expect(403);
        admin.post(place).json(&wish(&second)).await.expect(200);
        assert_eq!(names(&bob, "").await, [PLAIN]);
        publish(&bob, &second).await.expect(403);
        let owned = bob.post("/ext/v1/families/debian-12/rollback").json(&json!({"owner": "alice"})).await;
        assert_eq!(owned.expect(403).json()["error"]["reason"], "family-owned");
        // The next one takes the name from a public one, and so is the operator's.
        let third = built(&app, 3).await;
        publish(&alice, &third).await.expect(403);
        admin.post(place).json(&wish(&third)).await.expect(200);
        admin.post("/ext/v1/families/debian-12/rollback").json(&json!({"owner": "alice"})).await.expect(200);
        assert_eq!(current(&bob).await, Some(second.clone()));

        let other = alice.created(image().raw().named("other").with("image_family", "ubuntu")).await;
        for (id, plain, gates) in [
            (&*other, PLAIN, json!(["not-active", "no-hash", "other-family", "name-taken"])),
            (&*second, "free", json!(["other-family"])),
        ] {
            let body = json!({"image_id": id, "plain_name": plain, "hide_previous": false});
            let refused = admin.post("/ext/v1/families/debian-13/publish").json(&body).await.expect(409).json();
            assert_eq!((&refused["error"]["reason"], &refused["error"]["details"]["gates"]), (&json!("not-publishable"), &gates));
        }
        alice.post(&format!("/ext/v1/images/{first}/retire")).await.expect(204);
        let refused = publish(&admin, &first).await.expect(409).json();
        assert!(refused["error"]["details"]["gates"].to_string().contains("retired"), "{refused}");
    }
}

/// What cannot be a family, a publication or a name is refused with what is wrong.
#[test]
fn wrong_families_are_refused() {
    block_on(async {
        let app = Database::Sqlite.app();
        let (alice, id) = (app.as_member("alice"), built(&app, 1).await);
        alice.create(image().with("image_family", "Debian 12")).await.expect(400);
        alice
            .update(&id, json!([{"op": "replace", "path": "/image_family", "value": "publish"}]))
            .await
            .expect(400);
        let second = built(&app, 2).await;
        let taken = json!([{"op": "replace", "path": "/name", "value": PLAIN}]);
        alice.update(&id, taken).await.expect(200);
        for (family, body, why) in [
            ("Debian", json!({"image_id": second, "plain_name": "x"}), "name of a family"),
            ("debian-12", json!({"plain_name": "x"}), "image_id is needed"),
            ("debian-12", json!({"image_id": second}), "plain_name is needed"),
            ("debian-12", json!({"image_id": second, "plain_name": ""}), "plain_name must be"),
            ("debian-12", json!({"image_id": second, "plain_name": "x", "colour": 1}), "no member"),
            (
                "debian-12",
                json!({"image_id": second, "plain_name": "x", "hide_previous": 1}),
                "hide_previous",
            ),
            (
                "debian-12",
                json!({"image_id": second, "plain_name": "x", "visibility": "seen"}),
                "visibility is",
            ),
            (
                "debian-12",
                json!({"image_id": second, "plain_name": PLAIN, "rename": "{colour}"}),
                "rename takes",
            ),
            (
                "debian-12",
                json!({"image_id": second, "plain_name": PLAIN, "rename": "{name"}),
                "without its }",
            ),
            (
                "debian-12",
                json!({"image_id": second, "plain_name": PLAIN, "rename": "{name}"}),
                "leaves the image",
            ),
            (
                "debian-12",
                json!({"image_id": second, "plain_name": PLAIN, "rename": "x".repeat(255) + "{id}"}),
                "rename",
            ),
        ] {
            let place = format!("/ext/v1/families/{family}/publish");
            let refused = alice.post(&place).json(&body).await.expect_for(400, &body).json();
            let message = refused["error"]["message"].as_str().unwrap();
            assert!(message.contains(why), "{body}: {message}");
        }
        for query in ["hidden=1", "limit=0", "colour=red"] {
            alice.get(&format!("/ext/v1/families/alice/debian-12?{query}")).await.expect_for(400, query);
        }
        for marker in ["x", ":", "alice:"] {
            alice.get(&format!("/ext/v1/families?marker={marker}")).await.expect_for(400, marker);
        }
        let page = alice.get("/ext/v1/families?limit=1").await.expect(200).json();
        let rest = alice.get(page["next"].as_str().unwrap()).await.expect(200).json();
        assert_eq!(rest, json!({"families": [], "next": null}));
    });
}

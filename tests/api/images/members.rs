//! `/v2/images/{id}/members`

use serde_json::{Value, json};
use vitrine::model::{image::Image, visibility::Visibility};

use crate::support::*;

async fn shared(app: &TestApp) -> String {
    app.as_member("alice").created(image().shared()).await
}

on_each_database! {
    /// The member object has six keys in order; it begins pending, and its project answers.
    async fn share_and_answer(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let id = shared(&app).await;
        let before = alice.show(&id).await.json();
        let added = alice.share(&id, "bob").await.expect(200);
        assert_eq!(added.header("location"), "");
        let member = added.json();
        assert_eq!(keys(&member), ["member_id", "image_id", "status", "created_at", "updated_at", "schema"]);
        let created_at = member["created_at"].clone();
        let expected = json!({
            "member_id": "bob", "image_id": id, "status": "pending", "created_at": created_at,
            "updated_at": created_at, "schema": "/v2/schemas/member",
        });
        assert_eq!(member, expected);
        for status in ["accepted", "rejected", "pending", "accepted"] {
            let answered = bob.answer(&id, "bob", status).await.expect(200).json();
            assert_eq!(keys(&answered), keys(&member));
            assert_eq!((answered["status"].as_str(), &answered["created_at"]), (Some(status), &created_at));
        }
        let list = alice.get(&format!("/v2/images/{id}/members")).await.expect(200).json();
        assert_eq!(keys(&list), ["members", "schema"]);
        assert_eq!(list["schema"], "/v2/schemas/members");
        assert_eq!(list["members"].as_array().unwrap().len(), 1);
        let shown = bob.get(&format!("/v2/images/{id}/members/bob")).await.expect(200).json();
        assert_eq!(shown, list["members"][0]);
        assert_eq!(alice.show(&id).await.json(), before, "sharing does not change the image");
        let removed = alice.delete(&format!("/v2/images/{id}/members/bob")).await.expect(204);
        assert!(removed.body.is_empty());
        assert_eq!(alice.get(&format!("/v2/images/{id}/members")).await.json()["members"], json!([]));
        bob.show(&id).await.expect(404);
    }

    /// A share changes no list of the project that it is for, until that accepts it.
    async fn sec_5_nobody_is_given_an_image_unasked(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let id = shared(&app).await;
        alice.share(&id, "bob").await.expect(200);
        for (status, listed) in [("pending", 0), ("rejected", 0), ("accepted", 1), ("rejected", 0)] {
            bob.answer(&id, "bob", status).await.expect(200);
            for query in ["", "visibility=shared", "name=x&visibility=all"] {
                let expected = if query.contains("name") { 0 } else { listed };
                let images = bob.list(query).await.expect(200).json()["images"].as_array().unwrap().len();
                assert_eq!(images, expected, "{status} {query}");
            }
        }
    }

    /// Whom the rule for one member refuses gets a list without members.
    async fn a_list_shows_what_may_be_shown(database: Database) {
        let folder = scratch_folder();
        let file = folder.path().join("policy.yaml");
        std::fs::write(&file, "get_member: role:auditor\n").unwrap();
        let app = database.app_with(|options| options.policy.policy_file = file.clone());
        let alice = app.as_member("alice");
        let id = shared(&app).await;
        alice.share(&id, "bob").await.expect(200);
        let path = format!("/v2/images/{id}/members");
        assert_eq!(alice.get(&path).await.expect(200).json()["members"], json!([]));
        let auditor = app.as_role("alice", &["member", "reader", "auditor"]);
        assert_eq!(auditor.get(&path).await.expect(200).json()["members"][0]["member_id"], "bob");
    }

    /// A project that is added again is pending again, with the time of its first membership.
    async fn a_second_membership_keeps_the_first_time(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let id = shared(&app).await;
        alice.share(&id, "bob").await.expect(200);
        bob.answer(&id, "bob", "accepted").await.expect(200);
        alice.delete(&format!("/v2/images/{id}/members/bob")).await.expect(204);
        let member = alice.share(&id, "bob").await.expect(200).json();
        assert_eq!(member["status"], "pending");
        let key = id.clone();
        let row = app.write(move |conn| Ok(vitrine::db::members::find(conn, &key, "bob")?.unwrap())).await;
        assert!(row.created_at < row.updated_at);
        alice.share(&id, "bob").await.expect(409);
    }

    /// Who gets what: Glance's table, for an image that is shared with P2 and P3.
    async fn outcomes_by_caller(database: Database) {
        let app = database.app();
        let rows: [(Client, [u16; 6], usize); 7] = [
            (app.as_reader("alice"), [200, 200, 403, 403, 403, 403], 2),
            (app.as_reader("p2"), [200, 200, 403, 403, 403, 403], 1),
            (app.as_member("bob"), [404, 404, 404, 404, 404, 404], 0),
            (app.as_role("p2", &[]), [404, 404, 404, 404, 404, 404], 0),
            (app.as_member("p2"), [200, 200, 403, 200, 404, 403], 1),
            (app.as_member("alice"), [200, 200, 200, 403, 403, 204], 2),
            (app.as_admin(), [200, 200, 200, 200, 200, 204], 2),
        ];
        for (index, (caller, expected, seen)) in rows.into_iter().enumerate() {
            let id = shared(&app).await;
            for project in ["p2", "p3"] {
                app.as_member("alice").share(&id, project).await.expect(200);
            }
            let path = format!("/v2/images/{id}/members");
            let listed = caller.get(&path).await.expect_for(expected[0], ("list", index));
            if expected[0] == 200 {
                assert_eq!(listed.json()["members"].as_array().unwrap().len(), seen);
            }
            caller.get(&format!("{path}/p2")).await.expect_for(expected[1], ("show", index));
            let other = if seen == 2 { 200 } else { 404 };
            caller.get(&format!("{path}/p3")).await.expect_for(other, ("show other", index));
            caller.get(&format!("{path}/p4")).await.expect_for(404, ("show none", index));
            caller.share(&id, "p5").await.expect_for(expected[2], ("create", index));
            caller.answer(&id, "p2", "accepted").await.expect_for(expected[3], ("answer", index));
            // A row that the caller cannot see is not there, before any question of rights.
            let other = if seen == 2 { expected[4] } else { 404 };
            caller.answer(&id, "p3", "accepted").await.expect_for(other, ("answer other", index));
            caller.answer(&id, "p9", "accepted").await.expect_for(404, ("answer none", index));
            caller.delete(&format!("{path}/p2")).await.expect_for(expected[5], ("delete", index));
        }
        app.as_nobody().get(&format!("/v2/images/{}/members", fresh_id())).await.expect(401);
    }

    /// Only shared images have members.
    async fn other_visibilities_refuse(database: Database) {
        let app = database.app();
        let (alice, bob, admin) = (app.as_member("alice"), app.as_member("bob"), app.as_admin());
        for (visibility, others) in
            [(Visibility::Private, 404), (Visibility::Community, 403), (Visibility::Public, 403)]
        {
            let image = Image { visibility, ..record("alice", 1) };
            app.insert(std::slice::from_ref(&image)).await;
            let path = format!("/v2/images/{}/members", image.id);
            for (caller, status) in [(&alice, 403), (&admin, 403), (&bob, others)] {
                caller.get(&path).await.expect_for(status, visibility);
                caller.get(&format!("{path}/bob")).await.expect_for(404, visibility);
                caller.share(&image.id, "bob").await.expect_for(status, visibility);
                caller.answer(&image.id, "bob", "accepted").await.expect_for(status, visibility);
                caller.delete(&format!("{path}/bob")).await.expect_for(status, visibility);
            }
        }
    }

    /// Bodies that say nothing usable are 400 before the image is looked up; a status unknown only after.
    async fn bad_bodies(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let id = shared(&app).await;
        alice.share(&id, "bob").await.expect(200);
        let members = format!("/v2/images/{id}/members");
        let (nowhere, bobs) = (format!("/v2/images/{}/members", fresh_id()), format!("{members}/bob"));
        for value in ["", "{", "1", "null", "\"a\"", "[]", "{}", "{\"x\": \"y\"}"] {
            for (method, path) in [("POST", &members), ("POST", &nowhere), ("PUT", &bobs)] {
                bob.request(method, path).body(value).await.expect_for(400, (method, value));
            }
        }
        for value in [json!(""), Value::Null, json!(0), json!(false), json!(7), json!(["a"]), json!({"a": 1})] {
            alice.post(&members).json(&json!({ "member": value })).await.expect_for(400, &value);
            bob.put(&bobs).json(&json!({ "status": value })).await.expect_for(400, &value);
        }
        for member in ["x".repeat(256), "\u{1f600}".to_owned(), "a\0b".to_owned()] {
            alice.share(&id, &member).await.expect_for(400, member);
        }
        bob.answer(&id, "bob", "maybe").await.expect(400);
        alice.answer(&id, "bob", "maybe").await.expect(403);
        bob.answer(&fresh_id(), "bob", "maybe").await.expect(404);
        alice.get(&members).body("{}").await.expect(400);
        alice.get(&bobs).body("{}").await.expect(400);
        alice.delete(&bobs).body("{}").await.expect(400);
        alice.share(&id, &"y".repeat(255)).await.expect(200);
        alice.share(&id, "alice").await.expect(200);
        for (method, path, allow) in
            [("PUT", &members, "GET, POST"), ("DELETE", &members, "GET, POST"), ("POST", &bobs, "GET, PUT, DELETE")]
        {
            assert_eq!(alice.request(method, path).await.expect(405).header("allow"), allow);
        }
    }

    /// The quota answers before a duplicate does.
    async fn the_quota_holds(database: Database) {
        let app = database.app_with(|options| options.image.image_member_quota = 2);
        let alice = app.as_member("alice");
        let id = shared(&app).await;
        alice.share(&id, "p1").await.expect(200);
        alice.share(&id, "p1").await.expect(409);
        alice.share(&id, "p2").await.expect(200);
        alice.share(&id, "p2").await.expect(413);
        alice.share(&id, "p3").await.expect(413);
        alice.delete(&format!("/v2/images/{id}/members/p1")).await.expect(204);
        alice.share(&id, "p3").await.expect(200);
    }
}

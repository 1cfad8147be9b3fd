//! What projects may have (specification of the extensions, section h).

use futures::future::join_all;
use serde_json::{Value, json};
use vitrine::config::{Config, Input, Sources, load};

use crate::support::*;

fn path(project: &str) -> String {
    format!("/ext/v1/projects/{project}/limits")
}

async fn limit(app: &TestApp, project: &str, limits: Value) {
    app.as_admin().put(&path(project)).json(&limits).await.expect(204);
}

/// The message of a refusal.
async fn refusal(request: Request) -> String {
    request.header("accept", "application/json").await.expect(413).json()["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

on_each_database! {
    /// However many are asked for at once, a project gets as many images as it may have; others are not bound, and a deletion
    /// makes room.
    async fn a_project_has_as_many_images_as_it_may(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        limit(&app, "alice", json!({"image_count_total": 5})).await;
        let answers = join_all((0..20).map(|_| alice.create(image()).into_future())).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!((made, answers.iter().filter(|answer| answer.status == 413).count()), (5, 15));
        let said = refusal(alice.create(image())).await;
        assert!(said.starts_with("Maximum image limit reached: image_count_total 5 of 5 used"), "{said}");
        app.as_member("bob").create(image()).await.expect(201);
        let shown = alice.get(&path("alice")).await.expect(200).json();
        assert_eq!(shown, json!({
            "limits": {
                "enabled": true, "sentence": null, "image_count_total": 5, "private_images": null, "create_rate": null,
                "image_size_cap": 1_u64 << 40, "max_virtual_size": 1_u64 << 50, "max_properties": 128, "max_tags": 128,
                "max_members": 128, "max_locations": 10,
            },
            "usage": {"image_count_total": 5, "private_images": 0},
        }));
        let id = alice.list("limit=1").await.json()["images"][0]["id"].as_str().unwrap().to_owned();
        alice.remove(&id).await.expect(204);
        alice.create(image()).await.expect(201);
        // An image that comes from elsewhere counts too, but an administrator may bring it.
        app.as_admin().delete(&path("alice")).await.expect(204);
        app.as_admin().delete(&path("alice")).await.expect(404);
        alice.create(image()).await.expect(201);
    }

    /// Private images have a limit of their own, which an image that turns private meets as well.
    async fn private_images_are_counted(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        limit(&app, "alice", json!({"private_images": 2})).await;
        let shared = alice.created(image().shared()).await;
        for _ in 0..2 {
            alice.create(image().private()).await.expect(201);
        }
        let said = refusal(alice.create(image().private())).await;
        assert!(said.contains("private_images 2 of 2 used"), "{said}");
        let hide = json!([{"op": "replace", "path": "/visibility", "value": "private"}]);
        alice.update(&shared, hide.clone()).await.expect(413);
        alice.create(image().shared()).await.expect(201);
        limit(&app, "alice", json!({"private_images": 3})).await;
        alice.update(&shared, hide).await.expect(200);
    }

    /// The profile for bare metal allows a project 50 private images and any number of others, single projects what they are
    /// given.
    async fn bare_metal_has_fifty_private_images(database: Database) {
        let folder = scratch_folder();
        let file = folder.path().join("glance-api.conf");
        std::fs::write(&file, "[vitrine]\nlimits_profile = bare-metal\n").unwrap();
        let sources = Sources { inputs: vec![Input::File(file)], ..Sources::default() };
        let limits = Config::assemble(&load(&sources)).unwrap().image.limits;
        let app = database.app_with(|options| options.image.limits = limits);
        let alice = app.as_member("alice");
        for answer in join_all((0..50).map(|_| alice.create(image().private()).into_future())).await {
            answer.expect(201);
        }
        let said = refusal(alice.create(image().private())).await;
        assert!(said.contains("private_images 50 of 50 used"), "{said}");
        alice.create(image().shared()).await.expect(201);
        limit(&app, "alice", json!({"private_images": 51})).await;
        alice.create(image().private()).await.expect(201);
    }

    /// Where custom images are not enabled, projects are told so in the operator's words, single ones may all the same, and
    /// what is there stays as usable as it was.
    async fn custom_images_can_be_off(database: Database) {
        let mut app = database.app();
        let there = app.as_member("alice").created(image().raw()).await;
        app.reconfigure(|options| {
            options.image.limits.enabled = Some(false);
            options.image.trash_seconds = 3600;
        });
        let (alice, bob, admin) = (app.as_member("alice"), app.as_member("bob"), app.as_admin());
        let said = refusal(alice.create(image())).await;
        assert!(said.starts_with("Images are not enabled for this project in this region"), "{said}");
        limit(&app, "alice", json!({"enabled": false, "sentence": "No images here: ask the help desk."})).await;
        let said = refusal(alice.create(image())).await;
        assert!(said.starts_with("No images here: ask the help desk."), "{said}");
        admin.create(image()).await.expect(201);
        limit(&app, "bob", json!({"enabled": true})).await;
        bob.create(image()).await.expect(201);
        alice.upload(&there, "data").await.expect(204);
        alice.update(&there, json!([{"op": "replace", "path": "/visibility", "value": "private"}])).await.expect(200);
        alice.download(&there).await.expect(200);
        alice.remove(&there).await.expect(204);
        // What comes back from the bin is an image more.
        alice.post(&format!("/ext/v1/trash/{there}/restore")).await.expect(413);
        app.later(4000);
    }

    /// A project's own numbers of properties and tags hold in its images, whoever changes them and in whichever way; a
    /// larger one than that of all others holds as well. What an image has already it keeps.
    async fn images_have_as_many_parts_as_their_project_may(database: Database) {
        let app = database.app_with(|options| {
            (options.image.image_property_quota, options.image.image_tag_quota) = (3, 3);
        });
        let (alice, bob, admin) = (app.as_member("alice"), app.as_member("bob"), app.as_admin());
        limit(&app, "alice", json!({"max_properties": 1, "max_tags": 1})).await;
        limit(&app, "bob", json!({"max_properties": 5, "max_tags": 5})).await;
        let with = |count: usize| (0..count).fold(image(), |image, at| image.with(&format!("p{at}"), "x"));
        let (few, many) = (["a", "b"], ["a", "b", "c", "d", "e", "f"]);
        alice.create(with(2)).await.expect(413);
        alice.create(image().tags(&few)).await.expect(413);
        admin.create(with(2).with("owner", "alice")).await.expect(413);
        admin.create(with(3)).await.expect(201);
        admin.create(with(4)).await.expect(413);
        bob.create(with(6)).await.expect(413);
        bob.create(image().tags(&many)).await.expect(413);
        let large = bob.created(with(5).tags(&many[..5])).await;
        let id = alice.created(with(1).tags(&few[..1])).await;
        let add = |name: &str| json!([{"op": "add", "path": format!("/{name}"), "value": "x"}]);
        let tags = |tags: &[&str]| json!([{"op": "replace", "path": "/tags", "value": tags}]);
        for client in [&alice, &admin] {
            client.update(&id, add("other")).await.expect(413);
            client.update(&id, add("p0")).await.expect(200);
            client.update(&id, tags(&few)).await.expect(413);
            client.put(&format!("/v2/images/{id}/tags/b")).await.expect(413);
            client.put(&format!("/v2/images/{id}/tags/a")).await.expect(204);
        }
        bob.update(&large, add("sixth")).await.expect(413);
        bob.put(&format!("/v2/images/{large}/tags/f")).await.expect(413);
        limit(&app, "bob", json!({"max_properties": 6, "max_tags": 6})).await;
        bob.update(&large, add("sixth")).await.expect(200);
        bob.put(&format!("/v2/images/{large}/tags/f")).await.expect(204);
        app.as_admin().delete(&path("bob")).await.expect(204);
        bob.update(&large, add("p0")).await.expect(200);
        bob.update(&large, add("seventh")).await.expect(413);
        let said = refusal(bob.put(&format!("/v2/images/{large}/tags/g"))).await;
        assert!(said.contains("number of allowed image tags. Attempted: 7, Maximum: 3"), "{said}");
    }

    /// A project's images have as many members as it may give them, however many are asked for at once, and whoever gives.
    async fn images_have_as_many_members_as_their_project_may(database: Database) {
        let app = database.app_with(|options| options.image.image_member_quota = 1);
        let (alice, bob, admin) = (app.as_member("alice"), app.as_member("bob"), app.as_admin());
        limit(&app, "alice", json!({"max_members": 3})).await;
        let id = alice.created(image().shared()).await;
        let names: Vec<String> = (0..12).map(|at| format!("p{at}")).collect();
        let answers = join_all(names.iter().map(|name| alice.share(&id, name).into_future())).await;
        let statuses = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((statuses(200), statuses(413)), (3, 9), "{answers:?}");
        let members = alice.get(&format!("/v2/images/{id}/members")).await.json()["members"].as_array().unwrap().len();
        assert_eq!(members, 3);
        let attach = format!("/ext/v1/images/{id}/attach");
        admin.post(&attach).json(&json!({"project_id": "another"})).await.expect(413);
        limit(&app, "alice", json!({"max_members": 4})).await;
        admin.post(&attach).json(&json!({"project_id": "another"})).await.expect(200);
        let others = bob.created(image().shared()).await;
        bob.share(&others, "alice").await.expect(200);
        bob.share(&others, "carol").await.expect(413);
    }

    /// In any minute a project creates as many images as it may, even if it deletes them, and is told when it may again.
    async fn sec_21_images_are_created_no_faster_than_their_project_may(database: Database) {
        let app = database.app_with(|options| options.image.limits.create_rate = Some(3));
        let (alice, bob, admin) = (app.as_member("alice"), app.as_member("bob"), app.as_admin());
        limit(&app, "bob", json!({"create_rate": 2})).await;
        let first = alice.created(image()).await;
        app.later(20);
        let answers = join_all((0..10).map(|_| alice.create(image()).into_future())).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!((made, answers.iter().filter(|answer| answer.status == 429).count()), (2, 8));
        alice.remove(&first).await.expect(204);
        let refused = alice.create(image()).header("accept", "application/json").await.expect(429);
        let after: i64 = refused.header("retry-after").parse().unwrap();
        assert!((30..=40).contains(&after), "{after}");
        let said = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(said.contains("3 images in a minute"), "{said}");
        // Whose project an image is to be, not who makes it, is what counts; administrators are not bound.
        bob.create(image()).await.expect(201);
        bob.create(image()).await.expect(201);
        bob.create(image()).await.expect(429);
        admin.create(image().with("owner", "bob")).await.expect(201);
        app.later(after);
        alice.create(image()).await.expect(201);
        alice.create(image()).await.expect(429);
        app.later(60);
        for _ in 0..3 {
            alice.create(image()).await.expect(201);
        }
        alice.create(image()).await.expect(429);
        limit(&app, "alice", json!({"create_rate": 1000})).await;
        alice.create(image()).await.expect(201);
    }
}

/// Limits are set by operators and known to the project's own.
#[test]
fn limits_are_the_operators() {
    block_on(async {
        let app = Database::Sqlite.app();
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        for client in [&alice, &app.as_member("bob"), &app.as_service()] {
            client.put(&path("alice")).json(&json!({})).await.expect(403);
            client.delete(&path("alice")).await.expect(403);
        }
        app.as_reader("alice").get(&path("alice")).await.expect(200);
        app.as_member("bob").get(&path("alice")).await.expect(403);
        for bad in [
            json!([]),
            json!({"colour": 1}),
            json!({"image_count_total": -1}),
            json!({"image_count_total": u64::MAX}),
            json!({"enabled": "no"}),
            json!({"sentence": ""}),
            json!({"sentence": "two\nlines"}),
            json!({"sentence": "x".repeat(256)}),
            json!({"create_rate": 0}),
            json!({"create_rate": 1.5}),
            json!({"image_size_cap": 0}),
            json!({"image_size_cap": "1G"}),
            json!({"max_virtual_size": 0}),
            json!({"max_tags": -1}),
            json!({"max_members": u64::MAX}),
        ] {
            admin.put(&path("alice")).json(&bad).await.expect_for(400, &bad);
        }
        admin.get(&path(&"a".repeat(256))).await.expect(400);
    });
}

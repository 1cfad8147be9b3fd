//! The operator's rules: files, their reload, scopes, and a server without an identity service.

use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

use serde_json::json;
use vitrine::server::IdentityChoice;

use crate::support::*;

/// Writes a policy file whose modification time is `minute`, so that no test depends on the clock's grain.
fn write(path: &Path, text: &str, minute: u64) {
    fs::write(path, text).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 60 * minute);
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

on_each_database! {
    /// A file replaces rules while the server runs; one that cannot be read leaves the rules as they were, and says
    /// so; without it the next start is with the built-in rules.
    async fn files(database: Database) {
        let folder = scratch_folder();
        let file = folder.path().join("policy.yaml");
        let mut app = database.app_with(|options| options.policy.policy_file = file.clone());
        let (reader, policy) = (app.as_reader("alice"), app.app().policy.clone());
        // The server's own watch may have come first: what counts is what is in force afterwards.
        let reload = || drop(policy.reload_if_changed());
        reader.list("").await.expect(200);
        reader.create(image()).await.expect(403);
        write(&file, "add_image: role:reader\nget_images: '!'\n", 1);
        reload();
        reader.create(image()).await.expect(201);
        reader.list("").await.expect(403);
        for (minute, broken) in [(2, "add_image: ["), (3, "- a\n- b\n"), (4, "get_images: !\n")] {
            write(&file, broken, minute);
            reload();
            let error = policy.last_error().expect("an error").to_string();
            assert!(error.contains("policy.yaml"), "{error}");
            reader.create(image()).await.expect_for(201, broken);
            reader.list("").await.expect_for(403, broken);
        }
        write(&file, r#"{"get_images": "role:reader"}"#, 5);
        reload();
        assert_eq!(policy.last_error(), None);
        reader.list("").await.expect(200);
        // A line that is taken out stays in force until the server starts again, as in Glance.
        reader.create(image()).await.expect(201);
        drop((reader, policy));
        app.restart(|_| fs::remove_file(&file).unwrap());
        let reader = app.as_reader("alice");
        reader.list("").await.expect(200);
        reader.create(image()).await.expect(403);
    }

    /// Rules that admit strangers do not make them owners: saving asks for the owner, whatever the policy says.
    async fn ownership_remains(database: Database) {
        let folder = scratch_folder();
        let file = folder.path().join("policy.yaml");
        let rules = ["modify_image", "delete_image", "upload_image", "deactivate", "set_image_location"];
        let text: String = rules.iter().map(|rule| format!("{rule}: ''\n")).collect();
        write(&file, &text, 1);
        let app = database.app_with(|options| options.policy.policy_file = file.clone());
        let (admin, bob) = (app.as_admin(), app.as_reader("bob"));
        let (queued, owned) = (admin.created(image().raw().public()).await, app.as_reader("alice"));
        let id = admin.created(image().raw().public().with("owner", "alice").with("tags", json!(["a"]))).await;
        admin.upload(&id, "data").await.expect(204);
        let rename = json!([{"op": "replace", "path": "/name", "value": "new"}]);
        bob.update(&id, rename.clone()).await.expect(403);
        bob.put(&format!("/v2/images/{id}/tags/b")).await.expect(403);
        bob.delete(&format!("/v2/images/{id}/tags/a")).await.expect(403);
        bob.act(&id, "deactivate").await.expect(403);
        bob.upload(&queued, "data").await.expect(403);
        bob.remove(&id).await.expect(403);
        let shown = admin.show(&id).await.json();
        assert_eq!((&shown["name"], &shown["tags"], &shown["status"]), (&json!(null), &json!(["a"]), &json!("active")));
        owned.update(&id, rename).await.expect(200);
        owned.remove(&id).await.expect(204);
    }

    /// Of a page those images are left out that the rule for one image refuses. The next page follows the last that is
    /// shown, and there is none, as in Glance, when the page was not full or nothing of it is shown.
    async fn lists_leave_out_what_a_rule_hides(database: Database) {
        let folder = scratch_folder();
        let file = folder.path().join("policy.yaml");
        write(&file, "get_image: \"'shown':%(name)s\"\n", 1);
        let app = database.app_with(|options| options.policy.policy_file = file.clone());
        let mut images = Vec::new();
        for (age, name) in ["shown", "hidden", "hidden", "shown", "shown", "hidden"].into_iter().enumerate() {
            let mut image = record("alice", i64::try_from(age).unwrap());
            image.name = Some(name.to_owned());
            images.push(image);
        }
        app.insert(&images).await;
        let alice = app.as_reader("alice");
        alice.show(&images[1].id).await.expect(404);
        for (query, expected, next) in [
            ("limit=10", &[4, 3, 0][..], None),
            ("limit=2", &[4], Some(4)),
            ("limit=3", &[4, 3], Some(3)),
            (&format!("limit=2&marker={}", images[4].id), &[3], Some(3)),
            (&format!("limit=2&marker={}", images[3].id), &[], None),
            // What is hidden still marks a place.
            (&format!("limit=2&marker={}", images[1].id), &[0], None),
        ] {
            let page = alice.list(query).await.expect_for(200, query).json();
            let listed: Vec<_> = page["images"].as_array().unwrap().iter().map(|image| &image["id"]).collect();
            let wanted: Vec<_> = expected.iter().map(|place: &usize| images[*place].id.as_str()).collect();
            assert_eq!(listed, wanted, "{query}");
            let marker = page["next"].as_str().and_then(|next| next.split_once("marker="));
            assert_eq!(marker.map(|(_, id)| id), next.map(|place: usize| images[place].id.as_str()), "{query}");
        }
    }

    /// Tokens of the system's scope fail the rules of projects, admins' too, unless the operator says otherwise.
    async fn scopes(database: Database) {
        for (enforced, listed, shown, created) in [(true, 403, 404, 403), (false, 200, 200, 201)] {
            let app = database.app_with(|options| options.policy.enforce_scope = enforced);
            let id = app.as_member("alice").created(image()).await;
            let system = app.as_system();
            system.list("").await.expect(listed);
            system.show(&id).await.expect(shown);
            system.create(image()).await.expect(created);
            system.get("/v2/schemas/image").await.expect(200);
        }
    }

    /// Without an identity service every caller is an admin without role and project: the default rules, which ask
    /// for the role, refuse nearly everything, as in Glance; those of earlier releases do not.
    async fn nobody_asks(database: Database) {
        for (new_defaults, listed, created) in [(true, 403, 403), (false, 200, 201)] {
            let app = database.app_with(|options| {
                options.identity = IdentityChoice::Nobody;
                options.policy.enforce_new_defaults = new_defaults;
            });
            let anyone = app.as_nobody();
            anyone.list("").await.expect(listed);
            anyone.create(image().with("owner", "p")).await.expect(created);
            anyone.create(image().public()).await.expect(403);
            let answer = anyone.create(image().raw()).header("x-roles", "admin").await.expect(created);
            if created == 201 {
                let id = answer.json()["id"].as_str().unwrap().to_owned();
                assert_eq!(answer.json()["owner"], json!(null));
                anyone.upload(&id, "data").await.expect(204);
                assert_eq!(anyone.download(&id).await.expect(200).body, "data");
                anyone.remove(&id).await.expect(204);
            }
        }
    }
}

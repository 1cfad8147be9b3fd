//! `GET /v2/images/{id}`

use serde_json::json;
use vitrine::model::{member::MemberStatus, visibility::Visibility};

use crate::support::*;

on_each_database! {
    /// Who sees and who may download which image: Glance's table of visibility by role.
    async fn visibility_by_role(database: Database) {
        let app = database.app();
        let admin = app.as_admin();
        let callers = [
            ("owner", app.as_member("alice")),
            ("owner reader", app.as_reader("alice")),
            ("member", app.as_member("mallory")),
            ("other", app.as_member("bob")),
            ("roleless", app.as_role("alice", &[])),
            ("service", app.as_service()),
            ("admin", admin.clone()),
        ];
        for (visibility, expected) in [
            ("public", [(200, 200), (200, 403), (200, 200), (200, 200), (404, 404), (404, 404), (200, 200)]),
            ("community", [(200, 200), (200, 403), (200, 200), (200, 200), (404, 404), (404, 404), (200, 200)]),
            ("shared", [(200, 200), (200, 403), (200, 200), (404, 404), (404, 404), (404, 404), (200, 200)]),
            ("private", [(200, 200), (200, 403), (404, 404), (404, 404), (404, 404), (404, 404), (200, 200)]),
        ] {
            let new = image().raw().with("owner", "alice").with("visibility", visibility);
            let id = admin.created(new).await;
            admin.upload(&id, "data").await.expect(204);
            if visibility == "shared" {
                app.as_member("alice").share(&id, "mallory").await.expect(200);
            }
            for ((who, caller), (show, download)) in callers.iter().zip(expected) {
                caller.show(&id).await.expect_for(show, (visibility, who));
                caller.download(&id).await.expect_for(download, (visibility, who));
            }
        }
    }

    /// A membership of any status lets its project see a shared image by id; an image of nobody is seen as its
    /// visibility says.
    async fn members_and_ownerless_images(database: Database) {
        let app = database.app();
        let shared = vitrine::model::image::Image { visibility: Visibility::Shared, ..record("alice", 1) };
        let hidden = vitrine::model::image::Image { os_hidden: true, ..record("bob", 2) };
        app.insert(&[shared.clone(), hidden.clone()]).await;
        for status in MemberStatus::ALL {
            let project = format!("member-{}", status.as_str());
            app.insert_member(&shared, &project, status).await;
            app.as_member(&project).show(&shared.id).await.expect(200);
        }
        app.as_member("bob").show(&hidden.id).await.expect(200);
        let nobodys = |visibility| vitrine::model::image::Image { owner: None, visibility, ..record("x", 3) };
        for (visibility, status) in
            [(Visibility::Shared, 200), (Visibility::Public, 200), (Visibility::Private, 404)]
        {
            let image = nobodys(visibility);
            app.insert(std::slice::from_ref(&image)).await;
            app.as_reader("alice").show(&image.id).await.expect_for(status, visibility);
            app.as_admin().show(&image.id).await.expect(200);
        }
    }

    /// Ids that name nothing are not found, whatever they look like; a body is refused.
    async fn what_is_not_there_is_not_found(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image()).await;
        for path in [
            fresh_id(),
            "x".to_owned(),
            "x".repeat(37),
            "x".repeat(3000),
            id.to_uppercase(),
            format!("{id}%20"),
            "%00".to_owned(),
            format!("{id}%00"),
            "%F0%9F%98%80".to_owned(),
            "'%20OR%20'1'='1".to_owned(),
        ] {
            let expected = if path == id { 200 } else { 404 };
            alice.show(&path).await.expect_for(expected, &path);
        }
        alice.get(&format!("/v2/images/{id}")).body("{}").await.expect(400);
        alice.remove(&id).await.expect(204);
        alice.show(&id).await.expect(404);
        app.as_admin().show(&id).await.expect(404);
        app.as_nobody().show(&id).await.expect(401);
    }

    /// Properties of the system show, but for those that name hosts; a null property shows as the empty text
    /// unless it is declared.
    async fn system_and_null_properties(database: Database) {
        let app = database.app();
        let mut stored = record("alice", 1);
        for (name, value) in [
            ("os_glance_import_task", Some("task")),
            ("os_glance_stage_host", Some("host")),
            ("os_glance_hash_op_host", Some("host")),
            ("legacy", None),
            ("kernel_id", None),
        ] {
            stored.set_property(name, value.map(str::to_owned));
        }
        app.insert(std::slice::from_ref(&stored)).await;
        let shown = app.as_reader("alice").show(&stored.id).await.expect(200).json();
        assert_eq!(keys(&shown)[..4], ["os_glance_import_task", "legacy", "kernel_id", "name"]);
        assert_eq!((&shown["legacy"], &shown["kernel_id"]), (&json!(""), &json!(null)));
    }

    /// The two options about locations add their keys in their places; a deactivated image hides them.
    async fn locations_show_when_configured(database: Database) {
        let app = database.app_with(|options| {
            options.image.show_image_direct_url = true;
            options.image.show_multiple_locations = true;
        });
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let queued = alice.show(&id).await.json();
        assert_eq!(queued["locations"], json!([]));
        assert_eq!(queued.get("direct_url"), None);
        alice.upload(&id, "data").await.expect(204);
        let active = alice.show(&id).await.json();
        let url = format!("file://{}/{id}", app.store_folder().display());
        assert_eq!(active["locations"], json!([{"url": url, "metadata": {}}]));
        assert_eq!(active["direct_url"], url);
        let order = keys(&active);
        assert_eq!(order[17..20], ["updated_at", "locations", "direct_url"]);
        alice.act(&id, "deactivate").await.expect(204);
        let deactivated = alice.show(&id).await.json();
        assert_eq!((&deactivated["locations"], deactivated.get("direct_url")), (&json!([]), None));
        assert_eq!(app.as_admin().show(&id).await.json()["direct_url"], url);
        alice.remove(&id).await.expect(204);
    }
}

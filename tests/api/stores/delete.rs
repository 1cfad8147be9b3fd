//! `DELETE /v2/stores/{store}/{image}`

use serde_json::json;

use super::*;

fn path(store: &str, id: &str) -> String {
    format!("/v2/stores/{store}/{id}")
}

on_each_database! {
    /// The data goes from one store and from the image, the rest stays; the last location stays in any case.
    async fn data_is_deleted_from_one_store(database: Database) {
        let app = database.app_with_stores();
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let data = bytes(4000);
        let id = image_in(&app, &["slow", "near"], &data).await;
        admin.delete(&path("near", &id)).await.expect(204);
        app.settles().await;
        assert!(!app.folder().join("near").join(&id).exists());
        assert_eq!(alice.show(&id).await.json()["stores"], "fast,slow");
        assert_eq!(alice.download(&id).await.expect(200).body, data);
        admin.delete(&path("near", &id)).await.expect(404);
        admin.delete(&path("web", &id)).await.expect(404);
        admin.delete(&path("fast", &id)).await.expect(204);
        app.settles().await;
        assert_eq!(alice.download(&id).await.expect(200).body, data);
        // That it is the last one is said before whether it is there.
        admin.delete(&path("slow", &id)).await.expect(403);
        admin.delete(&path("fast", &id)).await.expect(403);
        assert_eq!(alice.show(&id).await.json()["stores"], "slow");
    }

    /// Each refusal in its place in the order, and nothing is changed by any.
    async fn refusals_come_in_order(database: Database) {
        let app = database.app_with_stores();
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let id = image_in(&app, &["slow"], b"data").await;
        let before = alice.show(&id).await.json();
        admin.delete(&path("nowhere", &fresh_id())).await.expect(409);
        admin.delete(&path("slow", &fresh_id())).await.expect(404);
        app.as_member("bob").delete(&path("slow", &id)).await.expect(404);
        alice.delete(&path("slow", &id)).await.expect(403);
        app.as_nobody().delete(&path("slow", &id)).await.expect(401);
        admin.delete(&path("slow", &id)).json(&json!({})).await.expect(400);
        admin.act(&id, "deactivate").await.expect(204);
        admin.delete(&path("slow", &id)).await.expect(409);
        admin.act(&id, "reactivate").await.expect(204);
        let mut after = alice.show(&id).await.json();
        after["updated_at"] = before["updated_at"].clone();
        assert_eq!(after, before);
        let queued = alice.created(image()).await;
        admin.delete(&path("slow", &queued)).await.expect(409);
    }

    /// With a single store the call does not exist.
    async fn a_single_store_keeps_its_data(database: Database) {
        let app = database.app();
        let id = image_in(&app, &[], b"x").await;
        app.as_admin().delete(&path("file", &id)).await.expect(404);
        app.as_admin().delete(&path("nowhere", &id)).await.expect(404);
    }

    /// With delayed deletion the data stays for its time.
    async fn deletion_may_be_delayed(database: Database) {
        let mut app = database.app_with_stores();
        app.reconfigure(|options| {
            options.image.delayed_delete = true;
            options.image.scrub_time_seconds = 3600;
        });
        let id = image_in(&app, &["slow"], b"data").await;
        app.as_admin().delete(&path("slow", &id)).await.expect(204);
        vitrine::jobs::reap::sweep(&app.app()).await.unwrap();
        assert!(app.folder().join("slow").join(&id).exists());
        assert_eq!(app.as_member("alice").show(&id).await.json()["stores"], "fast");
        // So that the check at the end finds nothing left behind.
        let all = app.app();
        let key = id.clone();
        let blobs = all.db.read("test.rows", |conn| db::blobs::names_in_store(conn, "slow")).await.unwrap();
        let (_, _, blob) = blobs.into_iter().find(|(name, ..)| *name == key).unwrap();
        let now = crate::support::now();
        all.db.write("test.doom", move |conn| db::blobs::doom(conn, &blob, now, now)).await.unwrap();
        app.settles().await;
    }
}

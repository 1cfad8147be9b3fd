//! Images of encrypted volumes: their key in the key manager goes with the image, if it says so.

use serde_json::json;

use crate::support::*;

/// A server with a Barbican, and an image of alice with a key there: both ids.
async fn with_key(app: &TestApp, barbican: &Barbican, policy: Option<&str>) -> (String, String) {
    let key = barbican.keeps("alice", "symmetric", b"key");
    let mut new = image().raw().with("cinder_encryption_key_id", key.as_str());
    if let Some(policy) = policy {
        new = new.with("cinder_encryption_key_deletion_policy", policy);
    }
    (app.as_member("alice").created(new).await, key)
}

on_each_database! {
    /// The key goes when the policy is `on_image_deletion`, and stays with any other; that is the caller's doing, with the
    /// caller's token.
    async fn a_key_goes_with_its_image(database: Database) {
        let barbican = Barbican::start();
        let app = database.app_with(|options| barbican.of(options));
        let alice = app.as_member("alice");
        for (policy, stays) in [(Some("on_image_deletion"), false), (Some("do_not_delete"), true), (None, true)] {
            let (id, key) = with_key(&app, &barbican, policy).await;
            alice.remove(&id).await.expect(204);
            assert_eq!(barbican.secret(&key).is_some(), stays, "{policy:?}");
        }
        assert!(barbican.heads().iter().all(|head| head.contains("\"user\":\"alice-user\"")));
    }

    /// An image that is not deleted keeps its key, and nothing that the key manager does keeps an image from being deleted.
    async fn an_image_goes_without_its_key(database: Database) {
        let barbican = Barbican::start();
        let app = database.app_with(|options| barbican.of(options));
        let alice = app.as_member("alice");
        let policy = Some("on_image_deletion");
        let (id, key) = with_key(&app, &barbican, policy).await;
        alice.update(&id, json!([{"op": "replace", "path": "/protected", "value": true}])).await.expect(200);
        alice.remove(&id).await.expect(403);
        assert!(barbican.asked().is_empty());
        let (used, its_key) = with_key(&app, &barbican, policy).await;
        barbican.is_used(&its_key);
        alice.remove(&used).await.expect(204);
        assert!(barbican.secret(&its_key).is_some(), "others use it");
        for mood in [Mood::Status(404), Mood::Status(403), Mood::Status(500), Mood::Garbage] {
            let (id, key) = with_key(&app, &barbican, policy).await;
            barbican.is(mood);
            alice.remove(&id).await.expect(204);
            alice.show(&id).await.expect(404);
            assert!(barbican.secret(&key).is_some());
            barbican.is(Mood::Good);
        }
        let odd = image().with("cinder_encryption_key_id", "../x");
        let odd = odd.with("cinder_encryption_key_deletion_policy", "on_image_deletion");
        let odd = alice.created(odd).await;
        alice.remove(&odd).await.expect(204);
        assert!(barbican.secret(&key).is_some());
    }

    /// What may come back from the trash keeps its key until it is deleted for good.
    async fn the_trash_keeps_the_key(database: Database) {
        let barbican = Barbican::start();
        let app = database.app_with(|options| {
            barbican.of(options);
            options.image.trash_seconds = 3600;
        });
        let alice = app.as_member("alice");
        let (id, key) = with_key(&app, &barbican, Some("on_image_deletion")).await;
        alice.upload(&id, "data").await.expect(204);
        alice.remove(&id).await.expect(204);
        assert!(barbican.secret(&key).is_some());
        alice.delete(&format!("/ext/v1/trash/{id}")).await.expect(204);
        assert!(barbican.secret(&key).is_none());
    }

    /// An encrypted image is registered as user of its key, whichever that is at the time; the key goes with the image
    /// where it says so and nobody else uses it. Without the option none of this happens, as in Glance.
    async fn an_encrypted_image_uses_its_key(database: Database) {
        let barbican = Barbican::start();
        let mut app = database.app_with(|options| barbican.of(options));
        let keep = || barbican.keeps("alice", "symmetric", b"key");
        let encrypted = |key: &str| {
            let new = image().raw().with("os_encrypt_key_id", key);
            new.with("os_encrypt_key_deletion_policy", "on_image_deletion")
        };
        let key = keep();
        let id = app.as_member("alice").created(encrypted(&key)).await;
        app.as_member("alice").remove(&id).await.expect(204);
        assert!(barbican.asked().is_empty());
        app.reconfigure(|options| options.image.encryption_key_consumers = true);
        let alice = app.as_member("alice");
        let users = |key: &str| barbican.secret(key).map(|secret| secret.consumers);
        let (one, other) = (keep(), keep());
        let id = alice.created(encrypted(&one)).await;
        let user = json!({"service": "glance", "resource_type": "image", "resource_id": id});
        assert_eq!(users(&one), Some(vec![user.clone()]));
        let replace = json!([{"op": "replace", "path": "/os_encrypt_key_id", "value": other}]);
        alice.update(&id, replace).await.expect(200);
        assert_eq!((users(&one), users(&other)), (Some(vec![]), Some(vec![user])));
        alice.remove(&id).await.expect(204);
        assert_eq!((users(&one), users(&other)), (Some(vec![]), None));
        let id = alice.created(encrypted(&one)).await;
        barbican.is_used(&one);
        alice.remove(&id).await.expect(204);
        assert_eq!(users(&one).unwrap().len(), 1);
        barbican.is(Mood::Status(500));
        let id = alice.created(encrypted(&one)).await;
        alice.remove(&id).await.expect(204);
    }
}

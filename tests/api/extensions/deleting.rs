//! What keeps an image from being deleted: the rules of its stores about images in use, and the time after its protection
//! (specification of the extensions, section j.2).

use serde_json::{Value, json};
use vitrine::{
    config::{StoreSettings, Stores},
    image::{lifecycle, queued},
    model::{consumer::InUse, time::Timestamp},
    store::file,
};

use crate::support::*;

const HOUR: i64 = 3600;

/// A server whose stores have rules of their own, where images in use are deleted as `all` says otherwise.
fn with_rules(database: Database, all: InUse) -> TestApp {
    let rules = [
        ("plain", None),
        ("lax", Some(InUse::Allow)),
        ("keeping", Some(InUse::Retire)),
        ("strict", Some(InUse::Refuse)),
    ];
    TestApp::start(database, |options| {
        let store = |(id, in_use): (&str, Option<InUse>)| {
            let settings = file::Settings::of_folder(options.data_dir.join(id));
            StoreSettings { in_use, ..StoreSettings::new(id, settings) }
        };
        options.stores = Stores {
            list: rules.into_iter().map(store).collect(),
            default: "plain".to_owned(),
            multiple: true,
            storage_folders: vec![options.data_dir.clone()],
            ..Stores::default()
        };
        options.image.in_use = all;
    })
}

/// An image of alice's with data in these stores and these properties, which a server uses.
async fn used(app: &TestApp, stores: &[&str], properties: &[(&str, &str)]) -> String {
    let alice = app.as_member("alice");
    let new = properties.iter().fold(image().raw(), |new, (name, value)| new.with(name, *value));
    let id = alice.created(new).await;
    alice.upload(&id, "data").header("x-image-meta-store", stores[0]).await.expect(204);
    for store in &stores[1..] {
        crate::stores::copy(app, &id, store, b"data").await;
    }
    let path = format!("/ext/v1/images/{id}/consumers/server/s");
    app.as_service().put(&path).json(&json!({})).await.expect(201);
    id
}

/// What DELETE does with an image, which is what its preview has said.
async fn deleted(app: &TestApp, id: &str) -> &'static str {
    let alice = app.as_member("alice");
    let preview = alice.get(&format!("/ext/v1/images/{id}/delete-preview")).await.expect(200).json();
    let status = alice.remove(id).await.status;
    let shown = alice.show(id).await;
    let did = match (status, shown.status) {
        (204, 404) => "delete",
        (204, 200) if shown.json()["lifecycle_state"] == "retired" => "retire",
        (409, 200) => "refuse",
        other => panic!("{other:?}"),
    };
    assert_eq!(preview["action"], did, "{preview}");
    did
}

fn protected(value: bool) -> Value {
    json!([{"op": "replace", "path": "/protected", "value": value}])
}

/// The time so many hours after the last change of an image, as it is shown.
async fn hours_after_change(client: &Client, id: &str, hours: i64) -> String {
    let shown = client.show(id).await.expect(200).json();
    Timestamp::parse_iso(shown["updated_at"].as_str().unwrap()).unwrap().plus_seconds(hours * HOUR).isotime()
}

on_each_database! {
    /// The rule of the store that has the data counts in the place of that for all, the strictest of several stores, and the
    /// owner is stricter still.
    async fn the_strictest_store_counts(database: Database) {
        for (all, stores, expected) in [
            (InUse::Allow, &["plain"][..], "delete"),
            (InUse::Allow, &["strict"], "refuse"),
            (InUse::Allow, &["plain", "strict"], "refuse"),
            (InUse::Allow, &["keeping", "plain"], "retire"),
            (InUse::Allow, &["keeping", "lax", "strict"], "refuse"),
            (InUse::Refuse, &["plain"], "refuse"),
            (InUse::Refuse, &["lax"], "delete"),
            (InUse::Refuse, &["lax", "plain"], "refuse"),
            (InUse::Refuse, &["keeping", "lax"], "retire"),
        ] {
            let app = with_rules(database, all);
            let id = used(&app, stores, &[]).await;
            assert_eq!(deleted(&app, &id).await, expected, "{all:?} {stores:?}");
        }
        let app = with_rules(database, InUse::Allow);
        let id = used(&app, &["lax"], &[("delete_policy", "refuse")]).await;
        assert_eq!(deleted(&app, &id).await, "refuse");
        let id = used(&app, &["strict"], &[("delete_policy", "allow")]).await;
        assert_eq!(deleted(&app, &id).await, "refuse");
    }

    /// A date to be deleted on waits where the store refuses.
    async fn dates_obey_the_stores(database: Database) {
        let app = with_rules(database, InUse::Allow);
        let date = app.app().db.clock.now().plus_seconds(HOUR).isotime();
        let kept = used(&app, &["strict"], &[("delete_at", &date)]).await;
        let gone = used(&app, &["plain"], &[("delete_at", &date)]).await;
        app.later(2 * HOUR);
        assert_eq!(lifecycle::act(&app.app().images).await.unwrap(), 1);
        let alice = app.as_member("alice");
        alice.show(&gone).await.expect(404);
        alice.show(&kept).await.expect(200);
    }

    /// Stores that come while the service runs have such a rule, too, and it can change.
    async fn storages_have_a_rule(database: Database) {
        let app = with_rules(database, InUse::Allow);
        let (admin, folder) = (app.as_admin(), app.folder().join("nfs"));
        std::fs::create_dir_all(&folder).unwrap();
        let path = "/ext/v1/stores";
        let mut body = json!({"id": "nfs", "type": "file", "options": {"datadir": folder}, "in_use_delete": "never"});
        admin.post(path).json(&body).await.expect(400);
        body["in_use_delete"] = json!("refuse");
        let made = admin.post(path).json(&body).await.expect(201).json();
        assert_eq!(made["store"]["in_use_delete"], "refuse");
        let id = used(&app, &["nfs"], &[]).await;
        assert_eq!(deleted(&app, &id).await, "refuse");
        let change = |value: Value| admin.request("PATCH", "/ext/v1/stores/nfs").json(&json!({"in_use_delete": value}));
        assert_eq!(change(json!("retire")).await.expect(200).json()["store"]["in_use_delete"], "retire");
        assert_eq!(deleted(&app, &id).await, "retire");
        assert_eq!(change(Value::Null).await.expect(200).json()["store"]["in_use_delete"], Value::Null);
        assert_eq!(deleted(&app, &id).await, "delete");
        let listed = admin.get("/ext/v1/stores/strict").await.expect(200).json();
        assert_eq!(listed["store"]["in_use_delete"], "refuse");
        app.settles().await;
    }

    /// For a time after `protected` was cleared nobody deletes the image, and the refusal says until when; protecting it again
    /// begins anew. Other images are deleted at once.
    async fn an_image_that_was_protected_stays_for_a_while(database: Database) {
        let app = database.app_with(|options| options.image.cooldown_seconds = 24 * HOUR);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let other = alice.created(image()).await;
        alice.remove(&other).await.expect(204);
        let id = alice.created(image().raw().with("protected", true)).await;
        alice.upload(&id, "data").await.expect(204);
        alice.remove(&id).await.expect(403);
        let delete = async |client: &Client| {
            let answer = client.remove(&id).header("accept", "application/json").await;
            (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned())
        };
        for _ in 0..2 {
            alice.update(&id, protected(true)).await.expect(200);
            alice.update(&id, protected(false)).await.expect(200);
            let end = hours_after_change(&alice, &id, 24).await;
            app.later(24 * HOUR - 60);
            // No other change matters.
            alice.update(&id, json!([{"op": "replace", "path": "/name", "value": "new"}])).await.expect(200);
            for client in [&alice, &admin] {
                let (status, said) = delete(client).await;
                assert!(status == 403 && said.contains(&format!("can be deleted from {end} on")), "{status} {said}");
            }
        }
        let preview = alice.get(&format!("/ext/v1/images/{id}/delete-preview")).await.expect(200).json();
        assert_eq!((&preview["action"], &preview["reason"]), (&json!("refuse"), &json!("cooldown")));
        app.later(61);
        let preview = alice.get(&format!("/ext/v1/images/{id}/delete-preview")).await.expect(200).json();
        assert_eq!((&preview["action"], &preview["reason"]), (&json!("delete"), &Value::Null));
        alice.remove(&id).await.expect(204);
    }

    /// Neither dates nor the end of an image without data come before that time is over, and a bundle waits for its disks.
    async fn nothing_else_deletes_it_earlier(database: Database) {
        let app = database.app_with(|options| {
            options.image.cooldown_seconds = 24 * HOUR;
            options.image.queued_seconds = Some(HOUR);
        });
        let alice = app.as_member("alice");
        let date = app.app().db.clock.now().plus_seconds(2 * HOUR).isotime();
        let new = || image().raw().with("protected", true);
        let (dated, empty) = (alice.created(new().with("delete_at", date)).await, alice.created(new()).await);
        let disks = [alice.created(new()).await, alice.created(image().raw()).await];
        for id in disks.iter().chain([&dated]) {
            alice.upload(id, "data").await.expect(204);
        }
        let body = json!({"name": "all", "disks": [{"image_id": disks[1], "boot_index": 0}, {"image_id": disks[0]}]});
        let made = alice.post("/ext/v1/bundles").json(&body).await.expect(201).json();
        let bundle = made["bundle"]["id"].as_str().unwrap();
        for id in [&dated, &empty, &disks[0]] {
            alice.update(id, protected(false)).await.expect(200);
        }
        let end = hours_after_change(&alice, &disks[0], 24).await;
        let images = app.app().images.clone();
        app.later(3 * HOUR);
        assert_eq!((lifecycle::act(&images).await.unwrap(), queued::delete_stale(&images).await.unwrap()), (0, 0));
        alice.remove(bundle).await.expect(403);
        let refused = alice.delete(&format!("/ext/v1/bundles/{bundle}")).await.expect(403).json()["error"].clone();
        assert_eq!((&refused["reason"], &refused["details"]), (&json!("cooldown"), &json!({"deletable_at": end})));
        app.later(22 * HOUR);
        assert_eq!((lifecycle::act(&images).await.unwrap(), queued::delete_stale(&images).await.unwrap()), (1, 1));
        for id in [&dated, &empty] {
            alice.show(id).await.expect(404);
        }
        alice.delete(&format!("/ext/v1/bundles/{bundle}")).await.expect(204);
    }
}

//! Dates that hide images, take them out of use and delete them (specification of the extensions, section m).

use serde_json::{Value, json};
use vitrine::{
    image::lifecycle,
    model::{consumer::InUse, lifecycle::Obsolete},
};

use crate::support::*;

const DAY: i64 = 24 * 3600;

/// A date, as the server's clock has it.
fn in_days(app: &TestApp, days: i64) -> String {
    app.app().db.clock.now().plus_seconds(days * DAY).isotime()
}

fn set(name: &str, value: &str) -> Value {
    json!([{"op": "add", "path": format!("/{name}"), "value": value}])
}

/// A public image with data, of alice's, with these properties.
async fn published(app: &TestApp, dates: &[(&str, &str)]) -> String {
    let alice = app.as_member("alice");
    let new = dates.iter().fold(image().raw(), |new, (name, value)| new.with(name, *value));
    let id = alice.created(new).await;
    alice.upload(&id, "data").await.expect(204);
    let publish = json!([{"op": "replace", "path": "/visibility", "value": "public"}]);
    app.as_admin().update(&id, publish).await.expect(200);
    id
}

/// Does what is due, and answers how much that was.
async fn acts(app: &TestApp) -> usize {
    lifecycle::act(&app.app().images).await.unwrap()
}

on_each_database! {
    /// An image goes through all states as the clock turns: current, deprecated, obsolete, gone; refusals name what
    /// replaces it, and its history has each step.
    async fn an_image_goes_through_all_states(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let (deprecate, obsolete, delete) = (in_days(&app, 10), in_days(&app, 20), in_days(&app, 30));
        let id = published(&app, &[
            ("deprecate_at", &deprecate), ("obsolete_at", &obsolete), ("delete_at", &delete), ("replaced_by", "the next one"),
        ]).await;
        let state = async || {
            let shown = bob.show(&id).await;
            let listed = bob.list("").await.json()["images"].as_array().unwrap().len();
            let data = bob.download(&id).await;
            (shown.status, listed, data.status, data.text())
        };
        app.later(10 * DAY - 60);
        assert_eq!(acts(&app).await, 0);
        assert_eq!(state().await, (200, 1, 200, "data".to_owned()));
        app.later(120);
        assert_eq!((acts(&app).await, acts(&app).await), (1, 0));
        assert_eq!(state().await, (200, 0, 200, "data".to_owned()));
        app.later(10 * DAY);
        assert_eq!(acts(&app).await, 1);
        let (shown, listed, data, text) = state().await;
        assert_eq!((shown, listed, data), (200, 0, 403));
        assert!(text.contains("It is replaced by the next one."), "{text}");
        assert_eq!(alice.show(&id).await.json()["lifecycle_state"], "retired");
        alice.download(&id).await.expect(200);
        let history = alice.get(&format!("/ext/v1/images/{id}/events")).await.expect(200).json();
        let by_itself = history["events"].as_array().unwrap().iter().filter(|event| event["user_id"] == Value::Null);
        let changes: Vec<&Value> = by_itself.map(|event| &event["changes"]).collect();
        assert_eq!(changes, [&json!({"os_hidden": [false, true]}), &json!({"properties": ["lifecycle_state"]})]);
        app.later(10 * DAY);
        assert_eq!(acts(&app).await, 1);
        alice.show(&id).await.expect(404);
        app.settles().await;
    }

    /// What somebody changes after a date has acted stays; another date acts again.
    async fn a_date_acts_once(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = published(&app, &[("deprecate_at", &in_days(&app, 1))]).await;
        app.later(2 * DAY);
        assert_eq!(acts(&app).await, 1);
        let show = json!([{"op": "replace", "path": "/os_hidden", "value": false}]);
        alice.update(&id, show).await.expect(200);
        alice.update(&id, set("note", "stays")).await.expect(200);
        app.later(DAY);
        assert_eq!(acts(&app).await, 0);
        assert_eq!(alice.show(&id).await.json()["os_hidden"], false);
        alice.update(&id, set("deprecate_at", &in_days(&app, 1))).await.expect(200);
        assert_eq!(acts(&app).await, 0);
        app.later(2 * DAY);
        assert_eq!(acts(&app).await, 1);
        assert_eq!(alice.show(&id).await.json()["os_hidden"], true);
        // A date that is taken away does nothing.
        alice.update(&id, set("delete_at", &in_days(&app, 1))).await.expect(200);
        alice.update(&id, json!([{"op": "remove", "path": "/delete_at"}])).await.expect(200);
        app.later(2 * DAY);
        assert_eq!(acts(&app).await, 0);
        alice.show(&id).await.expect(200);
    }

    /// The date of a deletion deletes no protected image and none that is in use where that is refused; it is tried again.
    async fn a_date_deletes_only_what_may_be_deleted(database: Database) {
        for (in_use, kept) in [(InUse::Refuse, "active"), (InUse::Retire, "retired")] {
            let app = database.app_with(|options| options.image.in_use = in_use);
            let alice = app.as_member("alice");
            let (used, protected) = (published(&app, &[]).await, published(&app, &[]).await);
            let consumer = format!("/ext/v1/images/{used}/consumers/server/s");
            app.as_service().put(&consumer).json(&json!({"project_id": "bob"})).await.expect(201);
            let protect = |value: bool| json!([{"op": "replace", "path": "/protected", "value": value}]);
            alice.update(&protected, protect(true)).await.expect(200);
            for id in [&used, &protected] {
                alice.update(id, set("delete_at", &in_days(&app, 1))).await.expect(200);
            }
            app.later(2 * DAY);
            assert_eq!(acts(&app).await, usize::from(in_use == InUse::Retire));
            let shown = alice.show(&used).await.expect(200).json();
            let state = shown["lifecycle_state"].as_str().unwrap_or("active");
            assert_eq!((state, &shown["status"]), (kept, &json!("active")));
            alice.show(&protected).await.expect(200);
            alice.update(&protected, protect(false)).await.expect(200);
            app.as_service().delete(&consumer).await.expect(204);
            assert_eq!(acts(&app).await, 0);
            app.later(3700);
            assert_eq!(acts(&app).await, if in_use == InUse::Retire { 1 } else { 2 });
            for id in [&used, &protected] {
                alice.show(id).await.expect(404);
            }
        }
    }

    /// Where the operator wants that, obsolete images are deactivated, and public ones get a date when they are deprecated.
    async fn an_operator_says_what_dates_do(database: Database) {
        let app = database.app_with(|options| {
            options.image.obsolete = Obsolete::Deactivate;
            options.image.public_seconds = Some(700 * DAY);
        });
        let alice = app.as_member("alice");
        let id = published(&app, &[("obsolete_at", &in_days(&app, 800))]).await;
        let private = alice.created(image().raw()).await;
        alice.upload(&private, "data").await.expect(204);
        let date = alice.show(&id).await.json()["deprecate_at"].as_str().unwrap().to_owned();
        let days = |text: &str| (text >= &*in_days(&app, 699), text <= &*in_days(&app, 701));
        assert_eq!(days(&date), (true, true), "{date}");
        assert_eq!(alice.show(&private).await.json().get("deprecate_at"), None);
        app.later(701 * DAY);
        assert_eq!(acts(&app).await, 1);
        app.later(100 * DAY);
        assert_eq!(acts(&app).await, 1);
        let shown = alice.show(&id).await.json();
        assert_eq!((&shown["status"], &shown["os_hidden"]), (&json!("deactivated"), &json!(true)));
    }
}

/// Dates that are none, or in no order, are refused when they are set, with `/v2`'s own shape; what is there already is no
/// hindrance.
#[test]
fn bad_dates_are_refused() {
    block_on(async {
        let app = Database::Sqlite.app();
        let alice = app.as_member("alice");
        for (name, value) in [("deprecate_at", "soon"), ("obsolete_at", "2030-13-01"), ("delete_at", "")] {
            alice.create(image().with(name, value)).await.expect_for(400, value);
        }
        let id = alice.created(image().with("obsolete_at", "2030-06-01")).await;
        for (name, value, status) in [
            ("delete_at", "2030-05-31", 400),
            ("deprecate_at", "2030-06-01T00:00:01Z", 400),
            ("deprecate_at", "2030-06-01", 200),
            ("delete_at", "2030-06-01T12:00:00+02:00", 200),
            ("obsolete_at", "2031-01-01", 400),
            ("note", "any", 200),
        ] {
            alice.update(&id, set(name, value)).await.expect_for(status, (name, value));
        }
        // All operations of one patch count together.
        let both = json!([
            {"op": "replace", "path": "/obsolete_at", "value": "2032-01-01"},
            {"op": "replace", "path": "/delete_at", "value": "2033-01-01"},
        ]);
        alice.update(&id, both).await.expect(200);
    });
}

//! The properties that the service knows (specification of the extensions, section q): who writes them, and what.

use serde_json::{Value, json};
use vitrine::{
    access::protection::{Protections, RuleFormat},
    model::image::WRITTEN_BY_SERVICE,
};

use crate::support::*;

fn patch(verb: &str, name: &str, value: &str) -> Value {
    json!([{"op": verb, "path": format!("/{name}"), "value": value}])
}

fn removal(name: &str) -> Value {
    json!([{"op": "remove", "path": format!("/{name}")}])
}

/// An image of alice's that has what the service writes.
async fn written(app: &TestApp) -> String {
    let image = WRITTEN_BY_SERVICE
        .into_iter()
        .fold(image().with("owner", "alice"), |image, name| image.with(name, "x"));
    app.as_admin().created(image).await
}

on_each_database! {
    /// What the service writes is refused to projects, when an image is made and later; administrators and services may.
    async fn what_the_service_writes_is_protected(database: Database) {
        let app = database.app();
        let (alice, service) = (app.as_member("alice"), app.as_role("alice", &["member", "service"]));
        let (plain, id) = (alice.created(image()).await, written(&app).await);
        for name in WRITTEN_BY_SERVICE {
            let why = format!("Property '{name}' is protected.");
            for refused in [
                alice.create(image().with(name, "x")).await,
                alice.update(&plain, patch("add", name, "x")).await,
                alice.update(&id, patch("add", name, "y")).await,
                alice.update(&id, patch("replace", name, "y")).await,
                alice.update(&id, removal(name)).await,
            ] {
                assert!(refused.expect_for(403, name).text().contains(&why), "{name}");
            }
            // As with any property that is not there.
            alice.update(&plain, removal(name)).await.expect(409);
            assert_eq!(alice.show(&id).await.expect(200).json()[name], "x");
            service.create(image().with(name, "y")).await.expect(201);
            app.as_admin().update(&id, removal(name)).await.expect(200);
        }
        // Its neighbours are anybody's.
        alice.create(image().with("image_sets", "x").with("copied_from", "x")).await.expect(201);
    }

    /// Clients send whole images back: what stays as it was is no change.
    async fn what_stays_as_it_was_may_be_sent_back(database: Database) {
        let app = database.app();
        let (alice, id) = (app.as_member("alice"), written(&app).await);
        for verb in ["add", "replace"] {
            let all: Vec<Value> = WRITTEN_BY_SERVICE.into_iter().map(|name| patch(verb, name, "x")[0].clone()).collect();
            let whole = [all, vec![json!({"op": "add", "path": "/other", "value": verb})]].concat();
            let shown = alice.update(&id, json!(whole)).await.expect_for(200, verb).json();
            assert_eq!((&shown["replica_key"], &shown["other"]), (&json!("x"), &json!(verb)));
        }
    }

    /// Nova gives a snapshot what the image of its server has; what is true of that image alone is left out.
    async fn a_snapshot_does_not_inherit(database: Database) {
        let app = database.app();
        let all = WRITTEN_BY_SERVICE.into_iter().fold(image().raw(), |image, name| image.with(name, "x"));
        let snapshot = all.with("image_type", "snapshot").with("os_distro", "debian");
        let shown = app.as_member("alice").create(snapshot).await.expect(201).json();
        assert_eq!(shown["os_distro"], "debian");
        assert!(WRITTEN_BY_SERVICE.iter().all(|name| shown.get(name).is_none()), "{shown}");
    }

    /// Where an operator has protections, they alone decide.
    async fn protections_of_an_operator_decide(database: Database) {
        let section = |name: &str, who: &str| {
            format!("[{name}]\ncreate = {who}\nread = @\nupdate = {who}\ndelete = {who}\n")
        };
        let text = section("^content_format$", "member") + &section(".*", "admin");
        let app = database.app_with(|options| {
            options.protections = Some(Protections::parse(&text, RuleFormat::Roles).unwrap());
        });
        let alice = app.as_member("alice");
        let id = alice.created(image().with("content_format", "disk")).await;
        alice.update(&id, patch("replace", "content_format", "tar")).await.expect(200);
        alice.update(&id, removal("content_format")).await.expect(200);
        // As in Glance, equal or not.
        let id = written(&app).await;
        alice.update(&id, patch("replace", "replica_key", "x")).await.expect(403);
    }
}

/// What dashboards show as read-only has all that only the service writes.
#[test]
fn the_catalogue_says_what_is_read_only() {
    let text = include_str!("../../../schema/metadefs/images-extensions.json");
    let catalogue: Value = serde_json::from_str(text).unwrap();
    let objects = catalogue["objects"].as_array().unwrap();
    for name in WRITTEN_BY_SERVICE {
        let told: Vec<&Value> = objects.iter().filter_map(|object| object["properties"].get(name)).collect();
        assert!(told.len() == 1 && told[0]["readonly"] == true, "{name}");
    }
}

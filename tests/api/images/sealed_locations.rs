//! `metadata_encryption_key`: URLs of locations are encrypted in the database, and clear everywhere else.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use vitrine::{
    db::{Conn, LocationKey, check, images, opened_url, rows, statement::Statement, stored},
    model::image::{Image, Location},
    server::Options,
};

use crate::support::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210";

fn key(text: &str) -> Option<Arc<LocationKey>> {
    Some(Arc::new(LocationKey::new(text).unwrap()))
}

fn showing(options: &mut Options) {
    reach_loopback(options);
    options.image.show_multiple_locations = true;
    options.image.show_image_direct_url = true;
}

fn sealing(options: &mut Options) {
    showing(options);
    options.location_key = key(KEY);
}

/// The texts of a column.
async fn texts(app: &TestApp, table: &'static str, column: &'static str) -> Vec<String> {
    let read = move |conn: &mut Conn| rows::select(conn, table, &[column], Statement::new(""));
    let found = app.app().db.read("test.texts", read).await.unwrap();
    let mut texts: Vec<String> = found.iter().map(|row| row[0].as_str().unwrap().to_owned()).collect();
    texts.sort();
    texts
}

/// The URLs that an image shows.
async fn shown(client: &Client, id: &str) -> Vec<String> {
    let image = client.show(id).await.expect(200).json();
    let url = |location: &Value| location["url"].as_str().unwrap().to_owned();
    let urls: Vec<String> = image["locations"].as_array().unwrap().iter().map(url).collect();
    assert_eq!(image["direct_url"].as_str(), urls.first().map(String::as_str));
    urls
}

/// An image of alice with four bytes.
async fn uploaded(alice: &Client) -> String {
    let id = alice.created(image().raw()).await;
    alice.upload(&id, "data").await.expect(204);
    id
}

on_each_database! {
    /// Whichever way data comes, no URL of it is clear in a row, and each opens with the key to what clients see. They are
    /// shown, read, compared and deleted as ever.
    async fn urls_are_encrypted_in_the_database_alone(database: Database) {
        let app = database.app_with(sealing);
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let (own, located, imported) =
            (uploaded(&alice).await, alice.created(image().raw()).await, alice.created(image().raw()).await);
        let path = format!("/v2/images/{located}/locations");
        alice.post(&path).json(&json!({"url": source.url("a?secret=1")})).await.expect(202);
        alice.becomes(&located, "active").await;
        let import = json!({"method": {"name": "web-download", "uri": source.url("b")}});
        alice.post(&format!("/v2/images/{imported}/import")).json(&import).await.expect(202);
        alice.becomes(&imported, "active").await;
        eventually("the location's job is over", async || {
            let tasks = alice.get(&format!("/v2/images/{located}/tasks")).await.json();
            if tasks["tasks"][0]["status"] == "success" { Ok(()) } else { Err(tasks) }
        })
        .await;
        let place = json!({"url": source.url("c?secret=2"), "metadata": {"a": "b"}});
        let patch = json!([{"op": "add", "path": "/locations/-", "value": place}]);
        alice.update(&own, patch.clone()).await.expect(200);
        alice.update(&own, patch).await.expect(400);

        let mut clear = Vec::new();
        for id in [&own, &located, &imported] {
            clear.extend(shown(&alice, id).await);
            assert_eq!(alice.download(id).await.expect(200).text(), "data");
        }
        clear.sort();
        assert_eq!(clear.iter().filter(|url| url.starts_with("file://")).count(), 2, "{clear:?}");
        assert!(clear.contains(&source.url("a?secret=1")) && clear.contains(&source.url("c?secret=2")), "{clear:?}");
        let rows = texts(&app, "image_locations", "url").await;
        assert!(rows.iter().all(|text| !text.contains("://")), "{rows:?}");
        let mut opened: Vec<String> =
            rows.iter().map(|text| opened_url(text, key(KEY).as_deref()).unwrap()).collect();
        opened.sort();
        assert_eq!(opened, clear);
        let told = texts(&app, "events", "changes").await.concat();
        assert!(told.contains("stores") && !told.contains("://") && !told.contains("secret"), "{told}");
        for id in [&own, &located, &imported] {
            alice.remove(id).await.expect(204);
        }
        app.settles().await;
        assert_eq!(texts(&app, "image_locations", "url").await, Vec::<String>::new());
    }

    /// Data of before the key is served with it. Without the key, or with another one, a location that was written with it
    /// serves nothing and spoils nothing else: lists and changes go on, its row stays as it is, and its data is deleted
    /// with the image. With its key it is served again.
    async fn keys_come_and_go(database: Database) {
        let mut app = database.app_with(showing);
        let old = uploaded(&app.as_member("alice")).await;
        app.reconfigure(|options| options.location_key = key(KEY));
        let alice = app.as_member("alice");
        let (new, gone) = (uploaded(&alice).await, uploaded(&alice).await);
        let urls = (shown(&alice, &old).await, shown(&alice, &new).await);
        let rows = texts(&app, "image_locations", "url").await;
        assert_eq!(rows.iter().filter(|text| text.contains("://")).collect::<Vec<_>>(), [&urls.0[0]]);
        for wrong in [key(OTHER), None] {
            app.reconfigure(|options| options.location_key = wrong);
            let alice = app.as_member("alice");
            assert_eq!(alice.list("").await.expect(200).json()["images"].as_array().unwrap().len(), 3);
            assert_eq!(alice.download(&old).await.expect(200).text(), "data");
            alice.download(&new).await.expect(503);
            let id = new.clone();
            let found = app.app().db.read("test.image", move |conn| images::find(conn, &id)).await.unwrap().unwrap();
            assert!(app.app().stores.for_location(&found.locations[0]).is_none());
            assert!(rows.contains(&shown(&alice, &new).await[0]));
            alice.update(&new, json!([{"op": "replace", "path": "/name", "value": "x"}])).await.expect(200);
            let look = |conn: &mut Conn| Ok((check::sealed(conn, 9)?, check::sealed_of_some(conn)?));
            let (faults, some) = app.app().db.read("test.sealed", look).await.unwrap();
            assert_eq!((faults.len(), some), (2, (2, 3)), "{faults:?}");
            assert!(faults.iter().any(|(what, why)| what.ends_with(&new) && why.contains("cannot be decrypted")));
            assert_eq!(texts(&app, "image_locations", "url").await, rows);
        }
        app.as_member("alice").remove(&gone).await.expect(204);
        app.settles().await;
        app.reconfigure(|options| options.location_key = key(KEY));
        let alice = app.as_member("alice");
        assert_eq!((shown(&alice, &old).await, shown(&alice, &new).await), urls);
        assert_eq!(alice.download(&new).await.expect(200).text(), "data");
        let look = |conn: &mut Conn| Ok((check::sealed(conn, 9)?, check::sealed_of_some(conn)?));
        assert_eq!(app.app().db.read("test.sealed", look).await.unwrap(), (Vec::new(), (0, 2)));
    }

    /// An image in the trash keeps its URLs encrypted, and comes back with them.
    async fn the_trash_keeps_urls_encrypted(database: Database) {
        let app = database.app_with(|options| {
            sealing(options);
            options.image.trash_seconds = 3600;
        });
        let alice = app.as_member("alice");
        let id = uploaded(&alice).await;
        let urls = shown(&alice, &id).await;
        alice.remove(&id).await.expect(204);
        let record: Value = serde_json::from_str(&texts(&app, "trash", "record").await[0]).unwrap();
        let text = record["locations"][0]["url"].as_str().unwrap();
        assert!(!record.to_string().contains("://"), "{record}");
        assert_eq!(opened_url(text, key(KEY).as_deref()).unwrap(), urls[0]);
        alice.post(&format!("/ext/v1/trash/{id}/restore")).await.expect(204);
        assert_eq!(shown(&alice, &id).await, urls);
        assert_eq!(alice.download(&id).await.expect(200).text(), "data");
    }

    /// What compares a store with the database finds the names in encrypted URLs; where one cannot be decrypted, it may
    /// be any name's.
    async fn encrypted_urls_keep_their_names(database: Database) {
        let mut app = database.app_with(sealing);
        let url = "file:///elsewhere/one%object";
        let location = Location {
            id: fresh_id(),
            url: url.to_owned(),
            metadata: Map::new(),
            store: None,
            blob_id: None,
        };
        app.insert(&[Image { size: Some(4), locations: vec![location], ..record("bob", 1) }]).await;
        let own = uploaded(&app.as_member("alice")).await;
        let place = shown(&app.as_member("alice"), &own).await.remove(0);
        let blob = texts(&app, "blobs", "id").await.remove(0);
        let look = move |conn: &mut Conn| {
            let elsewhere: Vec<String> = stored::elsewhere(conn, "", 9)?.into_iter().map(|of| of.url).collect();
            let named = ["one%object", "oneXobject"].map(|name| stored::is_named_elsewhere(conn, name).unwrap());
            Ok((elsewhere, named, stored::place_of(conn, &blob)?.map(|url| url.full().to_owned())))
        };
        let seen = app.app().db.read("test.names", look.clone()).await.unwrap();
        assert_eq!(seen, (vec![url.to_owned()], [true, false], Some(place)));
        app.reconfigure(|options| options.location_key = key(OTHER));
        let (elsewhere, named, place) = app.app().db.read("test.names", look).await.unwrap();
        assert_eq!((named, place), ([true, true], None));
        assert!(!elsewhere[0].contains("://"), "{elsewhere:?}");
    }
}

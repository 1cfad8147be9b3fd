//! `locations` in patches: what each operation does to the image and to the data.

use serde_json::{Value, json};
use vitrine::server::Options;

use crate::{stores, support::*};

/// Digests of `data`, which is what every [`WebSource`] has.
const MD5: &str = "8d777f385d3dfec8815d20f7496026dc";
const SHA256: &str = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7";

fn shows_locations(options: &mut Options) {
    reach_loopback(options);
    options.image.show_multiple_locations = true;
    options.image.hashing_algorithm = "sha256".to_owned();
}

fn add(location: Value) -> Value {
    json!([{"op": "add", "path": "/locations/-", "value": location}])
}

fn replace(locations: Value) -> Value {
    json!([{"op": "replace", "path": "/locations", "value": locations}])
}

fn remove(place: &str) -> Value {
    json!([{"op": "remove", "path": format!("/locations/{place}")}])
}

fn plain(url: &str) -> Value {
    json!({"url": url, "metadata": {}})
}

fn vouched(url: &str, validation: Value) -> Value {
    json!({"url": url, "metadata": {}, "validation_data": validation})
}

on_each_database! {
    /// The first location makes a queued image active at once: its size is that of the data there, its hashes are those
    /// that the caller vouches for, and nothing else is known of it.
    async fn the_first_one_brings_the_data(database: Database) {
        let app = database.app_with(shows_locations);
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let all = json!({"checksum": MD5, "os_hash_algo": "sha256", "os_hash_value": SHA256});
        for (location, checksum, hash) in [
            (plain(&source.url("a")), Value::Null, [Value::Null, Value::Null]),
            (vouched(&source.url("a"), all.clone()), json!(MD5), [json!("sha256"), json!(SHA256)]),
        ] {
            for whole in [false, true] {
                let id = alice.created(image().raw()).await;
                let patch = if whole { replace(json!([location])) } else { add(location.clone()) };
                let patched = alice.update(&id, patch).await.expect(200).json();
                let shown = alice.show(&id).await.json();
                assert_eq!(shown, patched);
                assert_eq!((&shown["status"], &shown["size"]), (&json!("active"), &json!(4)));
                assert_eq!((&shown["checksum"], &shown["virtual_size"]), (&checksum, &Value::Null));
                assert_eq!([&shown["os_hash_algo"], &shown["os_hash_value"]], [&hash[0], &hash[1]]);
                assert_eq!(shown["locations"], json!([{"url": source.url("a"), "metadata": {}}]));
                assert_eq!(alice.download(&id).await.expect(200).body, "data");
            }
        }
        // Without its formats no image is active, and one that is too large is not either.
        let id = alice.created(image()).await;
        alice.update(&id, add(vouched(&source.url("a"), all))).await.expect(400);
        assert_eq!(alice.show(&id).await.json()["locations"], json!([]));
        let small = database.app_with(|options| {
            shows_locations(options);
            options.image.image_size_cap = 3;
        });
        let id = small.as_member("alice").created(image().raw()).await;
        small.as_member("alice").update(&id, add(plain(&source.url("a")))).await.expect(413);
    }

    /// Hashes that contradict each other, the image or the configured algorithm are a conflict, and so are hashes of
    /// data that is there already; those that the image has are no news.
    async fn hashes_that_contradict_are_refused(database: Database) {
        let app = database.app_with(shows_locations);
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let of = |algorithm: &str, value: &str| json!({"os_hash_algo": algorithm, "os_hash_value": value});
        let other = SHA256.replace("3a", "3b");
        let id = alice.created(image().raw()).await;
        for (validation, status) in [
            (of("sha512", &"0".repeat(128)), 409),
            (of("sha256", &SHA256.replace("3a", "3z")), 409),
            (of("sha256", &SHA256[1..]), 409),
            (json!({}), 400),
            (json!({"os_hash_algo": "sha256"}), 400),
            (json!({"os_hash_value": SHA256}), 400),
            (json!({"checksum": MD5}), 400),
            (json!({"checksum": &MD5[1..], "os_hash_algo": "sha256", "os_hash_value": SHA256}), 400),
            (json!({"checksum": MD5.replace('8', "z"), "os_hash_algo": "sha256", "os_hash_value": SHA256}), 409),
        ] {
            let patch = add(vouched(&source.url("a"), validation.clone()));
            alice.update(&id, patch).await.expect_for(status, validation);
        }
        let two = |first: &str, second: &str| {
            let location = |name: &str, hash: &str| vouched(&source.url(name), of("sha256", hash));
            replace(json!([location("a", first), location("b", second)]))
        };
        alice.update(&id, two(SHA256, &other)).await.expect(409);
        assert_eq!(alice.show(&id).await.json()["status"], "queued");
        alice.update(&id, two(SHA256, SHA256)).await.expect(200);
        alice.update(&id, add(vouched(&source.url("c"), of("sha256", &other)))).await.expect(409);
        alice.update(&id, add(vouched(&source.url("c"), of("sha256", SHA256)))).await.expect(200);
        let bare = alice.created(image().raw()).await;
        alice.update(&bare, add(plain(&source.url("a")))).await.expect(200);
        alice.update(&bare, add(vouched(&source.url("b"), of("sha256", SHA256)))).await.expect(409);
        assert_eq!(alice.show(&bare).await.json()["os_hash_value"], Value::Null);
    }

    /// A place beyond the end is the end; the same URL comes twice only with other metadata, and metadata are texts,
    /// lists and objects.
    async fn what_may_be_added(database: Database) {
        let app = database.app_with(shows_locations);
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let id = alice.created(image().raw()).await;
        let at = |place: &str, metadata: Value| {
            json!([{"op": "add", "path": format!("/locations/{place}"),
                    "value": {"url": source.url("a"), "metadata": metadata}}])
        };
        for place in ["x", "-1", "1.5", "--"] {
            alice.update(&id, at(place, json!({}))).await.expect_for(400, place);
        }
        for metadata in [json!({"a": 1}), json!({"a": null}), json!({"a": [true]}), json!({"a": {"b": [{"c": 1.5}]}})] {
            alice.update(&id, at("-", metadata.clone())).await.expect_for(400, metadata);
        }
        let rich = json!({"a": "x", "b": ["y", {"c": "z"}]});
        alice.update(&id, at("99", json!({}))).await.expect(200);
        alice.update(&id, at("99", rich.clone())).await.expect(200);
        alice.update(&id, at("-", rich.clone())).await.expect(400);
        let metadata = |shown: Value| -> Vec<Value> {
            shown["locations"].as_array().unwrap().iter().map(|l| l["metadata"].clone()).collect()
        };
        assert_eq!(metadata(alice.show(&id).await.json()), [json!({}), rich]);
    }

    /// Replacing all of them gives other metadata to the same URLs; it neither brings a URL nor takes one away.
    async fn replacing_changes_metadata_alone(database: Database) {
        let app = database.app_with(shows_locations);
        let (alice, source) = (app.as_member("alice"), WebSource::start());
        let location = |name: &str, mark: &str| json!({"url": source.url(name), "metadata": {"mark": mark}});
        let id = alice.created(image().raw()).await;
        alice.update(&id, replace(json!([location("a", "1"), location("b", "1")]))).await.expect(200);
        let before = alice.show(&id).await.json();
        for wrong in [
            json!([location("a", "2")]),
            json!([location("a", "2"), location("c", "2")]),
            json!([location("a", "2"), location("b", "2"), location("c", "2")]),
            json!([location("a", "2"), location("a", "3")]),
        ] {
            alice.update(&id, replace(wrong.clone())).await.expect_for(400, wrong);
        }
        assert_eq!(alice.show(&id).await.json(), before);
        alice.update(&id, replace(json!([location("b", "2"), location("a", "3")]))).await.expect(200);
        assert_eq!(alice.show(&id).await.json()["locations"], json!([location("a", "3"), location("b", "2")]));
    }

    /// A place counts in the order that is shown, the heaviest store first. What is removed there loses its data, the
    /// rest is served, and the last location stays.
    async fn removing_takes_what_is_shown_there(database: Database) {
        let app = database.app_with(|options| {
            options.stores = stores::several(&options.data_dir);
            options.image.show_multiple_locations = true;
        });
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "some data").await.expect(204);
        for store in ["slow", "near"] {
            stores::copy(&app, &id, store, b"some data").await;
        }
        let has = |store: &str| app.folder().join(store).join(&id).exists();
        assert_eq!(alice.show(&id).await.json()["stores"], "near,fast,slow");
        alice.update(&id, remove("0")).await.expect(403);
        for place in ["3", "-", "x", "-1", "99999999999999999999999"] {
            admin.update(&id, remove(place)).await.expect_for(400, place);
        }
        assert_eq!(admin.update(&id, remove("0")).await.expect(200).json()["stores"], "fast,slow");
        app.settles().await;
        assert_eq!([has("near"), has("fast"), has("slow")], [false, true, true]);
        assert_eq!(admin.update(&id, remove("1")).await.expect(200).json()["stores"], "fast");
        admin.update(&id, remove("0")).await.expect(403);
        app.settles().await;
        assert_eq!([has("near"), has("fast"), has("slow")], [false, true, false]);
        assert_eq!(alice.download(&id).await.expect(200).body, "some data");
    }

    /// Data at a location counts as stored as often as the image has locations, against the quota of whoever adds it.
    /// Over the quota nothing changes, metadata neither.
    async fn locations_count_as_stored(database: Database) {
        let mut app = database.app_with(|options| {
            shows_locations(options);
            options.image.user_storage_quota = Some(10);
        });
        let source = WebSource::start();
        let all = |names: &[&str], mark: &str| {
            let location = |name: &&str| json!({"url": source.url(name), "metadata": {"mark": mark}});
            replace(names.iter().map(location).collect())
        };
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let id = alice.created(image().raw()).await;
        for (name, status) in [("a", 200), ("b", 200), ("c", 413)] {
            alice.update(&id, add(plain(&source.url(name)))).await.expect_for(status, name);
        }
        let second = alice.created(image().raw()).await;
        alice.update(&second, add(plain(&source.url("a")))).await.expect(413);
        assert_eq!(alice.show(&second).await.json()["status"], "queued");
        alice.upload(&second, "abc").await.expect(413);
        let bobs = bob.created(image().raw()).await;
        bob.update(&bobs, all(&["a", "b", "c"], "1")).await.expect(413);
        bob.update(&bobs, all(&["a", "b"], "1")).await.expect(200);
        bob.update(&bobs, all(&["b", "a"], "2")).await.expect(200);
        app.reconfigure(|options| options.image.user_storage_quota = Some(7));
        let bob = app.as_member("bob");
        bob.update(&bobs, all(&["a", "b"], "3")).await.expect(413);
        let shown = bob.show(&bobs).await.json();
        assert_eq!(shown["locations"][0]["metadata"], json!({"mark": "2"}));
    }
}

//! Bundles: all disks of a server as one image (specification of the extensions, section k.3).

use serde_json::{Value, json};
use vitrine::model::consumer::InUse;

use crate::support::*;

const DAY: i64 = 24 * 3600;
const PATH: &str = "/ext/v1/bundles";

/// An image of alice's with data.
async fn disk(app: &TestApp, visibility: &str) -> String {
    let alice = app.as_member("alice");
    let id = alice.created(image().raw().with("visibility", visibility)).await;
    alice.upload(&id, "data").await.expect(204);
    id
}

fn of(root: &str, data: &str) -> Value {
    json!({"name": "erp", "visibility": "shared", "properties": {"os_distro": "debian"},
        "disks": [{"image_id": root, "boot_index": 0}, {"image_id": data, "volume_size": 100}]})
}

/// A bundle of alice's, with the ids of its disks.
async fn bundled(app: &TestApp) -> (String, String, String) {
    let (root, data) = (disk(app, "private").await, disk(app, "shared").await);
    let made = app.as_member("alice").post(PATH).json(&of(&root, &data)).await.expect(201).json();
    (made["bundle"]["id"].as_str().unwrap().to_owned(), root, data)
}

on_each_database! {
    /// A bundle is an active image without data whose mapping is what Nova boots volumes from; its disks know their place,
    /// and are not deleted without it, whatever the rule for images in use is.
    async fn disks_become_one_image(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let (root, data) = (disk(&app, "private").await, disk(&app, "shared").await);
        let answer = alice.post(PATH).json(&of(&root, &data)).await.expect(201);
        let made = answer.json()["bundle"].clone();
        let id = made["id"].as_str().unwrap().to_owned();
        assert!(answer.header("location").ends_with(&format!("{PATH}/{id}")));
        assert_eq!((&made["name"], &made["status"], &made["total_size"]), (&json!("erp"), &json!("active"), &json!(8)));
        assert_eq!(alice.get(&format!("{PATH}/{id}")).await.expect(200).json()["bundle"], made);

        let shown = alice.show(&id).await.expect(200).json();
        let has = |name: &str, value: &str| assert_eq!(shown[name], value, "{name}");
        for (name, value) in [("image_kind", "full"), ("image_set", &*id), ("bdm_v2", "true"), ("os_distro", "debian"),
            ("root_device_name", "/dev/vda"), ("status", "active"), ("disk_format", "raw")] {
            has(name, value);
        }
        assert_eq!(shown["size"], 0);
        let mapping: Value = serde_json::from_str(shown["block_device_mapping"].as_str().unwrap()).unwrap();
        let entry = |id: &str, index: i64, size: u64| json!({"source_type": "image", "image_id": id,
            "destination_type": "volume", "boot_index": index, "volume_size": size, "delete_on_termination": false});
        assert_eq!(mapping, json!([entry(&root, 0, 1), entry(&data, -1, 100)]));
        for (disk, index, kind, bootable) in
            [(&root, "0", Value::Null, Value::Null), (&data, "1", json!("data"), json!("false"))] {
            let shown = alice.show(disk).await.expect(200).json();
            assert_eq!((&shown["image_set"], &shown["image_set_index"]), (&json!(id), &json!(index)));
            assert_eq!((&shown["image_kind"], &shown["bootable"]), (&kind, &bootable));
            let refused = alice.remove(disk).header("accept", "application/json").await.expect(409).json();
            assert!(refused["message"].as_str().unwrap().contains(&format!("it is a disk of bundle {id}")), "{refused}");
            let preview = alice.get(&format!("/ext/v1/images/{disk}/delete-preview")).await.expect(200).json();
            assert_eq!((&preview["action"], &preview["reason"]), (&json!("refuse"), &json!("image-in-use")));
        }
        let ids = async |client: &Client| -> Vec<Value> {
            let listed = client.get(PATH).await.expect(200).json();
            listed["bundles"].as_array().unwrap().iter().map(|bundle| bundle["id"].clone()).collect()
        };
        assert_eq!(ids(&alice).await, [json!(id)]);
        assert_eq!(ids(&bob).await, Vec::<Value>::new());
        bob.get(&format!("{PATH}/{id}")).await.expect(404);
        alice.get(&format!("{PATH}/{root}")).await.expect(404);
    }

    /// Pages of bundles are full as long as there are more, whatever other images call themselves.
    async fn pages_of_bundles_are_full(database: Database) {
        let app = database.app();
        let (first, ..) = bundled(&app).await;
        let alice = app.as_member("alice");
        for _ in 0..2 {
            alice.created(image().raw().with("image_kind", "full")).await;
        }
        let (second, ..) = bundled(&app).await;
        alice.created(image().raw().with("image_kind", "full")).await;
        let page = async |path: &str| alice.get(path).await.expect(200).json();
        let one = page(&format!("{PATH}?limit=1")).await;
        assert_eq!((&one["bundles"][0]["id"], one["bundles"].as_array().unwrap().len()), (&json!(second), 1));
        let two = page(one["next"].as_str().unwrap()).await;
        assert_eq!((&two["bundles"][0]["id"], two["bundles"].as_array().unwrap().len()), (&json!(first), 1));
        let both = page(PATH).await;
        assert_eq!((both["bundles"].as_array().unwrap().len(), &both["next"]), (2, &Value::Null));
    }

    /// What is done with a bundle is done with its disks: members, visibility, retirement, deletion.
    async fn disks_follow_their_bundle(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let (id, root, data) = bundled(&app).await;
        alice.share(&id, "bob").await.expect(200);
        for disk in [&root, &data] {
            bob.show(disk).await.expect(200);
        }
        bob.answer(&id, "bob", "accepted").await.expect(200);
        let shown = alice.get(&format!("/v2/images/{root}/members/bob")).await.expect(200).json();
        assert_eq!(shown["status"], "accepted");
        bob.download(&root).await.expect(200);
        alice.delete(&format!("/v2/images/{id}/members/bob")).await.expect(204);
        for disk in [&id, &root, &data] {
            bob.show(disk).await.expect(404);
        }
        app.as_admin().post(&format!("/ext/v1/images/{id}/attach")).json(&json!({"project_id": "carol"})).await.expect(200);
        app.as_member("carol").download(&data).await.expect(200);
        app.as_admin().post(&format!("/ext/v1/images/{id}/detach")).json(&json!({"project_id": "carol"})).await.expect(204);
        app.as_member("carol").show(&data).await.expect(404);

        let visibility = |to: &str| json!([{"op": "replace", "path": "/visibility", "value": to}]);
        alice.update(&id, visibility("community")).await.expect(200);
        bob.download(&root).await.expect(200);
        alice.update(&id, visibility("private")).await.expect(200);
        assert_eq!(alice.show(&data).await.expect(200).json()["visibility"], "private");

        alice.post(&format!("/ext/v1/images/{id}/retire")).await.expect(204);
        assert_eq!(alice.show(&data).await.expect(200).json()["lifecycle_state"], "retired");
        alice.post(&format!("/ext/v1/images/{id}/unretire")).await.expect(204);
        assert_eq!(alice.show(&data).await.expect(200).json()["lifecycle_state"], Value::Null);

        alice.update(&data, json!([{"op": "replace", "path": "/protected", "value": true}])).await.expect(200);
        alice.remove(&id).await.expect(403);
        alice.show(&root).await.expect(200);
        alice.update(&data, json!([{"op": "replace", "path": "/protected", "value": false}])).await.expect(200);
        bob.delete(&format!("{PATH}/{id}")).await.expect(404);
        alice.remove(&id).await.expect(204);
        for image in [&id, &root, &data] {
            alice.show(image).await.expect(404);
        }
    }

    /// What uses a disk uses its bundle, where images in use are retired; a disk that came to belong to another project is
    /// let go, not deleted.
    async fn disks_have_lives_of_their_own(database: Database) {
        let app = database.app_with(|options| options.image.in_use = InUse::Retire);
        let (alice, admin) = (app.as_member("alice"), app.as_admin());
        let (id, root, data) = bundled(&app).await;
        let faults = app.app().db.read("test.check", |conn| vitrine::db::check::without_locations(conn, 10)).await;
        assert_eq!(faults.unwrap(), []);
        let server = format!("/ext/v1/images/{root}/consumers/server/s");
        app.as_service().put(&server).json(&json!({"project_id": "alice"})).await.expect(201);
        let preview = alice.get(&format!("/ext/v1/images/{id}/delete-preview")).await.expect(200).json();
        assert_eq!((&preview["action"], &preview["consumers"]), (&json!("retire"), &json!({})));
        alice.remove(&id).await.expect(204);
        for image in [&id, &root, &data] {
            assert_eq!(alice.show(image).await.expect(200).json()["lifecycle_state"], "retired");
        }
        app.as_service().delete(&server).await.expect(204);
        admin.update(&data, json!([{"op": "replace", "path": "/owner", "value": "bob"}])).await.expect(200);
        alice.remove(&id).await.expect(204);
        alice.show(&root).await.expect(404);
        app.as_member("bob").remove(&data).await.expect(204);
    }

    /// A bundle that is taken apart leaves its disks as they are; one from the trash comes back with them.
    async fn bundles_go_and_come_back(database: Database) {
        let app = database.app_with(|options| options.image.trash_seconds = 7 * DAY);
        let alice = app.as_member("alice");
        let (id, root, data) = bundled(&app).await;
        alice.delete(&format!("{PATH}/{id}")).await.expect(204);
        alice.show(&root).await.expect(404);
        alice.post(&format!("/ext/v1/trash/{id}/restore")).await.expect(204);
        for disk in [&root, &data] {
            assert_eq!(alice.download(disk).await.expect(200).text(), "data");
            alice.remove(disk).await.expect(409);
        }

        alice.delete(&format!("{PATH}/{id}?disks=keep")).await.expect(204);
        alice.show(&id).await.expect(404);
        assert_eq!(alice.show(&root).await.expect(200).json()["image_set"], Value::Null);
        alice.remove(&data).await.expect(204);
        alice.delete(&format!("/ext/v1/trash/{data}")).await.expect(204);
        let gone = alice.post(&format!("/ext/v1/trash/{id}/restore")).await.expect(409).json();
        assert_eq!(gone["error"]["reason"], "disk-gone");
        alice.show(&id).await.expect(404);
        alice.remove(&root).await.expect(204);
        for image in [&root, &id] {
            alice.delete(&format!("/ext/v1/trash/{image}")).await.expect(204);
        }
    }

    /// A bundle stays as long as it is not known whether something was cloned from one of its disks, and the keys of its
    /// disks go with it.
    async fn data_of_disks_is_asked_about(database: Database) {
        let (far, barbican) = (Far::new("far"), Barbican::start());
        let app = with_far(database, &far, |options| {
            options.stores.fencing.after = 0;
            barbican.of(options);
        });
        let alice = app.as_member("alice");
        let key = barbican.keeps("alice", "symmetric", b"key");
        let locked = image().raw().with("cinder_encryption_key_id", key.as_str());
        let root = alice.created(locked.with("cinder_encryption_key_deletion_policy", "on_image_deletion")).await;
        alice.upload(&root, "data").header("x-image-meta-store", "far").await.expect(204);
        let new = json!({"disks": [{"image_id": root, "boot_index": 0}]});
        let made = alice.post(PATH).json(&new).await.expect(201).json();
        let id = made["bundle"]["id"].as_str().unwrap();
        far.leave();
        alice.remove(id).await.expect(503);
        alice.show(id).await.expect(200);
        far.come_back();
        assert!(barbican.secret(&key).is_some());
        alice.remove(id).await.expect(204);
        alice.show(&root).await.expect(404);
        assert!(barbican.secret(&key).is_none());
    }

    /// What cannot be a bundle is refused, and changes nothing.
    async fn wrong_bundles_are_refused(database: Database) {
        let app = database.app();
        let (alice, bob) = (app.as_member("alice"), app.as_member("bob"));
        let (id, root, data) = bundled(&app).await;
        let (free, empty) = (disk(&app, "private").await, alice.created(image().raw()).await);
        let one = |id: &str| json!({"disks": [{"image_id": id, "boot_index": 0}]});
        for (client, body, status, reason) in [
            (&alice, one(&root), 409, "in-bundle"),
            (&alice, one(&id), 409, "no-data"),
            (&alice, one(&empty), 409, "no-data"),
            (&alice, one("none"), 404, "not-found"),
            (&bob, one(&free), 404, "not-found"),
            (&app.as_reader("alice"), one(&free), 403, "forbidden"),
            (&alice, json!({"disks": [{"image_id": free}]}), 400, "bad-request"),
            (&alice, json!({"disks": [{"image_id": free, "boot_index": 0}], "colour": "red"}), 400, "bad-request"),
            (&alice, json!({"disks": [{"image_id": free, "boot_index": 0}], "properties": {"bdm_v2": "x"}}), 400, "bad-request"),
            (&alice, json!({"disks": [{"image_id": free, "boot_index": 0}], "properties": {"owner": "x"}}), 400, "bad-request"),
            (&alice, json!({"disks": [{"image_id": free, "boot_index": 0}], "visibility": "public"}), 403, "forbidden"),
        ] {
            let answer = client.post(PATH).json(&body).await.expect_for(status, &body).json();
            assert_eq!(answer["error"]["reason"], reason, "{body}: {answer}");
        }
        let big = alice.created(image().raw().with("min_disk", 5)).await;
        alice.upload(&big, "data").await.expect(204);
        let small = json!({"disks": [{"image_id": big, "boot_index": 0, "volume_size": 4}]});
        alice.post(PATH).json(&small).await.expect(400);
        let listed = alice.get(PATH).await.expect(200).json();
        assert_eq!(listed["bundles"].as_array().unwrap().len(), 1);
        for spared in [&free, &big] {
            assert_eq!(alice.show(spared).await.expect(200).json()["image_set"], Value::Null);
        }
        alice.delete(&format!("{PATH}/{id}?disks=burn")).await.expect(400);

        // Snapshots of volumes stay in their project: whoever else booted from them would fail.
        let snapshot = json!([{"boot_index": 0, "snapshot_id": "s", "source_type": "snapshot"}]).to_string();
        let change = json!([{"op": "replace", "path": "/block_device_mapping", "value": snapshot}]);
        alice.update(&id, change).await.expect(200);
        let refused = alice.share(&id, "bob").header("accept", "application/json").await.expect(409).json();
        assert!(refused["message"].as_str().unwrap().contains("names volumes or snapshots"), "{refused}");
        alice.update(&id, json!([{"op": "replace", "path": "/visibility", "value": "community"}])).await.expect(409);
        alice.update(&id, json!([{"op": "replace", "path": "/visibility", "value": "private"}])).await.expect(200);
        // The disks are still its own.
        alice.remove(&data).await.expect(409);
        alice.remove(&id).await.expect(204);
        alice.show(&data).await.expect(404);
    }
}

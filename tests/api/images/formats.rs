//! What data is declared to be, what it is, and what nobody may take in whatever it is called.

use serde_json::{Value, json};

use crate::{
    imports::source::{Reply, Source},
    support::*,
};

fn becomes_disk(format: &str) -> Value {
    json!([{"op": "replace", "path": "/disk_format", "value": format}])
}

fn becomes_container(format: &str) -> Value {
    json!([{"op": "replace", "path": "/container_format", "value": format}])
}

/// A qcow2 that keeps its data in another file.
fn with_data_file() -> Vec<u8> {
    let mut head = qcow2(1 << 20, None);
    head[72..80].copy_from_slice(&(1_u64 << 2).to_be_bytes());
    head
}

/// A VMDK that is only a description of other files.
fn flat_vmdk() -> Vec<u8> {
    let text =
        "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"/etc/passwd\" 0\n";
    let mut data = text.as_bytes().to_vec();
    data.resize(4096, 0);
    data
}

on_each_database! {
    /// Data that leads whoever opens it to other files is refused in every container and under every format.
    async fn sec_40_unsafe_data_is_refused_in_every_container(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let hostile = [qcow2(1 << 20, Some("/etc/passwd")), with_data_file(), flat_vmdk()];
        for (disk, container) in [
            ("qcow2", "ova"),
            ("qcow2", "docker"),
            ("raw", "compressed"),
            ("ami", "ami"),
            ("aki", "aki"),
            ("raw", "ovf"),
            ("raw", "bare"),
            ("ploop", "bare"),
        ] {
            let new = image().with("disk_format", disk).with("container_format", container);
            let id = alice.created(new).await;
            for data in &hostile {
                alice.upload(&id, data.clone()).await.expect_for(415, (disk, container));
            }
            assert_eq!(alice.show(&id).await.json()["status"], "queued");
        }
        // What is harmless stays nobody's business in other containers.
        let id = alice.created(image().with("disk_format", "raw").with("container_format", "ova")).await;
        alice.upload(&id, qcow2(1 << 20, None)).await.expect(204);
        app.settles().await;
    }

    /// The formats stay as they are from the moment at which data is on its way.
    async fn sec_40_formats_stay_while_data_is_on_its_way(database: Database) {
        let app = database.app_with(reach_loopback);
        let alice = app.as_member("alice");
        let source = Source::start(|_| Reply::Stall(1000, bytes(10)));
        let new = image().with("disk_format", "qcow2").with("container_format", "ova");
        let (id, staged) = (alice.created(new.clone()).await, alice.created(new).await);
        let body = json!({"method": {"name": "web-download", "uri": source.url("/")}});
        alice.post(&format!("/v2/images/{id}/import")).json(&body).await.expect(202);
        let put = alice.put(&format!("/v2/images/{staged}/stage")).header("content-type", OCTETS);
        put.body("data").await.expect(204);
        for patch in [becomes_container("bare"), becomes_disk("raw")] {
            // Whether the job has begun already, or holds the image that is queued yet.
            alice.update(&id, patch.clone()).await.expect(403);
            alice.update(&staged, patch).await.expect(403);
        }
        eventually("importing", async || match alice.show(&id).await.json()["status"].as_str() {
            Some("importing") => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        alice.update(&id, becomes_container("bare")).await.expect(403);
        let shown = alice.show(&id).await.json();
        assert_eq!((&shown["disk_format"], &shown["container_format"]), (&json!("qcow2"), &json!("ova")));
        alice.remove(&id).await.expect(204);
    }

    /// An import that is to end in another container than bare is refused all the same.
    async fn sec_40_unsafe_imports_are_refused_in_every_container(database: Database) {
        let app = database.app_with(reach_loopback);
        let alice = app.as_member("alice");
        let source = Source::of(qcow2(1 << 20, Some("/etc/passwd")));
        let id = alice.created(image().with("disk_format", "qcow2").with("container_format", "ova")).await;
        let body = json!({"method": {"name": "web-download", "uri": source.url("/")}});
        alice.post(&format!("/v2/images/{id}/import")).json(&body).await.expect(202);
        let task = ended(&alice, &id).await;
        assert_eq!(task["status"], "failure", "{task}");
        assert!(task["message"].as_str().unwrap().contains("backing file"), "{task}");
        assert_eq!(alice.show(&id).await.json()["status"], "queued");
    }

    /// Behind a location as well, where the bytes are read for their hash: the image never becomes active, or, where what
    /// is wrong stands at the end of data that is used already, is taken out of use.
    async fn sec_40_unsafe_locations_are_refused(database: Database) {
        let app = database.app_with(reach_loopback);
        let alice = app.as_member("alice");
        let hash = "0".repeat(128);
        let vouched = json!({"os_hash_algo": "sha512", "os_hash_value": hash});
        for (data, validation, status, reason) in [
            (qcow2(1 << 20, Some("/etc/passwd")), Value::Null, "queued", "backing file"),
            (with_data_file(), vouched, "queued", "another file"),
            (flat_vmdk(), Value::Null, "queued", "descriptor"),
            (vmdk_with_a_bad_end(), Value::Null, "deactivated", "footer"),
        ] {
            let source = Source::of(data);
            let id = alice.created(image().raw()).await;
            let mut body = json!({"url": source.url("/")});
            if !validation.is_null() {
                body["validation_data"] = validation;
            }
            alice.post(&format!("/v2/images/{id}/locations")).json(&body).await.expect(202);
            let task = ended(&alice, &id).await;
            assert_eq!(task["status"], "failure", "{reason}: {task}");
            assert!(task["message"].as_str().unwrap().contains(reason), "{reason}: {task}");
            let shown = alice.show(&id).await.json();
            assert_eq!(shown["status"], status, "{shown}");
            assert_eq!(shown["os_glance_import_task"], Value::Null);
            alice.download(&id).await.expect_for(if status == "queued" { 204 } else { 403 }, reason);
        }
    }

    /// The size of the disk that a guest would see is the header's, and a header that claims what no disk can have is
    /// refused.
    async fn sec_47_virtual_sizes_are_true_or_refused(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().qcow2()).await;
        for size in [(1 << 50) + 512, 1 << 63, u64::MAX] {
            alice.upload(&id, qcow2(size, None)).await.expect_for(415, size);
        }
        alice.upload(&id, qcow2(5 << 30, None)).await.expect(204);
        assert_eq!(alice.show(&id).await.json()["virtual_size"], 5_u64 << 30);
    }

    /// What is declared raw is raw, whatever a guest wrote to its start: its size is that of its bytes.
    async fn sec_49_raw_data_is_raw(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let id = alice.created(image().raw()).await;
        let data = qcow2(5 << 30, None);
        alice.upload(&id, data.clone()).await.expect(204);
        assert_eq!(alice.show(&id).await.json()["virtual_size"], data.len());
    }

    /// An image that was active keeps its data: no order of patches takes its last location, sets its status or its hash,
    /// or puts other data in the place.
    async fn sec_22_active_data_stays(database: Database) {
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.image.show_multiple_locations = true;
        });
        let (alice, other) = (app.as_member("alice"), WebSource::start());
        let id = alice.created(image().raw()).await;
        alice.upload(&id, "good data").await.expect(204);
        let before = alice.show(&id).await.json();
        let location = json!({"url": other.url("bad"), "metadata": {}});
        let replace = |path: &str, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
        for (patch, status) in [
            (json!([{"op": "remove", "path": "/locations/0"}]), 403),
            (replace("/locations", json!([])), 403),
            (replace("/locations", json!([location])), 400),
            (replace("/status", json!("queued")), 403),
            (replace("/checksum", json!("0")), 403),
            (replace("/os_hash_value", json!("0")), 403),
            (replace("/size", json!(1)), 403),
            (becomes_disk("qcow2"), 403),
            (becomes_container("ova"), 403),
        ] {
            alice.update(&id, patch.clone()).await.expect_for(status, patch);
        }
        alice.upload(&id, "bad data").await.expect(409);
        let shown = alice.show(&id).await.json();
        for name in ["status", "size", "checksum", "os_hash_value", "locations", "disk_format", "container_format"] {
            assert_eq!(shown[name], before[name], "{name}");
        }
        assert_eq!(alice.download(&id).await.expect(200).body, "good data");
    }

    /// An id that was used is never given again, after a restart neither.
    async fn sec_26_ids_are_used_once(database: Database) {
        let (mut app, id) = (database.app(), fresh_id());
        let alice = app.as_member("alice");
        alice.created(image().raw().id(&id)).await;
        alice.upload(&id, "data").await.expect(204);
        alice.remove(&id).await.expect(204);
        app.as_member("bob").create(image().raw().id(&id)).await.expect(409);
        app.settles().await;
        app.restart(|_| {});
        app.as_member("bob").create(image().raw().id(&id)).await.expect(409);
    }
}

/// The newest task of an image, once it is over.
async fn ended(client: &Client, id: &str) -> Value {
    eventually("the task is over", async || {
        let task = client.get(&format!("/v2/images/{id}/tasks")).await.json()["tasks"][0].clone();
        if task["status"] == "success" || task["status"] == "failure" { Ok(task) } else { Err(task) }
    })
    .await
}

/// A sparse VMDK of more than is looked at before an image is used, whose footer is not what its header promises.
fn vmdk_with_a_bad_end() -> Vec<u8> {
    let mut data = vec![0_u8; 4 << 20];
    data[0..4].copy_from_slice(b"KDMV");
    data[4..8].copy_from_slice(&3_u32.to_le_bytes());
    data[12..20].copy_from_slice(&2048_u64.to_le_bytes());
    data[28..36].copy_from_slice(&1_u64.to_le_bytes());
    data[36..44].copy_from_slice(&20_u64.to_le_bytes());
    data[56..64].copy_from_slice(&u64::MAX.to_le_bytes());
    let text =
        "# Disk DescriptorFile\nversion=1\ncreateType=\"streamOptimized\"\nRW 2048 SPARSE \"x.vmdk\"\n";
    data[512..512 + text.len()].copy_from_slice(text.as_bytes());
    data
}

//! OVAs with several disks: with `[vitrine] ova_bundles` each disk becomes an image, and the image a bundle of them.

use vitrine::import::settings::Plugin;

use super::{
    appliances::{DESCRIPTOR, archive, of_ova, streamed},
    formats::Held,
    plugins::disk,
    source::*,
    *,
};
use crate::images::quota::used;

fn bundling(database: Database, quota: Option<u64>) -> TestApp {
    database.app_with(move |options| {
        reach_loopback(options);
        options.imports.plugins = vec![Plugin::OvfProcess];
        options.imports.ova_bundles = true;
        options.image.user_storage_quota = quota;
    })
}

/// A descriptor whose disks are `disk.vmdk` and these files.
fn naming(more: &[&str]) -> String {
    let (mut files, mut disks) = (String::new(), String::new());
    for (at, name) in more.iter().enumerate() {
        files += &format!("<File ovf:href=\"{name}\" ovf:id=\"more{at}\"/>");
        disks += &format!("<Disk ovf:diskId=\"more{at}\" ovf:fileRef=\"more{at}\"/>");
    }
    let text = DESCRIPTOR.replace("</References>", &format!("{files}</References>"));
    text.replace("</DiskSection>", &format!("{disks}</DiskSection>"))
}

/// An archive with these disks behind a descriptor.
fn appliance(descriptor: &str, disks: &[(&str, &[u8])]) -> Vec<u8> {
    let mut members = vec![("appliance.ovf", b'0', descriptor.as_bytes())];
    members.extend(disks.iter().map(|(name, data)| (*name, b'0', *data)));
    archive(&members)
}

/// The ids of all images that alice has.
async fn all(app: &TestApp) -> Vec<Value> {
    let listed = app.as_member("alice").get("/v2/images").await.expect(200).json();
    listed["images"].as_array().unwrap().iter().map(|image| image["id"].clone()).collect()
}

/// Requires that the import succeeded and the image is the bundle of disks with exactly this data.
async fn bundles(client: &Client, id: &str, disks: &[&[u8]]) -> (Value, Vec<String>) {
    let task = over(client, id).await;
    assert_eq!(task["status"], "success", "{task}");
    let shown = client.show(id).await.expect(200).json();
    for (name, value) in [
        ("status", json!("active")),
        ("size", json!(0)),
        ("disk_format", json!("raw")),
        ("container_format", json!("bare")),
        ("image_kind", json!("full")),
        ("image_set", json!(id)),
        ("bdm_v2", json!("true")),
        ("os_glance_import_task", Value::Null),
        ("os_hash_value", Value::Null),
    ] {
        assert_eq!(shown[name], value, "{name}");
    }
    let mapping: Value = serde_json::from_str(shown["block_device_mapping"].as_str().unwrap()).unwrap();
    let mapping = mapping.as_array().unwrap();
    assert_eq!(mapping.len(), disks.len());
    let mut ids = Vec::new();
    for (place, (entry, data)) in mapping.iter().zip(disks).enumerate() {
        assert_eq!(entry["boot_index"], if place == 0 { 0 } else { -1 });
        let part = entry["image_id"].as_str().unwrap().to_owned();
        let image = client.show(&part).await.expect(200).json();
        assert_eq!((&image["status"], &image["size"]), (&json!("active"), &json!(data.len())));
        assert_eq!((&image["image_set"], &image["image_set_index"]), (&json!(id), &json!(place.to_string())));
        assert_eq!((&image["owner"], &image["visibility"]), (&shown["owner"], &shown["visibility"]));
        assert_eq!(image["os_glance_import_task"], Value::Null);
        assert!(client.download(&part).await.expect(200).body == *data, "the data of disk {place} differs");
        ids.push(part);
    }
    (shown, ids)
}

on_each_database! {
    /// Each disk is an image, in the order of the descriptor whatever that of the archive is; they belong to the bundle,
    /// which says of hardware what the descriptor says, and go with it.
    async fn several_disks_become_a_bundle(database: Database) {
        let app = bundling(database, None);
        let alice = app.as_member("alice");
        let (root, second, third) = (streamed(&disk()), bytes(200_000), bytes(100_000));
        let disks: [(&str, &[u8]); 3] = [("disk.vmdk", &root), ("b.img", &second), ("c.img", &third)];
        for count in [2, 3] {
            let names: Vec<&str> = disks[1..count].iter().map(|(name, _)| *name).collect();
            let reversed: Vec<_> = disks[..count].iter().rev().copied().collect();
            for order in [&disks[..count], &reversed] {
                let id = alice.created(of_ova().with("name", "erp").with("visibility", "private")).await;
                let source = Source::of(appliance(&naming(&names), order));
                download(&alice, &id, &source.url("/")).await.expect(202);
                let data: Vec<&[u8]> = disks[..count].iter().map(|(_, data)| *data).collect();
                let (shown, parts) = bundles(&alice, &id, &data).await;
                assert_eq!((&shown["min_disk"], &shown["min_ram"]), (&json!(3), &json!(1536)));
                assert_eq!((&shown["hw_disk_bus"], &shown["os_distro"]), (&json!("scsi"), &json!("ubuntu")));
                let first = alice.show(&parts[0]).await.json();
                assert_eq!((&first["name"], &first["min_disk"]), (&json!("erp-disk1"), &json!(3)));
                assert_eq!((&first["disk_format"], &first["image_kind"]), (&json!("vmdk"), &Value::Null));
                let second = alice.show(&parts[1]).await.json();
                assert_eq!((&second["disk_format"], &second["image_kind"]), (&json!("raw"), &json!("data")));
                let bundle = alice.get(&format!("/ext/v1/bundles/{id}")).await.expect(200).json();
                let total: usize = data.iter().map(|data| data.len()).sum();
                assert_eq!(bundle["bundle"]["total_size"], total);
                alice.remove(&parts[1]).await.expect(409);
                alice.remove(&id).await.expect(204);
                assert_eq!(all(&app).await, Vec::<Value>::new());
            }
        }
        // Of staged data.
        let id = alice.created(of_ova()).await;
        stage(&alice, &id, appliance(&naming(&["b.img"]), &disks)).await.expect(204);
        import(&alice, &id, json!({"method": {"name": "glance-direct"}})).await.expect(202);
        bundles(&alice, &id, &[&root, &second]).await;
        nothing_is_staged(&app).await;
    }

    /// An archive with one disk is what it is without the option.
    async fn one_disk_is_no_bundle(database: Database) {
        let app = bundling(database, None);
        let alice = app.as_member("alice");
        let vmdk = streamed(&disk());
        let id = alice.created(of_ova()).await;
        let source = Source::of(appliance(DESCRIPTOR, &[("disk.vmdk", &vmdk), ("b.img", &bytes(1000))]));
        download(&alice, &id, &source.url("/")).await.expect(202);
        let shown = holds(&alice, &id, &vmdk).await;
        assert_eq!((&shown["image_kind"], &shown["hw_disk_bus"]), (&Value::Null, &json!("scsi")));
        assert_eq!(all(&app).await, [json!(id)]);
    }

    /// Without the option several disks are refused, with it those that are too many, not there, named by a path or twice,
    /// or not what may be stored; of no disk anything is left.
    async fn sec_46_hostile_bundles_leave_nothing(database: Database) {
        let mut app = bundling(database, None);
        let (root, other) = (streamed(&disk()), bytes(1000));
        let disks: [(&str, &[u8]); 2] = [("disk.vmdk", &root), ("b.img", &other)];
        let many: Vec<String> = (1..17).map(|at| format!("{at}.img")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let backed = qcow2(1 << 20, Some("/etc/passwd"));
        let hostile: [(&str, &[u8]); 2] = [("disk.vmdk", &root), ("b.img", &backed)];
        for (sent, message) in [
            (appliance(&naming(&["b.img"]), &disks[..1]), "not in it"),
            (appliance(&naming(&["../b.img"]), &disks), "names a path"),
            (appliance(&naming(&[".."]), &disks), "names a path"),
            (appliance(&naming(&["b.img"]), &[disks[0], ("../b.img", &other)]), "names a path"),
            (appliance(&naming(&["disk.vmdk"]), &disks), "two of its disks"),
            (appliance(&naming(&many), &disks), "more than 16 disks"),
            (appliance(&naming(&["b.img"]), &hostile), "Disk 2 of the OVA was refused"),
        ] {
            let alice = app.as_member("alice");
            let id = alice.created(of_ova()).await;
            stage(&alice, &id, sent).await.expect(204);
            import(&alice, &id, json!({"method": {"name": "glance-direct"}})).await.expect(202);
            failed(&app, &alice, &id, "queued", message).await;
            assert_eq!(all(&app).await, [json!(id)], "{message}");
            alice.remove(&id).await.expect(204);
        }
        app.reconfigure(|options| options.imports.ova_bundles = false);
        let alice = app.as_member("alice");
        let id = alice.created(of_ova()).await;
        stage(&alice, &id, appliance(&naming(&["b.img"]), &disks)).await.expect(204);
        import(&alice, &id, json!({"method": {"name": "glance-direct"}})).await.expect(202);
        failed(&app, &alice, &id, "queued", "several disks").await;
    }

    /// The disks count beside each other and, until the import ends, beside the archive. Where the second is a byte too
    /// much, nothing of the first stays.
    async fn sec_39_the_disks_of_a_bundle_count(database: Database) {
        let (root, other) = (streamed(&disk()), bytes(200_000));
        let sent = appliance(&naming(&["b.img"]), &[("disk.vmdk", &root), ("b.img", &other)]);
        let kept = (root.len() + other.len()) as u64;
        let needed = sent.len() as u64 + kept;
        let mut app = bundling(database, Some(needed - 1));
        let source = Source::of(sent);
        let alice = app.as_member("alice");
        let id = alice.created(of_ova()).await;
        download(&alice, &id, &source.url("/")).await.expect(202);
        failed(&app, &alice, &id, "queued", "quota").await;
        assert_eq!(all(&app).await, [json!(id)]);
        app.settles().await;
        assert_eq!(used(&app, "alice").await, 0);
        app.reconfigure(|options| options.image.user_storage_quota = Some(needed));
        let alice = app.as_member("alice");
        download(&alice, &id, &source.url("/")).await.expect(202);
        bundles(&alice, &id, &[&root, &other]).await;
        nothing_is_staged(&app).await;
        app.settles().await;
        assert_eq!(used(&app, "alice").await, kept);
    }

    /// A restart when the first disk is stored and the second is not loses nothing and makes nothing twice; a deletion
    /// then takes everything with it.
    async fn disks_outlive_a_restart_and_go_with_their_image(database: Database) {
        let (data, other) = (disk(), bytes(200_000));
        // The first needs no conversion.
        let names: [(&str, &[u8]); 2] = [("disk.vmdk", &other), ("b.vmdk", &streamed(&data))];
        let sent = appliance(&naming(&["b.vmdk"]), &names);
        let source = Source::of(sent);
        let mut app = bundling(database, None);
        for is_deleted in [false, true] {
            let folder = scratch_folder();
            let held = Held::below(folder.path());
            app.reconfigure(|options| {
                options.imports.plugins = vec![Plugin::OvfProcess, Plugin::Conversion];
                options.imports.confine_helper = held.program.clone();
            });
            let alice = app.as_member("alice");
            let id = alice.created(of_ova()).await;
            download(&alice, &id, &source.url("/")).await.expect(202);
            held.began().await;
            let made = all(&app).await;
            assert_eq!(made.len(), 3, "{made:?}");
            if is_deleted {
                alice.remove(&id).await.expect(204);
                eventually("nothing is left", async || {
                    let left = all(&app).await;
                    if left.is_empty() { Ok(()) } else { Err(left) }
                })
                .await;
                nothing_is_staged(&app).await;
                continue;
            }
            app.restart(|_| held.release());
            let alice = app.as_member("alice");
            bundles(&alice, &id, &[&other, &data]).await;
            let mut after = all(&app).await;
            for id in &made {
                after.retain(|other| other != id);
            }
            assert_eq!(after, Vec::<Value>::new());
            alice.remove(&id).await.expect(204);
            nothing_is_staged(&app).await;
        }
    }
}

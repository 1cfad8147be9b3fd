//! OVAs: the plug-in `ovf_process` keeps the disk of one, and what its descriptor says of hardware.

use vitrine::import::settings::Plugin;

use super::{
    plugins::{converted, disk},
    source::*,
    *,
};

pub const DESCRIPTOR: &str = include_str!("../../data/ovf/appliance.ovf");
const LINK: u8 = b'2';
const DEVICE: u8 = b'4';

fn taking_apart(database: Database, more: &[Plugin]) -> TestApp {
    let plugins = [&[Plugin::OvfProcess], more].concat();
    database.app_with(move |options| {
        reach_loopback(options);
        options.imports.plugins = plugins;
    })
}

/// A member of an archive as ustar has it.
fn member(name: &str, kind: u8, data: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", data.len()).as_bytes());
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let padding = data.len().div_ceil(512) * 512 - data.len();
    [&header[..], data, &vec![0; padding]].concat()
}

pub fn archive(members: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let members = members.iter().flat_map(|(name, kind, data)| member(name, *kind, data));
    members.chain([0; 1024]).collect()
}

fn ova(descriptor: &str, disk: &[u8]) -> Vec<u8> {
    archive(&[
        ("appliance.ovf", b'0', descriptor.as_bytes()),
        ("appliance.mf", b'0', b"SHA256(disk.vmdk)= 00\n"),
        ("disk.vmdk", b'0', disk),
    ])
}

pub fn streamed(data: &[u8]) -> Vec<u8> {
    converted(data, &["-O", "vmdk", "-o", "subformat=streamOptimized"])
}

pub fn of_ova() -> NewImage {
    image().raw().with("disk_format", "vmdk").with("container_format", "ova")
}

on_each_database! {
    /// The image is the disk of the archive, and says of hardware what the descriptor says, unless its owner has said it.
    async fn an_appliance_becomes_its_disk(database: Database) {
        let app = taking_apart(database, &[]);
        let alice = app.as_member("alice");
        let vmdk = streamed(&disk());
        let sent = ova(DESCRIPTOR, &vmdk);
        let source = Source::of(sent.clone());
        let new = of_ova().with("hw_vif_model", "virtio").with("min_ram", 256);
        let id = alice.created(new).await;
        download(&alice, &id, &source.url("/")).await.expect(202);
        let shown = holds(&alice, &id, &vmdk).await;
        for (name, value) in [
            ("disk_format", json!("vmdk")),
            ("container_format", json!("bare")),
            ("virtual_size", json!(4 << 20)),
            ("min_disk", json!(3)),
            ("min_ram", json!(256)),
            ("hw_disk_bus", json!("scsi")),
            ("hw_scsi_model", json!("vmpvscsi")),
            ("hw_vif_model", json!("virtio")),
            ("hw_cpu_cores", json!("2")),
            ("hw_firmware_type", json!("uefi")),
            ("os_type", json!("linux")),
            ("os_distro", json!("ubuntu")),
        ] {
            assert_eq!(shown[name], value, "{name}");
        }
        // Of staged data, and where nothing else is said.
        let id = alice.created(of_ova()).await;
        stage(&alice, &id, sent).await.expect(204);
        import(&alice, &id, json!({"method": {"name": "glance-direct"}})).await.expect(202);
        let shown = holds(&alice, &id, &vmdk).await;
        assert_eq!((&shown["min_ram"], &shown["hw_vif_model"]), (&json!(1536), &json!("vmxnet3")));
        nothing_is_staged(&app).await;
    }

    /// The disk is converted by the plug-in that comes after, and for a store that wants a format.
    async fn the_disk_of_an_appliance_is_converted(database: Database) {
        let mut app = taking_apart(database, &[Plugin::Conversion]);
        let data = disk();
        let source = Source::of(ova(DESCRIPTOR, &streamed(&data)));
        for store in [None, Some("raw".to_owned())] {
            app.reconfigure(|options| {
                if store.is_some() {
                    options.imports.plugins = vec![Plugin::OvfProcess];
                }
                options.stores.list[0].disk_format = store;
            });
            let alice = app.as_member("alice");
            let id = alice.created(of_ova()).await;
            download(&alice, &id, &source.url("/")).await.expect(202);
            let shown = holds(&alice, &id, &data).await;
            assert_eq!((&shown["disk_format"], &shown["container_format"]), (&json!("raw"), &json!("bare")));
            assert_eq!((&shown["min_disk"], &shown["hw_disk_bus"]), (&json!(3), &json!("scsi")));
        }
        nothing_is_staged(&app).await;
    }

    /// Nobody's archive is taken apart who does not import it, or where no operator asked for that.
    async fn an_appliance_stays_as_it_is_unless_it_is_asked_for(database: Database) {
        let mut app = taking_apart(database, &[]);
        let sent = ova(DESCRIPTOR, &streamed(&disk()));
        let alice = app.as_member("alice");
        let id = alice.created(of_ova()).await;
        alice.upload(&id, sent.clone()).await.expect(204);
        assert!(alice.download(&id).await.expect(200).body == sent);
        app.reconfigure(|options| options.imports.plugins = Vec::new());
        let alice = app.as_member("alice");
        let id = alice.created(of_ova()).await;
        download(&alice, &id, &Source::of(sent.clone()).url("/")).await.expect(202);
        let shown = holds(&alice, &id, &sent).await;
        assert_eq!((&shown["container_format"], &shown["hw_disk_bus"]), (&json!("ova"), &Value::Null));
    }

    /// Archives and descriptors that say what is not to be done are refused with what is wrong, and nothing is left.
    async fn sec_46_hostile_appliances_are_refused(database: Database) {
        let app = taking_apart(database, &[]);
        let alice = app.as_member("alice");
        let vmdk = streamed(&disk());
        let descriptor = ("appliance.ovf", b'0', DESCRIPTOR.as_bytes());
        let with = |change: (&str, &str)| ova(&DESCRIPTOR.replace(change.0, change.1), &vmdk);
        let whole = ova(DESCRIPTOR, &vmdk);
        let many: Vec<String> = (0..300).map(|n| format!("file{n}")).collect();
        let many: Vec<(&str, u8, &[u8])> = many.iter().map(|name| (name.as_str(), b'0', &b""[..])).collect();
        let external = "<!DOCTYPE Envelope [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><Envelope";
        for (sent, message) in [
            (bytes(100_000), "no tar archive"),
            (whole[..whole.len() / 2].to_vec(), "cut off"),
            (archive(&[("disk.vmdk", b'0', &vmdk)]), "no descriptor"),
            (archive(&[descriptor, ("other.OVF", b'0', b"<a/>")]), "several descriptors"),
            (archive(&[descriptor, ("disk.vmdk", LINK, b"")]), "a link or a device"),
            (archive(&[descriptor, ("disk.vmdk", b'1', b"")]), "a link or a device"),
            (archive(&[descriptor, ("disk.vmdk", DEVICE, b"")]), "a link or a device"),
            (archive(&[descriptor, ("../disk.vmdk", b'0', &vmdk)]), "names a path"),
            (archive(&[descriptor, ("/etc/disk.vmdk", b'0', &vmdk)]), "names a path"),
            (archive(&[descriptor, descriptor]), "two files named"),
            (archive(&many), "more than 256 members"),
            (archive(&[("a.ovf", b'0', &vec![b' '; (1 << 20) + 1])]), "descriptor is too large"),
            (archive(&[descriptor]), "not in it"),
            (with(("<Envelope", external)), "document type"),
            (with(("Small &amp; cheap", "&x;")), "the entity \"x\""),
            (with(("<Info>Disks</Info>", &"<a>".repeat(100))), "too many elements"),
            (with(("<Info>Disks</Info>", &"<a/>".repeat(30_000))), "too many elements"),
            (with(("disk.vmdk", "../disk.vmdk")), "not in it"),
            (with(("disk.vmdk", "http://127.0.0.1/disk.vmdk")), "not in it"),
            (with(("disk.vmdk", "appliance.ovf")), "not in it"),
            (with(("<Info>Disks</Info>", "<Disk ovf:diskId=\"b\" ovf:fileRef=\"file1\"/>")), "several disks"),
            (with(("ovf:fileRef=\"file1\"", "")), "no disk that has data"),
            (with(("</VirtualSystem>", "</VirtualSystem><VirtualSystem/>")), "several systems"),
            (ova(DESCRIPTOR, &converted(&disk(), &["-O", "vmdk", "-o", "subformat=monolithicFlat"])), "vmdk"),
            (ova(DESCRIPTOR, &qcow2(1 << 20, Some("/etc/passwd"))), "backing file"),
        ] {
            let id = alice.created(of_ova()).await;
            stage(&alice, &id, sent).await.expect(204);
            import(&alice, &id, json!({"method": {"name": "glance-direct"}})).await.expect(202);
            failed(&app, &alice, &id, "queued", message).await;
            let shown = alice.show(&id).await.json();
            assert_eq!((&shown["container_format"], &shown["hw_disk_bus"]), (&json!("ova"), &Value::Null));
        }
    }

    /// What is taken out counts against the quota of the project beside nothing but itself: of the archive and its disk
    /// the larger one.
    async fn sec_39_the_disk_of_an_appliance_counts(database: Database) {
        let vmdk = streamed(&disk());
        let sent = ova(DESCRIPTOR, &vmdk);
        let app = database.app_with(|options| {
            reach_loopback(options);
            options.imports.plugins = vec![Plugin::OvfProcess];
            options.image.user_storage_quota = Some(sent.len() as u64);
        });
        let alice = app.as_member("alice");
        let id = alice.created(of_ova()).await;
        download(&alice, &id, &Source::of(sent.clone()).url("/")).await.expect(202);
        holds(&alice, &id, &vmdk).await;
        let other = alice.created(image().raw()).await;
        let left = sent.len() - vmdk.len();
        alice.upload(&other, bytes(left + 1)).await.expect(413);
        alice.upload(&other, bytes(left)).await.expect(204);
    }
}

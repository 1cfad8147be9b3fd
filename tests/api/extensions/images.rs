//! The list of images that fit a flavor, and of those for rescue (specification of the extensions, sections i and k.1).

use serde_json::Value;
use vitrine::access::protection::{Protections, RuleFormat};

use crate::support::*;

const PATH: &str = "/ext/v1/images";

/// Names of the images that a list shows.
async fn names(client: &Client, query: &str) -> Vec<String> {
    let listed = client.get(&format!("{PATH}?sort=name:asc&{query}")).await.expect_for(200, query).json();
    assert_eq!(listed["next"], Value::Null, "{query}");
    listed["images"].as_array().unwrap().iter().map(|i| i["name"].as_str().unwrap().to_owned()).collect()
}

/// An image of a disk of so many GiB.
async fn disk(client: &Client, name: &str, gib: u64) {
    let id = client.created(image().qcow2().named(name)).await;
    client.upload(&id, qcow2(gib << 30, None)).await.expect(204);
}

on_each_database! {
    /// Each part of a flavor leaves out what does not fit it, at its very bounds; what an image does not say keeps it from
    /// nothing, and neither does a `max_ram` that is no number.
    async fn images_that_fit_a_flavor(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for new in [
            image().named("any"),
            image().named("large").with("min_ram", 2048).with("min_disk", 20),
            image().named("larger").with("min_ram", 2049).with("min_disk", 21),
            image().named("old").with("max_ram", "2048"),
            image().named("older").with("max_ram", "2047"),
            image().named("odd a").with("max_ram", "2047 MiB"),
            image().named("odd b").with("max_ram", ""),
            image().named("odd c").with("max_ram", "99999999999999999999"),
            image().named("odd d").with("max_ram", "-1"),
            image().named("odd e").with("max_ram", "1\n"),
            image().named("arm").with("architecture", "aarch64").with("hw_firmware_type", "uefi"),
            image().named("pc").with("architecture", "x86_64").with("hw_firmware_type", "bios"),
            image().named("spelled").with("architecture", "amd64"),
        ] {
            alice.created(new).await;
        }
        disk(&alice, "20 GiB", 20).await;
        disk(&alice, "21 GiB", 21).await;
        let all = ["20 GiB", "21 GiB", "any", "arm", "large", "larger", "odd a", "odd b", "odd c", "odd d", "odd e", "old",
            "older", "pc", "spelled"];
        assert_eq!(names(&alice, "").await, all);
        for (flavor, lacking) in [
            ("ram:2048", &["larger", "older"][..]),
            ("ram:2047", &["large", "larger"]),
            ("ram:2049", &["old", "older"]),
            ("disk:20", &["21 GiB", "larger"]),
            ("disk:19", &["20 GiB", "21 GiB", "large", "larger"]),
            ("disk:2147483647", &[]),
            ("arch:x86_64", &["arm", "spelled"]),
            ("arch:amd64", &["arm", "spelled"]),
            ("arch:arm64", &["pc", "spelled"]),
            ("firmware:bios", &["arm"]),
            ("ram:2048,disk:20,arch:x86_64,firmware:bios", &["21 GiB", "arm", "larger", "older", "spelled"]),
        ] {
            let fitting: Vec<&str> = all.into_iter().filter(|name| !lacking.contains(name)).collect();
            assert_eq!(names(&alice, &format!("fits={flavor}")).await, fitting, "{flavor}");
        }
        assert_eq!(names(&alice, "fits=firmware:uefi").await, ["arm"]);
        // The filters of /v2 stand beside it, also one about the same property.
        assert_eq!(names(&alice, "fits=ram:2048,disk:20&status=active").await, ["20 GiB"]);
        assert_eq!(names(&alice, "fits=firmware:bios&hw_firmware_type=bios&architecture=x86_64").await, ["pc"]);
        assert_eq!(names(&app.as_member("bob"), "fits=ram:2048").await, [""; 0]);
    }

    /// Pages are full while there is more, whatever does not fit between, and each image is as /v2 shows it.
    async fn pages_are_full(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for index in 0..20 {
            let ram = if index % 2 == 0 { 512 } else { 4096 };
            alice.created(image().named(&format!("image {index:02}")).with("min_ram", ram).tags(&["a"])).await;
        }
        let mut next = format!("{PATH}?fits=ram:1024&sort=name:desc&tag=a&limit=4");
        let mut sizes = Vec::new();
        let mut found = Vec::new();
        while !next.is_empty() {
            let page = alice.get(&next).await.expect(200).json();
            let images = page["images"].as_array().unwrap();
            sizes.push(images.len());
            for image in images {
                assert_eq!(*image, alice.show(image["id"].as_str().unwrap()).await.expect(200).json());
                found.push(image["name"].as_str().unwrap().to_owned());
            }
            next = page["next"].as_str().unwrap_or_default().to_owned();
        }
        assert_eq!(sizes, [4, 4, 2]);
        let fitting: Vec<String> = (0..10).rev().map(|half| format!("image {:02}", 2 * half)).collect();
        assert_eq!(found, fitting);
    }

    /// Images for rescue are those that say as what, or where, they are attached.
    async fn images_for_rescue(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        for new in [
            image().named("none"),
            image().named("cdrom").with("hw_rescue_device", "cdrom").with("min_ram", 512),
            image().named("usb").with("hw_rescue_bus", "usb"),
            image().named("both").with("hw_rescue_bus", "usb").with("hw_rescue_device", "disk"),
        ] {
            alice.created(new).await;
        }
        assert_eq!(names(&alice, "rescue=true").await, ["both", "cdrom", "usb"]);
        assert_eq!(names(&alice, "rescue=true&fits=ram:511").await, ["both", "usb"]);
    }

    /// What a caller may not read of images tells him nothing by what fits.
    async fn hidden_properties_fit_anything(database: Database) {
        let text = "[^(hw_firmware_type|max_ram|architecture|hw_rescue_bus)$]\ncreate = member\nread = admin\n\
                    update = admin\ndelete = admin\n[.*]\ncreate = member\nread = member\nupdate = member\ndelete = member\n";
        let app = database.app_with(|options| {
            options.protections = Some(Protections::parse(text, RuleFormat::Roles).unwrap());
        });
        let alice = app.as_member("alice");
        let secret = [("hw_firmware_type", "uefi"), ("max_ram", "1"), ("architecture", "s390x"), ("hw_rescue_bus", "usb")];
        let new = secret.into_iter().fold(image().named("secret"), |new, (name, value)| new.with(name, value));
        alice.created(new).await;
        alice.created(image().named("open").with("hw_rescue_device", "disk")).await;
        for flavor in ["firmware:bios", "ram:64", "arch:x86_64"] {
            assert_eq!(names(&alice, &format!("fits={flavor}")).await, ["open", "secret"], "{flavor}");
        }
        assert_eq!(names(&alice, "fits=firmware:uefi").await, [""; 0]);
        assert_eq!(names(&alice, "rescue=true").await, ["open"]);
        let admin = app.as_admin();
        assert_eq!(names(&admin, "fits=firmware:uefi").await, ["secret"]);
        assert_eq!(names(&admin, "fits=ram:64").await, ["open"]);
        assert_eq!(names(&admin, "rescue=true").await, ["open", "secret"]);
    }
}

/// What cannot be answered is refused by name, in the shape of the extensions.
#[test]
fn wrong_lists_are_refused() {
    block_on(async {
        let alice = Database::Sqlite.app();
        let alice = alice.as_member("alice");
        for (query, why) in [
            ("fits=", "not \"\""),
            ("fits=ram:much", "\"much\""),
            ("fits=disk:0", "\"0\""),
            ("fits=arch:x86_46", "\"x86_46\""),
            ("fits=firmware:efi", "\"efi\""),
            ("fits=ram:1,ram:2", "ram is there twice"),
            ("fits=ram:1&fits=ram:2", "fits is there twice"),
            ("rescue=false", "\"false\""),
            ("rescue=true&rescue=true", "rescue is there twice"),
            ("limit=0", "\"0\""),
            ("limit=1&limit=1", "limit is there twice"),
            ("marker=nothing", "nothing"),
            ("sort=colour:asc", "\"colour\""),
            ("sort=name:up", "\"up\""),
            ("visibility=seen", "\"seen\""),
        ] {
            let refused = alice.get(&format!("{PATH}?{query}")).await.expect_for(400, query).json();
            assert_eq!(refused["error"]["reason"], "bad-request", "{query}");
            let message = refused["error"]["message"].as_str().unwrap();
            assert!(message.contains(why), "{query}: {message}");
        }
    });
}

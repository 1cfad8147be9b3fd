//! What is odd about an image, and values that are refused (specification of the extensions, sections i and k.1).

use serde_json::{Value, json};
use vitrine::{
    access::protection::{Protections, RuleFormat},
    metadef::catalogue,
    model::lint::Validation,
};

use crate::support::*;

/// What is odd about an image, as `property=value reason`.
async fn lint(client: &Client, id: &str) -> Vec<String> {
    let answer = client.get(&format!("/ext/v1/images/{id}/lint")).await.expect(200).json();
    let text = |warning: &Value, name: &str| warning[name].as_str().unwrap().to_owned();
    let warnings = answer["lint"].as_array().unwrap().iter();
    warnings
        .map(|warning| {
            assert_eq!(warning["level"], "warning");
            assert!(!text(warning, "message").is_empty());
            format!("{}={} {}", text(warning, "property"), text(warning, "value"), text(warning, "reason"))
        })
        .collect()
}

fn with(new: NewImage, properties: &[(&str, &str)]) -> NewImage {
    properties.iter().fold(new, |new, (name, value)| new.with(name, *value))
}

fn set(name: &str, value: &str) -> Value {
    json!([{"op": "add", "path": format!("/{name}"), "value": value}])
}

/// A server with the shipped definitions.
fn with_definitions(database: Database, validation: Validation) -> TestApp {
    let app = database.app_with(|options| options.image.validation = validation);
    catalogue::seed(&app.app().db).unwrap();
    app
}

on_each_database! {
    /// Values that the definitions do not know are told, those of which they say nothing are not, and all are taken.
    async fn unknown_values_are_told(database: Database) {
        let app = with_definitions(database, Validation::Warn);
        let alice = app.as_member("alice");
        let known = [
            ("hw_rescue_device", "cdrom"), ("hw_rescue_bus", "usb"), ("hw_firmware_type", "uefi"),
            ("hw_machine_type", "pc-q35-9.2"), ("os_secure_boot", "required"), ("architecture", "x86_64"),
            ("hw_disk_bus", "virtio"), ("hw_vif_model", "VirtualE1000"), ("hw_scsi_model", "any"), ("os_distro", "any"),
            ("hw_video_model", ""),
        ];
        let id = alice.created(with(image(), &known)).await;
        assert_eq!(lint(&alice, &id).await, [""; 0]);
        let odd = [
            ("hw_rescue_device", "foo"), ("hw_rescue_bus", "USB"), ("hw_firmware_type", "efi"), ("os_secure_boot", "yes"),
            ("architecture", "amd64"), ("hw_disk_bus", "nvme9"), ("hw_vif_model", "tulip"),
        ];
        let id = alice.created(with(image(), &odd)).await;
        let mut told = lint(&alice, &id).await;
        let mut all: Vec<String> = odd.iter().map(|(name, value)| format!("{name}={value} unknown-value")).collect();
        told.sort();
        all.sort();
        assert_eq!(told, all);
        // What the operator defines is known, and without definitions no value is unknown, but for processors.
        let defined = json!({"namespace": "Ours", "visibility": "public", "properties": {"disk_bus":
            {"title": "t", "type": "string", "enum": ["nvme9"]}},
            "resource_type_associations": [{"name": "OS::Glance::Image", "prefix": "hw_"}]});
        app.as_admin().post("/v2/metadefs/namespaces").json(&defined).await.expect(201);
        assert!(!lint(&alice, &id).await.iter().any(|told| told.starts_with("hw_disk_bus")));
        catalogue::unload(&app.app().db).unwrap();
        assert_eq!(lint(&alice, &id).await, ["architecture=amd64 unknown-value"]);
    }

    /// In the strict mode such values are refused where they are set, and nowhere else.
    async fn unknown_values_are_refused(database: Database) {
        let app = with_definitions(database, Validation::Strict);
        let alice = app.as_member("alice");
        let refused = alice.create(image().with("hw_rescue_device", "foo")).await.expect(400).text();
        for word in ["hw_rescue_device", "foo", "cdrom, disk, floppy"] {
            assert!(refused.contains(word), "{refused}");
        }
        let id = alice.created(image().with("hw_rescue_device", "cdrom").with("os_distro", "foo")).await;
        alice.update(&id, set("hw_rescue_bus", "foo")).await.expect(400);
        alice.update(&id, set("hw_rescue_bus", "usb")).await.expect(200);
        alice.update(&id, set("architecture", "amd64")).await.expect(400);
        // What was there before stays, whatever it is.
        app.plant(&id, "hw_rescue_bus", "foo").await;
        alice.update(&id, set("os_distro", "bar")).await.expect(200);
        assert_eq!(lint(&alice, &id).await, ["hw_rescue_bus=foo unknown-value"]);
    }
}

/// Properties that go ill together are told, each of the pairs alone.
#[test]
fn what_goes_ill_together_is_told() {
    block_on(async {
        let app = with_definitions(Database::Sqlite, Validation::Strict);
        let alice = app.as_member("alice");
        let iso = || image().with("disk_format", "iso").with("container_format", "bare");
        for (new, properties, told) in [
            (image().with("min_ram", 512), &[("max_ram", "511")][..], "max_ram=511 below-min-ram"),
            (image().with("min_ram", 512), &[("max_ram", "512")], ""),
            (image(), &[("max_ram", "1 GiB")], "max_ram=1 GiB no-number"),
            (image(), &[("max_ram", "1234567890123456789")], "max_ram=1234567890123456789 no-number"),
            (iso(), &[("image_kind", "system")], "image_kind=system iso"),
            (iso(), &[("image_kind", "iso"), ("hw_rescue_device", "cdrom")], ""),
            (iso(), &[("hw_rescue_device", "disk")], "hw_rescue_device=disk iso"),
            (image().raw(), &[("image_kind", "iso")], "image_kind=iso no-iso"),
            (image(), &[("image_kind", "iso")], ""),
            (
                image(),
                &[("hw_firmware_type", "uefi"), ("architecture", "s390x")],
                "hw_firmware_type=uefi no-uefi",
            ),
            (
                image(),
                &[("hw_firmware_type", "bios"), ("architecture", "aarch64")],
                "hw_firmware_type=bios no-bios",
            ),
            (image(), &[("architecture", "aarch64")], ""),
            (image(), &[("os_secure_boot", "required")], "os_secure_boot=required no-uefi"),
            (image(), &[("os_secure_boot", "optional")], ""),
            (
                image(),
                &[("os_secure_boot", "required"), ("hw_firmware_type", "uefi"), ("hw_machine_type", "pc")],
                "hw_machine_type=pc no-secure-boot",
            ),
            (
                image(),
                &[("os_secure_boot", "required"), ("hw_firmware_type", "uefi"), ("hw_machine_type", "q35")],
                "",
            ),
        ] {
            let id = alice.created(with(new, properties)).await;
            assert_eq!(lint(&alice, &id).await.join("; "), told, "{properties:?}");
        }
    });
}

/// Those who see an image see what is odd about it, of what they may read; others see nothing.
#[test]
fn what_is_odd_is_for_those_who_see_the_image() {
    block_on(async {
        let text = "[^max_ram$]\ncreate = member\nread = admin\nupdate = admin\ndelete = admin\n\
                    [.*]\ncreate = member\nread = member, reader\nupdate = member\ndelete = member\n";
        let app = Database::Sqlite.app_with(|options| {
            options.protections = Some(Protections::parse(text, RuleFormat::Roles).unwrap());
        });
        let alice = app.as_member("alice");
        let new = with(image().private(), &[("max_ram", "x"), ("architecture", "amd64")]);
        let id = alice.created(new).await;
        let seen = ["architecture=amd64 unknown-value"];
        assert_eq!(lint(&alice, &id).await, seen);
        assert_eq!(lint(&app.as_reader("alice"), &id).await, seen);
        assert_eq!(lint(&app.as_admin(), &id).await, [seen[0], "max_ram=x no-number"]);
        app.as_member("bob").get(&format!("/ext/v1/images/{id}/lint")).await.expect(404);
        app.as_nobody().get(&format!("/ext/v1/images/{id}/lint")).await.expect(401);
    });
}

//! Discs, and the image to rescue servers with (specification of the extensions, section i).

use serde_json::{Value, json};
use vitrine::image::IsoDefaults;

use crate::support::*;

const PATH: &str = "/ext/v1/rescue-image";

/// A disc with a volume descriptor that tells its size, 20 blocks.
fn disc() -> Vec<u8> {
    let mut bytes = vec![0; 20 * 2048];
    bytes[32768] = 1;
    bytes[32769..32774].copy_from_slice(b"CD001");
    bytes[32768 + 80] = 20;
    bytes[32768 + 128..32768 + 130].copy_from_slice(&2048_u16.to_le_bytes());
    bytes
}

fn iso() -> NewImage {
    image().with("disk_format", "iso").with("container_format", "bare")
}

on_each_database! {
    /// A disc gets its properties with its data where the operator says so, and keeps those that it has; its size is that of
    /// its volume. What is no disc is refused as one, and gets none of them as a disk.
    async fn discs_are_told_from_disks(database: Database) {
        let mut app = database.app();
        let plain = app.as_member("alice").created(iso()).await;
        app.as_member("alice").upload(&plain, disc()).await.expect(204);
        let shown = app.as_member("alice").show(&plain).await.expect(200).json();
        assert_eq!((&shown["virtual_size"], shown.get("image_kind"), shown.get("usage")), (&json!(40960), None, None));
        app.reconfigure(|options| options.image.iso = IsoDefaults { kind: true, temporary: true });
        let alice = app.as_member("alice");
        for (new, kind, usage) in [
            (iso(), json!("iso"), json!("temporary")),
            (iso().with("image_kind", "data").with("usage", "mine"), json!("data"), json!("mine")),
            (image().raw(), Value::Null, Value::Null),
        ] {
            let id = alice.created(new).await;
            assert_eq!(alice.show(&id).await.expect(200).json()["usage"], if usage == "mine" { json!("mine") } else { Value::Null });
            alice.upload(&id, disc()).await.expect(204);
            let shown = alice.show(&id).await.expect(200).json();
            assert_eq!((&shown["status"], &shown["image_kind"], &shown["usage"]), (&json!("active"), &kind, &usage));
        }
        let id = alice.created(iso()).await;
        alice.upload(&id, qcow2(1 << 30, None)).await.expect(415);
        let shown = alice.show(&id).await.expect(200).json();
        assert_eq!((&shown["status"], shown.get("image_kind")), (&json!("queued"), None));
    }

    /// The image for rescue is the current one of the caller's project, or else the one for everybody, and none that others
    /// share.
    async fn the_image_for_rescue(database: Database) {
        let app = database.app();
        let (alice, bob, admin) = (app.as_member("alice"), app.as_member("bob"), app.as_admin());
        let led = async |client: &Client| {
            let location = client.get(PATH).await.expect(303).header("location").to_owned();
            location.rsplit('/').next().unwrap().to_owned()
        };
        let active = async |client: &Client, new: NewImage| {
            let id = client.created(new.raw().with("image_family", "rescue")).await;
            client.upload(&id, "data").await.expect(204);
            id
        };
        let own = active(&alice, image()).await;
        active(&app.as_member("aaron"), image().with("visibility", "community")).await;
        assert_eq!(led(&alice).await, own);
        bob.get(PATH).await.expect(404);
        app.as_nobody().get(PATH).await.expect(401);
        app.as_role("carol", &["other"]).get(PATH).await.expect(403);
        active(&admin, image().public().with("family_candidate", "false")).await;
        bob.get(PATH).await.expect(404);
        let public = active(&admin, image().public()).await;
        assert_eq!(led(&bob).await, public);
        assert_eq!(led(&app.as_reader("bob")).await, public);
        assert_eq!(led(&alice).await, own);
        app.later(1);
        let newer = active(&admin, image().public()).await;
        assert_eq!(led(&bob).await, newer);
    }
}

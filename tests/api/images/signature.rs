//! Signed images: uploads are verified with a certificate of the caller's in the key manager.

use serde_json::{Value, json};

use crate::support::*;

const DATA: &str = "the data of an image";

/// A server with a Barbican, in which the project alice has a publisher's certificate; its id.
fn cloud(database: Database) -> (TestApp, Barbican, Publisher, String) {
    let (barbican, publisher) = (Barbican::start(), Publisher::new());
    let certificate = barbican.keeps("alice", "certificate", &publisher.certificate);
    (database.app_with(|options| barbican.of(options)), barbican, publisher, certificate)
}

/// Requires that data is refused for this reason, and that the image is queued without a trace of it.
async fn is_refused(client: &Client, id: &str, data: &str, why: &str) {
    let before = client.show(id).await.expect(200).json();
    let answer = client.upload(id, data.to_owned()).await.expect(400);
    assert!(answer.text().contains(why), "{why:?} is not in {}", answer.text());
    let after = client.show(id).await.expect(200).json();
    for name in ["status", "size", "checksum", "os_hash_value", "img_signature"] {
        assert_eq!(after[name], before[name], "{name} after {why:?}");
    }
    assert_eq!((&after["status"], &after["size"]), (&json!("queued"), &Value::Null));
    client.download(id).await.expect(204);
}

on_each_database! {
    /// Data that was signed is taken, other data is refused and the image as it was, ready for the right data; the
    /// certificate is fetched with the caller's own token.
    async fn sec_24_uploads_are_verified(database: Database) {
        let (app, barbican, publisher, certificate) = cloud(database);
        let alice = app.as_member("alice");
        let signed = with_all(image().raw(), &publisher.signs(DATA.as_bytes(), &certificate));
        let id = alice.created(signed).await;
        is_refused(&alice, &id, "the data of an imagf", "does not fit the data").await;
        is_refused(&alice, &id, "", "does not fit the data").await;
        alice.upload(&id, DATA).await.expect(204);
        assert_eq!(alice.show(&id).await.json()["status"], "active");
        assert_eq!(alice.download(&id).await.expect(200).text(), DATA);
        let path = format!("GET /v1/secrets/{certificate}");
        assert_eq!(barbican.asked().split_off(4), [path.clone(), format!("{path}/payload")]);
        assert!(barbican.heads().iter().all(|head| head.contains("\"user\":\"alice-user\"")));
    }

    /// What cannot be verified is refused, whatever the reason, before any data is taken; the reasons are told, but not
    /// where the key manager is.
    async fn sec_24_what_cannot_be_verified_is_refused(database: Database) {
        let (app, barbican, publisher, certificate) = cloud(database);
        let alice = app.as_member("alice");
        let good = publisher.signs(DATA.as_bytes(), &certificate);
        let foreign = barbican.keeps("bob", "certificate", &publisher.certificate);
        let opaque = barbican.keeps("alice", "opaque", &publisher.certificate);
        let broken = barbican.keeps("alice", "certificate", b"-----BEGIN CERTIFICATE-----\nx");
        let unknown = "00000000-0000-4000-8000-000000000000";
        for (name, value, why) in [
            ("img_signature_certificate_uuid", unknown, "has no such secret"),
            ("img_signature_certificate_uuid", "../../x", "knows secrets by UUIDs alone"),
            ("img_signature_certificate_uuid", &foreign, "does not allow it"),
            ("img_signature_certificate_uuid", &opaque, "is not a certificate"),
            ("img_signature_certificate_uuid", &broken, "is not a certificate"),
            ("img_signature_hash_method", "MD5", "img_signature_hash_method"),
            ("img_signature_key_type", "RSA", "img_signature_key_type"),
            ("img_signature_key_type", "RSA-PSS", "of another type"),
            ("img_signature", "c2ln!bmF0dXJl==", "does not fit the data"),
            ("img_signature", "x", "img_signature"),
        ] {
            let id = alice.created(with_all(image().raw(), &good).with(name, value)).await;
            is_refused(&alice, &id, DATA, why).await;
        }
        let id = alice.created(with_all(image().raw(), &good)).await;
        for mood in [Mood::Status(500), Mood::Status(503), Mood::Status(302), Mood::Garbage, Mood::Endless] {
            barbican.is(mood);
            is_refused(&alice, &id, DATA, "does not answer as it should").await;
            let told = alice.upload(&id, DATA).await.text();
            assert!(!told.contains(&barbican.url()), "{told}");
        }
        barbican.is(Mood::Good);
        app.later(2 * 86_400);
        is_refused(&alice, &id, DATA, "has expired").await;
    }

    /// With one of the four properties missing nothing is verified, as in Glance, and nobody is asked.
    async fn an_incomplete_signature_is_none(database: Database) {
        let (app, barbican, publisher, certificate) = cloud(database);
        let alice = app.as_member("alice");
        let signed = publisher.signs(b"other data", &certificate);
        for missing in signed.iter().map(|(name, _)| *name) {
            let rest: Vec<_> = signed.iter().filter(|(name, _)| *name != missing).cloned().collect();
            let id = alice.created(with_all(image().raw(), &rest)).await;
            alice.upload(&id, DATA).await.expect(204);
        }
        assert!(barbican.asked().is_empty());
    }

    /// Without a key manager nothing can be verified, and one that falls silent does not hold an upload for long.
    async fn sec_24_without_a_key_manager_data_is_refused(database: Database) {
        let (barbican, publisher) = (Barbican::start(), Publisher::new());
        let mut app = database.app();
        let signed = publisher.signs(DATA.as_bytes(), "00000000-0000-4000-8000-000000000000");
        let id = app.as_member("alice").created(with_all(image().raw(), &signed)).await;
        is_refused(&app.as_member("alice"), &id, DATA, "no key manager is configured").await;
        barbican.is(Mood::Silent);
        app.reconfigure(|options| {
            let timeout = std::time::Duration::from_millis(300);
            options.key_manager = Some(vitrine::key_manager::Settings { timeout, ..barbican.settings() });
        });
        is_refused(&app.as_member("alice"), &id, DATA, "does not answer as it should").await;
    }
}

//! Images with a signature that nobody here can check.

use serde_json::json;

use crate::support::*;

const SIGNATURE: [(&str, &str); 4] = [
    ("img_signature", "c2lnbmF0dXJl"),
    ("img_signature_hash_method", "SHA-256"),
    ("img_signature_key_type", "RSA-PSS"),
    ("img_signature_certificate_uuid", "b1c0cb4c-2b6e-4b0a-9d5b-6f6b1b0f7c11"),
];

on_each_database! {
    /// Data that Glance would verify is refused with the reason, whichever way it comes, and the image stays as it
    /// was; with one of the four properties gone nobody would verify it, and it is taken.
    async fn sec_24_what_cannot_be_verified_is_refused(database: Database) {
        let app = database.app();
        let alice = app.as_member("alice");
        let mut signed = image().raw();
        for (name, value) in SIGNATURE {
            signed = signed.with(name, json!(value));
        }
        let id = alice.created(signed).await;
        let before = alice.show(&id).await.json();
        let import = json!({"method": {"name": "web-download", "uri": "http://198.51.100.7/disk"}});
        for answer in [
            alice.upload(&id, "data").await,
            alice.put(&format!("/v2/images/{id}/stage")).header("content-type", OCTETS).body("data").await,
            alice.post(&format!("/v2/images/{id}/import")).json(&import).await,
        ] {
            assert!(answer.expect(400).text().contains("signature"));
        }
        assert_eq!(alice.show(&id).await.json(), before);
        alice.update(&id, json!([{"op": "remove", "path": "/img_signature"}])).await.expect(200);
        alice.upload(&id, "data").await.expect(204);
    }
}
